"""The check: would a press work everywhere? It only reads, and it refuses what a press would tolerate."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panic import latch
from panic.broker.outcomes import Verdict
from panic.check import State
from panic.selftest import Finding, Kept, Last, write
from panic.simulator import Fault, Simulator
from tests.cli.support import (
    KEY,
    PATIENCE_S,
    Finished,
    Firm,
    account,
    closed_port,
    http,
    panic,
    raw_server,
    sent,
    simulate,
)

ROWS = ("1,One,", "2,Two,", "3,Treasury,yes")
COLUMNS = "id,name,excluded"
WIDE = {"COLUMNS": "300"}


def states(done: Finished) -> dict[int, str]:
    """What the check found of each account."""
    found: dict[str, Any] = json.loads(done.out)
    return {one["id"]: one["state"] for one in found["accounts"]}


def is_read_only(simulator: Simulator) -> bool:
    """Whether all that arrived were GETs."""
    return {"GET"} == {one.method for one in simulator.requests}


async def test_all_is_well(tmp_path: Path):
    """Exit 0, as JSON, as a table and as a file; excluded accounts are left alone and nothing is cancelled."""
    async with simulate(account(1), account(2, orders=0), account(3)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        latch.create(tmp_path / "panic.latch")
        output = tmp_path / "check.json"
        json_ = await panic(*firm.lines("check", "--output", str(output)), cwd=tmp_path)
        table = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path)
        found = json.loads(json_.out)

        assert (0, 0) == (json_.code, table.code)
        assert {1: "ok", 2: "ok"} == states(json_)
        assert (simulator.base_url, [], []) == (found["base_url"], found["warnings"], found["unlisted_accounts"])
        assert abs(found["clock_skew_s"]) < 1
        assert found == json.loads(output.read_text())
        assert table.out.startswith("READY  a press would work everywhere: 2 of 2 accounts can be read\n")
        assert simulator.base_url in table.out
        assert is_read_only(simulator)
        assert 3 not in sent(simulator, "GET")
        assert KEY not in json_.out + json_.err + table.out + table.err


async def test_all_mistakes_are_listed_at_once(tmp_path: Path):
    """Settings, credentials and roster: 78, each with file, line and remedy, before anything is asked."""
    async with simulate(account(1)) as simulator:
        firm = Firm(
            tmp_path,
            simulator.base_url,
            ["1,,", "zwei,,", "3,nobody,", "1,,"],
            "id,credential,naem",
            credentials='[credentials.default]\nfile = "panic.key"\n[credentials.dead]\nenv = "NO_SUCH_KEY"\n',
            run="concurrency = 5000\nwacth_s = 3\n",
        )
        firm.key.chmod(0o644)
        done = await panic(
            *firm.lines("check"), cwd=tmp_path, env={"PANIC_BROKER_BASE_URL": "https://elsewhere.test"}
        )
        told = done.err.removeprefix("panic: ").replace(f"{tmp_path}/", "").splitlines()

        assert (78, "", []) == (done.code, done.out, simulator.requests)
        assert MISTAKES == [line for line in MISTAKES if any(one.startswith(line) for one in told)]
        assert len(MISTAKES) + 2 == len(told)
        assert "the broker was not asked yet. Mend these first, and type panic check again." == told[-2]
        assert "Nothing was sent." == told[-1]


MISTAKES = [
    "PANIC_BROKER_BASE_URL differs from the settings' base_url. Unset it",
    "panic.toml:9: [run] concurrency is 5000. Give a whole number from 1 to 1000",
    "panic.toml:10: [run] has no setting 'wacth_s'. Did you mean watch_s?",
    "panic.key: credential default: the key file is open to other users. Run: chmod 600",
    "credential dead: the environment variable NO_SUCH_KEY is not set. Set it",
    "accounts.csv:1: there is no column 'naem'. Did you mean name?",
    "accounts.csv:3: the id 'zwei' is not a whole number above 0. Write the digits only",
    "accounts.csv:4: account 3: the credential 'nobody' is not in the settings. Known are",
    "accounts.csv:5: account 1 stands in lines 2 and 5. Remove one",
]


async def test_a_missing_roster_does_not_hide_the_other_mistakes(tmp_path: Path):
    """Nobody should have to run it twice to hear of everything."""
    firm = Firm(tmp_path, "http://127.0.0.1:1", [1], run="colour = 1\n")
    firm.roster.unlink()
    firm.key.unlink()
    done = await panic(*firm.lines("check"), cwd=tmp_path)

    assert 78 == done.code
    assert all(part in done.err for part in ("no setting 'colour'", "panic.key", "the roster cannot be read"))


async def test_an_account_that_this_key_may_not_read(tmp_path: Path):
    """A 403 is 40, named first, with the request id that the broker will ask for."""
    async with simulate(account(1), account(2, Fault("status", on="GET", status=403)), account(3)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        json_ = await panic(*firm.lines("check"), cwd=tmp_path)
        table = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path, env=WIDE)
        worst = json.loads(json_.out)["accounts"][0]

        assert (40, 40) == (json_.code, table.code)
        assert {2: "refused", 1: "ok"} == states(json_)
        assert (2, 403) == (worst["id"], worst["status"])
        assert worst["request_id"]
        assert table.out.startswith("NOT READY  a press would not work everywhere")
        assert "REFUSED     2 Two: this key may not read it" in table.out
        assert is_read_only(simulator)


async def test_accounts_that_drifted(tmp_path: Path):
    """Closed, missing and unlisted accounts are 10: a press would run, and not be proven everywhere."""
    accounts = (account(1), account(2, status="CLOSED"), account(7), account(8, status="INACTIVE"), account(3))
    async with simulate(*accounts) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        done = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path, env=WIDE)

        assert 10 == done.code
        assert "CLOSED      2 Two: the broker says it is closed; take it out" in done.out
        assert "! 1 active account is at the broker and not in the roster: 7" in done.out
        assert is_read_only(simulator)


async def test_an_account_that_the_broker_does_not_have(tmp_path: Path):
    """A number that the broker neither lists nor knows is missing: the remedy is in the roster, not in the key."""
    async with simulate(account(1), account(3)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        done = await panic(*firm.lines("check"), cwd=tmp_path)

        assert {2: "missing", 1: "ok"} == states(done)
        assert 10 == done.code


async def test_a_broker_out_of_reach(tmp_path: Path):
    """A closed port is 30, and says so for every account within seconds."""
    firm = Firm(tmp_path, f"http://127.0.0.1:{closed_port()}", ROWS, COLUMNS)
    done = await panic(*firm.lines("check"), cwd=tmp_path)

    assert (30, {1: "unreachable", 2: "unreachable"}) == (done.code, states(done))
    assert done.took < PATIENCE_S / 2


async def test_a_broker_that_hangs(tmp_path: Path):
    """The check keeps the run's deadline like a press."""
    async with simulate(account(1), account(2), account(3), fault_all=HANGS) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS, run="attempt_s = 0.3\ndeadline_s = 1.5\n")
        done = await panic(*firm.lines("check"), cwd=tmp_path)

        assert (30, {1: "unreachable", 2: "unreachable"}) == (done.code, states(done))
        assert 3 == len(json.loads(done.out)["warnings"])
        assert json.loads(done.out)["elapsed_s"] <= 2


HANGS = (Fault("hang", on="ANY"), Fault("hang", on="OTHER"))


async def test_a_wrong_address(tmp_path: Path):
    """A server that answers everything with its own 404 is not ready."""
    async with raw_server(lambda *_: http(404, b"<html>Not here</html>", "Content-Type: text/html")) as base_url:
        firm = Firm(tmp_path, base_url, ROWS, COLUMNS)
        done = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path, env=WIDE)

        assert done.code in {30, 40}
        assert done.out.startswith("NOT READY")
        assert "the broker did not tell its time" in done.out


async def test_a_clock_that_is_wrong(tmp_path: Path):
    """A machine whose clock is off is told by how much; a press works all the same, so it is 10."""
    async with simulate(account(1), account(2), account(3), wall_clock=lambda: 1_000_000_000.0) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        done = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path)

        assert 10 == done.code
        assert "this machine's clock differs from the broker's by +" in done.out


async def test_what_is_wrong_with_this_machine_is_told_as_well(tmp_path: Path):
    """A press goes on without ledger and latch, and somebody has to mend them."""
    async with simulate(account(1), account(2), account(3)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        missing = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path, env=WIDE)
        (tmp_path / "panic.latch").write_text("disengaged")
        (tmp_path / "ledger.db").mkdir()
        broken = await panic(*firm.lines("check", "--format", "table"), cwd=tmp_path, env=WIDE)

        assert (0, 10) == (missing.code, broken.code)
        assert "! there is no latch, which means engaged to every strategy" in missing.out
        assert "! the ledger is in trouble: it is a directory. Mend it" in broken.out
        assert "! the latch is not whole: it was cut off, damaged or edited, which means engaged" in broken.out


# ── the service's last one ──────────────────────────────────────────────────────────────────────────────────

NOBODY_THERE = "http://127.0.0.1:1"


def a_last(ago_s: float, *findings: Finding, ok: int = 4812, **fields: Any) -> Last:
    """A self-test of 4,812 accounts."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    states = {State.OK: ok, State.REFUSED: 4812 - ok}
    settled: dict[str, Any] = {"exit_code": 40 if findings else 0, "proven_at": None if findings else at}
    fields = {"base_url": NOBODY_THERE, **settled, **fields}
    return Last("panic-self-test/1", at, 9.0, 300.0, accounts=4812, states=states, findings=findings, **fields)


REVOKED = Finding("key_refused", "the key is revoked for 3 accounts: 7, 8, 9", "Get a new key.", Verdict.REFUSED)


async def test_the_last_one_is_told_without_asking_anybody(tmp_path: Path):
    """How long ago it was and how many accounts it reached, although nothing else is there any more."""
    firm = Firm(tmp_path, NOBODY_THERE, [])
    firm.key.unlink()
    write(tmp_path / "selftest.json", Kept(a_last(190), (1, 2)))
    table = await panic(*firm.lines("check", "--last", "--format", "table"), cwd=tmp_path)
    json_ = await panic(*firm.lines("check", "--last"), cwd=tmp_path)

    assert (0, 0) == (table.code, json_.code)
    assert "READY  last proven 3 minutes ago, 4,812 of 4,812" == table.out.splitlines()[0]
    assert ("panic-self-test/1", 4812) == (json.loads(json_.out)["schema"], json.loads(json_.out)["accounts"])


async def test_the_last_one_was_not_well(tmp_path: Path):
    """Its worst finding leads, with the remedy, and its exit code is the check's."""
    firm = Firm(tmp_path, NOBODY_THERE, [1])
    proven = datetime.now(UTC) - timedelta(hours=2, seconds=5)
    write(tmp_path / "selftest.json", Kept(a_last(70, REVOKED, ok=4809, proven_at=proven)))
    done = await panic(*firm.lines("check", "--last", "--format", "table"), cwd=tmp_path, env=WIDE)
    headline = "NOT READY  not proven 1 minute ago, 4,809 of 4,812; last proven 2 hours ago"

    assert 40 == done.code
    assert headline == done.out.splitlines()[0]
    assert "REFUSED     the key is revoked for 3 accounts: 7, 8, 9. Get a new key." in done.out


async def test_the_last_one_is_long_ago(tmp_path: Path):
    """After two intervals nobody knows any more: 10, and never better than it was."""
    firm = Firm(tmp_path, NOBODY_THERE, [1])
    write(tmp_path / "selftest.json", Kept(a_last(601)))
    well = await panic(*firm.lines("check", "--last", "--format", "table"), cwd=tmp_path)
    write(tmp_path / "selftest.json", Kept(a_last(601, REVOKED)))
    bad = await panic(*firm.lines("check", "--last", "--format", "table"), cwd=tmp_path)

    assert (10, 40) == (well.code, bad.code)
    assert well.out.startswith("NOT KNOWN  last proven 10 minutes ago")
    assert "! one was wanted every 5 minutes: is panic serve running?" in well.out


async def test_there_never_was_one(tmp_path: Path):
    """Missing, damaged or of another broker: that is said, and what to do, and nothing is claimed."""
    firm = Firm(tmp_path, NOBODY_THERE, [1])
    missing = await panic(*firm.lines("check", "--last"), cwd=tmp_path)
    (tmp_path / "selftest.json").write_text('{"last": {"schema": "panic-self-test/1"')
    damaged = await panic(*firm.lines("check", "--last"), cwd=tmp_path)
    write(tmp_path / "selftest.json", Kept(a_last(1, base_url="http://127.0.0.1:2")))
    stray = await panic(*firm.lines("check", "--last"), cwd=tmp_path)

    assert [(64, "")] * 3 == [(done.code, done.out) for done in (missing, damaged, stray)]
    assert all("Type panic check" in done.err for done in (missing, damaged, stray))
