"""The check: would a press work everywhere? It only reads, and it refuses what a press would tolerate."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.broker.outcomes import Verdict
from panic.run.check import State
from panic.service.selftest.findings import Finding
from panic.service.selftest.result import SelfTestResult, write
from panic.simulator import Fault, SimAccount
from tests.cli.inside import beside, typed
from tests.cli.support import KEY, Finished, Firm, account, sent, simulate

ROWS = ("1,One,", "2,Two,", "3,Treasury,yes")
COLUMNS = "id,name,excluded"
SHORT = "attempt_s = 0.5\ndeadline_s = 1.0\n"


def states(done: Finished) -> dict[int, str]:
    """What the check found of each account."""
    found: dict[str, Any] = json.loads(done.out)
    return {one["id"]: one["state"] for one in found["accounts"]}


def both(firm: Firm, *words: str) -> tuple[Finished, str]:
    """The check as JSON, and the table of another one."""
    table, done = (typed(*firm.lines("check", *words, "--format", form)) for form in ("table", "json"))

    assert done.code == table.code
    return done, table.out


def test_all_is_well(tmp_path: Path):
    """Exit 0, as JSON, as a table and as a file; excluded accounts are left alone and nothing is cancelled."""
    with beside(simulate(account(1), account(2, orders=0), account(3))) as simulator:
        firm, output = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS), tmp_path / "check.json"
        latch.create(tmp_path / "panic.latch")
        done, table = both(firm, "--output", str(output))
    found = json.loads(done.out)

    assert (0, {1: "ok", 2: "ok"}, found) == (done.code, states(done), json.loads(output.read_text()))
    assert (firm.base_url, [], []) == (found["base_url"], found["warnings"], found["unlisted_accounts"])
    assert abs(found["clock_skew_s"]) < 1
    assert table.startswith("READY  a press would work everywhere: 2 of 2 accounts can be read\n")
    assert firm.base_url in table
    assert {"GET"} == {one.method for one in simulator.requests}
    assert 3 not in sent(simulator, "GET")
    assert KEY not in done.out + done.err + table


def test_all_mistakes_are_listed_at_once(tmp_path: Path):
    """Settings, credentials and roster: 78, each with file, line and remedy, before anything is asked."""
    with beside(simulate(account(1))) as simulator:
        firm = Firm(
            tmp_path,
            simulator.base_url,
            ["1,,", "zwei,,", "3,nobody,", "1,,"],
            "id,credential,naem",
            credentials='[credentials.default]\nfile = "panic.key"\n[credentials.dead]\nenv = "NO_SUCH_KEY"\n',
            run="concurrency = 5000\nwacth_s = 3\n",
        )
        firm.key.chmod(0o644)
        done = typed(*firm.lines("check"), env={"PANIC_BROKER_BASE_URL": "https://elsewhere.test"})
        told = done.err.removeprefix("panic: ").replace(f"{tmp_path}/", "").splitlines()

    assert (78, "", []) == (done.code, done.out, simulator.requests)
    assert MISTAKES == [line for line in MISTAKES if any(one.startswith(line) for one in told)]
    assert len(MISTAKES) + 2 == len(told)
    assert "the broker was not asked yet. Mend these first, and type panic check again." == told[-2]
    assert "Nothing was sent." == told[-1]


MISTAKES = [
    "PANIC_BROKER_BASE_URL differs from the settings' base_url. Unset it",
    "panic.toml:9: [run] concurrency is 5000. Input should be less than or equal to 1000",
    "panic.toml:10: [run] has no setting 'wacth_s'. Did you mean watch_s?",
    "panic.key: credential default: the key file is open to other users. Run: chmod 600",
    "credential dead: the environment variable NO_SUCH_KEY is not set. Set it",
    "accounts.csv:1: there is no column 'naem'. Did you mean name?",
    "accounts.csv:3: the id 'zwei' is not a whole number above 0. Write the digits only",
    "accounts.csv:4: account 3: the credential 'nobody' is not in the settings. Known are",
    "accounts.csv:5: account 1 stands in lines 2 and 5. Remove one",
]


_WELL = (account(1), account(2), account(3))
_HANGS = (Fault("hang", on="ANY"), Fault("hang", on="OTHER"))
_ELSEWHERE = (Fault("bare_404", on="ANY"), Fault("bare_404", on="OTHER"))


_FORBIDDEN = (account(1), account(2, Fault("status", on="GET", status=403)), account(3))
_DRIFTED = (account(1), account(2, status="CLOSED"), account(3), account(7), account(8, status="INACTIVE"))


@pytest.mark.parametrize(
    ("accounts", "options", "code", "second", "words"),
    [
        (
            _FORBIDDEN,
            {},
            40,
            "refused",
            ["NOT READY  a press would not", "REFUSED     2 Two: this key may not read"],
        ),
        (_DRIFTED, {}, 10, "closed", ["CLOSED      2 Two: the broker says it is closed", "in the roster: 7;"]),
        ((account(1), account(3)), {}, 10, "missing", ["MISSING     2 Two: the broker does not list it"]),
        (_WELL, {"fault_all": _HANGS}, 30, "unreachable", ["the broker did not list its accounts", "UNREACHABLE"]),
        (_WELL, {"fault_all": _ELSEWHERE}, 40, "refused", ["NOT READY", "the broker did not tell its time"]),
        (_WELL, {"wall_clock": lambda: 1_000_000_000.0}, 10, "ok", ["this machine's clock differs from the br"]),
    ],
    ids=["forbidden", "drifted", "missing", "hangs", "wrong address", "wrong clock"],
)
def test_what_a_press_would_come_to(
    tmp_path: Path,
    accounts: tuple[SimAccount, ...],
    options: dict[str, Any],
    code: int,
    second: str,
    words: list[str],
):
    """The exit code is the verdict's, the worst account is named first with its request, and nothing is sent."""
    with beside(simulate(*accounts, **options)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS, run=SHORT)
        done, table = both(firm)
        worst = json.loads(done.out)["accounts"][0]

    assert (code, second) == (done.code, states(done)[2])
    assert [] == [part for part in words if part not in table]
    assert code != 40 or worst["request_id"] or worst["status"] == 404
    assert json.loads(done.out)["elapsed_s"] < 10
    assert {"GET"} == {one.method for one in simulator.requests}


def test_what_is_wrong_with_this_machine_is_told_as_well(tmp_path: Path):
    """A press goes on without ledger and latch, and somebody has to mend them."""
    with beside(simulate(*_WELL)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        missing = typed(*firm.lines("check", "--format", "table"))
        (tmp_path / "panic.latch").write_text("disengaged")
        (tmp_path / "ledger.db").mkdir()
        broken = typed(*firm.lines("check", "--format", "table"))

    assert (0, 10) == (missing.code, broken.code)
    assert "! there is no latch, which means engaged to every strategy" in missing.out
    assert "! the ledger is in trouble: it is a directory. Mend it" in broken.out
    assert "! the latch is not whole: it was cut off, damaged or edited, which means engaged" in broken.out


# ── the service's last one ──────────────────────────────────────────────────────────────────────────────────

NOBODY_THERE = "http://127.0.0.1:1"


REVOKED = Finding("key_refused", "the key is revoked for 3 accounts: 7, 8, 9", "Get a new key.", Verdict.REFUSED)


def a_last(ago_s: float, *findings: Finding, base_url: str = NOBODY_THERE) -> SelfTestResult:
    """A self-test of 4,812 accounts; one that found something proved nothing, as the last did for two hours."""
    at, before = (datetime.now(UTC) - timedelta(seconds=seconds) for seconds in (ago_s, 7205))
    return SelfTestResult(
        *("panic-self-test/1", at, 9.0, 300.0),
        accounts=4812,
        states={State.OK: 4809, State.REFUSED: 3} if findings else {State.OK: 4812},
        findings=findings,
        base_url=base_url,
        exit_code=40 if findings else 0,
        proven_at=before if findings else at,
    )


@pytest.mark.parametrize(
    ("ago_s", "findings", "code", "headline", "more"),
    [
        (190, [], 0, "READY  last proven 3 minutes ago, 4,812 of 4,812", ""),
        (70, [REVOKED], 40, "NOT READY  not proven 1 minute ago, 4,809 of 4,812; last proven 2 hours ago", ""),
        (601, [], 10, "NOT KNOWN  last proven 10 minutes ago", "! one was wanted every 5 minutes: is"),
        (
            601,
            [REVOKED],
            40,
            "NOT KNOWN",
            "REFUSED     the key is revoked for 3 accounts: 7, 8, 9. Get a new key.",
        ),
    ],
    ids=["well", "not well", "long ago", "long ago and not well"],
)
def test_the_last_one_is_told_without_asking_anybody(
    tmp_path: Path, ago_s: float, findings: list[Finding], code: int, headline: str, more: str
):
    """Its worst finding leads; its exit code is the check's, and after two intervals 10 at best."""
    firm = Firm(tmp_path, NOBODY_THERE, [])
    firm.key.unlink()
    write(tmp_path / "selftest.json", a_last(ago_s, *findings))
    found, table = both(firm, "--last")
    document = json.loads(found.out)

    assert code == found.code
    assert table.startswith(headline)
    assert more in table
    assert ("panic-self-test/1", 4812) == (document["schema"], document["accounts"])


@pytest.mark.parametrize("kept", ["", '{"last": {"schema": "panic-self-test/1"', "of another broker"])
def test_there_never_was_one(tmp_path: Path, kept: str):
    """Missing, damaged or of another broker: that is said, and what to do, and nothing is claimed."""
    firm = Firm(tmp_path, NOBODY_THERE, [1])
    if kept == "of another broker":
        write(tmp_path / "selftest.json", a_last(1, base_url="http://127.0.0.1:2"))
    elif kept:
        (tmp_path / "selftest.json").write_text(kept)
    done = typed(*firm.lines("check", "--last"))

    assert (64, "") == (done.code, done.out)
    assert "Type panic check" in done.err
