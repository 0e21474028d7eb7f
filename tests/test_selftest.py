"""The self-test: a check at a pace that can be dropped, and what its findings and this machine's state come to."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme

from panic import latch
from panic.broker.answers import Cause
from panic.broker.outcomes import Verdict
from panic.check import AccountCheck, CheckReport, Pace, Setup, State, check
from panic.config import Broker, LatchFile, LedgerFiles, RosterFile, Settings
from panic.config import Run as RunSettings
from panic.errors import Problem
from panic.roster import Account, Roster
from panic.secret import Key
from panic.selftest import (
    Circumstances,
    Disk,
    Finding,
    Kept,
    Last,
    Machine,
    ago,
    exit_code,
    findings,
    look,
    place,
    read,
    write,
)
from panic.simulator import Fault, SimAccount, Simulator
from tests.test_engine import KEY
from tests.virtual import virtually

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACE = Pace(rate=50, share=0.1)
RUN = RunSettings()


# ── what it comes to ────────────────────────────────────────────────────────────────────────────────────────


def a_report(*accounts: AccountCheck, **fields: Any) -> CheckReport:
    """What a check found; all is well unless told otherwise."""
    states: dict[State, int] = {}
    for one in accounts:
        states[one.state] = states.get(one.state, 0) + 1
    settled: dict[str, Any] = {"clock_skew_s": 0.0, "unlisted_accounts": (), "warnings": (), **fields}
    return CheckReport(
        "panic-check/1", "https://x.test", 0, "sha256:0", 1.0, states=states, accounts=accounts, **settled
    )


def one(id_: int, state: State = State.OK, status: int | None = 200, cause: Cause | None = None) -> AccountCheck:
    """What was found about one account."""
    return AccountCheck(id_, f"Name {id_}", state, status, None, "request-1", cause)


def around(**fields: Any) -> Circumstances:
    """A machine on which all is well, unless told otherwise."""
    return Circumstances(
        **{"now": NOW, "covered": frozenset({1, 2}), "covered_before": frozenset({1, 2}), **fields}
    )


def codes(found: Sequence[Finding]) -> list[tuple[str, Verdict]]:
    """What was found, and how bad it is."""
    return [(finding.code, finding.worst) for finding in found]


REFUSED, UNREACHABLE, MISSING, CLOSED = State.REFUSED, State.UNREACHABLE, State.MISSING, State.CLOSED
DISK = Disk("the ledger", Path("/var/lib/panic"), 10**9, 2 * 10**9)


def test_nothing_is_wrong():
    """Then nothing is found, and a press would work everywhere."""
    found = findings(a_report(one(1), one(2)), around(machine=Machine((DISK,), "", latch.State(()))))

    assert () == found
    assert 0 == exit_code(found)


@pytest.mark.parametrize(
    ("account", "code", "worst"),
    [
        (one(1, REFUSED, 401), "key_refused", Verdict.REFUSED),
        (one(1, REFUSED, None), "key_refused", Verdict.REFUSED),
        (one(1, REFUSED, 403), "read_refused", Verdict.REFUSED),
        (one(1, REFUSED, 404), "account_unknown", Verdict.REFUSED),
        (one(1, REFUSED, 400), "request_refused", Verdict.REFUSED),
        (one(1, UNREACHABLE, cause=Cause.NAME), "dns", Verdict.UNKNOWN),
        (one(1, UNREACHABLE, cause=Cause.TLS), "tls", Verdict.UNKNOWN),
        (one(1, UNREACHABLE, 503), "unreachable", Verdict.UNKNOWN),
        (one(1, MISSING, 404), "account_missing", Verdict.UNVERIFIED),
        (one(1, CLOSED), "account_closed", Verdict.UNVERIFIED),
    ],
)
def test_an_account_that_could_not_be_pressed(account: AccountCheck, code: str, worst: Verdict):
    """Each kind has its name, its remedy and the verdict that it would cost."""
    (found,) = findings(a_report(account, one(2)), around())

    assert (code, worst) == (found.code, found.worst)
    assert "1 account: 1" in found.text
    assert found.remedy.endswith(".")
    assert "request-1" not in str(found)


def test_many_accounts_are_counted_and_the_first_few_named():
    """Whoever is paged reads it on a telephone."""
    (found,) = findings(a_report(*(one(id_, REFUSED, 403) for id_ in range(7000, 5800, -1))), around())

    assert found.text.endswith("1,200 accounts: 5801, 5802, 5803, 5804, 5805, …")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"clock_skew_s": 5.1}, "clock_skew"),
        ({"clock_skew_s": -3601.0}, "clock_skew"),
        ({"clock_skew_s": None}, "clock_unchecked"),
        ({"drift_checked": False}, "drift_unchecked"),
        ({"unlisted_accounts": (9,)}, "unlisted"),
        ({"certificate_ends": NOW + timedelta(days=13.9)}, "broker_certificate"),
    ],
)
def test_what_the_broker_told(fields: dict[str, Any], code: str):
    """None of it stops a press, and each makes it less than proven."""
    found = findings(a_report(one(1), one(2), **fields), around())

    assert [(code, Verdict.UNVERIFIED)] == codes(found)
    assert 10 == exit_code(found)


@pytest.mark.parametrize("fields", [{"clock_skew_s": 4.9}, {"certificate_ends": NOW + timedelta(days=14.1)}])
def test_what_is_good_enough(fields: dict[str, Any]):
    """Five seconds, and two weeks."""
    assert () == findings(a_report(one(1), **fields), around())


@pytest.mark.parametrize(
    ("machine", "code", "worst"),
    [
        (Machine((replace(DISK, free=99 * 10**6),)), "disk", Verdict.UNVERIFIED),
        (Machine((replace(DISK, free=10**9, size=101 * 10**9),)), "disk", Verdict.UNVERIFIED),
        (Machine((Disk("the latch", Path("/x"), trouble="no such file"),)), "disk", Verdict.UNVERIFIED),
        (Machine(ledger="it is a directory"), "ledger", Verdict.UNVERIFIED),
        (Machine(latch=latch.State((), "is not whole")), "latch", Verdict.UNVERIFIED),
        (Machine(latch=latch.State((), "is missing"), latch_is_missing=True), "latch_missing", Verdict.CLEAR),
    ],
)
def test_what_is_wrong_with_this_machine(machine: Machine, code: str, worst: Verdict):
    """Told also where the check could not even begin."""
    assert [(code, worst)] == codes(findings(None, around(machine=machine)))


def test_an_engaged_latch_is_no_trouble():
    """It says what it was told to say."""
    held = latch.State((latch.Hold("all", "", "run", "then"),))

    assert () == findings(a_report(one(1)), around(machine=Machine(latch=held)))


def test_the_roster_shrank():
    """By accounts that the broker still shows: how many, and which; to exclude them ends it."""
    before = frozenset(range(1, 11))
    report = a_report(one(1), one(2), unlisted_accounts=tuple(range(3, 11)))
    shrank = findings(report, around(covered_before=before))
    excluded = findings(a_report(one(1), one(2)), around(covered_before=before, excluded=before - {1, 2}))

    assert [("unlisted", Verdict.UNVERIFIED), ("roster_shrank", Verdict.UNVERIFIED)] == codes(shrank)
    assert "by 8 accounts: 3, 4, 5, 6, 7, …" in shrank[1].text
    assert [("roster_changed", Verdict.CLEAR)] == codes(excluded)


def test_the_roster_shrank_and_nobody_knows_what_the_broker_shows():
    """Then it is told as if the accounts were still there."""
    found = findings(a_report(one(1), drift_checked=False), around(covered_before=frozenset({1, 2, 3})))

    assert "roster_shrank" in {finding.code for finding in found}


def test_the_roster_grew_or_there_was_none_before():
    """More accounts are no fault, and the first self-test compares with nothing."""
    report = a_report(one(1), one(2))

    assert () == findings(report, around(covered_before=frozenset({1})))
    assert () == findings(report, around(covered_before=None))


def test_mistakes_in_the_files_are_told_with_their_remedies():
    """The first ten; the exit code is that of a configuration that cannot be used."""
    problems = [Problem(f"line {n} is broken", "Mend it.", Path("accounts.csv"), n) for n in range(1, 13)]
    found = findings(None, around(problems=tuple(problems)))

    assert 11 == len(found)
    assert "accounts.csv:1: line 1 is broken. Mend it." == str(found[0])
    assert "and 2 mistakes more in the files" == found[-1].text
    assert 78 == exit_code(found, problems)


def test_the_worst_stands_first():
    """Whoever reads one line reads that."""
    report = a_report(one(1, MISSING, 404), one(2, UNREACHABLE, 503), one(3, REFUSED, 401))
    found = findings(report, around(pages_told=False, round_s=2000, every_s=300))

    assert ["key_refused", "unreachable", "account_missing", "no_pager", "slow_round"] == [f.code for f in found]
    assert "takes 33 minutes, and one is wanted every 5" in found[-1].text
    assert 40 == exit_code(found)


# ── this machine ────────────────────────────────────────────────────────────────────────────────────────────


def settings(folder: Path, base_url: str = "http://127.0.0.1:1", **more: Any) -> Settings:
    """Settings with everything in one folder."""
    return Settings(
        broker=Broker(base_url=base_url),
        roster=RosterFile(file=folder / "accounts.csv"),
        ledger=LedgerFiles(file=folder / "ledger.db"),
        latch=LatchFile(file=folder / "panic.latch"),
        **more,
    )


def test_a_machine_that_is_well(tmp_path: Path):
    """A ledger that is not there yet is begun by the first press."""
    latch.create(tmp_path / "panic.latch")
    machine = look(settings(tmp_path))

    assert ("", latch.State(()), False) == (machine.ledger, machine.latch, machine.latch_is_missing)
    assert [("the ledger", tmp_path, ""), ("the latch", tmp_path, "")] == [
        (disk.what, disk.folder, disk.trouble) for disk in machine.disks
    ]
    assert all(0 < disk.free <= disk.size for disk in machine.disks)


def test_a_machine_that_is_not(tmp_path: Path):
    """A ledger that is none, a latch that was cut off; and a folder that has gone."""
    (tmp_path / "ledger.db").write_bytes(b"not a ledger" * 100)
    (tmp_path / "panic.latch").write_bytes(b"disengaged\n")
    broken, gone = look(settings(tmp_path)), look(settings(tmp_path / "gone"))

    assert broken.ledger
    assert broken.latch is not None
    assert "is not whole" in broken.latch.problem
    assert gone.ledger == f"its folder {tmp_path / 'gone'} is missing"
    assert gone.latch_is_missing
    assert ["no such file or directory"] * 2 == [disk.trouble for disk in gone.disks]


def test_a_damaged_ledger_that_was_set_aside_is_told(tmp_path: Path):
    """Somebody has to look at it, although a new one took its place."""
    (tmp_path / "ledger.db.damaged-1").write_bytes(b"x")

    assert "a damaged one was set aside" in look(settings(tmp_path)).ledger


# ── the last one ────────────────────────────────────────────────────────────────────────────────────────────


def a_last(*found: Finding, ok: int = 2, lost: int = 0) -> Last:
    """One that ended now."""
    states = {State.OK: ok, State.REFUSED: lost}
    return Last("panic-self-test/1", NOW, 1.0, 300.0, "https://x.test", 0, None, ok + lost, states, found)


def test_it_is_kept_and_read_again(tmp_path: Path):
    """Word for word, readable by its owner alone, and nothing half-written is left beside it."""
    file = place(settings(tmp_path))
    assert file is not None
    kept = Kept(a_last(Finding("dns", "it failed", "Mend it.", Verdict.UNKNOWN)), (1, 2))
    write(file, Kept(a_last()))
    write(file, kept)

    assert kept == read(file)
    assert ["selftest.json"] == [one.name for one in tmp_path.iterdir()]
    assert 0o600 == file.stat().st_mode & 0o777


@pytest.mark.parametrize("text", ["", "{}", "null", "[1]", '{"last": 1}', "\x00"])
def test_a_file_that_is_none(tmp_path: Path, text: str):
    """It is as if there were no self-test: nothing is claimed."""
    file = tmp_path / "selftest.json"
    file.write_text(text)

    assert read(file) is None
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s ago"), (59.9, "59 s ago"), (60, "1 minute ago"), (7200, "2 hours ago"), (90_000, "1 day ago")],
)
def test_ages_are_told_in_words(seconds: float, words: str):
    """The largest whole unit."""
    assert words == ago(seconds)


def test_it_is_stale_after_two_intervals():
    """Not before; and a clock that was set back makes nothing younger."""
    last = a_last()

    assert not last.is_stale(NOW + timedelta(seconds=600))
    assert last.is_stale(NOW + timedelta(seconds=601))
    assert (0, 10) == (last.exit_code_at(NOW), last.exit_code_at(NOW + timedelta(seconds=601)))
    assert 0 == last.age_s(NOW - timedelta(days=1))


def test_no_press_would_work_only_if_every_account_is_lost():
    """One that is left is one to press."""
    assert a_last(ok=0, lost=3).none_could_be_pressed
    assert not a_last(ok=1, lost=3).none_could_be_pressed
    assert not a_last(ok=0, lost=0).none_could_be_pressed


# ── at a pace ───────────────────────────────────────────────────────────────────────────────────────────────


def loaded(ids: Sequence[int], **keys: str) -> Setup:
    """A roster of these accounts; those of other credentials than `default` by name of their key."""
    listed = tuple(Account(id_) for id_ in ids)
    roster = Roster(Path("made-up"), "sha256:made-up", time.time(), listed, (), ())
    return Setup(roster, {"default": Key(keys.get("default", KEY))}, ())


def paced(
    accounts: Sequence[SimAccount], pace: Pace = PACE, run: RunSettings = RUN, **options: Any
) -> tuple[CheckReport, Simulator, list[CheckReport]]:
    """Check these accounts at a pace, on virtual time."""
    told: list[CheckReport] = []

    async def go() -> tuple[CheckReport, Simulator]:
        async with Simulator(accounts, latency_s=0.01, **options) as simulator:
            where = Settings(
                broker=Broker(base_url=simulator.base_url), roster=RosterFile(file=Path("made-up")), run=run
            )
            ids = [account.id for account in accounts]
            return await check(where, loaded(ids), pace=pace, tell=told.append), simulator

    report, simulator = virtually(go())
    return report, simulator, told


def accounts(count: int, *faulty: SimAccount) -> list[SimAccount]:
    """So many accounts, some of them at fault."""
    bad = {account.id: account for account in faulty}
    return [bad.get(id_, SimAccount(id_)) for id_ in range(1, count + 1)]


def test_it_never_asks_faster_than_its_share():
    """Five a second of fifty, evenly, the lists and the retries among them; and no slower either."""
    limping = SimAccount(7, faults=(Fault("status", on="GET", times=2),))
    report, simulator, _ = paced(accounts(40, limping))
    gaps = [later.at - earlier.at for earlier, later in pairwise(simulator.requests)]

    assert {State.OK: 40} == report.states
    assert min(gaps) > 0.19
    assert report.elapsed_s < PACE.needs_s(44) + 3
    assert {"GET"} == {request.method for request in simulator.requests}


def test_a_round_outlasts_the_deadline_of_a_run():
    """At its pace a round of 10,000 accounts takes half an hour, and every account is judged."""
    report, simulator, told = paced(accounts(40), run=RunSettings(deadline_s=1))

    assert {State.OK: 40} == report.states
    assert 8 < report.elapsed_s < 10
    assert simulator.max_in_flight <= 32
    assert 1 == len(told)


def test_a_failure_is_told_long_before_the_end():
    """A dead key at the first account, another account's lost permission when its turn comes, each once."""
    hurt = [SimAccount(id_, faults=(Fault("status", on="GET", status=403),)) for id_ in (20, 30)]
    report, _, told = paced(accounts(60, *hurt))
    dead, _, told_dead = paced(accounts(60), keys={"another.key": None})

    assert {State.OK: 58, State.REFUSED: 2} == report.states
    assert [0, 1] == [so_far.states.get(State.REFUSED, 0) for so_far in told]
    assert told[1].elapsed_s < 10
    assert {State.REFUSED: 60} == dead.states
    assert told_dead[1].elapsed_s < 3


def test_a_broker_out_of_reach_does_not_make_a_round_endless():
    """After a few accounts without an answer each of the others is asked once."""
    report, simulator, told = paced(accounts(100), fault_all=(Fault("status", on="GET", status=503),))

    assert {State.UNREACHABLE: 100} == report.states
    assert len(simulator.requests) < 100 + 3 * 50
    assert told[1].elapsed_s < 15


def test_it_can_be_dropped_at_any_moment():
    """What is in flight is given up, no connection is left, and nothing more is asked."""

    async def go() -> tuple[int, int, int]:
        async with Simulator(accounts(50), fault_all=(Fault("hang", on="GET"),)) as simulator:
            where = Settings(broker=Broker(base_url=simulator.base_url), roster=RosterFile(file=Path("made-up")))
            task = asyncio.create_task(check(where, loaded(range(1, 51)), pace=PACE))
            await asyncio.sleep(3)
            in_flight, asked = simulator.in_flight, len(simulator.requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(60)
            return in_flight, simulator.in_flight, len(simulator.requests) - asked

    hanging, left, more = virtually(go())

    assert hanging > 1
    assert (0, 0) == (left, more)


def test_an_account_without_a_usable_key_does_not_keep_the_others_from_being_tried():
    """`panic check` refuses such files whole; the self-test goes on and says so."""

    async def go() -> CheckReport:
        async with Simulator(accounts(2)) as simulator:
            where = Settings(broker=Broker(base_url=simulator.base_url), roster=RosterFile(file=Path("made-up")))
            ready = loaded([1])
            assert ready.roster is not None
            keyless = replace(ready.roster, accounts=(Account(1), Account(2, credential="lost")))
            return await check(where, replace(ready, roster=keyless), pace=PACE)

    assert {1: State.OK, 2: State.REFUSED} == {found.id: found.state for found in virtually(go()).accounts}


async def test_the_end_of_the_brokers_certificate_is_seen(tmp_path: Path):
    """On the check's own connection, which has verified it."""
    authority, ends = trustme.CA(), datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Simulator(accounts(1), ssl_context=context) as simulator:
        where = Settings(
            broker=Broker(base_url=simulator.base_url, ca_file=tmp_path / "ca.pem"),
            roster=RosterFile(file=Path("made-up")),
            run=RunSettings(),
        )
        report = await check(where, loaded([1]))
        found = findings(report, Circumstances(datetime.now(UTC)))

    assert ends == report.certificate_ends
    assert ["the broker's certificate ends in 5 days"] == [finding.text for finding in found]
