"""Who may send now: never too many, the urgent first, and nobody kept waiting by somebody else's gate."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.broker.answers import Answer
from panic.engine.lane import Kind
from panic.engine.lanes import Lanes
from panic.engine.queue import Urgency
from panic.engine.slots import Slots
from tests.kit.builders import an_answer
from tests.kit.virtual import on_virtual_time

FIRST, CANCEL, READ = Kind.FIRST_CANCEL, Kind.CANCEL, Kind.READ


def now() -> float:
    """Loop time, seconds."""
    return asyncio.get_running_loop().time()


def waiters(slots: Slots, ranks: Iterable[tuple[str, Kind, int]], got: list[Any]) -> list["asyncio.Task[bool]"]:
    """Start one waiter for each lane, kind and priority, of accounts 1, 2, …; `got` fills as they get turns."""

    async def wait(number: int, lane: str, kind: Kind, priority: int) -> bool:
        turn = await slots.acquire(lane, (kind, priority), number + 1)
        if turn:
            got.append((number, now()))
        return turn

    return [asyncio.create_task(wait(number, *rank)) for number, rank in enumerate(ranks)]


async def settle() -> None:
    """Let everything that is ready happen."""
    for _ in range(10):
        await asyncio.sleep(0)


# ── slots ───────────────────────────────────────────────────────────────────────────────────────────────────


@on_virtual_time
async def test_so_many_go_at_once_and_no_more():
    """The next one goes when a slot is given back."""
    slots = Slots(3, now)
    got: list[Any] = []
    tasks = waiters(slots, [("k", READ, 1)] * 5, got)
    await settle()
    first = len(got)
    slots.release()
    await settle()
    second = len(got)
    slots.close()

    assert (3, 4, [True] * 4 + [False]) == (first, second, [await task for task in tasks])


@on_virtual_time
async def test_kind_goes_before_priority_and_priority_before_arrival():
    """First DELETEs, repeated DELETEs, reads; the lowest priority number of each; then who came first."""
    ranks = [
        ("k", READ, 1),
        ("k", CANCEL, 5),
        ("m", FIRST, 9),
        ("k", CANCEL, 1),
        ("m", READ, 1),
        ("k", FIRST, 2),
        ("m", CANCEL, 1),
    ]

    slots = Slots(1, now)
    await slots.acquire("k", (READ, 1), 99)
    got: list[Any] = []
    tasks = waiters(slots, ranks, got)
    await settle()
    for _ in ranks:
        slots.release()
        await settle()
    await asyncio.gather(*tasks)

    assert [5, 2, 3, 6, 1, 0, 4] == [number for number, _ in got]


@on_virtual_time
async def test_a_slow_lane_keeps_nobody_else_waiting():
    """Work that its lane does not admit yet is not ready, however urgent; it goes at the lane's pace."""
    slots = Slots(3, now, Lanes(most=0.5))
    got: list[Any] = []
    tasks = waiters(slots, [("slow", FIRST, 0), ("slow", CANCEL, 0), ("open", READ, 9)], got)
    await settle()
    at_once = list(got)
    await asyncio.sleep(2.5)
    slots.close()
    await asyncio.gather(*tasks)

    assert ([0, 2], [(1, 2.0)]) == ([number for number, _ in at_once], got[2:])


@pytest.mark.parametrize("comes_later", [True, False])
@on_virtual_time
async def test_while_slots_are_held_nobody_gets_one(comes_later: bool):
    """Neither who waits nor who comes, though a slot is free; afterwards the urgent go first again."""
    slots = Slots(1, now)
    await slots.acquire("k", (READ, 1), 99)
    got: list[Any] = []
    tasks = [] if comes_later else waiters(slots, [("k", READ, 1), ("m", FIRST, 1)], got)
    await settle()
    slots.hold(so=True)
    slots.release()
    tasks += waiters(slots, [("k", READ, 1), ("m", FIRST, 1)], got) if comes_later else []
    await settle()
    seen = [[number for number, _ in got]]
    slots.hold(so=False)
    await settle()
    seen += [[number for number, _ in got]]
    slots.release()
    await asyncio.gather(*tasks)

    assert [[], [1], [1, 0]] == [*seen, [number for number, _ in got]]


@on_virtual_time
async def test_a_recall_sends_back_who_waits_for_less_than_a_first_delete():
    """Who waits for a first DELETE keeps the place, and so does an account that was not named."""
    slots = Slots(1, now)
    await slots.acquire("k", (READ, 1), 99)
    got: list[Any] = []
    tasks = waiters(slots, [("k", FIRST, 1), ("k", CANCEL, 1), ("m", READ, 1), ("k", READ, 1)], got)
    await settle()
    slots.recall({1, 2, 3})
    await settle()
    for _ in range(2):
        slots.release()
        await settle()

    assert [True, False, False, True] == [await task for task in tasks]
    assert [0, 3] == [number for number, _ in got]


@pytest.mark.parametrize("handed_over", [False, True])
@on_virtual_time
async def test_a_cancelled_waiter_loses_no_slot(handed_over: bool):
    """Not even if the slot was handed to it in the same moment."""
    slots = Slots(1, now)
    await slots.acquire("k", (READ, 1), 99)
    got: list[Any] = []
    first, second = waiters(slots, [("k", FIRST, 1), ("k", READ, 1)], got)
    await settle()
    if handed_over:
        slots.release()
    first.cancel()
    await settle()
    if not handed_over:
        slots.release()
    await second
    slots.release()
    again = await slots.acquire("k", (READ, 1), 99)

    assert (True, [1], True) == (first.cancelled(), [number for number, _ in got], again)


# ── lanes that several runs share ───────────────────────────────────────────────────────────────────────────


@on_virtual_time
async def test_where_runs_share_a_lane_the_more_urgent_goes_first_within_a_kind():
    """A program's first DELETE goes before a person's read, and after a person's first DELETE."""
    lanes = Lanes(most=1.0)
    person, program = Slots(9, now, lanes), Slots(9, now, lanes, urgency=Urgency.PROGRAM)
    await person.acquire("k", (READ, 1), 99)
    hers: list[Any] = []
    its: list[Any] = []
    tasks = waiters(program, [("k", FIRST, 1), ("k", READ, 1)], its)
    tasks += waiters(person, [("k", READ, 1), ("k", FIRST, 1)], hers)
    await asyncio.gather(*tasks)

    assert ([1, 0], [0, 1]) == ([number for number, _ in hers], [number for number, _ in its])
    assert sorted(hers + its, key=lambda turn: turn[1]) == [hers[0], its[0], hers[1], its[1]]


@on_virtual_time
async def test_an_answer_that_opens_a_lane_lets_the_other_runs_go_on():
    """Not only when the patience with a probe is over."""
    lanes, ended = Lanes(), {}
    person, program = Slots(9, now, lanes), Slots(9, now, lanes, urgency=Urgency.PROGRAM)

    async def ask(slots: Slots, account: int, status: int, takes: float) -> None:
        async def answer() -> Answer:
            began = now()
            await asyncio.sleep(takes)
            return an_answer(status, began=began, ended=now())

        assert await slots.acquire("k", (FIRST, 1), account)
        await slots.attempt("k", account, answer())
        ended[account] = now()

    await asyncio.gather(*(ask(program, account, 429, 0.0) for account in range(1, 5)))
    probe = asyncio.create_task(ask(person, 5, 200, 0.3))
    await settle()
    await asyncio.gather(probe, ask(program, 6, 200, 0.0))

    assert 0.3 <= ended[5] <= ended[6] < 0.9


jobs = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(Kind),
        st.integers(0, 2),
        st.integers(0, 12),  # when it comes, quarters of a second
        st.integers(1, 6),  # how long it takes, quarters of a second
        st.sampled_from([200, 200, None, 429]),
        st.booleans(),  # whether somebody loses patience with it after a second
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(jobs, st.integers(1, 4))
@on_virtual_time
async def test_whatever_happens_no_slot_is_lost_and_none_made(jobs: list[Any], size: int):
    """Any traffic: the bound holds, everybody gets a turn in time, and in the end all slots are free."""
    slots, flying, most, served = Slots(size, now), 0, 0, 0

    async def job(account: int, lane: str, kind: Kind, priority: int, comes: int, takes: int, status: int | None):
        nonlocal flying, most, served
        await asyncio.sleep(comes / 4)
        assert await slots.acquire(lane, (kind, priority), account)
        flying, served = flying + 1, served + 1
        most = max(most, flying)

        async def call() -> Answer:
            nonlocal flying
            began = now()
            try:
                await asyncio.sleep(takes / 4)
            finally:
                flying -= 1
            return an_answer(status, began=began, ended=now(), retry_after=20.0)

        await slots.attempt(lane, account, call())

    tasks = [asyncio.create_task(job(n, *facts)) for n, (*facts, _) in enumerate(jobs, 1)]
    for task, (*_, impatient) in zip(tasks, jobs, strict=True):
        if impatient:
            asyncio.get_running_loop().call_later(1.0, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    done, free = now(), 0
    while free <= size:
        try:
            async with asyncio.timeout(0.01):
                await slots.acquire("fresh lane", (READ, 1), 99)
        except TimeoutError:
            break
        free += 1
    slots.close()

    assert most <= size
    assert [] == [t.exception() for t in tasks if not t.cancelled() and t.exception()]
    assert size == free
    assert served >= sum(not task.cancelled() for task in tasks)
    assert done <= 3 + len(jobs) * (5 + 1.5 + 1)
