"""The board: what it says of an account is what the report says; never more at any moment, at the end exactly."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic import drill
from panic.board import OF_VERDICT, WORST_FIRST, Board, Code
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.course import BINS_MOST, POINTS_MOST, Bin, clearing, curve
from panic.engine.case import Case
from panic.ledger.events import Event
from panic.record import Joined, Kind, body
from panic.replay import Replay
from panic.report import Report, Trigger, scope_report
from panic.roster import Account
from panic.run.run import Join, Run
from tests.builders import MIDNIGHT, wall
from tests.tape import Tape, take_up
from tests.test_replay import (
    accepted,
    clear,
    event,
    finished,
    plan_of,
    pressed,
    records,
    resumed,
    sending,
    start,
    told,
)
from tests.test_seeds import _DEADLINE_S, _firm
from tests.virtual import virtually


def of(events: Iterable[Event]) -> Board:
    """A board that was fed these."""
    board = Board()
    for one in events:
        board.take(one)
    return board


def letters(board: Board, replay: Replay) -> dict[int, str]:
    """What it says of each account that was to be sent."""
    return {id_: chr(code) for id_, code in zip(replay.cases, board.codes, strict=False)}


def verdicts(report: Report) -> dict[int | None, str]:
    """What the report says of each account."""
    return {one.id: str(OF_VERDICT[one.verdict]) for one in report.accounts}


def hold_at_the_end(events: Sequence[Event]) -> None:
    """After its last event the board says of every account exactly what the report does."""
    replay, board = Replay.of("run", events), of(events)
    if not board.finished:
        board.conclude()
    report = replay.report()
    expected, found = verdicts(report), letters(board, replay)

    assert found == {id_: expected[id_] for id_ in replay.cases}
    assert len(board.codes) == len(report.accounts)
    assert Counter(board.codes.decode()) == {str(code): n for code, n in board.counts.items() if n}


def hold_on_the_way(events: Sequence[Event], step: int = 3) -> None:
    """At no moment is a letter clear where the report of that moment would say anything else."""
    board = Board()
    for n, one in enumerate(events, 1):
        board.take(one)
        if n % step == 0 and n > 1:
            replay = Replay.of("run", events[:n])
            report = verdicts(replay.report())
            falsely = [id_ for id_, code in letters(board, replay).items() if code == "c" != report[id_]]

            assert [] == falsely, f"after {one.id}"


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────


async def _run(seed: int, *, joins: bool = False, dies: bool = False) -> tuple[list[Event], list[Event], Report]:
    """Run a seed; give what its journal held, what is on record, and its report."""
    made_up, rng = _firm(seed), random.Random(seed)
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        prepared = drill.prepare(made_up, simulator.base_url, watch_s=rng.choice((0.0, 3.0)))
        prepared = replace(prepared, press=replace(prepared.press, deadline_s=_DEADLINE_S))
        tape = Tape(rng.randint(2, 60) if dies else 1 << 30)
        journal: list[Event] = []
        run = Run(prepared, ledger=tape.writer, drill=True, rng=random.Random(seed), journal=journal.append)
        work = asyncio.create_task(run.go())
        for how in (Join.SEND_AGAIN, Join.LOOK_AGAIN, Join.SEND_AGAIN) if joins else ():
            await asyncio.sleep(rng.choice((0.0, 0.02, 0.5, 3.0)))
            run.join(prepared, how)
        if not dies:
            report = await work
            return journal, tape.events(), report
        full = asyncio.create_task(tape.full.wait())
        await asyncio.wait([work, full], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, full):
            task.cancel()
        await asyncio.wait([work, full])
        report, later = await take_up(prepared, tape, random.Random(seed))
        return tape.events(), later.events(), report


@pytest.mark.parametrize("seed", range(100, 106))
def test_a_run_is_shown_as_it_is_reported(seed: int):
    """By its journal while it is here, and by its record afterwards; whatever its accounts' faults are."""
    journal, record, report = virtually(_run(seed))
    board = of(journal)

    assert board.finished
    assert letters(board, Replay.of("run", record)) == verdicts(report)
    hold_at_the_end(record)
    hold_on_the_way(record)


@pytest.mark.parametrize("seed", range(200, 205))
def test_a_run_that_others_join_is_shown_as_it_is_reported(seed: int):
    """What was clear before a press joined is clear no more."""
    journal, record, report = virtually(_run(seed, joins=True))

    assert Kind.JOINED in {one.kind for one in record}
    assert letters(of(journal), Replay.of("run", record)) == verdicts(report)
    hold_at_the_end(record)
    hold_on_the_way(record)


@pytest.mark.parametrize("seed", range(300, 306))
def test_a_run_that_died_and_was_taken_up_is_shown_as_it_is_reported(seed: int):
    """Before it was taken up, and afterwards, by what both processes recorded."""
    killed, whole, report = virtually(_run(seed, dies=True))

    hold_at_the_end(killed) if Replay.of("run", killed).has_plan else None
    hold_at_the_end(whole)
    hold_on_the_way(whole)
    assert letters(of(whole), Replay.of("run", whole)) == verdicts(report)


@pytest.mark.parametrize("name", ["ended", "died", "taken up"])
def test_wherever_a_record_breaks_off_the_board_says_what_the_report_does(name: str):
    """At every event; nothing that was in flight is clear."""
    events = records()[name]
    for n in range(2, len(events) + 1):
        hold_at_the_end(events[:n])
    hold_on_the_way(events, 1)


@pytest.mark.parametrize("name", ["ended", "died", "taken up"])
def test_events_that_are_lost_make_nobody_clear_whom_no_read_showed_so(name: str):
    """Whatever is missing, nobody is clear whose record does not say it."""

    @settings(max_examples=100)
    @given(st.sets(st.integers(2, len(records()[name]) - 1)))
    def play(lost: set[int]) -> None:
        events = [one for index, one in enumerate(records()[name]) if index not in lost]
        hold_at_the_end(events)

    play()


# ── one account ─────────────────────────────────────────────────────────────────────────────────────────────


def only(*events: Event) -> str:
    """What a board says of account 1 after these."""
    return chr(of([pressed(), plan_of(1), *events]).codes[0])


def outcome(n: int, word: str, **more: Any) -> Event:
    """A DELETE ended so."""
    return told(n, {"account": 1, "attempts": [["DELETE", 1.0, 0.1, None, "", ""]], "outcome": word, **more})


def read_as(n: int, word: str) -> Event:
    """A read showed so."""
    return told(n, {"account": 1, "standing": word}, kind=Kind.STANDING)


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ((), Code.WAITING),
        ((sending(3, (1, 1)),), Code.SENT),
        ((outcome(3, "rate_limited"),), Code.AGAIN),
        ((outcome(3, "rate_limited"), sending(4, (1, 2))), Code.AGAIN),
        ((outcome(3, "accepted"),), Code.ACCEPTED),
        ((outcome(3, "nothing_to_cancel"),), Code.ACCEPTED),
        ((outcome(3, "accepted"), sending(4, (1, 2))), Code.SENT),
        ((outcome(3, "accepted"), read_as(4, "pending")), Code.PENDING),
        ((outcome(3, "accepted"), read_as(4, "open")), Code.OPEN),
        ((outcome(3, "accepted"), read_as(4, "open"), sending(5, (1, 2))), Code.OPEN),
        ((outcome(3, "accepted"), read_as(4, "clear")), Code.CLEAR),
        ((outcome(3, "accepted"), read_as(4, "clear"), read_as(5, "open")), Code.OPEN),
        ((outcome(3, "accepted"), read_as(4, "clear"), sending(5, (1, 2))), Code.SENT),
        ((outcome(3, "forbidden"),), Code.REFUSED),
        ((outcome(3, "forbidden"), read_as(4, "open")), Code.REFUSED),
        ((outcome(3, "forbidden"), read_as(4, "clear")), Code.CLEAR),
        ((outcome(3, "accepted"), read_as(4, "clear"), resumed(5)), Code.ACCEPTED),
        ((outcome(3, "unknown"), finished(4)), Code.UNKNOWN),
        ((sending(3, (1, 1)), finished(4)), Code.UNKNOWN),
        ((outcome(3, "accepted"), finished(4)), Code.UNVERIFIED),
        ((outcome(3, "accepted"), read_as(4, "pending"), finished(5)), Code.OPEN),
        ((outcome(3, "accepted"), read_as(4, "clear"), sending(5, (1, 2)), finished(6)), Code.UNVERIFIED),
    ],
)
def test_an_account_comes_from_letter_to_letter(events: tuple[Event, ...], code: Code):
    """By the last that is known of it; the worse of two where they speak against each other."""
    assert code == only(*events)


def test_a_later_press_takes_a_clear_back():
    """Before anything is sent for it."""
    trigger = Trigger("api", "joe", "again", MIDNIGHT)
    scope = scope_report(Replay.of("", [pressed()]).scope, verify=True, watch_s=0.0)
    joined = event(5, Kind.JOINED, body(Joined(trigger, (1,), 120.0, 0.0, scope, latch=False)))

    assert (Code.CLEAR, Code.ACCEPTED) == (
        only(*(both := (outcome(3, "accepted"), read_as(4, "clear")))),
        only(*both, joined),
    )


def test_who_could_not_be_sent_is_there_and_unknown():
    """At the end of the accounts, from the beginning on."""
    board = of(start(1, 2))

    assert ("wwk", {Code.WAITING: 2, Code.UNKNOWN: 1}) == (
        board.codes.decode(),
        {code: n for code, n in board.counts.items() if n},
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"account": 1, "standing": "no standing"},
        {"account": 1, "outcome": None},
        {"account": 1, "attempts": 7},
        {"standing": "open"},
        None,
    ],
)
def test_what_cannot_be_read_takes_a_clear_back(broken: Any):
    """Of the account, or of all where nobody knows whose it is."""
    assert Code.CLEAR != only(outcome(3, "accepted"), read_as(4, "clear"), told(5, broken))


@pytest.mark.parametrize("kind", [Kind.ATTEMPT, Kind.OUTCOME, Kind.STANDING, Kind.JOINED])
@pytest.mark.parametrize("words", [None, 7, [], {}, {"accounts": 3, "deletes": 3}])
def test_an_event_that_tells_nothing_is_survived(kind: Kind, words: Any):
    """And makes nobody clear."""
    assert Code.CLEAR != only(outcome(3, "accepted"), read_as(4, "clear"), event(5, kind, words))


def test_every_letter_has_its_words_on_the_page_and_in_the_docs():
    """The same ones; and every letter but clear has its place among the worst."""
    root = Path(__file__).parent.parent
    script = (root / "panic/service/web/words.js").read_text()
    states = re.findall(r'^  ([a-z]): \{ name: "([^"]+)", tells: "([^"]+)" \}', script, re.MULTILINE)
    docs = (root / "docs/control-room.md").read_text()

    assert set(Code) == {letter for letter, _, _ in states} == {*WORST_FIRST, Code.CLEAR}
    assert [] == [name for _, name, tells in states if f"| {name} | {tells} |" not in docs]
    assert set(Verdict) == OF_VERDICT.keys()
    assert len({str(code) for code in Code}) == len(Code)


# ── cases ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_events_the_cases_tell_the_same():
    """Letter by letter as the events do, and when each came how far."""
    for name in ("ended", "taken up"):
        events = records()[name]
        for n in range(2, len(events) + 1):
            replay, board = Replay.of("", events[:n]), of(events[:n])
            shown = Board(replay.pressed.started_at if replay.pressed else None)
            shown.plan(replay.cases, len(replay.unsent))
            for place, case in enumerate(replay.cases.values()):
                shown.show(place, case, wall)
            assert {place for place, code in enumerate(shown.codes) if chr(code) == "c"} <= {
                place for place, case in enumerate(replay.cases.values()) if case.standing is Standing.CLEAR
            }
        for one in (board, shown):
            one.conclude()
        assert board.codes == shown.codes
        assert [len(points) > 0 for points in board.course().values()] == [
            len(points) > 0 for points in shown.course().values()
        ]


def test_a_clear_that_is_not_borne_out_is_taken_back():
    """Others stay."""
    board = of([*start(1, 2), told(3, accepted(1), accepted(2)), told(4, clear(1), clear(2))])
    board.withdraw(lambda place: place == 1)

    assert ("ack", [2, 0]) == (board.codes.decode(), board.places(10))


def test_a_case_under_a_new_delete_is_not_clear():
    """Though its standing is not taken back yet."""
    board, case = Board(MIDNIGHT), Case(Account(1), outcome=Outcome.ACCEPTED, standing=Standing.CLEAR, cancels=1)
    board.plan([1], 0)
    board.show(0, case, wall)
    case.sending = True
    before = board.codes.decode()
    board.show(0, case, wall)

    assert ("c", "s") == (before, board.codes.decode())


# ── how it went ─────────────────────────────────────────────────────────────────────────────────────────────


def test_when_an_account_came_how_far_is_since_the_press():
    """And the first time counts."""
    board = of([*start(1, 2), sending(3, (1, 1)), told(4, accepted(1)), told(5, clear(1)), sending(6, (1, 2))])

    assert ((3.0, 4.0, 5.0), (None, None, None)) == (board.times(1), board.times(2))
    assert {"sent": ((3.0, 1),), "accepted": ((4.0, 1),), "clear": ((5.0, 1),)} == board.course()
    assert ((Bin(5.0, 5.0, 1),), 5.0) == ((found := board.clearing()) and found.bins, found and found.max_s)


@given(st.lists(st.floats(0, 1e4, allow_nan=False), max_size=2000))
def test_a_curve_has_so_many_points_and_ends_with_all(times: list[float]):
    """It never falls, and no bin loses an account."""
    times.sort()
    points, found = curve(times), clearing(times)

    assert len(points) <= POINTS_MOST
    assert list(points) == sorted(points)
    assert [count for _, count in points] == sorted({count for _, count in points})
    assert (
        (points[-1][1] if points else 0)
        == len(times)
        == sum(one.accounts for one in (found.bins if found else ()))
    )
    if found:
        assert len(found.bins) <= BINS_MOST
        assert found.p50_s <= found.p95_s <= found.max_s


def test_five_thousand_accounts_cost_little():
    """All events of a run: its board takes no time that a press would feel."""
    ids, most = range(1, 5001), 64
    events = [pressed(), plan_of(*ids)]
    for first in range(1, 5001, most):
        some = [id_ for id_ in range(first, first + most) if id_ <= 5000]
        events.append(sending(len(events) + 1, *((id_, 1) for id_ in some)))
        events.append(told(len(events) + 1, *map(accepted, some)))
        events.append(told(len(events) + 1, *({"account": id_, "standing": "pending"} for id_ in some)))
        events.append(told(len(events) + 1, *map(clear, some)))
    events.append(finished(len(events) + 1))
    took = []
    for _ in range(3):
        began = process_time()
        board = of(events)
        board.course(), board.clearing()
        took.append(process_time() - began)

    assert (5000, 1) == (board.counts[Code.CLEAR], board.counts[Code.UNKNOWN])
    assert min(took) < 0.3
