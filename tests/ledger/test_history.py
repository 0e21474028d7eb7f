"""Runs made again from the files that they lie in: each event once, and nothing that is wrong is kept quiet."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic.broker.outcomes import Outcome, Verdict
from panic.config import LedgerFiles
from panic.kit.errors import UsageError
from panic.kit.process import here
from panic.ledger import history
from panic.ledger.events import Event, encode
from panic.ledger.record import Kind, LastPress
from panic.ledger.replay import Replay, report_of
from panic.ledger.store import SqliteStore
from panic.ledger.summary import Summary
from tests.kit.builders import MIDNIGHT
from tests.ledger.runs import accepted, clear, event, finished, plan_of, pressed, resumed, sending, start, told
from tests.ledger.support import tamper


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFiles:
    """A file that is not there yet."""
    return LedgerFiles(file=tmp_path / "ledger.db")


def put(file: Path | None, events: Iterable[Event], run: str = "run") -> None:
    """Put events of a run on record."""
    assert file is not None
    with closing(SqliteStore(file)) as store:
        store.append([(run, one.kind, encode(one._replace(run=run))) for one in events])


def summed_up(*events: Event) -> Summary:
    """What the list of runs tells of one."""
    return Summary.of(Replay.of("run", events))


WHOLE = [*start(1), sending(3, (1, 1)), told(4, accepted(1)), told(5, clear(1)), finished(6)]


def test_a_run_among_others_is_told_by_its_own_events(ledger: LedgerFiles):
    """Its head is that after its end, whoever wrote before and after."""
    put(ledger.file, start(2), "other")
    put(ledger.file, WHOLE)
    put(ledger.file, start(2), "another")
    past = history.recall(ledger, "run")
    last = history.read(ledger, run="run").rows[-1]

    assert report_of(Replay.of("run", WHOLE), past.head) == past.report()
    assert ((), ()) == (past.damage, past.faults)
    assert (8, (last.seq, last.hash)) == (past.last_seq, past.head)


@pytest.mark.parametrize("events", [WHOLE[:5], [*WHOLE, resumed(1, at=60.0)], [*WHOLE, event(7, Kind.FLAG, None)]])
def test_a_run_whose_end_is_not_its_last_event_has_no_head(ledger: LedgerFiles, events: list[Event]):
    """A head says that everything before it is all there is."""
    put(ledger.file, events)

    assert None is history.recall(ledger, "run").head


def test_what_is_wrong_with_a_record_is_told(ledger: LedgerFiles):
    """Records that are none, and events that tell nothing."""
    put(ledger.file, [*WHOLE[:2], told(4, accepted(99))])
    assert ledger.file is not None
    with closing(SqliteStore(ledger.file)) as store:
        store.append([("run", "outcome", b"{}")])
    tamper(ledger.file, "UPDATE events SET record = CAST(replace(record, 'joe', 'jim') AS BLOB) WHERE seq = 1")
    past = history.recall(ledger, "run")

    assert f"{ledger.file}: event 1 (pressed): it does not match its hash" in past.faults
    assert any("event 4 (outcome)" in fault for fault in past.faults)
    assert ("event leg-3: missing, though others of the same process are there",) == past.damage
    assert "event leg-4 (outcome) cannot be read: KeyError" in past.faults
    assert len(set(past.faults)) == len(past.faults)
    assert Outcome.NOT_ATTEMPTED is report_of(past.replay).accounts[0].outcome


def beginning(second: float, **more: Any) -> Event:
    """A press so many seconds after midnight."""
    found = pressed()
    moment = (MIDNIGHT + timedelta(seconds=second)).isoformat(timespec="microseconds")
    return found._replace(body={**found.body, "started_at": moment, **more}, id=f"leg{second}-1", at=moment)


HASH = "event 2 (finished): it does not match its hash"


def test_runs_are_listed_with_the_unfinished_first_and_then_the_latest(ledger: LedgerFiles):
    """Each with whether it came to its end."""
    put(ledger.file, [beginning(0)], "d")
    put(ledger.file, [beginning(1), finished(2, leg="leg1", at=1.5)], "a")
    put(ledger.file, [beginning(2)], "c")
    put(ledger.file, [beginning(3), finished(2, leg="leg3", at=3.5)], "b")
    found, damage = history.runs(ledger)

    assert ["c", "d", "b", "a"] == [one.run for one in found]
    assert [] == damage


def test_the_order_of_a_file_counts_and_not_its_clock(ledger: LedgerFiles):
    """The last run is the one that was pressed last, though the clock was set back an hour before."""
    put(ledger.file, [beginning(3600), finished(2, leg="leg3600", at=3601)], "a")
    put(ledger.file, [beginning(0), finished(2, leg="leg0", at=1)], "b")

    assert ["b", "a"] == [one.run for one in history.runs(ledger)[0]]
    assert "b" == history.find(ledger, "last")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE events SET record = replace(record, 'clear', 'open') WHERE seq = 2", HASH),
        ("DELETE FROM events WHERE seq = 3", "event 4 (pressed): the event before it is missing"),
    ],
)
def test_headings_that_are_not_what_was_written_are_damage(ledger: LedgerFiles, change: str, fault: str):
    """What the list of runs says rests on them."""
    put(ledger.file, [beginning(0), finished(2, leg="leg0", at=0.5)], "a")
    put(ledger.file, [beginning(1)], "b")
    put(ledger.file, [beginning(2), finished(2, leg="leg2", at=2.5)], "c")
    assert ledger.file is not None
    tamper(ledger.file, change)

    assert [f"{ledger.file}: {fault}"] == history.runs(ledger)[1]


def test_a_run_that_nobody_pressed_is_damage(ledger: LedgerFiles):
    """So is an event that tells nothing."""
    put(ledger.file, [finished(2)], "a")
    put(ledger.file, [beginning(1), event(2, Kind.FINISHED, {}, leg="leg1")], "b")
    assert ledger.file is not None
    with closing(SqliteStore(ledger.file)) as store:
        store.append([("c", "pressed", b'{"run":"c","kind":"pressed",')])
    found, damage = history.runs(ledger)

    assert ["b"] == [one.run for one in found]
    assert [
        f"{ledger.file}: event 4 (pressed): its record cannot be read",
        "run a: who pressed is not on record",
        "run b: event leg1-2 (finished) cannot be read: ValidationError",
    ] == damage


@pytest.mark.parametrize(
    ("name", "run"), [("last", "20260302-b"), ("20260302-a", "20260302-a"), ("20260301", "20260301"), ("x", "xyz")]
)
def test_a_run_is_found_by_its_name_or_the_beginning_of_it(ledger: LedgerFiles, name: str, run: str):
    """A whole name goes before a beginning."""
    for second, one in enumerate(("xyz", "20260301", "20260301-z", "20260302-a", "20260302-b")):
        put(ledger.file, [beginning(second)], one)

    assert run == history.find(ledger, name)


def test_a_run_that_is_not_found(ledger: LedgerFiles):
    """The words help on."""
    with pytest.raises(UsageError, match=r"no run is on record in .*ledger.db$"):
        history.find(ledger, "last")
    for second, one in enumerate("ab"):
        put(ledger.file, [beginning(second)], f"2026-{one}")
    with pytest.raises(UsageError, match=r"run 2027 is not in .*: the latest are 2026-b, 2026-a; panic runs"):
        history.find(ledger, "2027")
    with pytest.raises(UsageError, match="no run is named: say its id"):
        history.find(ledger, "")
    with pytest.raises(UsageError, match="run 20: 2 are called so: 2026-b, 2026-a; say more of it"):
        history.find(ledger, "20")


A, A_AGAIN, B, HERE = ("a", 30, 1), ("a", 10, 2), ("b", 20, 1), ("here", 5, 1)
"""Runs with so many presses, the last of them so many minutes ago."""


@pytest.mark.parametrize(
    ("recorded", "here", "order"),
    [
        ([], [HERE], "here"),
        ([A, B], [], "a b"),
        ([A, B], [HERE], "a b here"),
        ([A, ("there", 1, 1)], [HERE], "a here there"),
        ([A, HERE, B], [HERE], "a here b"),
        ([A, ("yesterday", -60, 1)], [HERE], "a yesterday here"),
        ([A, B], [A_AGAIN], "b a"),
        ([A_AGAIN, B], [A_AGAIN], "a b"),
        ([A], [A_AGAIN, B], "b a"),
    ],
)
def test_the_last_press_gives_a_run_its_place(recorded: list[Any], here: list[Any], order: str):
    """As it is on record; what is not counts from when it was accepted, also by a clock that was set back."""
    now = datetime.now(UTC)
    told, ours = [
        [LastPress(run, now - timedelta(minutes=ago), presses) for run, ago, presses in its]
        for its in (recorded, here)
    ]

    assert order.split() == history.by_last_press(told, ours)


def test_the_state_of_a_run_is_a_word_or_two():
    """Its verdict; or whether somebody works on it, or still may."""
    open_run, ended = summed_up(pressed()), summed_up(pressed(), finished(2, Verdict.OPEN))
    alive = summed_up(pressed()._replace(body={**pressed().body, "process": asdict(here())}))
    just_in_time, too_late, early = (MIDNIGHT + timedelta(seconds=second) for second in (419.9, 420, -1))

    assert "open" == ended.state(MIDNIGHT)
    assert "under way" == alive.state(too_late)
    assert "unfinished" == open_run.state(just_in_time)
    assert "unfinished, too old to resume" == open_run.state(too_late)
    assert "unfinished, of the future" == open_run.state(early)
    assert [True, False, False] == [open_run.resumable(now) for now in (just_in_time, too_late, early)]


CLEARED = [
    pressed(),
    plan_of(1, unsent=()),
    sending(3, (1, 1)),
    told(4, accepted(1)),
    told(5, clear(1)),
    finished(6),
]


def test_a_record_that_was_changed_since_it_was_judged_is_judged_anew(ledger: LedgerFiles):
    """What it came to before counts for the same bytes only; with its verdict go the counts of accounts."""
    assert ledger.file is not None
    put(ledger.file, CLEARED)
    before, _ = history.runs(ledger, 1)
    tamper(ledger.file, "UPDATE events SET record = replace(record, 'clear', 'open') WHERE seq = 5")
    after, damage = history.runs(ledger, 1)

    assert [True, False] == [one[0].is_clear for one in (before, after)]
    assert [{Verdict.CLEAR: 1}, {}] == [one[0].finished.verdicts for one in (before, after) if one[0].finished]
    assert ["run run: its record is not what was written: panic show run"] == damage[-1:]


def test_it_is_said_which_records_were_not_looked_at(ledger: LedgerFiles):
    """All runs are listed: whoever asks must not wait for ever."""
    put(ledger.file, CLEARED)
    found, damage = history.runs(ledger, 1, within_s=0.0)

    assert [True] == [one.is_clear for one in found]
    assert ["run run and those after it: their records were not looked at, which takes long"] == damage
