"""The latch from the command line: a press engages it while it goes, and only a person's reset ends that."""

import asyncio
import fcntl
import io
import json
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from panic import cli, config, engagement, latch
from panic.ledger import reader
from panic.ledger.events import decode
from panic.record import Kind
from panic.simulator import Fault, Simulator
from tests.cli.breakages import NO_PRIVILEGES, after
from tests.cli.support import KEY, Finished, Firm, account, codes, names, panic, sent, simulate, started, until

DISENGAGED = b"disengaged\nend 94defd48\n"
LEDGER = '[ledger]\nfile = "ledger.db"\n'
ROWS = ("1,equities", "2,arb", "3,arb")
LATCHING = ("press", "--all", "--latch", "--reason", "runaway algo")
WHY = ("--reason", "all is well")
WIDE = {"COLUMNS": "400"}
UNDER_WAY = 60.0
"""A hung DELETE ends earlier; so long the run waits for it."""


@dataclass
class Desk:
    """A firm with a latch and a ledger of its own, and a broker."""

    firm: Firm
    simulator: Simulator

    @property
    def file(self) -> Path:
        return self.firm.folder / "panic.latch"

    @property
    def ledger(self) -> Path:
        return self.firm.folder / "ledger.db"

    @property
    def holds(self) -> list[tuple[str, str]]:
        """The scopes that the file says are engaged."""
        state = latch.read(self.file)

        assert "" == state.problem
        return [hold[:2] for hold in state.holds]

    async def panic(self, *words: str, **how: Any) -> Finished:
        """Run a command to its end."""
        return await panic(*self.firm.lines(*words), cwd=self.firm.folder, **how)

    def command(self, *words: str) -> Finished:
        """Run a command that asks no broker in this process: it takes no loop, and need not start."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.run(self.firm.lines(*words))
        structlog.reset_defaults()
        return Finished(code, out.getvalue(), err.getvalue(), 0.0)

    def told(self) -> dict[str, Any]:
        """What `panic latch` says, which must agree with its exit code."""
        done = self.command("latch")
        document: dict[str, Any] = json.loads(done.out)

        assert (20 if document["engaged"] or document["lost"] else 0) == done.code
        return document

    def resets(self) -> list[dict[str, Any]]:
        """The bodies of the resets on record."""
        return [decode(row.record).body for row in reader.read(self.ledger, kinds=[Kind.RESET]).rows]


@asynccontextmanager
async def desk(folder: Path, *faults: Fault, create: bool = True, more: str = LEDGER) -> AsyncIterator[Desk]:
    """Three accounts, the first of which has faults; the latch is set up."""
    async with simulate(account(1, *faults), account(2), account(3)) as simulator:
        firm = Firm(folder, simulator.base_url, ROWS, "id,group", more=more)
        if create:
            latch.create(folder / "panic.latch")
        yield Desk(firm, simulator)


# ── setting up ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_latch_that_is_not_set_up_is_engaged(tmp_path: Path):
    """Setting it up disengages it, once; a strategy's documented test agrees."""
    async with desk(tmp_path, create=False) as here:
        before = here.told()
        table = await here.panic("latch", "--format", "table", env=WIDE)
        created = await here.panic("latch", "--create")
        again = await here.panic("latch", "--create")

        assert (True, "is missing", []) == (before["engaged"], before["problem"], before["holds"])
        assert table.out.startswith("ENGAGED  for everything\n")
        assert "it is missing, which means engaged for everything" in table.out
        assert (0, False) == (created.code, json.loads(created.out)["engaged"])
        assert f"the latch {here.file} is set up, disengaged" in created.err
        assert DISENGAGED == here.file.read_bytes()
        assert 64 == again.code
        assert "was set up before and is disengaged" in again.err
        assert not here.ledger.exists()


async def test_a_latch_that_vanished_while_it_was_engaged_is_not_set_up_anew(tmp_path: Path):
    """As on a RAM disk after a reboot: the ledger knows what was engaged, and a reset ends it."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        for path in (here.file, here.file.with_name("panic.latch.lock")):
            path.unlink()
        refused = here.command("latch", "--create")
        missing = latch.read(here.file).problem
        done = here.command("reset", *WHY)
        created = here.command("latch", "--create")

        assert (64, "is missing") == (refused.code, missing)
        assert "the ledger says that all accounts is engaged: panic reset ends that" in refused.err
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())
        assert 64 == created.code


async def test_a_latch_is_not_set_up_while_the_ledger_cannot_be_believed(tmp_path: Path):
    """The press that engaged it may be the one that cannot be read; a reset sets it up."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        for path in (here.file, here.file.with_name("panic.latch.lock")):
            path.unlink()
        with closing(sqlite3.connect(here.ledger, isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER events_keep")
            connection.execute("UPDATE events SET record = x'00' WHERE kind = 'pressed'")
        refused = here.command("latch", "--create")
        missing = latch.read(here.file).problem
        done = here.command("reset", *WHY, "--force", "all strategies are off")

        assert (64, "is missing") == (refused.code, missing)
        assert "event 1 (pressed): it does not match its hash" in refused.err
        assert "So nobody knows whether something is engaged" in refused.err
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())


# ── a press engages it ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "engaged"),
    [
        (("--all",), [("all", "")]),
        (("--all", "--side", "BUY", "--instrument", "AAPL"), [("all", "")]),
        (("--group", "equities", "--account", "3", "--type", "LIMIT"), [("group", "equities"), ("account", "3")]),
    ],
)
async def test_a_press_engages_its_scope_while_it_is_under_way(
    tmp_path: Path, words: tuple[str, ...], engaged: list[tuple[str, str]]
):
    """Exactly its scope, whatever the filters; strategies stop before the first DELETE is even answered."""
    async with desk(tmp_path, Fault("hang", on="ANY")) as here:
        press = ("press", *words, "--latch", "--reason", "x", "--deadline", str(UNDER_WAY))
        async with started(*here.firm.lines(*press), cwd=tmp_path) as process:
            await until(lambda: 1 in sent(here.simulator, "DELETE"))
            await until(lambda: latch.read(here.file).engaged)
            await until(lambda: bool(reader.read(here.ledger, kinds=[Kind.PLANNED]).rows))
            while_it_went = here.holds
            told = here.told()
            refused = here.command("reset", *WHY)
            is_under_way = process.process.returncode is None
            process.signal(signal.SIGTERM)
            done = await process.finish()

        assert is_under_way
        assert engaged == while_it_went == here.holds
        assert {done.report["run_id"]} == {hold["run"] for hold in told["holds"]}
        assert all("is under way" in hold["doubt"] for hold in told["holds"])
        assert (64, True) == (refused.code, "is under way" in refused.err)
        assert (True, True) == (done.report["latch"]["engaged"], done.report["latch"]["as_asked"])
        assert "latch" not in codes(done.report)


async def test_a_press_says_what_it_engaged(tmp_path: Path):
    """In its report, as JSON and as a table; and what it engaged can be looked at."""
    async with desk(tmp_path) as here:
        done = await here.panic(*LATCHING)
        again = await here.panic(*LATCHING, "--format", "table", env=WIDE)
        told = here.told()
        table = await here.panic("latch", "--format", "table", env=WIDE)
        text = f"{here.file} says engaged for all accounts, until panic reset"
        (hold,) = told["holds"]
        run = re.search(r"run (\S+) ", again.out)

        assert (0, 0) == (done.code, again.code)
        assert {"engaged": True, "text": text, "as_asked": True} == done.report["latch"]
        assert f"latch: {text}\n" in again.out
        assert run is not None
        assert ("all", "", run[1], "") == (hold["what"], hold["name"], hold["run"], hold["doubt"])
        assert table.out.startswith("ENGAGED  for all accounts\n")
        assert f"all accounts: since {hold['at']}, by run {hold['run']}\n" in table.out
        assert "not clear" not in table.out
        assert '→ panic reset --reason "…" ends it' in table.out


async def test_a_press_without_latch_touches_none(tmp_path: Path):
    """It is for cleaning up, too; and its report does not speak of it. Nor does a dry run engage anything."""
    async with desk(tmp_path) as here:
        done = await here.panic("press", "--all", "--reason", "x")
        await here.panic(*LATCHING, "--dry-run")

        assert (0, None) == (done.code, done.report["latch"])
        assert DISENGAGED == here.file.read_bytes()


async def test_a_press_on_an_engaged_scope_sweeps_again(tmp_path: Path):
    """Engaged is no reason to believe that nothing is open: strategies may not have looked."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        here.simulator.requests.clear()
        done = await here.panic(*LATCHING)
        (hold,) = latch.read(here.file).holds

        assert [1, 2, 3] == sorted(sent(here.simulator, "DELETE"))
        assert (0, done.report["run_id"]) == (done.code, hold.run)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [("a_folder", "is no regular file"), ("missing/panic.latch", "is missing"), ("plain/x", "cannot be read")],
)
async def test_a_latch_that_cannot_be_written_stops_no_press(tmp_path: Path, setting: str, problem: str):
    """What strategies find there is told as it is, engaged for everything, and flagged."""
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "plain").touch()
    more = f'[latch]\nfile = "{setting}"\n{LEDGER}'
    async with desk(tmp_path, create=False, more=more) as here:
        done = await here.panic("press", "--account", "1", "--latch", "--reason", "x")
        found = done.report["latch"]
        state = latch.read(tmp_path / setting)

        assert (0, [1]) == (done.code, sent(here.simulator, "DELETE"))
        assert (state.engaged, False) == (found["engaged"], found["as_asked"])
        assert problem in found["text"]
        assert "everything is engaged until a person resets it" in found["text"]
        assert [found["text"]] == [flag["text"] for flag in done.report["flags"] if "latch" == flag["code"]]
        assert problem in state.problem


async def test_a_latch_that_nobody_let_us_write_is_told_loudly(tmp_path: Path):
    """Strategies go on, and the report must not say otherwise."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    latch.create(folder / "panic.latch")
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    async with desk(tmp_path, create=False, more=f'[latch]\nfile = "theirs/panic.latch"\n{LEDGER}') as here:
        done = await here.panic(*LATCHING, program=after(NO_PRIVILEGES))
        table = await here.panic(*LATCHING, "--format", "table", program=after(NO_PRIVILEGES), env=WIDE)
        folder.chmod(0o755)
        if done.code == 99:
            pytest.skip("this system does not let a process give its privileges away")
        loud = f"THE LATCH {folder / 'panic.latch'} IS NOT ENGAGED for all accounts"

        assert 0 == done.code
        assert (False, False) == (done.report["latch"]["engaged"], done.report["latch"]["as_asked"])
        assert done.report["latch"]["text"].startswith(loud)
        assert "latch" == codes(done.report)[0]
        assert f"latch: {loud}" in table.out
        assert table.out.splitlines()[1].startswith(f"! THE LATCH IS NOT ENGAGED: {loud}")
        assert {True} == {
            one.last_line.startswith(f"panic: THE LATCH IS NOT ENGAGED: {loud}") for one in (done, table)
        }
        assert DISENGAGED == (folder / "panic.latch").read_bytes()


# A file system that does not answer, and says that it was asked.
HANGS = """
import pathlib, threading
from panic import latch
def engage(file, holds):
    pathlib.Path("asked").touch()
    threading.Event().wait()
latch.engage = engage
"""


async def test_a_latch_on_a_dead_disk_delays_no_delete(tmp_path: Path):
    """The report waits a moment for it, says that nobody knows, and the process ends all the same."""
    async with desk(tmp_path) as here:
        done = await here.panic(*LATCHING, program=after(HANGS))

        assert (0, True) == (done.code, (tmp_path / "asked").exists())
        assert {"engaged": False, "as_asked": False} == {
            name: done.report["latch"][name] for name in ("engaged", "as_asked")
        }
        assert "could not be written in time: strategies may not be stopped" in done.report["latch"]["text"]
        assert "latch" in codes(done.report)
        assert 1.0 <= done.report["timings"]["total_s"] < 10.0
        assert done.report["timings"]["last_first_delete_s"] < 1.0


async def test_somebody_who_sleeps_on_the_turn_delays_no_delete(tmp_path: Path):
    """The press engages without one."""
    async with desk(tmp_path) as here:
        with here.file.with_name("panic.latch.lock").open("rb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            done = await here.panic(*LATCHING)

        assert (0, [("all", "")]) == (done.code, here.holds)
        assert (True, True) == (done.report["latch"]["engaged"], done.report["latch"]["as_asked"])
        assert done.report["timings"]["last_first_delete_s"] < 0.5


# ── a reset ends it ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reset_ends_what_was_seen_clear(tmp_path: Path):
    """It says what it does and what not, is on record before and after, and then nothing is engaged."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        dry = await here.panic("reset", *WHY, "--dry-run", "--format", "table", env=WIDE)
        still = here.holds
        here.simulator.requests.clear()
        done = await here.panic("reset", *WHY, "--by", "Ann")
        nothing = await here.panic("reset", *WHY)
        told = here.told()
        document = json.loads(done.out)

        assert (0, [("all", "")]) == (dry.code, still)
        assert dry.out.startswith(
            "DRY RUN  this ends the engaged state of all accounts: strategies that test the "
        )
        assert 0 == done.code
        assert (True, False, None) == (document["done"], document["engaged_now"], document["forced_because"])
        assert ["all"] == [hold["what"] for hold in document["ends"]]
        assert document["will_not"].startswith("Nothing is sent to the broker")
        assert [] == here.simulator.requests
        assert ["intended", "done"] == [one["state"] for one in here.resets()]
        assert {("Ann", "all is well")} == {(one["by"], one["reason"]) for one in here.resets()}
        assert (DISENGAGED, False, []) == (here.file.read_bytes(), told["engaged"], told["warnings"])
        assert (64, True) == (nothing.code, "nothing is engaged" in nothing.err)


async def test_a_reset_in_doubt_takes_a_second_reason(tmp_path: Path):
    """Without it nothing changes; with it both reasons are on record."""
    async with desk(tmp_path, Fault("stuck")) as here:
        press = await here.panic(*LATCHING, "--deadline", "1.5")
        told = here.told()
        refusals = [here.command("reset", *words) for words in ((), WHY, (*WHY, "--force", " "))]
        still = here.holds, here.resets()
        words = (*WHY, "--force", "the desk saw them gone", "--format", "table")
        done = await here.panic("reset", *words, env=WIDE)
        doubt = f"all accounts: run {press.report['run_id']} ended open"

        assert (20, doubt) == (press.code, told["holds"][0]["doubt"])
        assert [64, 64, 64] == [one.code for one in refusals]
        assert "no reason: say --reason TEXT" in refusals[0].err
        assert all(doubt in one.err and '--force "TEXT"' in one.err for one in refusals[1:])
        assert ([("all", "")], []) == still
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())
        assert done.out.startswith("RESET  this ends the engaged state of all accounts")
        assert f"! {doubt}\nforced: the desk saw them gone\n" in done.out
        assert [("all is well", "the desk saw them gone", [doubt])] * 2 == [
            (one["reason"], one["forced_because"], one["doubts"]) for one in here.resets()
        ]


async def test_which_later_runs_show_it_clear(tmp_path: Path):
    """A wider press that is clear does; a filtered one and a drill do not."""
    async with desk(tmp_path, Fault("stuck", times=1)) as here:
        press = ("press", "--account", "1", "--latch", "--reason", "x", "--deadline", "1.5")
        first = await here.panic(*press)
        filtered = await here.panic("press", "--all", "--side", "BUY", "--reason", "x")
        practice = ("drill", "--accounts", "2", "--faults", "none", "--ledger", str(here.ledger))
        drill = await panic(
            *practice, cwd=tmp_path
        )  # without its settings: a drill refuses the ledger that they name
        refused = here.command("reset", *WHY)
        wider = await here.panic("press", "--all", "--reason", "again")
        done = here.command("reset", *WHY)

        assert [20, 0, 0, 0] == [one.code for one in (first, filtered, drill, wider)]
        assert (64, True) == (refused.code, f"run {first.report['run_id']} ended open" in refused.err)
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())


async def test_a_filtered_press_does_not_show_its_own_scope_clear(tmp_path: Path):
    """It engaged everything, and looked at some orders only."""
    async with desk(tmp_path) as here:
        press = await here.panic(*LATCHING, "--side", "BUY")
        refused = here.command("reset", *WHY)

        assert (0, 64) == (press.code, refused.code)
        assert "shows all of it clear, whatever its accounts and its orders" in refused.err
        assert [("all", "")] == here.holds


async def test_a_reset_of_a_named_scope_leaves_the_others(tmp_path: Path):
    """And what is not engaged by this name is not reset."""
    async with desk(tmp_path) as here:
        await here.panic("press", "--group", "arb", "--account", "1", "--latch", "--reason", "x")
        refused = here.command("reset", *WHY, "--account", "2")
        done = here.command("reset", *WHY, "--group", "arb")

        assert (64, True) == (refused.code, "engaged is group arb, account 1" in refused.err)
        assert (0, True) == (done.code, json.loads(done.out)["engaged_now"])
        assert [("account", "1")] == here.holds


async def test_a_press_that_died_leaves_it_engaged(tmp_path: Path):
    """Nobody knows whether it is clear; a resume, or another press, can find out."""
    async with desk(tmp_path, Fault("hang", on="ANY", times=1)) as here:
        async with started(*here.firm.lines(*LATCHING), cwd=tmp_path) as process:
            await until(lambda: latch.read(here.file).engaged)
            await until(lambda: bool(reader.read(here.ledger, kinds=[Kind.ATTEMPT]).rows))
            process.signal(signal.SIGKILL)
            await process.finish()
        refused = here.command("reset", *WHY)
        resumed = await here.panic("resume", "last")
        done = here.command("reset", *WHY)

        assert (64, True) == (refused.code, "did not come to its end" in refused.err)
        assert (0, True) == (resumed.code, resumed.report["latch"]["engaged"])
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())
        assert [] == here.told()["warnings"]


async def test_a_ledger_that_takes_nothing_changes_nothing(tmp_path: Path):
    """A reset off the record would be none."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        for name in names(tmp_path):
            if name.startswith("ledger.db"):
                (tmp_path / name).unlink()
        here.ledger.mkdir()
        done = here.command("reset", *WHY, "--force", "we know better")

        assert (78, "") == (done.code, done.out)
        assert "could not be put on record" in done.err
        assert "it was not carried out" in done.err
        assert [("all", "")] == here.holds


async def test_a_latch_that_cannot_be_changed_stays_engaged(tmp_path: Path):
    """Panic itself failed, and says what the latch says."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        with here.file.with_name("panic.latch.lock").open("rb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            done = here.command("reset", *WHY)

        assert (70, "") == (done.code, done.out)
        assert "another process is changing the latch" in done.err
        assert [("all", "")] == here.holds
        assert ["intended", "failed"] == [one["state"] for one in here.resets()]


async def test_a_latch_edited_by_hand_is_told_of(tmp_path: Path):
    """It says disengaged, and nobody reset it on record; a reset puts that right."""
    async with desk(tmp_path) as here:
        press = await here.panic(*LATCHING)
        here.file.write_bytes(DISENGAGED)
        told = here.told()
        table = await here.panic("latch", "--format", "table", env=WIDE)
        done = here.command("reset", *WHY)
        after_that = here.told()
        (warning,) = told["warnings"]

        assert (False, [], ["all"]) == (told["engaged"], told["holds"], [one["what"] for one in told["lost"]])
        assert 20 == table.code
        assert f"the ledger says that all accounts is engaged (run {press.report['run_id']})" in warning
        assert "something other than panic reset" in warning
        assert table.out.startswith("DISENGAGED\n")
        assert f"! {warning}\n" in table.out
        assert (0, [], DISENGAGED) == (done.code, after_that["warnings"], here.file.read_bytes())


@pytest.mark.parametrize("left", [None, b"disengaged\n"])
async def test_a_latch_that_is_missing_or_damaged_is_engaged_until_a_reset_makes_it_anew(
    tmp_path: Path, left: bytes | None
):
    """A press in between changes nothing of that, and is told so."""
    async with desk(tmp_path) as here:
        await here.panic("press", "--account", "1", "--latch", "--reason", "x")
        here.file.unlink()
        if left is not None:
            here.file.write_bytes(left)
        told = here.told()
        press = await here.panic("press", "--account", "2", "--latch", "--reason", "y")
        refused = here.command("reset", *WHY, "--account", "1")
        problem = latch.read(here.file).problem
        done = here.command("reset", *WHY)

        assert (True, ["1"]) == (told["engaged"], [hold["name"] for hold in told["holds"]])
        assert told["problem"]
        assert (True, False) == (press.report["latch"]["engaged"], press.report["latch"]["as_asked"])
        assert (64, True) == (refused.code, "only all of it can be reset" in refused.err)
        assert problem
        assert (0, DISENGAGED) == (done.code, here.file.read_bytes())
        assert ["1", "2"] == sorted(hold["name"] for hold in json.loads(done.out)["ends"])
        assert [] == here.told()["warnings"]


async def test_no_key_gets_into_the_latch_or_its_record(tmp_path: Path):
    """Though somebody pastes it into the reasons."""
    async with desk(tmp_path, Fault("stuck")) as here:
        pasted = ("--reason", f"why {KEY}", "--by", f"Joe {KEY}")
        outs = [await here.panic("press", "--all", "--latch", *pasted, "--deadline", "1.5")]
        outs += [here.command("reset", *pasted), here.command("reset", *pasted, "--force", f"for {KEY}")]
        outs += [here.command("latch")]
        secret = KEY.partition(".")[2]

        assert [20, 64, 0, 0] == [one.code for one in outs]
        assert not [one for one in outs if secret in one.out + one.err]
        assert ("Joe [key]", "why [key]", "for [key]") == (
            (last := here.resets()[-1])["by"],
            last["reason"],
            last["forced_because"],
        )
        kept = {here.firm.key, here.firm.settings}
        files = [tmp_path / name for name in names(tmp_path)]
        assert not [path for path in files if path not in kept and secret.encode() in path.read_bytes()]


# ── at the same time ────────────────────────────────────────────────────────────────────────────────────────

# A person who resets again and again, as fast as it goes, until somebody says stop.
RESETS = """
import contextlib, io, pathlib, sys
from panic.cli import run
codes = set()
while not pathlib.Path("stop").exists():
    with contextlib.redirect_stdout(io.StringIO()):
        codes.add(run(sys.argv[1:]))
print(sorted(codes), flush=True)
"""


@pytest.mark.parametrize("is_missing", [False, True])
async def test_presses_and_resets_at_the_same_time_lose_nothing(tmp_path: Path, is_missing: bool):
    """What is not engaged at the end was ended on record, after its press and by its name."""
    async with desk(tmp_path) as here:
        if is_missing:
            here.file.unlink()
        words = here.firm.lines("reset", *WHY)
        how: dict[str, Any] = {
            "cwd": tmp_path,
            "program": ("-c", RESETS),
        }
        async with started(*words, **how) as first, started(*words, **how) as second:
            presses: list[Finished] = []
            for scope in (("--all",), ("--account", "1"), ("--group", "arb")):
                press = ("press", *scope, "--latch", "--reason", "x")
                presses += await asyncio.gather(here.panic(*press), here.panic(*press))
            (tmp_path / "stop").touch()
            resetting = [await one.finish() for one in (first, second)]
        before = engagement.look(config.load(here.firm.settings, {}))
        last = await here.panic("reset", *WHY)
        ended: dict[tuple[str, str], set[str]] = {}
        pressed = 0
        for row in reader.read(here.ledger, kinds=[Kind.PRESSED, Kind.RESET]).rows:
            event = decode(row.record)
            if Kind.PRESSED == row.kind:
                pressed += 1
                ended[_what(event.body["scope"])] = set()
            elif "done" == event.body["state"]:
                for what, name, run, _ in event.body["holds"]:
                    ended[what, name].add(run)

        assert [(0, True)] * 6 == [(one.code, one.report["latch"]["engaged"]) for one in presses]
        assert {0} <= {code for one in resetting for code in json.loads(one.out)} <= {0, 64, 70}
        assert not [one for one in resetting if "itself failed" in one.err]
        assert (0 if before.known else 64) == last.code
        assert (6, 3) == (pressed, len(ended))
        assert all(ended.values())
        assert (DISENGAGED, []) == (here.file.read_bytes(), here.told()["warnings"])


def _what(scope: dict[str, Any]) -> tuple[str, str]:
    """What a press engages."""
    return ("all", "") if scope["all"] else ("group", "arb") if scope["groups"] else ("account", "1")
