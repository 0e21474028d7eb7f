"""The latch from the command line: a press engages it while it runs, and only a person's reset ends that."""

import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.ledger import reader
from panic.ledger.events import decode
from panic.ledger.record import Kind
from panic.simulator import Fault, Simulator
from tests.cli.breakages import NO_PRIVILEGES, after
from tests.cli.inside import typed
from tests.cli.support import (
    KEY,
    Finished,
    Firm,
    account,
    codes,
    contents,
    on_behalf_of,
    panic,
    sent,
    simulate,
    started,
    until,
)

DISENGAGED = b"disengaged\nend 94defd48\n"
LEDGER = '[ledger]\nfile = "ledger.db"\n'
LATCHING = ("press", "--all", "--latch", "--reason", "runaway algo")
WHY = ("--reason", "all is well")
TABLE = ("--format", "table")


@dataclass
class Desk:
    """A firm with a latch and a ledger of its own, and a broker."""

    firm: Firm
    simulator: Simulator

    def __post_init__(self) -> None:
        self.file, self.ledger = self.firm.folder / "panic.latch", self.firm.folder / "ledger.db"

    @property
    def holds(self) -> list[tuple[str, str]]:
        """The scopes that the file says are engaged."""
        state = latch.read(self.file)

        assert "" == state.problem
        return [hold[:2] for hold in state.holds]

    async def panic(self, *words: str, **how: Any) -> Finished:
        """Run a command to its end, as a process."""
        return await panic(*self.firm.lines(*words), cwd=self.firm.folder, env={"COLUMNS": "400"}, **how)

    def command(self, *words: str) -> Finished:
        """Run a command that asks no broker in this process."""
        return typed(*self.firm.lines(*words))

    def document(self) -> dict[str, Any]:
        """What `panic latch` says, which must agree with its exit code."""
        done = self.command("latch")
        document: dict[str, Any] = json.loads(done.out)

        assert ("panic-latch/1", 20 * bool(document["engaged"] or document["lost"])) == (
            document["schema"],
            done.code,
        )
        return document

    def resets(self) -> list[dict[str, Any]]:
        """The bodies of the resets on record."""
        return [decode(row.record).body for row in reader.read(self.ledger, kinds=[Kind.RESET]).rows]


@asynccontextmanager
async def desk(folder: Path, *faults: Fault, create: bool = True, more: str = LEDGER) -> AsyncIterator[Desk]:
    """Three accounts, the first of which has faults; the latch is set up."""
    async with simulate(account(1, *faults), account(2), account(3)) as simulator:
        firm = Firm(folder, simulator.base_url, ("1,equities", "2,arb", "3,arb"), "id,group", more=more)
        if create:
            latch.create(folder / "panic.latch")
        yield Desk(firm, simulator)


# ── setting up ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_latch_that_is_not_set_up_is_engaged(tmp_path: Path):
    """Setting it up disengages it, once."""
    async with desk(tmp_path, create=False) as here:
        before, table = here.document(), here.command("latch", *TABLE)
        created, again = here.command("latch", "--create"), here.command("latch", "--create")

    assert (True, "is missing", []) == (before["engaged"], before["problem"], before["holds"])
    assert table.out.startswith("ENGAGED  for everything\n")
    assert "it is missing, which means engaged for everything" in table.out
    assert (20, 0, False, 64) == (table.code, created.code, json.loads(created.out)["engaged"], again.code)
    assert f"the latch {here.file} is set up, disengaged" in created.err
    assert "was set up before and is disengaged" in again.err
    assert (DISENGAGED, False) == (here.file.read_bytes(), here.ledger.exists())


@pytest.mark.parametrize("is_edited", [False, True])
async def test_a_latch_that_vanished_while_it_was_engaged_is_not_set_up_anew(tmp_path: Path, is_edited: bool):
    """As on a RAM disk after a reboot: the ledger knows what was engaged, or nobody does; a reset ends it."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
    for path in (here.file, here.file.with_name("panic.latch.lock")):
        path.unlink()
    words, force = "the ledger says that all accounts is engaged: panic reset ends that", list[str]()
    if is_edited:
        words, force = "So nobody knows whether something is engaged", ["--force", "all strategies are off"]
        with closing(sqlite3.connect(here.ledger, isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER events_keep")
            connection.execute("UPDATE events SET record = x'00' WHERE kind = 'pressed'")
    refused, missing = here.command("latch", "--create"), latch.read(here.file).problem
    done = here.command("reset", *WHY, *force)

    assert (64, True, "is missing") == (refused.code, words in refused.err, missing)
    assert (0, DISENGAGED) == (done.code, here.file.read_bytes())


# ── a press engages it ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_press_engages_its_scope_while_it_is_under_way(tmp_path: Path):
    """Exactly its scope, whatever the filters; strategies stop before the first DELETE is even answered."""
    async with desk(tmp_path, Fault("hang", on="ANY")) as here:
        press = ("press", "--group", "equities", "--account", "3", "--type", "LIMIT", "--latch", "--reason", "x")
        async with started(*here.firm.lines(*press, "--deadline", "60"), cwd=tmp_path) as process:
            await until(lambda: 1 in sent(here.simulator, "DELETE") and latch.read(here.file).engaged)
            await until(lambda: bool(reader.read(here.ledger, kinds=[Kind.PLANNED]).rows))
            while_it_went, document, refused = here.holds, here.document(), here.command("reset", *WHY)
            is_under_way = process.process.returncode is None
            process.signal(signal.SIGTERM)
            done = await process.finish()

    assert is_under_way
    assert [("group", "equities"), ("account", "3")] == while_it_went == here.holds
    assert {done.report["run_id"]} == {hold["run"] for hold in document["holds"]}
    assert all("is under way" in hold["doubt"] for hold in document["holds"])
    assert (64, True) == (refused.code, "is under way" in refused.err)
    assert (True, True) == (done.report["latch"]["engaged"], done.report["latch"]["as_asked"])


async def test_a_latch_that_nobody_let_us_write_is_reported_loudly(tmp_path: Path):
    """Strategies go on, and the report must not say otherwise."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    latch.create(folder / "panic.latch")
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    async with desk(tmp_path, create=False, more=f'[latch]\nfile = "theirs/panic.latch"\n{LEDGER}') as here:
        how = (*TABLE, "--output", "report.json")
        done = await here.panic(*LATCHING, *how, program=after(NO_PRIVILEGES))
    folder.chmod(0o755)
    if done.code == 99:
        pytest.skip("this system does not let a process give its privileges away")
    report = json.loads((tmp_path / "report.json").read_text())
    loud = f"THE LATCH {folder / 'panic.latch'} IS NOT ENGAGED for all accounts"

    assert (0, "latch") == (done.code, codes(report)[0])
    assert (False, False) == (report["latch"]["engaged"], report["latch"]["as_asked"])
    assert report["latch"]["text"].startswith(loud)
    assert f"latch: {loud}" in done.out
    assert done.out.splitlines()[1].startswith(f"! THE LATCH IS NOT ENGAGED: {loud}")
    assert done.last_line.startswith(f"panic: THE LATCH IS NOT ENGAGED: {loud}")
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
    found, timings = done.report["latch"], done.report["timings"]

    assert (0, True) == (done.code, (tmp_path / "asked").exists())
    assert (False, False) == (found["engaged"], found["as_asked"])
    assert "could not be written in time: strategies may not be stopped" in found["text"]
    assert "latch" in codes(done.report)
    assert 1.0 <= timings["total_s"] < 10.0
    assert timings["last_first_delete_s"] < 1.0


# ── a reset ends it ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reset_ends_what_was_seen_clear(tmp_path: Path):
    """Even if somebody edited the file meanwhile; it sends nothing, is on record, and then nothing is engaged."""
    async with desk(tmp_path) as here:
        press = await here.panic(*LATCHING, *TABLE)
        table = here.command("latch", *TABLE)
        (hold,) = here.document()["holds"]
        here.file.write_bytes(DISENGAGED)
        edited, edited_table = here.document(), here.command("latch", *TABLE)
        here.simulator.requests.clear()
        dry = here.command("reset", *WHY, "--dry-run")
        done = await here.panic("reset", *WHY, "--by", "Ann")
        nothing, after_that = here.command("reset", *WHY), here.document()
        document = json.loads(done.out)

    assert (0, True) == (press.code, f"latch: {here.file} says engaged for all accounts, until" in press.out)
    assert {"what": "all", "name": "", "doubt": ""}.items() <= hold.items()
    assert table.out.startswith("ENGAGED  for all accounts\n")
    assert (False, [], [hold]) == (edited["engaged"], edited["holds"], edited["lost"])
    assert f"all accounts is engaged (run {hold['run']}), and the latch does not" in edited["warnings"][0]
    assert edited_table.out.startswith("DISENGAGED\n")
    assert (0, False, 0) == (dry.code, json.loads(dry.out)["done"], done.code)
    facts = {"schema": "panic-reset/1", "done": True, "engaged_now": False, "forced_because": None}
    assert {**facts, "looked_in": [str(here.ledger)]}.items() <= document.items()
    assert ["all"] == [one["what"] for one in document["ends"]]
    assert document["will_not"].startswith("Nothing is sent to the broker")
    assert [] == here.simulator.requests
    assert [(state, on_behalf_of("Ann")) for state in ("intended", "done")] == [
        (one["state"], one["by"]) for one in here.resets()
    ]
    assert (DISENGAGED, False, []) == (here.file.read_bytes(), after_that["engaged"], after_that["warnings"])
    assert (64, True) == (nothing.code, "nothing is engaged" in nothing.err)


async def test_a_reset_that_takes_two_people_is_asked_for_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It says so, and the exit code says that it is engaged; a variable makes nobody another person."""
    async with desk(tmp_path) as here:
        await here.panic(*LATCHING)
        settings = here.firm.settings
        settings.write_text(settings.read_text() + "\n[latch]\nresets = 2\n")
        monkeypatch.setattr("panic.kit.process._LOGIN", tmp_path / "loginuid")
        asked, table = here.command("reset", *WHY, *TABLE), here.command("latch", *TABLE)
        monkeypatch.setenv("SUDO_USER", "somebody else")
        again = here.command("reset", *WHY)
        (tmp_path / "loginuid").write_text("1001")
        done = here.command("reset", *WHY)

    assert (20, 20, 0) == (asked.code, again.code, done.code)
    assert asked.out.startswith("ASKED  this asks another person to end the engaged state of all accounts")
    assert "asked to end all accounts at " in table.out
    assert (False, True, False) == (
        json.loads(again.out)["done"],
        json.loads(done.out)["done"],
        json.loads(done.out)["engaged_now"],
    )


async def test_a_reset_in_doubt_takes_a_second_reason(tmp_path: Path):
    """With it both reasons are on record, and no key that somebody pasted into them is anywhere."""
    async with desk(tmp_path, Fault("stuck")) as here:
        pasted = ("--reason", f"why {KEY}", "--by", f"Joe {KEY}")
        press = await here.panic("press", "--all", "--latch", *pasted, "--deadline", "1.5")
    document = here.document()
    refusals = [here.command("reset", *words) for words in ((), pasted, (*pasted, "--force", " "))]
    still = here.holds, here.resets()
    done = here.command("reset", *pasted, "--force", f"for {KEY}", *TABLE)
    doubt = f"all accounts: run {press.report['run_id']} ended open"
    secret = KEY.partition(".")[2]

    assert (20, doubt) == (press.code, document["holds"][0]["doubt"])
    assert [64, 64, 64] == [one.code for one in refusals]
    assert "no reason: say --reason TEXT" in refusals[0].err
    assert all(doubt in one.err and '--force "TEXT"' in one.err for one in refusals[1:])
    assert ([("all", "")], []) == still
    assert (0, DISENGAGED) == (done.code, here.file.read_bytes())
    assert done.out.startswith("RESET  this ends the engaged state of all accounts")
    assert "forced: for [key]\n" in done.out
    told = {
        "by": on_behalf_of("Joe [key]"),
        "reason": "why [key]",
        "forced_because": "for [key]",
        "doubts": [doubt],
    }
    assert told.items() <= here.resets()[-1].items()
    assert [] == [one for one in (press, *refusals, done) if secret in one.out + one.err]
    assert ["panic.key"] == [name for name, data in contents(tmp_path).items() if secret.encode() in data]
