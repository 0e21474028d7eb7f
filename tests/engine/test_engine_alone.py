"""The engine over calls that are handed in: order, faults, doubts and its end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from panic.accounts.roster import Account
from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import Body, Evidence, Standing, Verdict, classify
from panic.broker.pages import Page, Parameters
from panic.engine.case import Case
from panic.engine.deadline import Leash
from panic.engine.engine import Engine
from panic.engine.events import Observer, What
from panic.engine.pacing import Pace
from panic.engine.slots import Slots
from panic.kit.clock import Clock
from panic.orders import Filters

pytestmark = pytest.mark.virtual_time


def _answer(clock: Clock, status: int | None = 200, page: Page | None = None) -> Answer:
    evidence = Evidence(sent=True, status=status, body=Body.OBJECT if status else None)
    return Answer(clock.now(), clock.now(), evidence, classify(evidence), page=page)


Wire = Callable[[str, Account], Awaitable[int | None]]
"""A made-up broker: what it answers to a DELETE or a GET; None for nothing."""


async def clear_at_once(_method: str, _account: Account) -> int:
    """Accept every cancel and show no order."""
    return 200


def engine_over(
    wire: Wire = clear_at_once,
    observe: Observer = lambda _what, _case: None,
    *,
    deadline_s: float = 10.0,
    slots: int = 4,
    verify: bool = True,
    receipt: Receipt | None = None,
) -> Engine:
    """Make an engine over a made-up broker; call it inside a loop."""
    clock = Clock()

    async def ask(method: str, account: Account, leash: Leash) -> int | None:
        with suppress(TimeoutError):
            async with leash:
                return await wire(method, account)
        return None

    async def cancel(account: Account, _: Filters, leash: Leash) -> Answer:
        began = clock.now()
        return _answer(clock, await ask("DELETE", account, leash))._replace(began=began)

    async def read(account: Account, _: Parameters, leash: Leash) -> Answer:
        began, status = clock.now(), await ask("GET", account, leash)
        page = Page((), total=0) if status == 200 else None
        return _answer(clock, status, page)._replace(began=began, receipt=receipt)

    return Engine(
        cancel=cancel,
        read=read,
        pace=Pace(deadline=clock.now() + deadline_s, watch_s=0.0, verify=verify),
        slots=Slots(slots, clock.now),
        clock=clock,
        observe=observe,
        rng=random.Random(1),
    )


@pytest.mark.parametrize(("off", "asked"), [(timedelta(hours=1), 1), (timedelta(days=700), 2)])
async def test_a_look_that_went_back_from_too_late_a_moment_proves_nothing(off: timedelta, asked: int) -> None:
    """A read may be the first to tell that this machine's clock is ahead by years."""
    back: list[datetime] = []

    async def wire(method: str, _: Account) -> int:
        if method == "DELETE":
            return 404
        look = case.look
        assert look is not None
        back.append(look.found.since)
        clock = engine._clock
        clock.compare(format_datetime(clock.wall() - off, usegmt=True), clock.now())
        return 200

    engine, case = engine_over(wire), Case(Account(1))
    await engine.run([case])

    assert Standing.CLEAR is case.standing
    assert asked == len(back)
    assert back[-1] <= back[0]


async def test_one_accounts_exception_never_reaches_another() -> None:
    """A fault of panic itself costs one account its clear, and is told."""

    async def wire(_method: str, account: Account) -> int:
        if account.id == 2:
            raise RuntimeError("a fault of ours")
        return 200

    cases, engine = [Case(Account(id_)) for id_ in (1, 2, 3)], engine_over(wire)
    await engine.run(cases)

    assert [Verdict.CLEAR, Verdict.UNKNOWN, Verdict.CLEAR] == [case.verdict for case in cases]
    assert ["account 2: RuntimeError"] == engine.failures


async def test_the_first_settled_moment_is_told_once() -> None:
    """The verdict that is shown at once is shown once."""
    told: list[Any] = []
    engine = engine_over(observe=lambda what, case: told.append((what, case)))
    await engine.run([Case(Account(1)), Case(Account(2))])

    assert 1 == [what for what, _ in told].count(What.SETTLED)


async def test_an_observer_that_fails_ends_no_account() -> None:
    """Whoever watches is told of as a fault, once; what is cancelled and proven is not its business."""

    def broken(_what: What, _case: Case | None) -> None:
        raise ValueError

    cases, engine = [Case(Account(id_)) for id_ in (1, 2, 3)], engine_over(observe=broken)
    await engine.run(cases)

    assert [Verdict.CLEAR] * 3 == [case.verdict for case in cases]
    assert ["what watches the run: ValueError"] == engine.failures


def slow_wire(seen: list[tuple[str, int]], status: Callable[[str, Account], int]) -> Wire:
    """A broker that takes a fifth of a second for each request, and whose requests are seen."""

    async def wire(method: str, account: Account) -> int:
        seen.append((method, account.id))
        await asyncio.sleep(0.2)
        return status(method, account)

    return wire


async def test_slots_go_to_accounts_by_the_rosters_priority() -> None:
    """First DELETEs, and then reads, in whatever order the accounts come."""
    seen: list[tuple[str, int]] = []
    slow = slow_wire(seen, lambda method, _: 404 if method == "DELETE" else 200)  # after a 404 nothing has to wait
    await engine_over(slow, slots=1).run([Case(Account(id_, priority=id_)) for id_ in (4, 3, 2, 1)])
    deletes, reads = [("DELETE", id_) for id_ in (4, 1, 2, 3)], [("GET", id_) for id_ in (1, 2, 3, 4)]

    assert [*deletes, *reads] == list(dict.fromkeys(seen))  # the first of all found a free slot


async def test_first_deletes_go_before_repeated_ones() -> None:
    """However urgent the account that failed: its retry waits until every other was sent once."""
    seen: list[tuple[str, int]] = []
    slow = slow_wire(seen, lambda _, account: 503 if account.id == 1 else 200)
    engine = engine_over(slow, slots=1, deadline_s=5.0, verify=False)
    await engine.run([Case(Account(id_, priority=id_)) for id_ in range(1, 13)])

    assert list(range(1, 13)) == [id_ for _, id_ in seen[:12]]


@pytest.mark.parametrize("at", [2.5, 4.5])
async def test_a_press_again_leaves_the_older_queue(at: float) -> None:
    """Whatever the account waited for behind others, its new first DELETE goes before all of that."""
    seen: list[tuple[str, int]] = []
    engine = engine_over(slow_wire(seen, lambda *_: 503), slots=1, deadline_s=20.0)
    run = asyncio.create_task(engine.run([Case(Account(id_, priority=id_)) for id_ in range(1, 13)]))
    await asyncio.sleep(at)
    before = len(seen)
    engine.press_again({12}, deadline=20.0, watch_s=0.0)
    await run

    assert ("DELETE", 12) in seen[before : before + 3]  # one may have had its turn already, one was under way


@pytest.mark.parametrize(
    ("fresh", "doubt_at", "verdict"),
    [(True, 1.0, Verdict.CLEAR), (False, 1.0, Verdict.UNVERIFIED), (True, 4.5, Verdict.UNVERIFIED)],
    ids=["new connection", "used connection", "too late to listen"],
)
async def test_a_doubt_takes_back_what_was_clear(fresh: bool, doubt_at: float, verdict: Verdict) -> None:
    """It is read again, counts over a new connection only, and only if there was time to listen afterwards."""
    seen, receipt, case = [], Receipt(), Case(Account(1))

    async def wire(method: str, account: Account) -> int:
        seen.append((method, account.id))
        if account.id == 2 and method == "DELETE":
            await asyncio.sleep(4.8)  # so that the run goes on
        return 200

    engine = engine_over(wire, receipt=receipt, deadline_s=5.0 if doubt_at > 4 else 9.0)
    run = asyncio.create_task(engine.run([case, Case(Account(2))]))
    await asyncio.sleep(doubt_at)
    receipt.fresh, before = fresh, len(seen)
    case.proof = replace(case.proof, receipts=[Receipt()])
    engine.doubt()
    await asyncio.sleep(0)
    standing = case.standing
    await run

    assert Standing.UNREAD is standing
    assert ("GET", 1) in seen[before:]
    assert verdict is case.verdict


async def hang(_method: str, _account: Account) -> int:
    """Answer nothing."""
    await asyncio.sleep(1e6)
    return 200


async def hang_reads(method: str, account: Account) -> int:
    """Accept every cancel and answer no read."""
    return 200 if method == "DELETE" else await hang(method, account)


async def be_down(_method: str, _account: Account) -> int:
    """Be out of order."""
    return 503


@pytest.mark.parametrize(
    ("wire", "slots"),
    [(hang, 9), (hang, 1), (hang_reads, 9), (be_down, 9)],
    ids=["DELETE", "slot", "GET", "pause"],
)
async def test_whoever_ends_a_run_ends_it_at_once(wire: Wire, slots: int) -> None:
    """Wherever its accounts are, none of them holds the end up, and nothing is sent after it."""
    seen = []

    async def told(method: str, account: Account) -> int | None:
        seen.append(account.id)
        return await wire(method, account)

    engine, loop = engine_over(told, deadline_s=60.0, slots=slots), asyncio.get_running_loop()
    run = asyncio.create_task(engine.run([Case(Account(id_)) for id_ in (1, 2, 3)]))
    await asyncio.sleep(1.0)
    before, began = len(seen), loop.time()
    run.cancel()
    await asyncio.wait([run], timeout=30.0)
    took = loop.time() - began
    await asyncio.sleep(30.0)

    assert run.cancelled()
    assert (0.0, before, []) == (took, len(seen), engine.failures)
