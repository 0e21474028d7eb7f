"""Presses become runs: on virtual time, over real sockets, against a broker that counts."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic import latch
from panic.accounts.plan import Scope
from panic.broker.outcomes import Verdict
from panic.config import LatchFile
from panic.kit.process import here
from panic.ledger.events import Head
from panic.ledger.record import Resumed
from panic.ledger.replay import report_of
from panic.orders import Filters
from panic.report.document import Source, to_json
from panic.run import latching
from panic.run.press import Press, Unfinished
from panic.run.run import Join, Run
from panic.service.desk import AS_ONE_S, AUTOMATED_AS_ONE_S
from panic.service.live import Live
from panic.service.problems import ProblemError
from panic.simulator import Fault
from tests.service.desks import ALL, NARROW, QUIET, a_desk, a_press, now, until

pytestmark = pytest.mark.virtual_time

# ── the same press ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hundred_identical_presses_at_once_are_one_run():
    """Every account is sent once, and everybody who pressed is told of the same run."""
    async with a_desk(QUIET, QUIET, QUIET) as place:
        pressings = [place.press(by=f"hand {n}") for n in range(100)]
        report = await pressings[0].live.finished()

    assert 1 == len({one.live.run.id for one in pressings})
    assert ({1: 1, 2: 1, 3: 1}, 99) == (place.deletes, len(report.joined))


@pytest.mark.parametrize(
    ("scope", "automated", "pause_s", "resent"),
    [
        (ALL, True, 1.0, False),
        (ALL, False, 1.0, True),
        (ALL, True, AUTOMATED_AS_ONE_S + 1, True),
        (Scope(all=True, filters=Filters(side="BUY")), True, AUTOMATED_AS_ONE_S + 1, True),
    ],
    ids=["a program", "a person", "a program, later", "a program with filters, later"],
)
async def test_an_identical_press_of_a_program_is_the_same_press(
    scope: Scope, automated: bool, pause_s: float, resent: bool
):
    """A hook that calls again and again presses once; a person means it, and so does a limit breached again."""
    async with a_desk(QUIET) as place:
        first = place.press(scope, watch_s=20.0, automated=True)
        await asyncio.sleep(pause_s)
        second = place.press(scope, watch_s=20.0, automated=automated)
        await first.live.finished()

    assert (True, resent, 1 + resent) == (second.joined, second.resent, place.deletes[1])


# ── another press ───────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_not_sent_yet_is_shared():
    """With one request in flight at a time, the second press sends again only what the first one had sent."""
    async with a_desk(*[QUIET] * 5, latency_s=0.2) as place:
        place.press(concurrency=1)
        await until(lambda: place.deletes.total() == 3)
        await asyncio.sleep(AS_ONE_S)
        report = await place.press(concurrency=1).live.finished()

    assert 2 <= report.joined[0].sent_again < 5
    assert set(range(1, 6)) == set(place.deletes)
    assert place.deletes.total() == 5 + report.joined[0].sent_again


@pytest.mark.parametrize(
    ("fault", "most_s"),
    [(Fault("hang", on="GET"), 0.1), (Fault("hang"), 0.4)],
    ids=["a read that hangs", "a DELETE that hangs"],
)
async def test_what_hangs_does_not_keep_an_account_from_the_second_press(fault: Fault, most_s: float):
    """The new DELETE leaves at once, or a moment later: what was sent before is no answer to it."""
    async with a_desk((fault,)) as place:
        first = place.press(watch_s=5.0)
        await until(lambda: any(one.method == (fault.on or "DELETE") for one in place.simulator.requests))
        await asyncio.sleep(1.0)
        pressed = now()
        place.press(watch_s=5.0)
        await until(lambda: place.deletes.total() == 2)
        took = now() - pressed
        first.live.run.stop()

    assert took < most_s


@pytest.mark.parametrize("automated", [True, False], ids=["looked at again", "sent again"])
async def test_an_account_that_was_done_with_is_taken_up_again(automated: bool):
    """Nobody watches it any more, as the run is there for another: it counts for a later press too."""
    async with a_desk(QUIET, (Fault("latency", seconds=3.0),)) as place:
        place.press(automated=automated)
        await asyncio.sleep(2.0)
        before, asked = place.deletes, now()
        report = await place.press(automated=automated).live.finished()
        seen = [one for one in place.simulator.requests if one.at >= asked and one.account_id == 1]

    assert int(not automated) == (place.deletes - before)[1]
    assert "GET" in {one.method for one in seen}
    assert Verdict.CLEAR is report.verdict


async def test_the_later_deadline_wins():
    """A run that would end before the second press's deadline ends then."""
    async with a_desk((Fault("status", status=503),)) as place:
        first = place.press(deadline_s=2.0)
        await asyncio.sleep(1.0)
        place.press(deadline_s=6.0)
        report = await first.live.finished()

    assert 7.0 == pytest.approx(report.timings.deadline_s, abs=0.1)
    assert 7.0 == pytest.approx(report.timings.total_s, abs=0.2)
    assert "internal_error" not in [flag.code for flag in report.flags]


@pytest.mark.parametrize(
    ("first", "second", "shares"),
    [
        (a_press(watch_s=4.0), a_press(NARROW), True),
        (a_press(source=Source.SCHEDULE), a_press(), False),
        (a_press(), a_press(source=Source.SCHEDULE), False),
    ],
    ids=["narrower", "scheduled", "a schedule"],
)
async def test_a_press_shares_a_run_or_gets_its_own(first: Press, second: Press, shares: bool):
    """Its own accounts are all sent again, and no others; it never shares with a scheduled one."""
    async with a_desk(QUIET, QUIET) as place:
        one = place.desk.press(first)
        await asyncio.sleep(0.6)
        before = place.deletes
        other = place.desk.press(second)
        await other.live.finished()

    assert (shares, shares) == (one.live is other.live, other.joined)
    assert ({1} if second.scope is NARROW else {1, 2}) == set(place.deletes - before)


@pytest.mark.parametrize("again", [True, False], ids=["later", "at once"])
async def test_the_latch_of_a_press_that_joins_is_engaged_and_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
):
    """Nobody who asked for it is told of a run, and left without."""
    monkeypatch.setattr(latching, "PATIENCE_S", None)  # its thread knows no virtual time
    file = tmp_path / "panic.latch"
    latch.create(file)
    async with a_desk(QUIET) as place:
        found = place.ready.settings.model_copy(update={"latch": LatchFile(file=file)})
        place.ready = replace(place.ready, settings=found)
        place.press(watch_s=3.0)
        await asyncio.sleep(2 * AS_ONE_S * again)
        second = place.press(watch_s=3.0, latch=True)
        report = await second.live.finished()

    assert (True, True) == (second.joined, report.latch.engaged)
    assert [True] == [one.latch for one in place.tapes[0].replay().joined]
    assert latch.read(file).engaged


@pytest.mark.parametrize("how", Join)
async def test_a_run_that_is_over_takes_no_press_in(how: Join):
    """It would be told of a run that sends and reads nothing for it."""
    async with a_desk(QUIET) as place:
        live = place.press().live
        before = await live.finished()
        is_joined = live.run.join(place.prepare(a_press()), how)
        is_sent = live.run.engine.press_again({1}, deadline=1e9, watch_s=0.0)

    assert (False, False) == (is_joined, is_sent)
    assert before.joined == live.run.report().joined


async def test_a_press_in_the_moment_before_a_run_begins_is_a_press():
    """A run that is resumed owes nothing to accounts that were clear; whoever presses then is owed it."""
    async with a_desk(QUIET, QUIET) as place:
        await place.press().live.finished()
        earlier = place.tapes[0].replay()
        earlier.finished = None
        before = place.deletes
        unfinished = Unfinished(earlier, Resumed(datetime.now(UTC), "the night shift", "0", here()))
        resumed = place.desk.start(replace(place.prepare(a_press()), unfinished=unfinished))
        second = place.press()
        report = await second.live.finished()

    assert (True, True) == (second.live is resumed, second.resent)
    assert ({1: 1, 2: 1}, Verdict.CLEAR) == (place.deletes - before, report.verdict)


@settings(max_examples=12)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.sampled_from([ALL, NARROW])), min_size=1, max_size=5), st.data())
async def test_nobodys_press_is_answered_with_an_older_delete(
    presses: list[tuple[float, Scope]], data: st.DataObject
):
    """Whenever presses come, each account of each is sent a DELETE after it, or in the same moment before it."""
    faults = [QUIET, (Fault("latency", seconds=0.4),), (Fault("status", status=503, times=1),)]
    pressed = []
    async with a_desk(*(data.draw(st.sampled_from(faults)) for _ in range(3))) as place:
        for pause, scope in presses:
            await asyncio.sleep(pause)
            pressed.append((now(), scope, place.press(scope, watch_s=1.0)))
        reports = [await one.live.finished() for _, _, one in pressed]
    sent = [(one.account_id, one.at) for one in place.simulator.requests if one.method == "DELETE"]

    for at, scope, pressing in pressed:
        for id_ in (1, 2, 3) if scope.all else (1,):
            assert any(account == id_ and when >= at - AS_ONE_S for account, when in sent), pressing
    assert {Verdict.CLEAR} == {report.verdict for report in reports}


async def test_on_record_a_run_with_two_presses_is_the_report_that_was_printed():
    """The ledger alone tells who pressed again, and what was sent again for it."""
    async with a_desk(QUIET, QUIET) as place:
        first = place.press(watch_s=3.0)
        await until(lambda: first.live.run.engine.sweep.settled_at is not None)
        place.press(watch_s=5.0, deadline_s=30.0, by="the second")
        report = await first.live.finished()

    assert to_json(report) == to_json(report_of(place.tapes[0].replay(), Head.parse(report.ledger_head)))
    assert [("the second", 2)] == [(one.by, one.sent_again) for one in report.joined]


# ── schedules, and the end ──────────────────────────────────────────────────────────────────────────────────


async def test_a_scheduled_run_gives_way_at_once_and_continues_afterwards():
    """From the moment of a person's press it sends nothing until that run has ended, and loses no time by it."""
    async with a_desk(*[QUIET] * 6) as place:
        cleanup = place.press(source=Source.SCHEDULE, concurrency=1, deadline_s=5.0, automated=True)
        await until(lambda: place.deletes.total() == 2)
        pressed = place.press(NARROW, watch_s=15.0)
        before = len(place.simulator.requests)
        await pressed.live.finished()
        between = {one.account_id for one in place.simulator.requests[before + 1 :]}
        report = await cleanup.live.finished()

    assert ({1}, Verdict.CLEAR, set(range(1, 7))) == (between, report.verdict, set(place.deletes))
    assert report.timings.total_s <= report.timings.deadline_s


async def test_a_desk_that_closes_sends_every_first_delete_that_is_owed():
    """Nothing new is started, nothing joins, nothing is resumed; and the run is left for somebody else."""
    async with a_desk(*[QUIET] * 4) as place:
        live = place.press(concurrency=1, watch_s=60.0).live
        await until(lambda: place.deletes.total() == 1)
        closing = asyncio.create_task(place.desk.close())
        await asyncio.sleep(0.01)
        with pytest.raises(ProblemError):
            place.press(concurrency=1, watch_s=60.0)
        with pytest.raises(ProblemError):
            place.desk.start(place.prepare(a_press()))
        await closing
        report = await live.finished()

    assert (1, {1: 1, 2: 1, 3: 1, 4: 1}) == (len(place.desk.live), place.deletes)
    assert (False, ()) == (report.finished, tuple(report.joined))
    assert Verdict.CLEAR is not report.verdict


@pytest.mark.parametrize("source", ["api", Source.SCHEDULE], ids=["a second press", "what gave way"])
async def test_told_to_end_it_sends_what_is_owed_beside_the_first_press(source: str):
    """Also where the first press had been sent in full."""
    async with a_desk(*[QUIET] * 3, latency_s=0.1) as place:
        live = place.press(NARROW if source == Source.SCHEDULE else ALL, concurrency=1, watch_s=60.0).live
        await live.run.engine.swept.wait()
        await asyncio.sleep(1.0)
        place.press(source=source, concurrency=1, watch_s=30.0, automated=source == Source.SCHEDULE)
        before = place.deletes
        await asyncio.sleep(0.05)
        await place.desk.close()

    assert {1, 2, 3} == set(place.deletes - before)


@pytest.mark.parametrize("end", [lambda run: run.stop(), Run.leave])
async def test_a_run_that_ends_before_it_has_begun_ends_at_once(end: Callable[[Run], None]):
    """Nothing is sent, nobody waits for the deadline, and a desk that closes waits for no first DELETE."""
    async with a_desk(QUIET) as place:
        live = place.press().live
        end(live.run)
        began, report = now(), await live.finished()
        took = now() - began

    assert took < 1.0
    assert live.run.engine.swept.is_set()
    assert (Verdict.UNKNOWN, 0) == (report.verdict, place.deletes.total())


async def test_an_observer_that_fails_disturbs_nobody():
    """The press is carried out, and the others are told."""
    told: list[str] = []

    def broken(_what: str, _live: Live) -> None:
        raise ValueError

    async with a_desk(QUIET) as place:
        place.desk.observers += [broken, lambda what, _live: told.append(what)]
        report = await place.press().live.finished()

    assert (Verdict.CLEAR, ["started", "finished"]) == (report.verdict, told)
