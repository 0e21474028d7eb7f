"""The engine's promises, on virtual time: over real sockets where the wire matters, with fakes where not."""

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account, Roster
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.config import Broker, RosterFile, Settings
from panic.config import Run as RunSettings
from panic.config.secret import Key
from panic.orders import Filters
from panic.report.document import AccountReport, Report
from panic.run.press import Prepared, Press
from panic.run.run import Run
from panic.simulator import Fault, SeenRequest, SimAccount, SimOrder, Simulator

pytestmark = pytest.mark.virtual_time

KEY = "sim.key"
ONE_ORDER = (SimOrder(),)


def accounts(*faults: Sequence[Fault], orders: Sequence[SimOrder] = ONE_ORDER) -> list[SimAccount]:
    """One account for each sequence of faults, numbered from 1."""
    return [SimAccount(i, orders=tuple(orders), faults=tuple(one)) for i, one in enumerate(faults, 1)]


def prepared(
    base_url: str,
    ids: Sequence[int],
    *,
    credentials: Callable[[int], str] = lambda _: "default",
    priorities: Callable[[int], int] = lambda _: 1,
    run: RunSettings | None = None,
    **how: Any,
) -> Prepared:
    """Make a press of these accounts ready."""
    listed = tuple(Account(id_, priority=priorities(id_), credential=credentials(id_)) for id_ in ids)
    roster = Roster(Path("made-up"), "sha256:made-up", time.time(), listed, (), ())
    scope = Scope(accounts=tuple(ids), filters=how.pop("filters", Filters()))
    names = {account.credential for account in listed}
    keys = {name: Key(KEY) for name in names}
    where = Broker(base_url=base_url)
    settings = Settings(broker=where, roster=RosterFile(file=Path("made-up")), run=run or RunSettings())
    return Prepared(Press(scope, "a test", **how), settings, roster, keys, plan(roster, scope, names))


class Pressed:
    """What a press on virtual time left behind."""

    def __init__(self, report: Report, simulator: Simulator, began: float) -> None:
        self.report = report
        self.simulator = simulator
        self.began = began

    def __getitem__(self, id_: int) -> AccountReport:
        return next(account for account in self.report.accounts if account.id == id_)

    def seen(self, method: str, id_: int | None = None) -> list[SeenRequest]:
        return [r for r in self.simulator.requests if r.method == method and id_ in {None, r.account_id}]

    def times(self, method: str, id_: int) -> list[float]:
        return [round(request.at - self.began, 3) for request in self.seen(method, id_)]


async def press(
    simulated: list[SimAccount],
    *,
    during: Any = None,
    settle_s: float = 0.2,
    latency_s: float = 0.01,
    **how: Any,
) -> Pressed:
    """Press on virtual time, over real sockets."""
    how.setdefault("watch_s", 0.0)

    async with Simulator(simulated, settle_s=settle_s, latency_s=latency_s) as simulator:
        run = Run(prepared(simulator.base_url, [a.id for a in simulated], **how), rng=random.Random(1))
        began = asyncio.get_running_loop().time()
        if during is not None:
            asyncio.get_running_loop().call_later(during[0], during[1], run, simulator)
        return Pressed(await run.go(), simulator, began)


def gaps(times: Sequence[float]) -> list[float]:
    """Give the times between neighbours."""
    return [later - earlier for earlier, later in pairwise(times)]


async def test_every_first_delete_goes_before_any_read():
    """Reads wait until every account was sent its first cancel."""
    pressed = await press(accounts(*[()] * 40), concurrency=3, latency_s=0.1)

    methods = [request.method for request in pressed.simulator.requests]
    assert ["DELETE"] * 40 == methods[:40]
    assert Verdict.CLEAR is pressed.report.verdict


async def test_accounts_seen_clear_do_not_keep_the_others_from_being_read():
    """Watching accounts that are clear already takes only the slots that nothing else wants."""
    pressed = await press(accounts(*[()] * 40), concurrency=2, latency_s=0.2, watch_s=15.0, priorities=int)

    assert Verdict.CLEAR is pressed.report.verdict
    assert {Standing.CLEAR} == {account.standing for account in pressed.report.accounts}


@pytest.mark.parametrize(("header", "hold_s"), [("3", 3.0), ("9999", 20.0)])
async def test_a_retry_after_holds_one_account_and_nobody_longer_than_twenty_seconds(header: str, hold_s: float):
    """What is told to wait again, while its neighbours are served, waits so long; they do not."""
    pressed = await press(accounts([Fault("status", status=429, retry_after=header, times=3)], *[()] * 20))

    again = sorted(pressed.times("DELETE", 1) + pressed.times("GET", 1))
    assert (0.5, hold_s) == pytest.approx((again[1] - again[0], again[2] - again[1]), abs=0.3)
    assert Verdict.CLEAR is pressed.report.verdict
    assert 1.0 > max(pressed.times("GET", id_)[0] for id_ in range(2, 22))


@pytest.mark.parametrize("faults", [[Fault("hang", on="GET")], [Fault("latency", on="GET", seconds=4.8)]])
async def test_slow_reads_do_not_keep_the_next_delete_waiting(faults: list[Fault]):
    """A read makes way for the DELETE that is due within twenty seconds."""
    pressed = await press(accounts([Fault("stuck"), *faults]), deadline_s=70.0)

    assert 20.0 >= max(gaps(pressed.times("DELETE", 1)))


@pytest.mark.parametrize("deadline_s", [0.4, 5.3])
async def test_the_run_ends_at_its_deadline_whatever_hangs(deadline_s: float):
    """Every wait is bounded, also those that aiohttp would round up."""
    hang = [Fault("hang", on="ANY")]
    pressed = await press(accounts(*[hang] * 5, [Fault("drip", on="ANY", seconds=1.0)]), deadline_s=deadline_s)

    assert deadline_s - 0.01 <= pressed.report.timings.total_s <= deadline_s + 0.25
    assert 6 == len(pressed.report.accounts)
    assert Verdict.UNKNOWN is pressed.report.verdict


async def test_a_run_too_short_for_its_accounts_says_which_were_never_sent():
    """Nobody is left out of the report because time ran out."""
    hang = [Fault("hang")]
    pressed = await press(accounts(*[hang] * 10), concurrency=2, deadline_s=3.0)

    outcomes = Counter(account.outcome for account in pressed.report.accounts)
    assert {Outcome.UNKNOWN: 2, Outcome.NOT_ATTEMPTED: 8} == outcomes
    assert "not_attempted" in {flag.code for flag in pressed.report.flags}


async def test_after_a_stop_nothing_is_sent_and_the_report_comes_within_a_second():
    """Somebody pressed the wrong thing: what was sent is reported, what was not stays unsent."""
    hang = [Fault("hang")]
    pressed = await press(accounts(*[hang] * 6), concurrency=2, during=(1.0, lambda run, _: run.stop()))

    assert 2 == len(pressed.simulator.requests)
    assert 2.1 >= pressed.report.timings.total_s
    assert "stopped" in {flag.code for flag in pressed.report.flags}
    assert 6 == len(pressed.report.accounts)


async def test_an_answer_under_way_at_a_stop_is_still_heard():
    """A cancel that is answered in the second after the stop counts."""
    slow = [Fault("latency", seconds=0.8)]
    pressed = await press(accounts(slow), during=(0.3, lambda run, _: run.stop()))

    assert Outcome.ACCEPTED is pressed[1].outcome


async def test_clears_over_used_connections_are_read_again_when_answers_get_mixed_up():
    """After an unasked answer every proof stands on a connection that nobody used before."""
    late = [Fault("latency", seconds=2.0, times=1), Fault("second_answer", on="GET", times=1)]
    pressed = await press(accounts(*[()] * 10, late), concurrency=2)
    taken_back = [account for account in pressed.report.accounts if any("read again" in n for n in account.notes)]

    assert taken_back
    assert Verdict.CLEAR is pressed.report.verdict
    assert "mixed_up_answers" in {flag.code for flag in pressed.report.flags}
    assert all(() == pressed.simulator.truth(i).open for i in range(1, 12))


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_collector_is_left_as_it_was(enabled: bool):
    """The first sweep runs without garbage collections; afterwards all is as before."""
    (gc.enable if enabled else gc.disable)()
    try:
        pressed = await press(accounts((), ()))

        assert Verdict.CLEAR is pressed.report.verdict
        assert enabled == gc.isenabled()
    finally:
        gc.enable()
