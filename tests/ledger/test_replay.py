"""A run made again from its record: as it was printed, never better, and whatever the record looks like."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.accounts.plan import Scope
from panic.broker.outcomes import WORST_FIRST, Outcome, Standing, Verdict
from panic.ledger.events import Event, Head
from panic.ledger.record import Kind
from panic.ledger.replay import UNFINISHED, Replay, scope_of
from panic.ledger.replay import report_of as told_of
from panic.orders import Filters
from panic.report.document import Report, scope_report, to_json
from tests.kit.builders import wall
from tests.ledger.mangle import ANY_TEXT, JSON, mangled
from tests.ledger.runs import (
    FIRST,
    SECOND,
    accepted,
    clear,
    event,
    finished,
    joined,
    plan_of,
    pressed,
    resumed,
    sending,
    start,
    told,
)
from tests.report.test_report import the


def report_of(events: Iterable[Event]) -> Report:
    """The report of a record in which nothing is odd."""
    replay = Replay.of("run", events)

    assert [] == replay.oddities
    return told_of(replay)


def test_what_was_in_flight_when_the_process_died_is_an_unanswered_delete():
    """It may have arrived; what was not even about to leave is told apart from it."""
    report = report_of([*start(1, 2), sending(3, (1, 1))])
    one, two = the(report, 1), the(report, 2)

    (attempt,) = one.attempts
    assert (Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED) == (one.outcome, two.outcome)
    assert ("DELETE", wall(3), None) == (attempt.method, attempt.at, attempt.status)
    assert "the process died first" in (attempt.error or "")
    assert () == two.attempts
    assert "one may have left in the last moment" in two.notes[0]
    assert (False, Verdict.UNKNOWN, 30) == (report.finished, report.verdict, report.exit_code)
    assert UNFINISHED == report.flags[0].code
    assert "panic resume run" in report.flags[0].text
    assert str(FIRST) in report.flags[0].text


def test_a_run_under_way_is_not_said_to_have_died():
    """Whoever looks while it is pressed is neither told to resume it nor that accounts were left out."""
    report = told_of(Replay.of("run", [*start(1, 2), sending(3, (1, 1))]), under_way=True)
    told = [*(flag.text for flag in report.flags), *the(report, 2).notes, the(report, 1).attempts[0].error or ""]

    assert ["under_way"] == [flag.code for flag in report.flags]
    assert (False, 30) == (report.finished, report.exit_code)
    assert not re.search("died|resume|ended", " ".join(told))


def test_a_repeated_delete_in_flight_takes_the_proof_away():
    """It stays accepted, and a read from before the DELETE proves nothing any more."""
    events = [*start(1), sending(3, (1, 1)), told(4, accepted(1)), told(5, clear(1)), sending(6, (1, 2))]
    one = the(report_of(events), 1)

    assert (Outcome.ACCEPTED, Standing.UNREAD, None) == (one.outcome, one.standing, one.as_of)
    assert ["DELETE", "GET", "DELETE"] == [attempt.method for attempt in one.attempts]


def test_a_press_again_is_owed_a_delete_until_one_leaves():
    """What was clear before it is clear no more, and whoever takes the run up sends those accounts again."""
    events = [*start(1, 2), told(4, accepted(1), accepted(2)), told(5, clear(1), clear(2)), joined(6, 1)]
    replay = Replay.of("run", events)
    sent = Replay.of("run", [*events, sending(7, (1, 2))])

    assert [True, False] == [case.owes_first for case in replay.cases.values()]
    assert [Standing.UNREAD, Standing.CLEAR] == [one.standing for one in told_of(replay).accounts if one.id != 9]
    assert [False, False] == [case.owes_first for case in sent.cases.values()]


@pytest.mark.parametrize("verdict", [Verdict.CLEAR, Verdict.UNVERIFIED, Verdict.REFUSED])
def test_an_end_that_says_more_than_its_accounts_is_not_believed(verdict: Verdict):
    """What is told of a run is no better than the worst account on record, nor than how it ended."""
    open_ = {**clear(1), "standing": "open", "open": 1}
    report = report_of([*start(1), told(4, accepted(1)), told(5, open_), finished(6, verdict)])
    unsent = report_of([*start(1), told(4, accepted(1)), told(5, clear(1)), finished(6, verdict)])

    assert (Verdict.OPEN, Verdict.UNKNOWN) == (the(report, 1).verdict, the(report, 9).verdict)
    expected = max(Verdict.UNKNOWN, verdict, key=list(Verdict).index)
    assert [expected, expected] == [report.verdict, unsent.verdict]


def test_a_run_without_an_end_is_never_clear():
    """Though every account was: nobody listened it out."""
    events = [pressed(), plan_of(1, unsent=())]
    events += [told(4, accepted(1)), told(5, clear(1))]
    report = report_of(events)

    assert (Verdict.CLEAR, Verdict.UNVERIFIED) == (the(report, 1).verdict, report.verdict)
    assert (10, False, wall(5)) == (report.exit_code, report.finished, report.finished_at)
    assert 5.0 == report.timings.total_s
    ended = report_of([*events, finished(6)])
    assert (Verdict.CLEAR, True) == (ended.verdict, ended.finished)


def test_the_scope_is_told_again():
    """With its filters, which a resume must not widen."""
    scope = Scope(groups=("arb",), accounts=(3,), filters=Filters("BUY", "LIMIT", "OPTION", ("AAPL", "MSFT")))
    replay = Replay.of("run", [pressed(scope), plan_of(1)])

    assert scope == replay.scope == scope_of(scope_report(scope, verify=True, watch_s=1.0))
    assert scope.filters == replay.cases[1].filters
    assert Scope(all=True) == Replay.of("run", start(1)).scope
    assert Scope() == Replay("run").scope


def test_a_run_that_was_taken_up_again_goes_on_where_it_was():
    """What was in flight was unanswered, what was clear is unread until it is read again."""
    before = [*start(1, 2, 3), sending(3, (1, 1), (2, 1)), told(4, accepted(1)), told(5, clear(1))]
    replay = Replay.of("run", [*before, resumed(1, at=60.0)])

    assert [(1, Standing.UNREAD), (0, Standing.UNREAD), (0, Standing.UNREAD)] == [
        (case.cancels, case.standing) for case in replay.cases.values()
    ]
    assert [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED] == [
        case.outcome for case in replay.cases.values()
    ]
    assert (FIRST, SECOND) == (Replay.of("run", before).process, replay.process)
    assert None is Replay("run").process
    assert None is Replay.of("run", [*before, finished(6), resumed(1, at=60.0)]).finished
    report = told_of(replay)
    assert ["the night shift"] == [one.by for one in report.resumed]
    assert [2, 1, 0] == [len(the(report, id_).attempts) for id_ in (1, 2, 3)]
    assert str(SECOND) in report.flags[0].text


def test_what_leaves_after_a_resume_counts_anew():
    """The first DELETE of the second life is its first, and its answer ends it."""
    before = [*start(1), sending(3, (1, 1))]
    after = [resumed(1, at=60.0), sending(2, (1, 1), leg="later", at=61.0)]
    died_again = the(report_of([*before, *after]), 1)
    answered = the(report_of([*before, *after, told(3, accepted(1), leg="later", at=62.0)]), 1)

    assert [wall(3), wall(61)] == [attempt.at for attempt in died_again.attempts]
    assert [None, 200] == [attempt.status for attempt in answered.attempts]
    assert Outcome.ACCEPTED is answered.outcome


@pytest.mark.parametrize(
    ("broken", "unread"),
    [
        ({**accepted(1), "outcome": "acceptable"}, {1}),
        ({**accepted(1), "account": "1"}, {1, 2}),
        ({"outcome": "accepted"}, {1, 2}),
        ("accepted", {1, 2}),
        (None, {1, 2}),
    ],
)
def test_what_is_lost_of_an_account_takes_its_proof_away(broken: Any, unread: set[int]):
    """It may have told that it was open again; where nobody knows whose it was, nobody is clear any more."""
    events = [*start(1, 2), told(4, accepted(1), accepted(2)), told(5, clear(1), clear(2))]
    lost = told(6, broken) if broken else event(6, Kind.STANDING, {})
    replay = Replay.of("run", [*events, lost, finished(7)])
    report = told_of(replay)

    assert 1 == len(replay.oddities)
    assert {1, 2} - unread == {one.id for one in report.accounts if one.standing is Standing.CLEAR}
    assert [None] * len(unread) == [the(report, id_).as_of for id_ in unread]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.ATTEMPT, {"deletes": [[77, 1], [1, 1]]}),
        (Kind.OUTCOME, {"accounts": [accepted(78), accepted(1)]}),
        (Kind.ATTEMPT, {"deletes": [["1", 1]]}),
        (Kind.ATTEMPT, [1]),
        (Kind.OUTCOME, {"accounts": None}),
        (Kind.STANDING, "accounts"),
        (Kind.LATCHED, {"engaged": "perhaps"}),
        (Kind.FINISHED, {}),
        ("outcomf", {"accounts": []}),
    ],
)
def test_an_event_that_tells_nothing_or_of_an_account_that_nobody_knows_is_noted(kind: str, words: Any):
    """And the rest is told all the same, its neighbours in the same event as well."""
    before = start(1) if kind == Kind.OUTCOME and words["accounts"] else [*start(1), told(4, accepted(1))]
    after = finished(9, Verdict.UNVERIFIED)
    replay = Replay.of("run", [*before, event(5, kind, words), after])
    (odd,) = replay.oddities

    assert odd.startswith(f"event leg-5 ({kind}) cannot be read: ")
    assert Outcome.ACCEPTED is the(told_of(replay), 1).outcome


@pytest.mark.parametrize(
    ("events", "missing"),
    [
        ([], "who pressed, and why"),
        ([pressed(), finished(3)], "of which accounts"),
        ([pressed(), event(2, Kind.PLANNED, {"accounts": [], "unsent": []})], "of which accounts"),
    ],
)
def test_a_record_without_its_beginning_gives_no_report(events: list[Event], missing: str):
    """An empty report would look like one of nothing to do."""
    with pytest.raises(ValueError, match=f"the record does not tell {missing}"):
        told_of(Replay.of("run", events))


OPEN = {**clear(2), "standing": "open", "open": 1, "orders": [["a", "NEW", False, "", "X", "BUY", "mine"]]}
DIED = (
    pressed(),
    plan_of(1, 2, unsent=()),
    sending(3, (1, 1), (2, 1)),
    event(4, Kind.FLAG, {"code": "odd", "text": "text"}),
    told(5, accepted(1), accepted(2)),
    told(6, clear(1), OPEN, kind=Kind.STANDING),
)
AGAIN = (
    resumed(1, at=60.0),
    sending(2, (2, 1), leg="later", at=61.0),
    told(3, accepted(2), leg="later", at=62.0),
    told(4, clear(1), OPEN, kind=Kind.STANDING, leg="later", at=63.0),
    finished(5, Verdict.OPEN, leg="later", at=64.0),
)
RECORDS = {"ended": (*DIED, joined(7, 2), finished(8, Verdict.OPEN)), "died": DIED, "taken up": (*DIED, *AGAIN)}
"""What runs with one account that stays open left: one that ended, one that died, one that was taken up."""


@st.composite
def broken(draw: st.DrawFn, name: str) -> list[Event]:
    """The record of a run with some of its events mangled, in their bodies or beside."""
    events = list(RECORDS[name])
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(events) - 1))
        one = events[index]
        field = draw(st.sampled_from(["body", "body", "body", "body", "kind", "at", "id"]))
        if field == "body":
            value = draw(mangled(one.body) | JSON)
        elif field == "kind":
            value = draw(st.sampled_from([*Kind, "other"]) | ANY_TEXT)
        else:
            value = draw(ANY_TEXT)
        events[index] = one._replace(**{field: value})
    return events


def hold(replay: Replay) -> None:
    """It gives a report that can be printed, with each account once, or says that it gives none."""
    try:
        report = told_of(replay, Head(1, "00" * 32))
    except ValueError:
        assert not replay.pressed or not (replay.cases or replay.unsent)
        return
    assert to_json(report)
    ids = [one.id for one in report.accounts if one.id is not None]
    assert len(set(ids)) == len(ids)
    assert {*replay.cases} <= {*ids}
    if replay.finished is None:
        assert Verdict.CLEAR is not report.verdict
        assert UNFINISHED == report.flags[0].code
    else:
        assert WORST_FIRST.index(report.verdict) <= WORST_FIRST.index(replay.finished.verdict)


@settings(max_examples=150)
@given(st.sampled_from(sorted(RECORDS)).flatmap(broken))
def test_nothing_that_a_record_may_look_like_is_ever_raised(events: list[Event]):
    """Whatever is in the place of a body, a kind, a time or an id."""
    hold(Replay.of("", events))


@settings(max_examples=150)
@given(st.sampled_from(list(RECORDS.values())), st.sets(st.integers(2, len(DIED) + len(AGAIN))))
def test_events_that_are_lost_never_make_a_run_clear(record: Sequence[Event], lost: set[int]):
    """Neither the whole run, nor an account that no read on record shows clear."""
    events = [one for index, one in enumerate(record) if index not in lost]
    replay = Replay.of("", events)
    hold(replay)
    report = told_of(replay)

    assert Verdict.CLEAR is not report.verdict
    shown_of = [
        one for event in events if event.kind in {Kind.OUTCOME, Kind.STANDING} for one in event.body["accounts"]
    ]
    shown = {one["account"] for one in shown_of if "clear" == one.get("standing")}
    assert {one.id for one in report.accounts if one.standing is Standing.CLEAR} <= shown
