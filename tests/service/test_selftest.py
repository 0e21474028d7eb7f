"""The self-test: a check at a pace that can be dropped, and what its findings and this machine's state come to."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from panic import latch
from panic.accounts.roster import Account, Roster
from panic.broker.answers import Cause
from panic.broker.outcomes import Verdict
from panic.config import Broker, LatchFile, LedgerFiles, RosterFile, Settings
from panic.config import Run as RunSettings
from panic.config.secret import Key
from panic.kit.errors import Problem
from panic.run.check import AccountCheck, CheckReport, Pace, Setup, State, check
from panic.service.selftest import (
    Circumstances,
    Finding,
    Kept,
    Last,
    ago,
    exit_code,
    findings,
    found,
    look,
    place,
    read,
    write,
)
from panic.service.selftest.machine import is_full
from panic.simulator import Fault, SimAccount, Simulator
from tests.engine.test_engine import KEY
from tests.kit.virtual import virtually

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACE = Pace(rate=50, share=0.1)
RUN = RunSettings()


# ── what it comes to ────────────────────────────────────────────────────────────────────────────────────────


def a_report(*accounts: AccountCheck, **fields: Any) -> CheckReport:
    """What a check found; all is well unless told otherwise."""
    states = dict(Counter(one.state for one in accounts))
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


REFUSED, UNREACHABLE, MISSING, CLOSED = State.REFUSED, State.UNREACHABLE, State.MISSING, State.CLOSED
ALL = frozenset(range(1, 11))
SHRUNK = {"unlisted_accounts": tuple(range(3, 11))}


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
    assert "request-1" not in str(found)


def test_findings_are_in_few_words_that_do_not_waver():
    """Whoever is paged reads it on a telephone, and each change of the words is news."""
    (many,) = findings(a_report(*(one(id_, REFUSED, 403) for id_ in range(7000, 5800, -1))), around())
    skews = {str(findings(a_report(one(1), clock_skew_s=skew), around())[0]) for skew in (-11.0, -12.4, -59.0)}

    assert many.text.endswith("1,200 accounts: 5801, 5802, 5803, 5804, 5805, …")
    assert 1 == len(skews)
    assert "is behind the broker's by more than 10 s" in skews.pop()


@pytest.mark.parametrize(
    ("fields", "more", "expected"),
    [
        ({}, {}, []),
        ({"clock_skew_s": 4.9, "certificate_ends": NOW + timedelta(days=14.1)}, {}, []),
        ({"clock_skew_s": 5.1}, {}, ["clock_skew"]),
        ({"clock_skew_s": -3601.0}, {}, ["clock_skew"]),
        ({"clock_skew_s": None}, {}, ["clock_unchecked"]),
        ({"drift_checked": False}, {}, ["drift_unchecked"]),
        ({"unlisted_accounts": (9,)}, {}, ["unlisted"]),
        ({"certificate_ends": NOW + timedelta(days=13.9)}, {}, ["broker_certificate"]),
        (SHRUNK, {"covered_before": ALL}, ["unlisted", "roster_shrank"]),
        ({}, {"covered_before": ALL, "excluded": ALL - {1, 2}}, ["roster_changed"]),
        ({"drift_checked": False}, {"covered_before": ALL}, ["roster_shrank", "drift_unchecked"]),
        ({}, {"covered_before": frozenset({1})}, []),
        ({}, {"covered_before": None}, []),
        ({}, {"machine": (found("disk", what="x", where="y"),)}, ["disk"]),
    ],
)
def test_what_broker_and_roster_come_to(fields: dict[str, Any], more: dict[str, Any], expected: list[str]):
    """None of it stops a press; what is not as it was makes it less than proven, unless somebody meant it."""
    found = findings(a_report(one(1), one(2), **fields), around(**more))

    assert expected == [finding.code for finding in found]
    assert {Verdict.UNVERIFIED} >= {finding.worst for finding in found if finding.code != "roster_changed"}
    assert exit_code(found) == (10 if expected not in ([], ["roster_changed"]) else 0)


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


def test_what_is_wrong_with_this_machine(tmp_path: Path):
    """A ledger that is not there yet is no fault; one that is none is, and a folder that has gone."""
    latch.create(tmp_path / "panic.latch")
    well, gone = look(settings(tmp_path)), look(settings(tmp_path / "gone"))
    (tmp_path / "ledger.db").write_bytes(b"not a ledger" * 100)
    (tmp_path / "panic.latch").write_bytes(b"disengaged\n")
    broken = look(settings(tmp_path))

    assert () == well
    assert ["disk", "disk", "ledger", "latch_missing"] == [one.code for one in gone]
    assert f"its folder {tmp_path / 'gone'} is missing" in gone[2].text
    assert "no such file or directory" in gone[0].text
    assert ["ledger", "latch"] == [one.code for one in broken]
    assert "is not whole" in broken[1].text
    assert [Verdict.UNVERIFIED] * 3 + [Verdict.CLEAR] == [one.worst for one in gone]


@pytest.mark.parametrize(
    ("free", "size", "files", "full"),
    [
        (10**9, 2 * 10**9, 7, False),
        (99 * 10**6, 10**9, 7, True),
        (10**9, 101 * 10**9, 7, True),
        (10**9, 2 * 10**9, 0, True),
    ],
)
def test_a_disk_is_full_before_its_last_byte(free: int, size: int, files: int, full: bool):
    """By bytes, by its hundredth, and by files."""
    seen = {"f_bavail": free, "f_blocks": size, "f_frsize": 1, "f_files": 9, "f_favail": files}

    assert full == is_full(SimpleNamespace(**seen))  # type: ignore[arg-type]


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
    assert read(tmp_path) is None
    assert ["selftest.json"] == [one.name for one in tmp_path.iterdir()]
    assert 0o600 == file.stat().st_mode & 0o777


def test_how_old_it_is():
    """It is stale after two intervals; a clock that was set back makes nothing younger. All lost is no press."""
    last, later = a_last(), NOW + timedelta(seconds=601)
    ages = {0: "0 s ago", 59.9: "59 s ago", 60: "1 minute ago", 7200: "2 hours ago", 90_000: "1 day ago"}

    assert (False, True) == (last.is_stale(NOW + timedelta(seconds=600)), last.is_stale(later))
    assert (0, 10) == (last.exit_code_at(NOW), last.exit_code_at(later))
    assert 0 == last.age_s(NOW - timedelta(days=1))
    assert [*ages.values()] == [ago(seconds) for seconds in ages]
    assert [True, False, False] == [
        a_last(ok=ok, lost=n).none_could_be_pressed for ok, n in ((0, 3), (1, 3), (0, 0))
    ]


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
    """Five a second of fifty, evenly, the lists and the retries among them; no slower, however long it takes."""
    limping = SimAccount(7, faults=(Fault("status", on="GET", times=2),))
    report, simulator, _ = paced(accounts(40, limping), run=RunSettings(deadline_s=1))
    gaps = [later.at - earlier.at for earlier, later in pairwise(simulator.requests)]

    assert {State.OK: 40} == report.states
    assert min(gaps) > 0.19
    assert 8 < report.elapsed_s < PACE.needs_s(44) + 3
    assert {"GET"} == {request.method for request in simulator.requests}


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
