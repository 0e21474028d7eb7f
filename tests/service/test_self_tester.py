"""The self-test of a service: what is injected is told within one interval, and no press waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panic.config import Broker, Channel, Credential, LedgerFiles, RosterFile, SelfTest, Settings
from panic.config.secret import Key
from panic.engine.lanes import Lanes
from panic.kit.errors import Problem
from panic.run.check import Setup, State
from panic.service.desk import Desk
from panic.service.notify import Notice
from panic.service.selftest.findings import Finding, found
from panic.service.selftest.result import SelfTestResult, read
from panic.service.selftest.tester import FIRST_S, SelfTester
from panic.simulator import Fault, SimAccount, Simulator
from tests.cli.support import account
from tests.service.desks import Supplies, a_press, deletes
from tests.service.test_selftest import loaded

pytestmark = pytest.mark.virtual_time

EVERY_S = 300.0
"""The interval where settings do not say."""

EPOCH = 1_800_000_000.0
"""When the loop's time begins."""


def wall() -> float:
    return EPOCH + asyncio.get_running_loop().time()


def now() -> datetime:
    """The time of day on the loop's time."""
    return datetime.fromtimestamp(wall(), UTC)


@dataclass
class Firm:
    """A service's settings and what a press would go by, who was told what, and the self-test itself."""

    folder: Path
    simulator: Simulator
    settings: Settings
    setup: Setup
    supplies: Supplies
    machine: tuple[Finding, ...] = ()
    told: list[Notice] = field(default_factory=list)
    hangs: bool = False

    def __post_init__(self) -> None:
        self.desk = Desk(self.supplies)
        self.tester = self.another()

    def another(self) -> SelfTester:
        """The self-test of the next process."""
        how: dict[str, Any] = {"do": self._do, "now": now}
        return SelfTester(lambda: self.settings, lambda: self.setup, self.desk, self.told.append, **how)

    def set(self, **sections: Any) -> None:
        """Reload with other settings."""
        self.settings = self.settings.model_copy(update=sections)

    @property
    def last(self) -> SelfTestResult:
        """The last self-test."""
        assert self.tester.last is not None
        return self.tester.last

    async def _do(self, work: Callable[[], Any], name: str, _: float) -> Any:
        if name != "self-test-machine":
            return work()
        if self.hangs:
            raise TimeoutError
        return self.machine


@asynccontextmanager
async def a_firm(folder: Path, accounts: Sequence[SimAccount], **options: Any) -> AsyncIterator[Firm]:
    """A firm with these accounts, while its self-test goes on; our clock and the broker's pass at one speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("panic.kit.clock.time", SimpleNamespace(time=wall))
        async with Simulator(accounts, **{"latency_s": 0.01, "wall_clock": lambda: EPOCH, **options}) as simulator:
            ids = [one.id for one in accounts]
            settings = Settings(
                broker=Broker(base_url=simulator.base_url),
                roster=RosterFile(file=Path("made-up")),
                ledger=LedgerFiles(file=folder / "ledger.db"),
                channels={"pager": Channel(url=Credential(env="PAGER"))},
            )
            firm = Firm(folder, simulator, settings, loaded(ids), Supplies(simulator, ids))
            await firm.tester.start()
            try:
                yield firm
            finally:
                await firm.tester.close()
                await firm.desk.close()


def some(count: int = 3, **faults: Fault) -> list[SimAccount]:
    """So many accounts; `_2` is what is wrong with the second."""
    return [SimAccount(n, faults=(faults[f"_{n}"],) if f"_{n}" in faults else ()) for n in range(1, count + 1)]


async def test_all_is_well(tmp_path: Path):
    """Soon after the start and then at the interval, kept in the file for the next process, and nobody woken."""
    async with a_firm(tmp_path, some()) as firm:
        before = firm.tester.status()
        await asyncio.sleep(FIRST_S + 2)
        first, asked = firm.last, len(firm.simulator.requests)
        await asyncio.sleep(EVERY_S - 4)
        quiet = len(firm.simulator.requests) - asked
        await asyncio.sleep(5)
        await firm.tester.close()
        next_one = firm.another()
        await next_one.start()
        await next_one.close()

    assert (None, None, []) == (before["ok"], before["age_s"], before["findings"])
    assert (True, 3, 0, EVERY_S) == (first.ok, first.good, first.exit_code, first.interval_s)
    assert (0, 2 * asked) == (quiet, len(firm.simulator.requests))
    assert firm.last.proven_at == firm.last.finished_at > first.finished_at
    assert firm.last == read(firm.folder / "selftest.json") == next_one.last
    assert ([], "") == (firm.told, firm.tester.not_ready)


# ── every failure is told within one interval, with its remedy ──────────────────────────────────────────────


def _set_up(**wrong: Any) -> Callable[[Firm], None]:
    return lambda firm: setattr(firm, "setup", replace(firm.setup, **wrong))


def _break_ledger(firm: Firm, trouble: str = "it is damaged") -> None:
    firm.machine = (found("ledger", trouble=trouble),)


@pytest.mark.parametrize(
    ("accounts", "inject", "code", "remedy"),
    [
        (some(), _set_up(keys={"default": Key("another.key")}), "key_refused", "Get a new key"),
        (some(_2=Fault("status", on="GET", skip=1)), lambda _: None, "unreachable", "Look at the network"),
        (some(), _set_up(roster=loaded([1, 2]).roster), "unlisted", "Add them"),
        (some(), _set_up(problems=(Problem("x", "Mend it."),)), "configuration", "Mend it."),
        (some(), _break_ledger, "ledger", "Mend it"),
        (some(), lambda firm: setattr(firm, "machine", None), "self_test_failed", "read the service's log"),
        (some(), lambda firm: setattr(firm, "hangs", True), "hangs", "on a file system that answers"),
    ],
)
async def test_what_happens_is_told_at_the_interval(
    tmp_path: Path, accounts: list[SimAccount], inject: Callable[[Firm], object], code: str, remedy: str
):
    """All was well before; then a page with the remedy, the file and the exit code say the same."""
    async with a_firm(tmp_path, accounts) as firm:
        await asyncio.sleep(FIRST_S + 4)
        well = firm.last
        inject(firm)
        await asyncio.sleep(EVERY_S + 60)
    page = firm.told[-1]

    assert well.ok
    assert ("page", "selftest", False) == (page.kind, page.key, page.closes)
    assert code in {one.code for one in firm.last.findings}
    assert remedy in page.text
    assert firm.last.exit_code >= 10
    assert firm.last == read(firm.folder / "selftest.json")
    assert well.proven_at == firm.last.proven_at


async def test_what_is_wrong_is_told_before_the_end_of_a_long_round(tmp_path: Path):
    """Once; the end of the round says the same, and pages nobody again."""
    async with a_firm(tmp_path, some(100, _1=Fault("status", on="GET", status=403))) as firm:
        await asyncio.sleep(FIRST_S + 10)
        pages, unproven = len(firm.told), firm.tester.last
        await asyncio.sleep(30)

    assert (1, None) == (pages, unproven)
    assert ["read_refused"] == [one.code for one in firm.last.findings]
    assert 1 == len(firm.told)


async def test_the_page_ends_when_all_is_well_again(tmp_path: Path):
    """Told once however long it lasts, and again when it changes; over with the first that finds nothing."""
    async with a_firm(tmp_path, some()) as firm:
        _break_ledger(firm)
        await asyncio.sleep(FIRST_S + 2 * EVERY_S + 4)
        pages = list(firm.told)
        _break_ledger(firm, "it is damaged in another place")
        await asyncio.sleep(EVERY_S)
        firm.machine = ()
        await asyncio.sleep(EVERY_S)

    assert 1 == len(pages)
    assert [False, False, True] == [one.closes for one in firm.told]
    assert "A press would work everywhere again" == firm.told[-1].title


async def test_it_can_be_turned_off_and_on(tmp_path: Path):
    """By a reload: without an interval nothing is asked, and nothing is claimed."""
    async with a_firm(tmp_path, some()) as firm:
        firm.set(self_test=SelfTest(every_s=0))
        await asyncio.sleep(FIRST_S + 3 * EVERY_S)
        asked, unproven = len(firm.simulator.requests), firm.tester.last
        firm.set(self_test=SelfTest())
        await asyncio.sleep(60)

    assert (0, None) == (asked, unproven)
    assert firm.last.ok


# ── a press comes first ─────────────────────────────────────────────────────────────────────────────────────


async def test_no_press_waits_for_accounts_that_are_being_checked(tmp_path: Path):
    """The first DELETE leaves in the same instant, every account is swept, and no read of ours comes between."""
    async with a_firm(tmp_path, some(400), latency_s=0.0) as firm:
        await asyncio.sleep(FIRST_S + 30.1)
        checked = len(firm.simulator.requests)
        clock = asyncio.get_running_loop().time
        pressed_at, under_way = clock(), firm.tester.status()["under_way"]
        live = firm.desk.press(a_press(verify=False)).live
        await live.run.engine.swept.wait()
        swept_at, after = clock(), firm.simulator.requests[checked:]
        await live.finished()

    assert under_way
    assert 100 < checked < 200
    assert after[0].at - pressed_at < 0.01
    assert {"DELETE"} == {request.method for request in after[:400]}
    assert 400 == len(deletes(firm.simulator))
    assert swept_at - pressed_at < 10
    assert firm.tester.last is None


async def test_it_is_dropped_for_a_press_and_made_again_after_it(tmp_path: Path):
    """Dropped, it is no result; the next one begins when the last run has ended, without waiting for its time."""
    async with a_firm(tmp_path, some(30)) as firm:

        def asked() -> int:
            return len([one for one in firm.simulator.requests if one.account_id is None])

        await asyncio.sleep(FIRST_S + 3)
        first = firm.desk.press(a_press(watch_s=30.0)).live
        await asyncio.sleep(1)
        dropped = firm.tester.status()
        other = firm.desk.press(a_press(reason="another", verify=False, watch_s=0.0)).live
        await other.finished()
        before = asked()
        await first.finished()
        await asyncio.sleep(1.9)
        during, unproven = asked() - before, firm.tester.last
        await asyncio.sleep(15)

    assert (False, None) == (dropped["under_way"], dropped["ok"])
    assert (0, None) == (during, unproven)
    assert {State.OK: 30} == firm.last.states


async def test_it_takes_turns_of_the_runs_lanes_and_goes_behind_all_of_them(tmp_path: Path):
    """While a run that it has not heard of has something to send, again and again, it gets no turn."""
    async with a_firm(tmp_path, [account(n, Fault("stuck")) for n in range(1, 31)]) as firm:
        firm.supplies.lanes = Lanes(most=4.0)
        await asyncio.sleep(FIRST_S + 3)
        before, elsewhere = len(firm.simulator.requests), Desk(firm.supplies)
        await elsewhere.press(a_press(deadline_s=20.0)).live.finished()
        seen, status = firm.simulator.requests[before:], firm.tester.status()
    ours = [one for one in seen if one.query.get("page_size") == "1"]

    assert status["under_way"]
    assert 70 <= len(seen) <= 82
    assert len(ours) <= 2
