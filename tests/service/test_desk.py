"""Presses become runs: on virtual time, over real sockets, against a broker that counts."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic import latch
from panic.broker.client import Broker
from panic.broker.outcomes import Verdict
from panic.config import LatchFile
from panic.ledger.chain import Head
from panic.ledger.writer import Writer
from panic.orders import Filters
from panic.plan import Scope, plan
from panic.process import here
from panic.record import Resumed
from panic.report import to_json
from panic.run.press import Prepared, Press, Unfinished
from panic.run.run import Join
from panic.secret import Key
from panic.service.desk import AS_ONE_S, AUTOMATED_AS_ONE_S, SCHEDULE, Desk, Live, Refused
from panic.simulator import Fault, SimAccount, Simulator
from tests.builders import a_bad_row
from tests.tape import Tape
from tests.test_engine import accounts, prepared
from tests.virtual import virtually


class Supplies:
    """What a desk needs, for the accounts of a simulator."""

    def __init__(self, simulator: Simulator, ids: Sequence[int]) -> None:
        self.ready = prepared(simulator.base_url, ids)
        self.tapes: list[Tape] = []

    def prepare(self, press: Press) -> Prepared:
        chosen = plan(self.ready.roster, press.scope, self.ready.keys)
        return replace(self.ready, press=press, plan=chosen)

    def take_broker(self) -> Broker | None:
        return None

    @property
    def ledger(self) -> Writer | None:
        self.tapes.append(Tape())
        return self.tapes[-1].writer


ALL = Scope(all=True)


def a_press(scope: Scope = ALL, **how: Any) -> Press:
    return Press(scope, how.pop("reason", "a test"), **{"source": "api", "watch_s": 0.0, **how})


def at_the_desk(
    simulated: Sequence[SimAccount], work: Callable[[Desk, Simulator], Coroutine[Any, Any, Any]], **options: Any
) -> Any:
    """Do something at a desk whose broker holds these accounts."""

    async def go() -> Any:
        async with Simulator(simulated, **{"settle_s": 0.2, "latency_s": 0.01, **options}) as simulator:
            desk = Desk(Supplies(simulator, [one.id for one in simulated]))
            try:
                return await work(desk, simulator)
            finally:
                await desk.close()

    return virtually(go())


def deletes(simulator: Simulator) -> Counter[int]:
    deleted = [request.account_id for request in simulator.requests if request.method == "DELETE"]
    return Counter(id_ for id_ in deleted if id_ is not None)


async def until(so: Callable[[], bool]) -> None:
    while not so():  # noqa: ASYNC110  (on virtual time a wait costs nothing)
        await asyncio.sleep(0.001)


QUIET: tuple[Fault, ...] = ()


def test_a_hundred_identical_presses_at_once_are_one_run():
    """Every account is sent once, and everybody who pressed is told of the same run."""

    async def work(desk: Desk, simulator: Simulator) -> tuple[set[str], Counter[int], int]:
        pressings = [desk.press(a_press(by=f"hand {n}")) for n in range(100)]
        report = await pressings[0].live.finished()
        return {one.live.run.id for one in pressings}, deletes(simulator), len(report.joined)

    runs, sent, joined = at_the_desk(accounts(QUIET, QUIET, QUIET), work)

    assert 1 == len(runs)
    assert {1: 1, 2: 1, 3: 1} == sent
    assert 99 == joined


def test_a_second_press_in_mid_run_sends_every_account_again():
    """What was sent before the second press does not count for it; the report tells of both."""

    async def work(desk: Desk, simulator: Simulator) -> tuple[Any, ...]:
        first = desk.press(a_press(watch_s=5.0))
        await first.live.run.engine.swept.wait()
        await asyncio.sleep(2 * AS_ONE_S)
        before, asked = deletes(simulator), len(simulator.requests)
        second = desk.press(a_press(watch_s=5.0, by="the second", reason="to be sure"))
        report = await second.live.finished()
        return first, second, before, simulator.requests[asked:], report

    first, second, before, later, report = at_the_desk(accounts(*[QUIET] * 4), work)

    assert {1: 1, 2: 1, 3: 1, 4: 1} == before
    assert [1, 2, 3, 4] == sorted(one.account_id for one in later if one.method == "DELETE")
    assert first.live is second.live
    assert (True, True) == (second.joined, second.resent)
    assert Verdict.CLEAR is report.verdict
    assert [("the second", "to be sure", 4)] == [(one.by, one.reason, one.sent_again) for one in report.joined]


def test_what_was_not_sent_yet_is_shared():
    """With one request in flight at a time, the second press sends again only what the first one had sent."""

    async def work(desk: Desk, simulator: Simulator) -> tuple[Counter[int], Any]:
        desk.press(a_press(concurrency=1))
        await until(lambda: deletes(simulator).total() == 3)
        await asyncio.sleep(AS_ONE_S)
        second = desk.press(a_press(concurrency=1))
        report = await second.live.finished()
        return deletes(simulator), report

    sent, report = at_the_desk(accounts(*[QUIET] * 5), work, latency_s=0.2)

    assert {1: 2, 2: 2, 3: 2} == {id_: sent[id_] for id_ in (1, 2, 3)} or 2 <= report.joined[0].sent_again
    assert all(sent[id_] >= 1 for id_ in range(1, 6))
    assert sent.total() == 5 + report.joined[0].sent_again
    assert Verdict.CLEAR is report.verdict


def test_a_read_that_hangs_does_not_keep_an_account_from_the_second_press():
    """The new DELETE leaves at once, though the broker does not answer what was asked before."""

    async def work(desk: Desk, simulator: Simulator) -> tuple[float, float]:
        first = desk.press(a_press(watch_s=5.0))
        await until(lambda: any(one.method == "GET" for one in simulator.requests))
        await asyncio.sleep(1.0)
        pressed = asyncio.get_running_loop().time()
        desk.press(a_press(watch_s=5.0))
        await until(lambda: deletes(simulator).total() == 2)
        found = asyncio.get_running_loop().time() - pressed
        first.live.run.stop()
        return found, 0.0

    took, _ = at_the_desk(accounts((Fault("hang", on="GET"),)), work)

    assert took < 0.1


def test_a_delete_that_hangs_keeps_the_second_press_waiting_for_a_moment_only():
    """It was sent before the second press, and is no answer to it."""

    async def work(desk: Desk, simulator: Simulator) -> float:
        first = desk.press(a_press())
        await until(lambda: deletes(simulator).total() == 1)
        await asyncio.sleep(1.0)
        pressed = asyncio.get_running_loop().time()
        desk.press(a_press())
        await until(lambda: deletes(simulator).total() == 2)
        found = asyncio.get_running_loop().time() - pressed
        first.live.run.stop()
        return found

    assert at_the_desk(accounts((Fault("hang"),)), work) < 0.4


def test_what_a_second_press_found_clear_before_is_proven_anew():
    """An order that the broker shows only after the second press makes the run not clear on older evidence."""

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        first = desk.press(a_press(watch_s=3.0))
        await until(lambda: first.live.run.engine.settling.at is not None)
        desk.press(a_press(watch_s=3.0))
        at_once = first.live.run.report()
        return at_once, await first.live.finished()

    at_once, report = at_the_desk(accounts(QUIET, QUIET), work)

    assert Verdict.UNVERIFIED is at_once.verdict
    assert Verdict.CLEAR is report.verdict


@pytest.mark.parametrize("automated", [True, False], ids=["looked at again", "sent again"])
def test_an_account_that_was_done_with_is_taken_up_again(automated: bool):
    """Nobody watches it any more, as the run goes on for the sake of another: it counts for a later press too."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        loop = asyncio.get_running_loop()
        desk.press(a_press(), automated=automated)
        await asyncio.sleep(2.0)
        before, asked = deletes(simulator), loop.time()
        report = await desk.press(a_press(), automated=automated).live.finished()
        read = [one.account_id for one in simulator.requests if one.method == "GET" and one.at >= asked]
        return (deletes(simulator) - before)[1], 1 in read, report.verdict

    assert (int(not automated), True, Verdict.CLEAR) == at_the_desk(
        accounts(QUIET, (Fault("latency", seconds=3.0),)), work
    )


def test_the_later_deadline_wins():
    """A run that would end before the second press's deadline goes on until then."""

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        first = desk.press(a_press(deadline_s=2.0))
        await asyncio.sleep(1.0)
        desk.press(a_press(deadline_s=6.0))
        return await first.live.finished()

    report = at_the_desk(accounts((Fault("status", status=503),)), work)

    assert 7.0 == pytest.approx(report.timings.deadline_s, abs=0.1)
    assert 7.0 == pytest.approx(report.timings.total_s, abs=0.2)
    assert [] == [flag.code for flag in report.flags if flag.code == "internal_error"]


NARROW, BOTH = Scope(accounts=(1,)), Scope(accounts=(1, 2))
FILTERED = Scope(all=True, filters=Filters(side="BUY"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (a_press(NARROW), a_press()),
        (a_press(NARROW), a_press(BOTH)),
        (a_press(BOTH), a_press()),
        (a_press(FILTERED), a_press()),
        (a_press(), a_press(FILTERED)),
        (a_press(verify=False), a_press()),
        (a_press(), a_press(verify=False)),
        (a_press(source=SCHEDULE), a_press()),
        (a_press(), a_press(source=SCHEDULE)),
    ],
    ids=[
        "narrower",
        "fewer accounts",
        "named, not all",
        "filtered",
        "filters more",
        "unverified",
        "verifies less",
        "scheduled",
        "a schedule",
    ],
)
def test_a_press_that_would_lose_something_gets_a_run_of_its_own(first: Press, second: Press):
    """It never joins a narrower, filtered, unverified or scheduled run, and its accounts are all sent."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        one = desk.press(first)
        await asyncio.sleep(0.3)
        before = deletes(simulator)
        other = desk.press(second)
        await other.live.finished()
        return one.live.run.id != other.live.run.id, other.joined, deletes(simulator) - before

    apart, joined, sent = at_the_desk(accounts(QUIET, QUIET), work)

    assert (True, False) == (apart, joined)
    assert {1, 2} == set(sent)


def test_a_narrower_press_becomes_a_part_of_a_wider_run():
    """Only its own accounts are sent again."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        wide = desk.press(a_press(watch_s=4.0))
        await asyncio.sleep(1.0)
        before = deletes(simulator)
        narrow = desk.press(a_press(NARROW))
        await until(lambda: deletes(simulator) != before)
        sent = deletes(simulator) - before
        await wide.live.finished()
        return narrow.live is wide.live, sent

    same, sent = at_the_desk(accounts(QUIET, QUIET), work)

    assert same
    assert {1: 1} == sent


@pytest.mark.parametrize("automated", [True, False], ids=["a program", "a person"])
def test_an_identical_press_of_a_program_is_the_same_press(automated: bool):
    """A hook that calls again and again presses once; a person who presses again means it."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        first = desk.press(a_press(watch_s=4.0), automated=True)
        await asyncio.sleep(1.0)
        second = desk.press(a_press(watch_s=4.0), automated=automated)
        await first.live.finished()
        return second.joined, second.resent, deletes(simulator)[1]

    assert (True, not automated, 1 + (not automated)) == at_the_desk(accounts(QUIET), work)


def test_what_a_programs_repeated_press_is_told_is_newer_than_it():
    """It sends nothing again, and yet no account is called clear on what was read before it came."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        loop = asyncio.get_running_loop()
        first = desk.press(a_press(watch_s=4.0), automated=True)
        await until(lambda: first.live.run.engine.settling.at is not None)
        before, asked = deletes(simulator), loop.time()
        desk.press(a_press(watch_s=4.0), automated=True)
        report = await first.live.finished()
        reads = {one.account_id for one in simulator.requests if one.method == "GET" and one.at >= asked}
        return report, reads, deletes(simulator) - before

    report, reads, again = at_the_desk(accounts(QUIET, QUIET), work)

    assert Verdict.CLEAR is report.verdict
    assert {1, 2} == reads
    assert not again


def test_after_a_while_a_programs_press_sends_again_like_anybodys():
    """A limit that is breached again is breached again."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        first = desk.press(a_press(watch_s=20.0), automated=True)
        await asyncio.sleep(AUTOMATED_AS_ONE_S + 1)
        second = desk.press(a_press(watch_s=20.0), automated=True)
        await first.live.finished()
        return second.live is first.live, second.resent, deletes(simulator)[1]

    assert (True, True, 2) == at_the_desk(accounts(QUIET), work)


def test_behind_a_closed_gate_a_second_press_goes_first_again():
    """Every account's new DELETE leaves as soon as a first one would, though the old ones wait their turn."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        first = desk.press(a_press())
        await until(lambda: set(deletes(simulator)) == set(range(1, 13)))
        await asyncio.sleep(3.0)
        asked = len(simulator.requests)
        desk.press(a_press())
        await asyncio.sleep(3.0)
        found = {one.account_id for one in simulator.requests[asked:] if one.method == "DELETE"}
        first.live.run.stop()
        return found

    limited = (Fault("status", status=429, retry_after="5"),)

    assert set(range(1, 13)) == at_the_desk(accounts(*[limited] * 12), work)


def test_told_to_end_it_sends_what_a_second_press_is_owed():
    """Also where the first press had been sent in full."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        live = desk.press(a_press(concurrency=1, watch_s=30.0)).live
        await live.run.engine.swept.wait()
        await asyncio.sleep(1.0)
        before = deletes(simulator)
        desk.press(a_press(concurrency=1, watch_s=30.0))
        await desk.close()
        return deletes(simulator) - before

    assert {1, 2, 3} == set(at_the_desk(accounts(*[QUIET] * 3), work, latency_s=0.1))


@pytest.mark.parametrize(
    "more", [{"watch_s": 900.0}, {"deadline_s": 900.0}], ids=["watches longer", "later deadline"]
)
def test_a_narrower_press_does_not_draw_a_wider_run_out(more: dict[str, float]):
    """It gets a run of its own; a group's presser must not keep the whole firm under the button for a day."""

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        wide = desk.press(a_press(watch_s=4.0))
        await asyncio.sleep(1.0)
        narrow = desk.press(a_press(NARROW, **more))
        report = await wide.live.finished()
        narrow.live.run.stop()
        return narrow.live is wide.live, report.timings.total_s

    joined, took = at_the_desk(accounts(QUIET, QUIET), work)

    assert not joined
    assert took < 10


def test_a_press_with_a_new_key_does_not_join_a_run_with_the_old_one():
    """The key may have been changed because the old one was stolen, or refused."""

    async def work(desk: Desk, simulator: Simulator) -> bool:
        first = desk.press(a_press(watch_s=4.0))
        await asyncio.sleep(1.0)
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        supplies.ready = replace(supplies.ready, keys={"default": Key("sim2.key2")})
        second = desk.press(a_press(deadline_s=1.0))
        await second.live.finished()
        return first.live is second.live

    assert not at_the_desk(accounts(QUIET), work)


UNREADABLE = a_bad_row(3, text="x1,Nobody")


@pytest.mark.parametrize(
    "change",
    [
        lambda ready: replace(ready, settings=ready.settings.model_copy(update={"broker": other_broker(ready)})),
        lambda ready: replace(ready, roster=replace(ready.roster, bad_rows=(UNREADABLE,))),
    ],
    ids=["another broker", "a row that nobody can read"],
)
def test_a_press_joins_no_run_that_was_made_ready_otherwise(change: Callable[[Prepared], Prepared]):
    """It is sent where the settings say now, and its report lists every row that it could not reach."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        desk.press(a_press(watch_s=4.0))
        await asyncio.sleep(1.0)
        before = deletes(simulator)
        supplies.ready = change(supplies.ready)
        second = desk.press(a_press())
        report = await second.live.finished()
        listed = len(second.live.run.prepared.plan.accounts) + len(second.live.run.prepared.plan.unsent)
        return second.joined, deletes(simulator) - before, len(report.accounts) - listed

    assert (False, {1: 1, 2: 1}, 0) == at_the_desk(accounts(QUIET, QUIET), work)


def other_broker(ready: Prepared) -> Any:
    """The same place, of which the settings now say something else."""
    return ready.settings.broker.model_copy(update={"contact": "somebody else"})


@pytest.mark.parametrize("again", [True, False], ids=["later", "at once"])
def test_the_latch_of_a_press_that_joins_is_engaged_and_on_record(tmp_path: Path, again: bool):
    """Nobody who asked for it is told of a run, and left without."""
    file = tmp_path / "panic.latch"
    latch.create(file)

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        settings = supplies.ready.settings.model_copy(update={"latch": LatchFile(file=file)})
        supplies.ready = replace(supplies.ready, settings=settings)
        desk.press(a_press(watch_s=3.0))
        await asyncio.sleep(2 * AS_ONE_S * again)
        second = desk.press(a_press(watch_s=3.0, latch=True))
        report = await second.live.finished()
        return second.joined, report.latch, [one.latch for one in supplies.tapes[0].replay().joined]

    joined, told, on_record = at_the_desk(accounts(QUIET), work)

    assert joined
    assert (True, [True]) == (told is not None and told.engaged, on_record)
    assert latch.read(file).engaged


@pytest.mark.parametrize("how", Join)
def test_a_run_that_is_over_takes_no_press_in(how: Join):
    """It would be told of a run that sends and reads nothing for it."""

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        live = desk.press(a_press()).live
        await live.finished()
        told = len(live.run.report().joined)
        prepared = desk._supplies.prepare(a_press())
        engine = live.run.engine
        return (
            live.run.join(prepared, how),
            engine.press_again({1}, deadline=1e9, watch_s=0.0),
            len(live.run.report().joined) - told,
        )

    assert (False, False, 0) == at_the_desk(accounts(QUIET), work)


def test_a_press_joins_no_run_that_lacks_a_key_of_its_accounts():
    """A run that was taken up may cover accounts whose key was missing then: they get a run of their own."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        whole = supplies.ready.keys
        keyless = replace(supplies.prepare(a_press()), keys={})
        first = desk.start(keyless)
        supplies.ready = replace(supplies.ready, keys=whole)
        second = desk.press(a_press())
        report = await second.live.finished()
        first.run.stop()
        return second.joined, report.verdict, set(deletes(simulator))

    assert (False, Verdict.CLEAR, {1, 2}) == at_the_desk(accounts(QUIET, QUIET), work)


def test_a_press_in_the_moment_before_a_run_begins_is_a_press():
    """A run that was taken up owes nothing to accounts that were clear; whoever presses then is owed it."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        first = desk.press(a_press())
        await first.live.finished()
        earlier = supplies.tapes[0].replay()
        earlier.finished = None
        before = deletes(simulator)
        unfinished = Unfinished(earlier, Resumed(datetime.now(UTC), "the night shift", "0", here()))
        taken_up = desk.start(replace(supplies.prepare(a_press()), unfinished=unfinished))
        second = desk.press(a_press())
        report = await second.live.finished()
        return second.live is taken_up, second.resent, deletes(simulator) - before, report.verdict

    assert (True, True, {1: 1, 2: 1}, Verdict.CLEAR) == at_the_desk(accounts(QUIET, QUIET), work)


def test_a_scheduled_run_gives_way_at_once_and_goes_on_afterwards():
    """From the moment of a person's press it sends nothing, until that run has ended."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        cleanup = desk.press(a_press(source=SCHEDULE, concurrency=1), automated=True)
        await until(lambda: deletes(simulator).total() == 2)
        pressed = desk.press(a_press(NARROW, watch_s=1.0))
        before = len(simulator.requests)
        await pressed.live.finished()
        between = simulator.requests[before + 1 :]
        report = await cleanup.live.finished()
        return {one.account_id for one in between}, report

    between, report = at_the_desk(accounts(*[QUIET] * 6), work)

    assert {1} == between
    assert Verdict.CLEAR is report.verdict


def test_the_time_for_which_a_scheduled_run_gives_way_is_not_its_own():
    """A person's run that takes longer than the cleanup's deadline does not make it forget its accounts."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        cleanup = desk.press(a_press(source=SCHEDULE, deadline_s=5.0), automated=True)
        pressed = desk.press(a_press(NARROW, watch_s=15.0))
        await pressed.live.finished()
        return await cleanup.live.finished(), set(deletes(simulator))

    report, sent = at_the_desk(accounts(*[QUIET] * 3), work)

    assert Verdict.CLEAR is report.verdict
    assert {1, 2, 3} == sent
    assert report.timings.total_s <= report.timings.deadline_s


def test_a_desk_that_closes_sends_every_first_delete_that_is_owed():
    """Nothing new is started, and the run is left as one that somebody else takes up."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        live = desk.press(a_press(concurrency=1, watch_s=60.0)).live
        await until(lambda: deletes(simulator).total() == 1)
        await desk.close()
        with pytest.raises(Refused):
            desk.press(a_press())
        return deletes(simulator), await live.finished()

    sent, report = at_the_desk(accounts(*[QUIET] * 4), work)

    assert {1: 1, 2: 1, 3: 1, 4: 1} == sent
    assert report.finished is False
    assert Verdict.CLEAR is not report.verdict


def test_a_desk_that_closes_takes_no_press_and_no_resume():
    """Not even into a run that is under way: it is about to be left, and whoever pressed is told so."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        live = desk.press(a_press(concurrency=1, watch_s=60.0)).live
        await until(lambda: deletes(simulator).total() == 1)
        closing = asyncio.create_task(desk.close())
        await asyncio.sleep(0.01)
        prepared = desk._supplies.prepare(a_press())
        for take in (lambda: desk.press(a_press(concurrency=1, watch_s=60.0)), lambda: desk.start(prepared)):
            with pytest.raises(Refused):
                take()
        await closing
        return len(desk.live), len((await live.finished()).joined), deletes(simulator)

    assert (1, 0, {1: 1, 2: 1, 3: 1, 4: 1}) == at_the_desk(accounts(*[QUIET] * 4), work)


def test_a_desk_that_closes_sends_what_gave_way():
    """A scheduled run is owed its first DELETEs as well, though a person's is still watched."""

    async def work(desk: Desk, simulator: Simulator) -> Any:
        desk.press(a_press(NARROW, watch_s=60.0))
        desk.press(a_press(source=SCHEDULE), automated=True)
        await asyncio.sleep(1.0)
        before = deletes(simulator)
        await desk.close()
        return before, set(deletes(simulator) - before)

    assert ({1: 1}, {1, 2, 3}) == at_the_desk(accounts(*[QUIET] * 3), work)


def test_an_observer_that_fails_disturbs_nobody():
    """The press goes on, and the others are told."""
    told: list[str] = []

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        def broken(_what: str, _live: Live) -> None:
            raise ValueError

        desk.observers += [broken, lambda what, _live: told.append(what)]
        return await desk.press(a_press()).live.finished()

    report = at_the_desk(accounts(QUIET), work)

    assert Verdict.CLEAR is report.verdict
    assert ["started", "settled", "finished"] == told


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.sampled_from([ALL, NARROW])), min_size=1, max_size=5), st.data())
def test_nobodys_press_is_answered_with_an_older_delete(presses: list[tuple[float, Scope]], data: st.DataObject):
    """Whenever presses come, each account of each is sent a DELETE after it, or in the same moment before it."""
    faults = [QUIET, (Fault("latency", seconds=0.4),), (Fault("status", status=503, times=1),)]
    simulated = accounts(*(data.draw(st.sampled_from(faults)) for _ in range(3)))

    async def work(desk: Desk, simulator: Simulator) -> Any:
        loop, pressed = asyncio.get_running_loop(), []
        for pause, scope in presses:
            await asyncio.sleep(pause)
            pressed.append((loop.time(), scope, desk.press(a_press(scope, watch_s=1.0))))
        reports = [await one.live.finished() for _, _, one in pressed]
        return pressed, reports, [(one.account_id, one.at) for one in simulator.requests if one.method == "DELETE"]

    pressed, reports, sent = at_the_desk(simulated, work)

    for at, scope, pressing in pressed:
        for id_ in (1, 2, 3) if scope.all else (1,):
            assert any(account == id_ and when >= at - AS_ONE_S for account, when in sent), pressing
    assert {Verdict.CLEAR} == {report.verdict for report in reports}


@pytest.mark.parametrize("crashes", [False, True], ids=["to its end", "a crash"])
def test_on_record_a_run_with_two_presses_is_the_report_that_was_printed(crashes: bool):
    """The ledger alone tells who pressed again, and whoever takes the run up sends again what it had not sent."""

    async def work(desk: Desk, _simulator: Simulator) -> Any:
        supplies = desk._supplies
        assert isinstance(supplies, Supplies)
        first = desk.press(a_press(watch_s=3.0))
        await until(lambda: first.live.run.engine.settling.at is not None)
        desk.press(a_press(watch_s=5.0, deadline_s=30.0, by="the second"))
        if crashes:
            return None, supplies.tapes[0].replay()
        return await first.live.finished(), supplies.tapes[0].replay()

    report, replay = at_the_desk(accounts(QUIET, QUIET), work)

    if crashes:
        assert {"the second"} == {one.trigger.by for one in replay.joined}
        assert {Verdict.UNVERIFIED} == {case.verdict for case in replay.cases.values()}
        assert all(case.owes_first for case in replay.cases.values())
    else:
        assert to_json(report) == to_json(replay.report(Head.parse(report.ledger_head)))
        assert 2 == report.joined[0].sent_again
