"""A ledger is copied and made smaller while it is in use, and nothing is lost that is not safe elsewhere."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from panic.errors import PanicError, UsageError
from panic.evidence.archive import Archived, archive
from panic.evidence.export import export
from panic.evidence.form import Asked
from panic.evidence.intake import lines_of
from panic.evidence.verify import verify
from panic.files import new_file
from panic.ledger import upkeep
from panic.ledger.chain import GENESIS, Head
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import Volume, faults, read
from panic.ledger.store import SqliteStore
from panic.ledger.upkeep import Removal, backup, remove
from panic.process import here
from panic.record import Kind
from tests.evidence import ANCHORED, NOON, a_run, notes, stamp, taken_up
from tests.ledger.support import python, until

DAY = timedelta(days=1)
BEFORE = NOON + 3 * DAY
LATER = NOON + 30 * DAY
FAREWELL = ("", "archived", encode(Event("", "archived", "x-1", stamp(NOON), {})))


def put(file: Path, *told: Sequence[Event]) -> Volume:
    """Append events to a ledger, and read it."""
    store = SqliteStore(file)
    store.append([(one.run, one.kind, encode(one)) for its in told for one in its])
    store.close()
    return whole(file)


def whole(file: Path) -> Volume:
    """A ledger in which nothing is wrong."""
    volume = read(file, whole=True)

    assert ("", ()) == (volume.damage, faults(volume))
    return volume


def run_of(day: int, **more: Any) -> list[Event]:
    """A run at noon of a day; each day has one name."""
    return a_run(f"run{day}", at=NOON + day * DAY, leg=f"leg{day}".replace("-", "m"), **more)


def runs_in(volume: Volume) -> list[str]:
    """The runs that a ledger tells of, each once."""
    return list(dict.fromkeys(row.run for row in volume.rows if row.run))


def archived(
    tmp_path: Path, *files: Path, name: str = "old.jsonl", before: datetime = BEFORE, **more: Any
) -> Archived:
    """Archive everything before a moment, much later."""
    how = {"by": "joe@desk", "reason": "retention", "at": LATER, **more}
    return archive(files or (tmp_path / "ledger.db",), before, tmp_path / name, **how)


def mode(file: Path) -> int:
    """Who may do what with it."""
    return file.stat().st_mode & 0o777


@contextmanager
def writing(file: Path) -> Iterator[Callable[[], int]]:
    """Another process appends to the ledger, one event after another; gives how many it has told of."""
    script = """
import sys
from pathlib import Path
from tests.ledger.support import record
from panic.ledger.store import SqliteStore
store, n = SqliteStore(Path(sys.argv[1])), 0
while True:
    n += 1
    store.append([record(n, run="running", leg="other")])
    print(n, flush=True)
"""
    process = python(script, file)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    try:
        next(lines)
        yield lambda: int(next(lines))
    finally:
        process.kill()
        process.communicate()


# ── a new file ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_file_is_its_owners_alone(tmp_path: Path):
    """Accounts and reasons are nobody else's business."""
    with new_file(tmp_path / "a") as stream:
        stream.write(b"told")

    assert (b"told", 0o600) == ((tmp_path / "a").read_bytes(), mode(tmp_path / "a"))


@pytest.mark.parametrize("name", ["there", "folder", "missing/a", "a\0b", "link"])
def test_what_is_there_stays_as_it_is(tmp_path: Path, name: str):
    """Nothing is overwritten, and no link is followed."""
    (tmp_path / "there").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="name a new file"):
        new_file(tmp_path / name).__enter__()

    assert "kept" == (tmp_path / "there").read_text()
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_could_not_be_written_whole_is_gone(tmp_path: Path):
    """Half of one might be taken for one."""

    def lines() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left")

    with (
        pytest.raises(PanicError, match="could not be written: no space left"),
        new_file(tmp_path / "a") as stream,
    ):
        stream.writelines(lines())

    assert [] == list(tmp_path.iterdir())


# ── backup ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_the_ledger(tmp_path: Path):
    """Every event and the head, in one file of its owner's."""
    volume = put(tmp_path / "ledger.db", run_of(1), run_of(2))
    copy = backup(tmp_path / "ledger.db", tmp_path / "copy.db")

    assert replace(volume, file=tmp_path / "copy.db") == copy == whole(tmp_path / "copy.db")
    assert 0o600 == mode(tmp_path / "copy.db")
    assert ["copy.db"] == [one.name for one in tmp_path.iterdir() if not one.name.startswith("ledger")]


def test_a_backup_can_be_written_on(tmp_path: Path):
    """When it takes the ledger's place."""
    put(tmp_path / "ledger.db", run_of(1))
    backup(tmp_path / "ledger.db", tmp_path / "copy.db")

    assert 12 == put(tmp_path / "copy.db", notes(5)).head.seq


def test_a_backup_overwrites_nothing(tmp_path: Path):
    """Least of all an older backup."""
    put(tmp_path / "ledger.db", run_of(1))
    (tmp_path / "copy.db").write_text("kept")
    with pytest.raises(UsageError, match="file exists; name a new file"):
        backup(tmp_path / "ledger.db", tmp_path / "copy.db")

    assert "kept" == (tmp_path / "copy.db").read_text()


def test_a_ledger_in_use_is_copied_as_it_stood_at_one_moment(tmp_path: Path):
    """And whoever writes it goes on."""
    put(tmp_path / "ledger.db", *(run_of(day) for day in range(50)))
    with writing(tmp_path / "ledger.db") as told:
        for n in range(5):
            before = told()
            copy = backup(tmp_path / "ledger.db", tmp_path / f"copy{n}.db")

            assert ("", ()) == (copy.damage, faults(copy))
            assert 350 + before <= copy.head.seq
        after = told()
    found = whole(tmp_path / "ledger.db")

    assert after < found.head.seq - 349
    assert [row.seq for row in found.rows] == list(range(1, found.head.seq + 1))


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe"])
def test_there_is_nothing_to_copy(tmp_path: Path, what: str):
    """It is said, and no file is left behind."""
    file = tmp_path / "ledger.db"
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    with pytest.raises(UsageError, match="there is no ledger to copy"):
        backup(file, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_what_is_no_database_is_not_copied(tmp_path: Path):
    """And no file is left behind."""
    (tmp_path / "ledger.db").write_bytes(b"something else" * 1000)
    with pytest.raises(PanicError, match="could not be copied"):
        backup(tmp_path / "ledger.db", tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_a_ledger_that_stays_locked_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As when another program has taken it for itself."""
    monkeypatch.setattr(upkeep, "PATIENCE_S", 0.2)
    file = tmp_path / "ledger.db"
    put(file, run_of(1))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PanicError, match="locked"):
            backup(file, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_a_ledger_that_was_altered_is_copied_as_it_is(tmp_path: Path):
    """To keep what there is comes first; what is wrong with it is in the copy as well."""
    alter(tmp_path / "ledger.db", run_of(1))
    copy = backup(tmp_path / "ledger.db", tmp_path / "copy.db")

    assert faults(read(tmp_path / "ledger.db", whole=True)) == faults(copy) != ()


def alter(file: Path, told: Sequence[Event]) -> None:
    """Begin a ledger and change what stands in it."""
    put(file, told)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_keep")
        connection.execute("UPDATE events SET record = replace(record, 'joe', 'jim') WHERE seq = 1")


# ── removal ─────────────────────────────────────────────────────────────────────────────────────────────────


def removal_of(volume: Volume, count: int, *runs: str) -> Removal:
    """Take out the first events of a ledger."""
    last = volume.rows[count - 1]
    return Removal(volume.file, volume.base, Head(last.seq, last.hash), count, volume.head, frozenset(runs))


def test_what_is_removed_is_gone_and_the_chain_goes_on(tmp_path: Path):
    """The base is what the last event removed was, and one event says that they went."""
    volume = put(tmp_path / "ledger.db", run_of(1), run_of(2))
    head = remove(removal_of(volume, 7, "run1"), FAREWELL)
    after = whole(tmp_path / "ledger.db")

    assert Head(7, volume.rows[6].hash) == after.base
    assert [*volume.rows[7:]] == [*after.rows[:-1]]
    assert (15, "", "archived", head) == (after.head.seq, after.rows[-1].run, after.rows[-1].kind, after.head)
    assert 18 == put(tmp_path / "ledger.db", notes(3)).head.seq


def test_a_ledger_can_be_emptied(tmp_path: Path):
    """Then it begins with the event that says so."""
    volume = put(tmp_path / "ledger.db", run_of(1))
    remove(removal_of(volume, 7, "run1"), FAREWELL)
    after = whole(tmp_path / "ledger.db")

    assert [8] == [row.seq for row in after.rows]


@pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET kind = 'x'"])
def test_afterwards_a_ledger_only_grows_again(tmp_path: Path, statement: str):
    """What forbids the rest is back in its place."""
    file = tmp_path / "ledger.db"
    remove(removal_of(put(file, run_of(1), run_of(2)), 7), FAREWELL)
    forbidden = pytest.raises(sqlite3.IntegrityError, match="a ledger only grows")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection, forbidden:
        connection.execute(statement)

    assert 8 == len(whole(file).rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": Head(0, "ab" * 32)}, "it is not as it was"),
        ({"last": Head(7, "ab" * 32)}, "it is not as it was"),
        ({"count": 6}, "it is not as it was"),
        ({"end": Head(14, "ab" * 32)}, "it is not as it was"),
        ({"end": Head(99, "ab" * 32)}, "it is not as it was"),
        ({"runs": frozenset(["run2"]), "end": "7"}, "one of its runs has gone on"),
        ({"file": Path("/dev/null")}, "It is a pipe or a device|it is a pipe or a device"),
    ],
)
def test_whatever_is_not_as_it_was_nothing_is_removed(tmp_path: Path, change: dict[str, Any], words: str):
    """Somebody else was there in the meantime."""
    volume = put(tmp_path / "ledger.db", run_of(1), run_of(2))
    if "end" in change and change["end"] == "7":
        change = {**change, "end": Head(7, volume.rows[6].hash)}
    with pytest.raises(PanicError, match=words):
        remove(replace(removal_of(volume, 7, "run1"), **change), FAREWELL)

    assert volume == whole(tmp_path / "ledger.db")


def test_another_programs_database_is_left_alone(tmp_path: Path):
    """Whatever tables it has."""
    file = tmp_path / "ledger.db"
    volume = put(file, run_of(1), run_of(2))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA application_id = 7")
    with pytest.raises(PanicError, match="it is no ledger that this panic writes"):
        remove(removal_of(volume, 7), FAREWELL)

    assert volume.rows == read(file).rows


def test_a_removal_that_fails_in_the_middle_leaves_everything(tmp_path: Path):
    """Also what forbids to remove."""
    volume = put(tmp_path / "ledger.db", run_of(1), run_of(2))
    broken: Any = ("", None, b"")  # a kind is never null
    with pytest.raises(PanicError, match=r"nothing was removed from .*NOT NULL"):
        remove(removal_of(volume, 7), broken)
    forbidden = pytest.raises(sqlite3.IntegrityError, match="a ledger only grows")
    with closing(sqlite3.connect(volume.file, isolation_level=None)) as connection, forbidden:
        connection.execute("DELETE FROM events")

    assert volume == whole(tmp_path / "ledger.db")


def test_a_locked_ledger_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who writes it goes first."""
    monkeypatch.setattr(upkeep, "PATIENCE_S", 0.1)
    volume = put(tmp_path / "ledger.db", run_of(1), run_of(2))
    with closing(sqlite3.connect(volume.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PanicError, match="locked"):
            remove(removal_of(volume, 7), FAREWELL)

    assert volume == whole(tmp_path / "ledger.db")


# ── archive ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_old_runs_move_into_the_archive(tmp_path: Path):
    """The file tells all of them, a head that was kept is found in it, and the ledger says what became of them."""
    file, output = tmp_path / "ledger.db", tmp_path / "old.jsonl"
    volume = put(file, run_of(1), notes(2, ""), run_of(2), run_of(3), run_of(4))
    found = archived(tmp_path)
    after = whole(file)
    farewell = decode(after.rows[-1].record)
    with output.open("rb") as stream:
        check = verify(lines_of(stream), [Head(16, volume.rows[15].hash), Head(5, volume.rows[4].hash)])

    assert (
        Archived(output, sha256(output.read_bytes()).hexdigest(), 16, 2, {"ledger.db": str(after.base)}, ())
        == found
    )
    assert (ANCHORED, ["run1", "run2"]) == (check.finding, [run.run for run in check.runs])
    assert 0o600 == mode(output)
    assert ["run3", "run4"] == runs_in(after)
    assert Head(16, volume.rows[15].hash) == after.base
    assert ("", "archived", 31) == (farewell.run, farewell.kind, after.head.seq)
    assert {
        "by": "joe@desk",
        "reason": "retention",
        "before": BEFORE.isoformat(),
        "file": "old.jsonl",
        "events": 16,
        "head": str(after.base),
        "sha256": found.sha256,
        "runs": ["run1", "run2"],
    } == farewell.body


def test_what_is_left_is_evidence_as_before(tmp_path: Path):
    """It begins where the archive ends, and a head of later proves both."""
    file = tmp_path / "ledger.db"
    put(file, run_of(1), run_of(4))
    archived(tmp_path)
    after = put(file, run_of(5))
    check = verify(export([after], Asked("run4"), by="", at=NOON), [Head(14, after.rows[6].hash)])

    assert ANCHORED is check.finding
    assert [8] == [one.first for one in check.volumes]


def test_one_archive_after_the_other(tmp_path: Path):
    """Each begins where the one before ended; what says so of the first is in the second."""
    file = tmp_path / "ledger.db"
    put(file, run_of(1), run_of(2))
    first = archived(tmp_path, name="a")
    put(file, run_of(4), run_of(9))
    second = archived(tmp_path, name="b", before=datetime.now(UTC) + DAY)

    assert (14, 15) == (first.events, second.events)
    assert b'"base":"14:' in (tmp_path / "b").read_bytes()
    assert b'"archived"' in (tmp_path / "b").read_bytes()
    assert [30] == [row.seq for row in whole(file).rows]


def test_with_nothing_old_enough_nothing_happens(tmp_path: Path):
    """And no file is written."""
    volume = put(tmp_path / "ledger.db", run_of(3), run_of(4))

    assert Archived(None, "", 0, 0, {}, ()) == archived(tmp_path)
    assert volume == whole(tmp_path / "ledger.db")
    assert not (tmp_path / "old.jsonl").exists()


def test_without_a_ledger_nothing_happens(tmp_path: Path):
    """There is nothing to archive."""
    assert archive([], BEFORE, tmp_path / "old.jsonl", by="joe", at=LATER).file is None
    assert [] == list(tmp_path.iterdir())


RESUMABLE = timedelta(seconds=120 + 300)
"""So long after its beginning such a run may be taken up: its deadline, and five minutes."""


def test_before_the_first_event_of_a_run_that_may_be_taken_up_it_stops(tmp_path: Path):
    """Somebody may yet complete it; what comes after it stays too."""
    put(tmp_path / "ledger.db", run_of(0), run_of(1, end=False), run_of(2), run_of(4))
    found = archived(tmp_path, at=NOON + DAY + RESUMABLE - timedelta(seconds=1))

    assert ["run1", "run2", "run4"] == runs_in(whole(tmp_path / "ledger.db"))
    assert ("ledger.db: 13 older events stay from event 8 on: run run1 may yet be taken up",) == found.stopped


def test_an_unfinished_run_that_is_too_old_to_take_up_is_archived_as_one(tmp_path: Path):
    """It would keep everything after it in the ledger for ever; its evidence says that it has no end."""
    put(tmp_path / "ledger.db", run_of(0), run_of(1, end=False), run_of(2), run_of(4))
    found = archived(tmp_path, at=NOON + DAY + RESUMABLE)
    with (tmp_path / "old.jsonl").open("rb") as stream:
        check = verify(lines_of(stream), [Head.parse(found.heads["ledger.db"])])

    assert (["run4"], ()) == (runs_in(whole(tmp_path / "ledger.db")), found.stopped)
    assert [("run0", "whole"), ("run1", "without its end"), ("run2", "whole")] == [
        (run.run, run.state) for run in check.runs
    ]


def test_an_unfinished_run_whose_process_is_alive_stays(tmp_path: Path):
    """However old it is: it may go on at any moment."""
    told = run_of(1, end=False)
    told[0].body["process"] = asdict(here())
    put(tmp_path / "ledger.db", run_of(0), told)
    found = archived(tmp_path)

    assert ["run1"] == runs_in(whole(tmp_path / "ledger.db"))
    assert found.stopped[0].endswith("run run1 may be under way")


def test_a_run_that_nobody_is_known_to_have_pressed_stays(tmp_path: Path):
    """When it may be taken up no more, nobody can tell."""
    put(tmp_path / "ledger.db", run_of(0), run_of(1, end=False)[1:])
    archived(tmp_path)

    assert ["run1"] == runs_in(whole(tmp_path / "ledger.db"))


def test_a_run_that_was_taken_up_again_and_died_again_is_unfinished(tmp_path: Path):
    """Its first end was not its last, and another machine may be at it until the new deadline."""
    put(tmp_path / "ledger.db", run_of(0), run_of(1), taken_up("run1", after=NOON + DAY)[:-1])
    archived(tmp_path, at=NOON + DAY + timedelta(hours=12, seconds=119))

    assert ["run1"] == runs_in(whole(tmp_path / "ledger.db"))


def test_a_run_whose_engaged_state_nobody_ended_stays(tmp_path: Path):
    """Without it nobody could tell what a lost latch said."""
    put(tmp_path / "ledger.db", run_of(0), run_of(1), run_of(2))
    found = archived(tmp_path, engaged={"run1"})

    assert ["run1", "run2"] == runs_in(whole(tmp_path / "ledger.db"))
    assert "on: run run1 is still engaged: panic reset ends that" in found.stopped[0]


def test_before_a_run_that_goes_beyond_the_day_it_stops(tmp_path: Path):
    """A run is archived whole or not at all."""
    late = [*run_of(1, end=False), run_of(3)[-1]._replace(run="run1", id="leg1-7")]
    put(tmp_path / "ledger.db", run_of(0), late, run_of(2))
    found = archived(tmp_path)

    assert ["run1", "run2"] == runs_in(whole(tmp_path / "ledger.db"))
    assert "run run1 has gone on since" in found.stopped[0]


def test_no_run_is_cut_in_two(tmp_path: Path):
    """Where runs overlap one that stays, they stay with it, and those that overlap them."""
    first, second, third = run_of(0), run_of(1), run_of(2)
    mixed = [*first[:5], *second[:4], *first[5:], *third[:1], *second[4:], *third[1:]]
    put(tmp_path / "ledger.db", run_of(-1), mixed)
    found = archived(tmp_path, engaged={"run2"})

    assert ["run0", "run1", "run2"] == runs_in(whole(tmp_path / "ledger.db"))
    assert 7 == found.events
    assert found.stopped[0].endswith("on: run run0 goes on behind events that stay")


def test_an_event_whose_time_cannot_be_told_stays(tmp_path: Path):
    """Nobody knows how old it is."""
    odd = Event("", "note", "n-1", "yesterday", None)
    put(tmp_path / "ledger.db", run_of(0), [odd], run_of(1))

    assert 7 == archived(tmp_path).events


def in_two_files(tmp_path: Path) -> tuple[Path, Path]:
    """Two old runs, the second of which had to go on in the other file, died there, and was taken up again."""
    told = run_of(1, end=False)
    main, fallback = tmp_path / "ledger.db", tmp_path / "fallback.db"
    put(main, run_of(0), told[:5], taken_up("run1", after=NOON + DAY), run_of(4))
    put(fallback, told[:2], told[5:])
    return main, fallback


def test_a_run_in_two_files_leaves_both(tmp_path: Path):
    """All of it is in the one archive, anchored by a head of each."""
    main, fallback = in_two_files(tmp_path)
    found = archived(tmp_path, main, fallback)
    with (tmp_path / "old.jsonl").open("rb") as stream:
        check = verify(lines_of(stream), [Head.parse(head) for head in found.heads.values()])

    assert (ANCHORED, ["whole", "whole"]) == (check.finding, [run.state for run in check.runs])
    assert (["run4"], []) == (runs_in(whole(main)), runs_in(whole(fallback)))
    assert {"ledger.db", "fallback.db"} == set(found.heads)


def test_a_run_in_two_files_of_which_one_stays_leaves_neither(tmp_path: Path):
    """Half a run tells nothing."""
    main, fallback = tmp_path / "ledger.db", tmp_path / "fallback.db"
    told = run_of(1)
    put(main, run_of(0), told[:5], run_of(2))
    put(fallback, a_run("open", at=NOON, leg="open", end=False), told[:2], told[5:])
    archived(tmp_path, main, fallback, engaged={"open"})

    assert (["run1", "run2"], ["open", "run1"]) == (runs_in(whole(main)), runs_in(whole(fallback)))


def test_after_a_power_cut_between_two_files_the_rest_can_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The second file knows nothing of the run's end; the first one says that it was archived."""
    main, fallback = in_two_files(tmp_path)
    calls: list[Removal] = []

    def remove_once(removal: Removal, farewell: Any) -> Head:
        calls.append(removal)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return remove(removal, farewell)

    monkeypatch.setattr("panic.evidence.archive.remove", remove_once)
    with pytest.raises(KeyboardInterrupt):
        archived(tmp_path, main, fallback)
    monkeypatch.undo()
    between = runs_in(whole(fallback))
    archived(tmp_path, main, fallback, name="rest.jsonl")

    assert (["run1"], []) == (between, runs_in(whole(fallback)))
    assert b'"leg1-6"' in (tmp_path / "rest.jsonl").read_bytes()


def test_when_the_second_file_cannot_be_cut_it_is_said_what_left_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """That nothing was removed would be untrue, and the head of what was is needed to prove the archive."""
    main, fallback = in_two_files(tmp_path)
    first, second = whole(main), whole(fallback)
    monkeypatch.setattr(upkeep, "PATIENCE_S", 0.1)
    with closing(sqlite3.connect(fallback, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PanicError) as raised:
            archived(tmp_path, main, fallback)
    head = Head(15, first.rows[14].hash)

    assert str(raised.value).startswith(f"nothing was removed from {fallback}: database is locked")
    assert f"But events have left ledger.db; they are in {tmp_path / 'old.jsonl'}" in str(raised.value)
    assert f"keep it, and the head of each: {head}" in str(raised.value)
    assert (head, second) == (whole(main).base, whole(fallback))


def edit(connection: sqlite3.Connection) -> None:
    """Change an event."""
    connection.execute("DROP TRIGGER events_keep")
    connection.execute("UPDATE events SET record = replace(record, 'joe', 'jim') WHERE seq = 8")


def test_a_ledger_that_is_not_whole_afterwards_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With what has left it, which is safe."""
    file = tmp_path / "ledger.db"
    volume = put(file, run_of(1), run_of(4))

    def remove_and_edit(removal: Removal, farewell: Any) -> Head:
        head = remove(removal, farewell)
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            edit(connection)
        return head

    monkeypatch.setattr("panic.evidence.archive.remove", remove_and_edit)
    with pytest.raises(
        PanicError, match=r"is not whole after the removal: event 8 .* But events have left"
    ) as raised:
        archived(tmp_path)

    assert str(raised.value).endswith(f"keep it, and the head of each: {Head(7, volume.rows[6].hash)}")


def take_out(connection: sqlite3.Connection) -> None:
    """Remove an event."""
    connection.execute("DROP TRIGGER events_stay")
    connection.execute("DELETE FROM events WHERE seq = 10")


def rebase(connection: sqlite3.Connection) -> None:
    """Claim that the ledger began with something else."""
    connection.execute("UPDATE base SET hash = zeroblob(31) || x'01'")


@pytest.mark.parametrize("change", [edit, take_out, rebase])
def test_with_any_fault_in_the_chain_nothing_is_removed(
    tmp_path: Path, change: Callable[[sqlite3.Connection], None]
):
    """Wherever it is, and no file is written: somebody must look at it first."""
    file = tmp_path / "ledger.db"
    put(file, run_of(1), run_of(4))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        change(connection)
    before = read(file, whole=True).rows
    with pytest.raises(PanicError, match=r"nothing was removed: .*find out who changed it"):
        archived(tmp_path)

    assert before == read(file, whole=True).rows
    assert not (tmp_path / "old.jsonl").exists()


def test_with_a_damaged_file_beside_it_nothing_is_removed(tmp_path: Path):
    """It may hold the rest of a run."""
    volume = put(tmp_path / "ledger.db", run_of(1))
    damaged = tmp_path / "ledger.db.damaged-1"
    damaged.write_bytes(b"torn" * 1000)
    with pytest.raises(PanicError, match=r"damaged-1: .* can be moved elsewhere"):
        archived(tmp_path, volume.file, damaged)

    assert volume == whole(tmp_path / "ledger.db")


def test_an_archive_overwrites_nothing_and_removes_nothing_then(tmp_path: Path):
    """The older archive may be all there is."""
    volume = put(tmp_path / "ledger.db", run_of(1))
    (tmp_path / "old.jsonl").write_text("kept")
    with pytest.raises(UsageError, match="name a new file"):
        archived(tmp_path)

    assert "kept" == (tmp_path / "old.jsonl").read_text()
    assert volume == whole(tmp_path / "ledger.db")


@pytest.mark.parametrize("spoil", [lambda line: line[:-1], lambda line: line.replace(b"joe", b"jim")])
def test_an_archive_that_does_not_hold_what_it_should_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes]
):
    """It is read again from the disk, and gone if it does not pass."""

    def spoilt(volumes: Iterable[Volume], asked: Asked, **more: Any) -> Iterator[bytes]:
        return map(spoil, export([*volumes], asked, **more))

    monkeypatch.setattr("panic.evidence.archive.export", spoilt)
    volume = put(tmp_path / "ledger.db", run_of(1))
    with pytest.raises(PanicError, match="does not hold what it should"):
        archived(tmp_path)

    assert volume == whole(tmp_path / "ledger.db")
    assert not (tmp_path / "old.jsonl").exists()


def test_an_archive_that_leaves_an_event_out_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Though nothing is wrong with it as evidence of something else."""
    volume = put(tmp_path / "ledger.db", run_of(0), run_of(1))

    def less(volumes: Sequence[Volume], asked: Asked, **more: Any) -> Iterator[bytes]:
        return export(volumes, Asked("", NOON + timedelta(hours=12), asked.until), **more)

    monkeypatch.setattr("panic.evidence.archive.export", less)
    with pytest.raises(PanicError, match="it does not tell every event"):
        archived(tmp_path)

    assert volume == whole(tmp_path / "ledger.db")


def test_it_is_safe_while_another_process_writes(tmp_path: Path):
    """What the other one has appended is there, linked to what it follows."""
    file = tmp_path / "ledger.db"
    put(file, *(run_of(-n) for n in range(40, 0, -1)))
    with writing(file) as told:
        told()
        found = archived(tmp_path, before=NOON)
        last = told()
        until(lambda: told() > last + 20)
    after = whole(file)
    others = [row for row in after.rows if row.run == "running"]

    assert 280 == found.events
    assert (Head.parse(found.heads["ledger.db"]), 281) == (after.base, after.rows[0].seq)
    assert [f"other-{n}" for n in range(1, len(others) + 1)] == [decode(row.record).id for row in others]
    assert last + 20 < len(others)
    assert 1 == sum(row.kind == Kind.ARCHIVED for row in after.rows)


def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path):
    """Either everything is still in the ledger, or all that left it is in a whole archive."""
    script = """
import sys
from pathlib import Path
from panic.evidence.archive import archive
from tests.ledger.test_upkeep import BEFORE
print("ready", flush=True)
sys.stdin.readline()
archive([Path(sys.argv[1])], BEFORE, Path(sys.argv[2]), by="joe", at=BEFORE)
"""
    seen = set()
    for n in range(12):
        file, output = tmp_path / f"{n}.db", tmp_path / f"{n}.jsonl"
        before = put(file, *(run_of(1 - day) for day in range(60)))
        process = python(script, file, output)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        try:
            process.wait(n * 0.025 if n < 11 else None)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        after = whole(file)
        seen.add(after.base == GENESIS)
        if after.base == GENESIS:
            assert before == after
            continue
        with output.open("rb") as stream:
            check = verify(lines_of(stream), [after.base])

        assert (ANCHORED, [420]) == (check.finding, [one.in_full for one in check.volumes])
        assert 421 == after.head.seq
    assert {True, False} == seen
