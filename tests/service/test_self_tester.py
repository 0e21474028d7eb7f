"""The self-test of a service: what is injected is told within one interval, and no press waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panic.broker.outcomes import Verdict
from panic.config import Broker, Channel, Credential, Hook, LedgerFiles, RosterFile, SelfTest, Settings
from panic.engine.slots import Lanes
from panic.run.check import State
from panic.service.desk import Desk
from panic.service.notify import Notice
from panic.service.selftest.findings import Finding, found
from panic.service.selftest.result import SelfTestResult, read, write
from panic.service.selftest.tester import FIRST_S, SelfTester
from panic.simulator import Fault, SimAccount, Simulator
from tests.cli.support import account
from tests.engine.test_engine import KEY
from tests.kit.virtual import virtually
from tests.service.desks import Supplies, a_press, deletes
from tests.service.house import house

pytestmark = pytest.mark.usefixtures("the_library_is_loaded")

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
    """A service's settings and files, who was told what, and the self-test itself."""

    folder: Path
    simulator: Simulator
    settings: Settings
    supplies: Supplies
    machine: tuple[Finding, ...] = ()
    told: list[Notice] = field(default_factory=list)
    hangs: str = ""

    def __post_init__(self) -> None:
        self.desk = Desk(self.supplies)
        self.tester = self.another()

    def another(self) -> SelfTester:
        """The self-test of the next process."""
        env = {"PAGER": "json://127.0.0.1:1/"}
        return SelfTester(lambda: self.settings, self.desk, self.told.append, env, do=self._do, now=now)

    def list(self, ids: Sequence[int]) -> None:
        """Write the roster."""
        self.settings.roster.file.write_text("\n".join(["id", *map(str, ids), ""]))

    def set(self, **sections: Any) -> None:
        """Reload with other settings."""
        self.settings = self.settings.model_copy(update=sections)

    @property
    def last(self) -> SelfTestResult:
        """The last self-test."""
        assert self.tester.last is not None
        return self.tester.last

    async def _do(self, work: Callable[[], Any], name: str, _: float) -> Any:
        if name == self.hangs:
            raise TimeoutError
        return self.machine if name == "self-test-machine" else work()


Test = Callable[[Firm], Coroutine[Any, Any, Any]]


def in_a_firm(folder: Path, accounts: Sequence[SimAccount], work: Test, **options: Any) -> Any:
    """Do something while the self-test goes on, on virtual time."""

    async def go() -> Any:
        async with Simulator(accounts, **{"latency_s": 0.01, "wall_clock": lambda: EPOCH, **options}) as simulator:
            key = folder / "panic.key"
            key.touch(mode=0o600)
            key.write_text(KEY)
            settings = Settings(
                broker=Broker(base_url=simulator.base_url),
                credentials={"default": Credential(file=key)},
                roster=RosterFile(file=folder / "accounts.csv"),
                ledger=LedgerFiles(file=folder / "ledger.db"),
                channels={"pager": Channel(url=Credential(env="PAGER"))},
            )
            ids = [one.id for one in accounts]
            firm = Firm(folder, simulator, settings, Supplies(simulator, ids))
            firm.list(ids)
            await firm.tester.start()
            try:
                return await work(firm)
            finally:
                await firm.tester.close()
                await firm.desk.close()

    with pytest.MonkeyPatch.context() as patch:  # our clock and the broker's pass at one speed
        patch.setattr("panic.kit.clock.time", SimpleNamespace(time=wall))
        return virtually(go())


def some(count: int = 3, **faults: Fault) -> list[SimAccount]:
    """So many accounts; `_2` is what is wrong with the second."""
    return [SimAccount(n, faults=(faults[f"_{n}"],) if f"_{n}" in faults else ()) for n in range(1, count + 1)]


def firmly(accounts: Sequence[SimAccount], **options: Any) -> Callable[[Test], Callable[[Path], None]]:
    """Let a test happen in a firm with these accounts."""

    def decorated(test: Test) -> Callable[[Path], None]:
        def run(tmp_path: Path) -> None:
            in_a_firm(tmp_path, accounts, test, **options)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorated


@firmly(some())
async def test_all_is_well(firm: Firm):
    """Soon after the start and then at the interval, kept in the file for the next process, and nobody woken."""
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


def _lose_key(firm: Firm) -> None:
    (firm.folder / "panic.key").write_text("another.key")


def _name_a_group(firm: Firm) -> None:
    hook = Hook(secrets=(Credential(env="PAGER"),), scheme="bearer", groups=("nobody",))
    firm.set(hooks={"risk": hook})


def _break_ledger(firm: Firm, trouble: str = "it is damaged") -> None:
    firm.machine = (found("ledger", trouble=trouble),)


def _hang(what: str) -> Callable[[Firm], None]:
    return lambda firm: setattr(firm, "hangs", f"self-test-{what}")


@pytest.mark.parametrize(
    ("accounts", "inject", "code", "remedy"),
    [
        (some(), _lose_key, "key_refused", "Get a new key"),
        (some(_2=Fault("status", on="GET", skip=1)), lambda _: None, "unreachable", "Look at the network"),
        (some(), lambda firm: firm.list([1, 2]), "unlisted", "Add them"),
        (some(), lambda firm: firm.list([]), "configuration", "accounts.csv"),
        (some(), _name_a_group, "configuration", "The roster has no groups."),
        (some(), _break_ledger, "ledger", "Mend it"),
        (some(), _hang("machine"), "hangs", "Put them on a file system that answers"),
        (some(), _hang("load"), "configuration", "Put them on a file system that answers"),
    ],
)
def test_what_happens_is_told_at_the_interval(
    tmp_path: Path, accounts: list[SimAccount], inject: Callable[[Firm], object], code: str, remedy: str
):
    """All was well before; then a page with the remedy, the file and the exit code say the same."""

    async def work(firm: Firm) -> None:
        await asyncio.sleep(FIRST_S + 4)
        well = firm.last
        inject(firm)
        await asyncio.sleep(EVERY_S + 60)
        (page,) = firm.told[-1:]

        assert well.ok
        assert ("page", "selftest", False) == (page.kind, page.key, page.closes)
        assert code in {one.code for one in firm.last.findings}
        assert remedy in page.text
        assert firm.last.exit_code >= 10
        assert firm.last == read(firm.folder / "selftest.json")
        assert well.proven_at == firm.last.proven_at

    in_a_firm(tmp_path, accounts, work)


@firmly(some(100, _1=Fault("status", on="GET", status=403)))
async def test_what_is_wrong_is_told_before_the_end_of_a_long_round(firm: Firm):
    """Once; the end of the round says the same, and pages nobody again."""
    await asyncio.sleep(FIRST_S + 10)
    pages, unproven = len(firm.told), firm.tester.last
    await asyncio.sleep(30)

    assert (1, None) == (pages, unproven)
    assert ["read_refused"] == [one.code for one in firm.last.findings]
    assert 1 == len(firm.told)


@firmly(some())
async def test_the_page_ends_when_all_is_well_again(firm: Firm):
    """Told once however long it lasts, and again when it changes; over with the first that finds nothing."""
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


@firmly(some())
async def test_a_self_test_that_breaks_is_told_and_goes_on(firm: Firm):
    """Nobody may take its silence for health."""
    firm.machine = None  # type: ignore[assignment]
    await asyncio.sleep(FIRST_S + 4)
    broken = [one.code for one in firm.last.findings]
    firm.machine = ()
    await asyncio.sleep(EVERY_S)

    assert ["self_test_failed"] == broken
    assert [False, True] == [one.closes for one in firm.told]


@firmly(some())
async def test_it_can_be_turned_off_and_on(firm: Firm):
    """By a reload: without an interval nothing is asked, and nothing is claimed."""
    firm.set(self_test=SelfTest(every_s=0))
    await asyncio.sleep(FIRST_S + 3 * EVERY_S)
    asked, unproven = len(firm.simulator.requests), firm.tester.last
    firm.set(self_test=SelfTest())
    await asyncio.sleep(60)

    assert (0, None) == (asked, unproven)
    assert firm.last.ok


# ── a press comes first ─────────────────────────────────────────────────────────────────────────────────────


@firmly(some(400), latency_s=0.0)
async def test_no_press_waits_for_accounts_that_are_being_checked(firm: Firm):
    """The first DELETE leaves in the same instant, every account is swept, and no read of ours comes between."""
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


@firmly(some(30))
async def test_it_is_dropped_for_a_press_and_made_again_after_it(firm: Firm):
    """Dropped, it is no result; the next one begins when the last run has ended, without waiting for its time."""

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


@firmly([account(n, Fault("stuck")) for n in range(1, 31)])
async def test_it_takes_turns_of_the_runs_lanes_and_goes_behind_all_of_them(firm: Firm):
    """While a run that it has not heard of has something to send, again and again, it gets no turn."""
    firm.supplies.lanes = Lanes(most=4.0)
    await asyncio.sleep(FIRST_S + 3)
    before, elsewhere = len(firm.simulator.requests), Desk(firm.supplies)
    await elsewhere.press(a_press(deadline_s=20.0)).live.finished()
    seen = firm.simulator.requests[before:]
    ours = [one for one in seen if one.query.get("page_size") == "1"]

    assert firm.tester.status()["under_way"]
    assert 70 <= len(seen) <= 82
    assert len(ours) <= 2


# ── who asks the service ────────────────────────────────────────────────────────────────────────────────────


REVOKED = Finding("key_refused", "the key was revoked", "Get a new key.", Verdict.REFUSED)


@asynccontextmanager
async def a_self_test(folder: Path, refused: int | None) -> AsyncIterator[SelfTester]:
    """One that came to its end, with so many of two accounts refused; None for none."""
    where = Settings(
        broker=Broker(base_url="https://x.test"), roster=RosterFile(), ledger=LedgerFiles(file=folder / "l.db")
    )
    if refused is not None:
        states, at = {State.OK: 2 - refused, State.REFUSED: refused}, datetime.now(UTC)
        last = SelfTestResult(
            "panic-self-test/1", at, 1.0, 300.0, "https://x.test", 0, None, 2, states, (REVOKED,)
        )
        write(folder / "selftest.json", last)
    desk: Any = SimpleNamespace(live={}, observers=[])
    tester = SelfTester(lambda: where, desk, lambda _: None, {}, first_s=3600)
    await tester.start()
    try:
        yield tester
    finally:
        await tester.close()


@pytest.mark.parametrize(("refused", "status", "why"), [(None, 200, ""), (1, 200, ""), (2, 503, "self-test")])
async def test_the_routes_tell_it(tmp_path: Path, refused: int | None, status: int, why: str):
    """GET /v1/check/last, its place in the status, the metrics; not ready if no account could be pressed."""
    async with (
        a_self_test(tmp_path, refused) as tester,
        house(tmp_path, account(1), account(2), self_test=tester) as it,
    ):
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
