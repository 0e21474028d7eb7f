"""The self-test: what its findings and this machine's state come to, and a check at a pace."""

import ssl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
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
from panic.kit.words import ago
from panic.run.check import AccountCheck, CheckReport, Pace, Setup, State, check
from panic.service.selftest.findings import Finding, exit_code, findings, found
from panic.service.selftest.machine import is_full, look
from panic.service.selftest.result import SelfTestResult, place, read, write
from panic.service.selftest.tester import SelfTester
from panic.simulator import Fault, SimAccount, Simulator
from tests.cli.support import account
from tests.engine.test_engine import KEY
from tests.service.house import house

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACE = Pace(rate=50, share=0.1)


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


REFUSED, UNREACHABLE, MISSING, CLOSED = State.REFUSED, State.UNREACHABLE, State.MISSING, State.CLOSED


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
    (found,) = findings(a_report(account, one(2)), NOW)

    assert (code, worst) == (found.code, found.worst)
    assert "1 account: 1" in found.text
    assert "request-1" not in str(found)


@pytest.mark.parametrize(
    ("fields", "machine", "expected"),
    [
        ({}, (), []),
        ({"clock_skew_s": 4.9, "certificate_ends": NOW + timedelta(days=14.1)}, (), []),
        ({"clock_skew_s": 5.1}, (), ["clock_skew"]),
        ({"clock_skew_s": -3601.0}, (), ["clock_skew"]),
        ({"clock_skew_s": None}, (), ["clock_unchecked"]),
        ({"drift_checked": False}, (), ["drift_unchecked"]),
        ({"unlisted_accounts": (9,)}, (), ["unlisted"]),
        ({"certificate_ends": NOW + timedelta(days=13.9)}, (), ["broker_certificate"]),
        ({}, (found("disk", what="x", where="y", trouble="is full"),), ["disk"]),
    ],
)
def test_what_broker_and_machine_come_to(
    fields: dict[str, Any], machine: tuple[Finding, ...], expected: list[str]
):
    """None of it stops a press, and each makes it less than proven."""
    found = findings(a_report(one(1), one(2), **fields), NOW, machine=machine)

    assert expected == [finding.code for finding in found]
    assert exit_code(found) == (10 if expected else 0)


def test_findings_are_few_and_the_worst_stands_first():
    """Whoever is paged reads one line on a telephone; the exit code is the worst's, or that of the files."""
    problems = [Problem(f"line {n} is broken", "Mend it.", Path("accounts.csv"), n) for n in range(1, 13)]
    refused = (one(id_, REFUSED, 403) for id_ in range(7000, 5800, -1))
    found = findings(a_report(one(1, MISSING, 404), *refused), NOW, problems, is_paged=False)
    codes = [finding.code for finding in found]

    assert ["read_refused", *["configuration"] * 11, "account_missing", "no_pager"] == codes
    assert found[0].text.endswith("1,200 accounts: 5801, 5802, 5803, 5804, 5805, …")
    assert "accounts.csv:1: line 1 is broken. Mend it." == str(found[1])
    assert "and 2 mistakes more in the files" == found[11].text
    assert (40, 78) == (exit_code(found), exit_code(found, problems))


# ── this machine ────────────────────────────────────────────────────────────────────────────────────────────


def settings(folder: Path) -> Settings:
    """Settings with everything in one folder."""
    return Settings(
        broker=Broker(base_url="http://127.0.0.1:1"),
        roster=RosterFile(file=folder / "accounts.csv"),
        ledger=LedgerFiles(file=folder / "ledger.db"),
        latch=LatchFile(file=folder / "panic.latch"),
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


def a_result(*found: Finding, ok: int = 2, lost: int = 0) -> SelfTestResult:
    """One that ended now."""
    states = {State.OK: ok, State.REFUSED: lost}
    return SelfTestResult(
        "panic-self-test/1", NOW, 1.0, 300.0, "https://x.test", 0, None, ok + lost, states, found
    )


def test_it_is_kept_and_read_again(tmp_path: Path):
    """Word for word, readable by its owner alone, and nothing half-written is left beside it."""
    file = place(settings(tmp_path))
    assert file is not None
    result = a_result(Finding("dns", "it failed", "Mend it.", Verdict.UNKNOWN))
    write(file, a_result())
    write(file, result)

    assert result == read(file)
    assert read(tmp_path) is None
    assert ["selftest.json"] == [one.name for one in tmp_path.iterdir()]
    assert 0o600 == file.stat().st_mode & 0o777


def test_how_old_it_is():
    """It is stale after two intervals; a clock that was set back makes nothing younger. All lost is no press."""
    last, later = a_result(), NOW + timedelta(seconds=601)
    ages = {0: "0 s ago", 59.9: "59 s ago", 60: "1 minute ago", 7200: "2 hours ago", 90_000: "1 day ago"}

    assert (False, True) == (last.is_stale(NOW + timedelta(seconds=600)), last.is_stale(later))
    assert (0, 10) == (last.exit_code_at(NOW), last.exit_code_at(later))
    assert 0 == last.age_s(NOW - timedelta(days=1))
    assert [*ages.values()] == [ago(seconds) for seconds in ages]
    assert [True, False, False] == [
        a_result(ok=ok, lost=n).none_could_be_pressed for ok, n in ((0, 3), (1, 3), (0, 0))
    ]


# ── at a pace ───────────────────────────────────────────────────────────────────────────────────────────────


def settings_for(simulator: Simulator, **more: Any) -> Settings:
    """Settings for a check of what a simulator has."""
    broker = Broker(base_url=simulator.base_url, ca_file=more.pop("ca_file", None))
    return Settings(broker=broker, roster=RosterFile(file=Path("made-up")), **more)


def loaded(ids: Sequence[int]) -> Setup:
    """A roster of these accounts."""
    roster = Roster(Path("made-up"), "sha256:made-up", time.time(), tuple(map(Account, ids)), (), ())
    return Setup(roster, {"default": Key(KEY)}, ())


async def paced(
    accounts: Sequence[SimAccount], run: RunSettings | None = None, **options: Any
) -> tuple[CheckReport, Simulator, list[CheckReport]]:
    """Check these accounts at a pace."""
    told: list[CheckReport] = []
    async with Simulator(accounts, latency_s=0.01, **options) as simulator:
        where, setup = settings_for(simulator, run=run or RunSettings()), loaded([one.id for one in accounts])
        return await check(where, setup, pace=PACE, tell=told.append), simulator, told


def accounts(count: int, *faulty: SimAccount) -> list[SimAccount]:
    """So many accounts, some of them at fault."""
    bad = {account.id: account for account in faulty}
    return [bad.get(id_, SimAccount(id_)) for id_ in range(1, count + 1)]


@pytest.mark.virtual_time
async def test_it_never_asks_faster_than_its_share():
    """Five a second of fifty, evenly, the lists and the retries among them; no slower, however long it takes."""
    limping = SimAccount(7, faults=(Fault("status", on="GET", times=2),))
    report, simulator, _ = await paced(accounts(40, limping), run=RunSettings(deadline_s=1))
    gaps = [later.at - earlier.at for earlier, later in pairwise(simulator.requests)]

    assert {State.OK: 40} == report.states
    assert min(gaps) > 0.19
    assert 8 < report.elapsed_s < PACE.needs_s(44) + 3
    assert {"GET"} == {request.method for request in simulator.requests}


async def test_an_account_without_a_key_is_not_ready():
    """It is not asked about: nobody could press it."""
    where = Settings(broker=Broker(base_url="http://127.0.0.1:9"), roster=RosterFile(file=Path("made-up")))
    report = await check(where, replace(loaded([1]), keys={}))

    assert ({State.REFUSED: 1}, 40) == (report.states, report.exit_code)


@pytest.mark.virtual_time
async def test_a_failure_is_told_long_before_the_end():
    """A dead key at the first account, another account's lost permission when its turn comes, each once."""
    hurt = [SimAccount(id_, faults=(Fault("status", on="GET", status=403),)) for id_ in (20, 30)]
    report, _, told = await paced(accounts(60, *hurt))
    dead, _, told_dead = await paced(accounts(60), keys={"another.key": None})

    assert {State.OK: 58, State.REFUSED: 2} == report.states
    assert [0, 1] == [so_far.states.get(State.REFUSED, 0) for so_far in told]
    assert told[1].elapsed_s < 10
    assert {State.REFUSED: 60} == dead.states
    assert told_dead[1].elapsed_s < 3


async def test_the_end_of_the_brokers_certificate_is_seen(tmp_path: Path):
    """On the check's own connection, which has verified it."""
    authority, ends = trustme.CA(), datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Simulator(accounts(1), ssl_context=context) as simulator:
        report = await check(settings_for(simulator, ca_file=tmp_path / "ca.pem"), loaded([1]))
        found = findings(report, datetime.now(UTC))

    assert ends == report.certificate_ends
    assert ["the broker's certificate ends in 5 days"] == [finding.text for finding in found]


# ── who asks the service ────────────────────────────────────────────────────────────────────────────────────


def a_self_test(refused: int | None) -> SelfTester:
    """One that came to its end, with so many of two accounts refused; None for none."""
    where = Settings(broker=Broker(base_url="https://x.test"), roster=RosterFile(file=Path("made-up")))
    desk: Any = SimpleNamespace(live={}, observers=[])
    tester = SelfTester(lambda: where, Setup, desk, lambda _: None)
    if refused is not None:
        revoked = found("key_refused", accounts="1 account: 1")
        tester.last = replace(a_result(revoked, ok=2 - refused, lost=refused), finished_at=datetime.now(UTC))
    return tester


@pytest.mark.parametrize(("refused", "status", "why"), [(None, 200, ""), (1, 200, ""), (2, 503, "self-test")])
async def test_the_routes_tell_it(tmp_path: Path, refused: int | None, status: int, why: str):
    """GET /v1/check/last, its place in the status, the metrics; not ready if no account could be pressed."""
    async with house(tmp_path, account(1), account(2), self_test=a_self_test(refused)) as it:
        asked = await it.ask("GET", "/v1/check/last", token="viewer")
        nobody = await it.ask("GET", "/v1/check/last", token="")
        ready = await it.ask("GET", "/readyz", token="")
        state = (await it.ask("GET", "/v1/status", token="viewer")).fits("StatusView")["self_test"]
        metrics = (await it.ask("GET", "/metrics", token="viewer")).body.decode()

        assert 401 == nobody.status
        assert (status, why) == (ready.status, ready.json["why"])
        assert ([] if refused is None else ["key_refused"]) == state["findings"]
        assert (refused is not None) == ("panic_self_test_ok 0.0" in metrics)
        if refused is None:
            asked.problem("not_found")
        else:
            assert 2 == asked.fits("SelfTestResult")["accounts"]
            assert f'panic_self_test_accounts{{state="refused"}} {refused}.0' in metrics
            assert 'panic_self_test_findings{code="key_refused"} 1.0' in metrics
