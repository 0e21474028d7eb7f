"""The writer: whatever its stores do, nobody waits for it, and what it says of itself is true."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from panic.ledger import writer as writer_module
from panic.ledger.chain import Head
from panic.ledger.events import decode
from panic.ledger.reader import files, read
from panic.ledger.store import Record, SqliteStore
from panic.ledger.writer import Trouble, Writer, sqlite_writer
from tests.ledger.support import AT, PATIENCE_S, Hanging, append, begun, ids, names, python, until
from tests.virtual import virtually

QUICK_S = 0.25
"""Longer no append may take, whatever the store does."""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return tmp_path / "main" / "ledger.db"


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    return tmp_path / "fallback" / "ledger.db"


def with_fallback(first: Callable[[], Any], fallback: Path, patience_s: float = 0.2) -> Writer:
    places = [first, lambda: SqliteStore(fallback)]
    return Writer(places, names=["first", str(fallback)], leg="leg", patience_s=patience_s)


class Failing:
    """A store that takes so many batches and then fails, and is slow to close."""

    place = "failing"

    def __init__(self, file: Path, batches: int) -> None:
        self._store, self._left = SqliteStore(file), batches

    def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
        if not self._left:
            raise OSError(5, "Input/output error")
        self._left -= 1
        return self._store.append(records, after=after)

    def close(self) -> None:
        self._store.close()
        raise OSError(5, "Input/output error")


def broken() -> Failing:
    raise OSError(28, "No space left on device")


# ── when all is well ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_appended_is_durable_when_it_has_settled(main: Path, fallback: Path):
    """In order, under ids that count up, and the head says so."""
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, *range(1, 101))
    settled = await writer.settle(PATIENCE_S)
    volume = read(main, whole=True)

    assert settled
    assert names(*range(1, 101)) == ids(main)
    assert volume.head == writer.head
    assert str(main) == writer.place
    assert [] == writer.troubles
    assert writer.close()


async def test_an_event_is_written_as_it_was_handed_over(main: Path, fallback: Path):
    """Its run, kind, time and body; the leg is random unless given."""
    writer, other = (sqlite_writer(main, fallback) for _ in range(2))
    for one in (writer, other):
        one.append("r1", "planned", AT, {"accounts": (1, 2)})
        await one.settle(PATIENCE_S)
        one.close()
    first, second = (decode(row.record) for row in read(main).rows)

    assert ("r1", "planned", f"{writer.leg}-1", AT, {"accounts": [1, 2]}) == first
    assert f"{other.leg}-1" == second.id
    assert writer.leg != other.leg


def test_the_ledger_is_opened_before_the_first_event(main: Path, fallback: Path):
    """It is ready when the press needs it."""
    writer = sqlite_writer(main, fallback)
    writer.start()
    until(lambda: main.exists() and read(main).damage == "")

    assert writer.head is None
    assert writer.close()
    assert writer.head is None


def test_nothing_is_opened_that_nobody_needs(main: Path, fallback: Path):
    """A writer that never started ends at once, and has kept its promise."""
    writer = sqlite_writer(main, fallback)

    assert writer.wait(0)
    assert writer.close()
    assert not main.exists()


def test_a_rush_makes_few_transactions(main: Path):
    """And each waits for the ones before it."""
    batches: list[int] = []

    class Counting(SqliteStore):
        def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
            batches.append(len(records))
            return super().append(records, after=after, unless=unless)

    writer = Writer([lambda: Counting(main)], names=["main"], leg="leg")
    append(writer, *range(1, 3001))

    assert writer.close(PATIENCE_S)
    assert 3000 == sum(batches)
    assert len(batches) < 60
    assert names(*range(1, 3001)) == ids(main)


def test_what_nobody_waits_for_is_written_soon(main: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch):
    """After the pause."""
    monkeypatch.setattr(writer_module, "_GAP_S", 0.2)
    writer = sqlite_writer(main, fallback, leg="leg")
    for n in (1, 2):
        append(writer, n)
        until(lambda n=n: writer.head is not None and writer.head.seq == n)  # type: ignore[misc]

    assert names(1, 2) == ids(main)
    assert writer.close()


def test_who_settles_does_not_wait_for_the_pause_between_batches(
    main: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nor does who closes."""
    monkeypatch.setattr(writer_module, "_GAP_S", 1000.0)
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1)
    settled = [writer.wait(PATIENCE_S)]
    append(writer, 2)
    settled.append(writer.wait(PATIENCE_S))
    append(writer, 3)
    settled.append(writer.close(PATIENCE_S))

    assert [True] * 3 == settled
    assert names(1, 2, 3) == ids(main)


def test_events_of_many_threads_are_all_there(main: Path, fallback: Path):
    """Each under an id of its own."""
    writer = sqlite_writer(main, fallback, leg="leg")
    threads = [threading.Thread(target=append, args=(writer, *range(500))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert writer.close(PATIENCE_S)
    assert names(*range(1, 2001)) == ids(main)


def test_what_comes_after_the_close_is_written_all_the_same(main: Path, fallback: Path):
    """A late event costs another opening and is not lost."""
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1)
    writer.close()
    append(writer, 2)

    assert writer.close()
    assert writer.close()
    assert names(1, 2) == ids(main)


def test_the_thread_ends_with_the_writer(main: Path, fallback: Path):
    """And the file is closed: SQLite has put its log into it."""
    writer = sqlite_writer(main, fallback)
    append(writer, 1)
    closed = writer.close()
    until(lambda: not any(one.name == "panic-ledger" for one in threading.enumerate()))

    assert closed
    assert [main] == list(main.parent.iterdir())


def test_settling_works_where_time_is_not_real(main: Path, fallback: Path):
    """A disk takes its own time, whatever the loop's clock says."""
    writer = sqlite_writer(main, fallback, leg="leg")

    async def play() -> list[bool]:
        settled = []
        for n in range(20):
            append(writer, n)
            settled.append(await writer.settle(PATIENCE_S))
        return settled

    assert [True] * 20 == virtually(play())
    assert writer.close()


# ── when a store fails ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_store_that_cannot_be_opened_is_left_for_the_next(fallback: Path):
    """With everything, and the reader is told where to look."""
    writer = with_fallback(broken, fallback)
    append(writer, 1, keep=True)
    append(writer, 2, 3)
    settled = await writer.settle(PATIENCE_S)

    assert settled
    assert names(1, 2, 3) == ids(fallback)
    assert str(fallback) == writer.place
    assert read(fallback).head == writer.head
    text = f"first: no space left on device; the run is recorded in {fallback} instead"
    assert [Trouble("ledger_failed", text)] == writer.troubles
    assert writer.close()


async def test_a_store_that_fails_later_hands_on_what_is_needed(main: Path, fallback: Path):
    """The plan first, though it was durable before, and all that was not; the same events have the same ids."""
    writer = with_fallback(lambda: Failing(main, 2), fallback)
    append(writer, 1, keep=True)
    first = await writer.settle(PATIENCE_S)
    append(writer, 2)
    second = await writer.settle(PATIENCE_S)
    append(writer, 3, 4)
    third = await writer.settle(PATIENCE_S)

    assert (True, True, True) == (first, second, third)
    assert names(1, 2) == ids(main)
    assert names(1, 3, 4) == ids(fallback)
    assert read(main).rows[0].record == read(fallback).rows[0].record
    assert 3 == (writer.head or Head(0, "")).seq
    assert ["ledger_failed"] == [one.code for one in writer.troubles]
    assert writer.close()


async def test_without_any_store_a_run_goes_on(fallback: Path):
    """Who waits is told at once, and nothing is hoarded."""
    writer = Writer([broken, broken], names=["one", "two"], leg="leg")
    append(writer, 1, 2, 3)
    settled = await writer.settle(PATIENCE_S)
    began = time.monotonic()
    append(writer, *range(1000))
    again = await writer.settle(PATIENCE_S), writer.wait(PATIENCE_S), writer.close(PATIENCE_S)

    assert not settled
    assert (False, False, False) == again
    assert time.monotonic() - began < 1
    assert "memory" == writer.place
    assert writer.head is None
    assert not writer._todo
    assert [
        Trouble("ledger_failed", "one: no space left on device; the run is recorded in two instead"),
        Trouble("ledger_failed", "two: no space left on device"),
        Trouble("ledger_memory", "nothing of this run could be recorded: keep this report"),
    ] == writer.troubles


async def test_when_the_last_store_fails_later_the_rest_is_what_is_missing(main: Path):
    """The beginning can still be found."""
    writer = Writer([lambda: Failing(main, 1)], names=["one"], leg="leg")
    append(writer, 1)
    first = await writer.settle(PATIENCE_S)
    append(writer, 2)
    second = await writer.settle(PATIENCE_S)

    assert (True, False) == (first, second)
    assert writer.head is None
    assert (
        Trouble("ledger_memory", "the rest of this run could not be recorded: keep this report") in writer.troubles
    )


def is_damaged(main: Path) -> None:
    begun(main, 5).close()
    os.truncate(main, main.stat().st_size - 5000)


def is_a_roster(main: Path) -> None:
    main.parent.mkdir()
    main.write_bytes(b"account_id,name\n1,one\n" * 300)


async def test_a_ledger_that_is_removed_meanwhile_is_left_for_the_next(main: Path, fallback: Path):
    """With the plan; what else was in it is gone, and the reader is told."""
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1, keep=True)
    append(writer, 2)
    first = await writer.settle(PATIENCE_S)
    os.unlink(main)  # noqa: PTH108 - a loop may wait for that
    append(writer, 3)
    second = await writer.settle(PATIENCE_S)

    assert (True, True) == (first, second)
    assert names(1, 3) == ids(fallback)
    text = f"{main}: it was removed or replaced while it was in use; the run is recorded in {fallback} instead"
    assert [Trouble("ledger_removed", text)] == writer.troubles
    assert writer.close()


async def test_a_damaged_ledger_is_named_with_where_it_is_kept(main: Path, fallback: Path):
    """The run is recorded in a new one in its place."""
    is_damaged(main)
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1)
    settled = await writer.settle(PATIENCE_S)
    aside = files(main, fallback)[1]

    assert settled
    text = f"{main}: it was damaged, is kept as {aside}, and begins anew"
    assert [Trouble("ledger_damaged", text)] == writer.troubles
    assert str(main) == writer.place
    assert writer.close()


def folder_is_a_file(main: Path) -> None:
    main.parent.touch()


def is_a_folder(main: Path) -> None:
    main.mkdir(parents=True)


def is_a_database(main: Path) -> None:
    import sqlite3  # noqa: PLC0415

    main.parent.mkdir()
    with closing(sqlite3.connect(main)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


@pytest.mark.parametrize("make", [folder_is_a_file, is_a_folder, is_a_database, is_a_roster])
async def test_a_place_that_is_taken_is_left_for_the_next(
    main: Path, fallback: Path, make: Callable[[Path], None]
):
    """By whatever."""
    make(main)
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1, 2)
    settled = await writer.settle(PATIENCE_S)

    assert settled
    assert names(1, 2) == ids(fallback)
    assert ["ledger_failed"] == [one.code for one in writer.troubles]
    assert writer.close()


async def test_a_ledger_that_another_process_keeps_locked_is_left_for_the_next(main: Path, fallback: Path):
    """Within its busy time, while every append returns at once."""
    SqliteStore(main).close()
    with python(LOCK, main) as holder:
        assert holder.stdout is not None
        assert "locked\n" == holder.stdout.readline()
        writer = sqlite_writer(main, fallback, leg="leg")
        began = time.monotonic()
        slowest = 0.0
        n = 0
        while writer.place == str(main):
            n += 1
            before = time.monotonic()
            append(writer, n)
            slowest = max(slowest, time.monotonic() - before)
            await asyncio.sleep(0.001)
        took = time.monotonic() - began
        settled = await writer.settle(PATIENCE_S)
        holder.communicate("go\n")

    assert settled
    assert slowest < QUICK_S
    assert 0.5 < took < 3.0
    assert names(*range(1, n + 1)) == ids(fallback)
    text = f"{main}: database is locked; the run is recorded in {fallback} instead"
    assert [Trouble("ledger_failed", text)] == writer.troubles
    assert writer.close()


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_disk_that_fills_up_is_left_for_the_next(main: Path, fallback: Path):
    """A file that may not grow is as good as a full disk; the other file begins small."""
    with python(FILL, main, fallback) as process:
        said = process.communicate()[0]
    codes, place, settled = said.splitlines()

    assert ("['ledger_failed']", str(fallback), "True") == (codes, place, settled)
    written = len(ids(main))
    assert names(*range(1, written + 1)) == ids(main)
    assert names(1, *range(written + 1, 302)) == ids(fallback)
    assert 1 < written < 301


FILL = """
import resource, sys, pathlib
from panic.ledger.writer import sqlite_writer
main, fallback = map(pathlib.Path, sys.argv[1:3])
writer = sqlite_writer(main, fallback, leg="leg")
writer.append("r1", "planned", "at", {}, keep=True)
writer.wait(30)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
for n in range(300):
    writer.append("r1", "outcome", "at", "x" * 5000)
    settled = writer.wait(30)
    if writer.troubles:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print([one.code for one in writer.troubles], writer.place, settled and writer.close(), sep="\\n")
"""


def test_where_no_thread_can_be_had_a_run_goes_on(main: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch):
    """The system has no more of them."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        writer = sqlite_writer(main, fallback)
        writer.start()
        append(writer, 1)

    assert "memory" == writer.place
    assert not writer.wait(PATIENCE_S)
    assert ["ledger_failed", "ledger_memory"] == [one.code for one in writer.troubles]
    assert f"{main}: no thread can be started for it" == writer.troubles[0].text


# ── when a store hangs ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["open", "append"])
async def test_a_store_that_hangs_is_left_for_the_next(main: Path, fallback: Path, where: str):
    """No append waits for it, and settling takes its patience and little more."""
    hanging = Hanging(main, where)
    writer = with_fallback(hanging.open, fallback)
    append(writer, 1, keep=True)
    assert await asyncio.to_thread(hanging.reached.wait, PATIENCE_S)
    began = time.monotonic()
    append(writer, *range(2, 1001))
    handed_over = time.monotonic() - began
    settled = await writer.settle(PATIENCE_S)
    took = time.monotonic() - began

    assert settled
    assert handed_over < QUICK_S
    assert took < 2
    assert names(*range(1, 1001)) == ids(fallback)
    assert str(fallback) == writer.place
    text = f"first: it does not answer; the run is recorded in {fallback} instead"
    assert [Trouble("ledger_hangs", text)] == writer.troubles
    hanging.released.set()
    assert await asyncio.to_thread(hanging.closed.wait, PATIENCE_S)
    assert writer.close()


async def test_appending_alone_finds_out_that_a_store_hangs(main: Path, fallback: Path):
    """Nobody need settle for that."""
    hanging = Hanging(main, "open")
    writer = with_fallback(hanging.open, fallback)
    n = 0
    while writer.place == "first":
        n += 1
        append(writer, n)
        await asyncio.sleep(0.01)
    settled = await writer.settle(PATIENCE_S)

    assert settled
    assert names(*range(1, n + 1)) == ids(fallback)
    hanging.released.set()
    assert writer.close()


async def test_a_settle_that_is_shorter_than_the_patience_ends_in_time(main: Path, fallback: Path):
    """The writer goes on waiting; a later one finds out."""
    hanging = Hanging(main, "append")
    writer = with_fallback(hanging.open, fallback, patience_s=60)
    append(writer, 1)
    began = time.monotonic()
    settled = [await writer.settle(0.1), writer.wait(0.1), await writer.settle(0), writer.wait(-1)]
    took = time.monotonic() - began
    place = writer.place
    hanging.released.set()
    late = await writer.settle(PATIENCE_S)

    assert [False] * 4 == settled
    assert 0.2 <= took < 1
    assert "first" == place
    assert late
    assert [] == writer.troubles
    assert names(1) == ids(main)
    assert writer.close()


async def test_what_a_store_confirms_too_late_changes_nothing(main: Path, fallback: Path):
    """Its events are in both then, under the same ids."""
    hanging = Hanging(main, "append")
    writer = with_fallback(hanging.open, fallback)
    append(writer, 1, keep=True)
    append(writer, 2)
    first = await writer.settle(PATIENCE_S)
    head = writer.head
    hanging.released.set()
    assert await asyncio.to_thread(hanging.closed.wait, PATIENCE_S)
    unchanged = writer.head
    append(writer, 3)
    second = await writer.settle(PATIENCE_S)

    assert (True, True) == (first, second)
    assert head == unchanged
    assert names(1, 2, 3) == ids(fallback)
    assert set(ids(main)) <= set(names(1, 2))
    assert ["ledger_hangs"] == [one.code for one in writer.troubles]
    assert writer.close()


async def test_a_store_that_fails_too_late_changes_nothing(main: Path, fallback: Path):
    """It was left already."""

    class Late(Hanging):
        def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
            self._hang("append")
            raise OSError(5, "Input/output error")

    late = Late(main, "append")
    writer = with_fallback(late.open, fallback)
    append(writer, 1)
    settled = await writer.settle(PATIENCE_S)
    late.released.set()
    assert await asyncio.to_thread(late.closed.wait, PATIENCE_S)

    assert settled
    assert str(fallback) == writer.place
    assert ["ledger_hangs"] == [one.code for one in writer.troubles]
    assert writer.close()


async def test_when_all_stores_hang_a_run_goes_on(main: Path, fallback: Path):
    """Within the patience for each."""
    both = Hanging(main, "open"), Hanging(fallback, "append")
    writer = Writer([one.open for one in both], names=["one", "two"], leg="leg", patience_s=0.2)
    append(writer, 1)
    began = time.monotonic()
    settled = await writer.settle(PATIENCE_S)
    took = time.monotonic() - began

    assert not settled
    assert took < 3
    assert "memory" == writer.place
    assert ["ledger_hangs", "ledger_hangs", "ledger_memory"] == [one.code for one in writer.troubles]
    for one in both:
        one.released.set()
        assert await asyncio.to_thread(one.closed.wait, PATIENCE_S)


def test_a_close_leaves_the_next_store_time_to_take_over(main: Path, fallback: Path):
    """It is the last chance, so it has less patience."""
    hanging = Hanging(main, "append")
    writer = with_fallback(hanging.open, fallback, patience_s=60)
    append(writer, 1)
    began = time.monotonic()
    closed = writer.close(2.0)
    took = time.monotonic() - began

    assert closed
    assert took < 2.5
    assert names(1) == ids(fallback)
    hanging.released.set()


def test_a_store_that_hangs_at_its_close_keeps_nobody(main: Path, fallback: Path):
    """All is durable by then."""
    hanging = Hanging(main, "close")
    writer = with_fallback(hanging.open, fallback)
    append(writer, 1)
    began = time.monotonic()
    closed = writer.close(PATIENCE_S)
    took = time.monotonic() - began

    assert closed
    assert took < 3
    assert names(1) == ids(main)
    hanging.released.set()
    assert hanging.closed.wait(PATIENCE_S)


def test_a_close_is_bounded_when_all_hang(main: Path):
    """And says that not all is durable."""
    hanging = Hanging(main, "open")
    writer = Writer([hanging.open], names=["one"], patience_s=60)
    append(writer, 1)
    began = time.monotonic()
    closed = writer.close(0.3)
    took = time.monotonic() - began

    assert not closed
    assert took < 1
    hanging.released.set()


def test_a_store_that_fails_and_then_hangs_at_its_close_keeps_nobody(main: Path, fallback: Path):
    """The next store has a thread of its own."""

    class Stuck(Hanging):
        def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
            raise OSError(5, "Input/output error")

    stuck = Stuck(main, "close")
    writer = with_fallback(stuck.open, fallback)
    append(writer, 1)

    assert writer.wait(PATIENCE_S)
    assert names(1) == ids(fallback)
    assert ["ledger_failed"] == [one.code for one in writer.troubles]
    stuck.released.set()
    assert writer.close()


async def test_a_process_that_stood_still_is_no_store_that_hangs(main: Path, fallback: Path):
    """However old an event is, its store gets a moment more from when somebody notices."""
    writer = Writer([lambda: SqliteStore(main)], names=["main"], leg="leg", patience_s=0.0)
    settled = []
    for n in range(1, 20):
        append(writer, n)
        settled.append(await writer.settle(PATIENCE_S))

    assert [True] * 19 == settled
    assert [] == writer.troubles
    assert writer.close()


# ── what goes wrong around it ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("run", "body", "kept_run", "reason"),
    [
        ("r1", {"orders": {1, 2}}, "r1", "set"),
        ("r1", float("nan"), "r1", "ValueError"),
        ("\udcff", {}, "?", "UnicodeEncodeError"),
        (None, {}, "None", "AttributeError"),
    ],
)
async def test_an_event_that_cannot_be_written_takes_no_other_with_it(
    main: Path, fallback: Path, run: Any, body: Any, kept_run: str, reason: str
):
    """In its place stands why, and the reader is told."""
    writer = sqlite_writer(main, fallback, leg="leg")
    append(writer, 1)
    writer.append(run, "outcome", AT, body)
    append(writer, 3)
    settled = await writer.settle(PATIENCE_S)
    lost = decode(read(main).rows[1].record)

    assert settled
    assert names(1, 2, 3) == ids(main)
    assert (kept_run, "outcome", {"unencodable": reason}) == (lost.run, lost.kind, lost.body)
    text = f"event leg-2 (outcome) could not be written down: {reason}"
    assert [Trouble("ledger_event_lost", text)] == writer.troubles
    assert writer.close()


async def test_secrets_are_taken_out_of_every_event(main: Path, fallback: Path):
    """Nothing of them is in any file."""
    writer = sqlite_writer(main, fallback, leg="leg")
    writer.scrub = lambda text: text.replace("canary-123", "[key]")
    writer.append("r1", "outcome", AT, {"error": "key canary-123 is bad"})
    settled = await writer.settle(PATIENCE_S)
    stored = b"".join(one.read_bytes() for one in main.parent.iterdir())

    assert settled
    assert b"key [key] is bad" in stored
    assert b"canary" not in stored
    assert writer.close()


async def test_a_scrub_that_fails_lets_no_secret_through(main: Path, fallback: Path):
    """The event is lost rather than written with it."""

    def scrub(text: str) -> str:
        raise KeyError(text)

    writer = sqlite_writer(main, fallback, leg="leg")
    writer.scrub = scrub
    writer.append("r1", "outcome", AT, "canary-123")
    settled = await writer.settle(PATIENCE_S)
    stored = b"".join(one.read_bytes() for one in main.parent.iterdir())

    assert settled
    assert b"canary" not in stored
    assert "canary" not in repr(writer.troubles)
    assert writer.close()


async def test_a_settle_that_is_cancelled_leaves_nothing_behind(main: Path, fallback: Path):
    """The events are written all the same."""
    hanging = Hanging(main, "append")
    writer = with_fallback(hanging.open, fallback, patience_s=60)
    append(writer, 1)
    task = asyncio.create_task(writer.settle(PATIENCE_S))
    assert await asyncio.to_thread(hanging.reached.wait, PATIENCE_S)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    hanging.released.set()
    settled = await writer.settle(PATIENCE_S)

    assert task.cancelled()
    assert settled
    assert not writer._waiters
    assert writer.close()


def test_a_loop_that_is_closed_while_somebody_settles_disturbs_nobody(
    main: Path, fallback: Path, caplog: pytest.LogCaptureFixture
):
    """The thread finds nobody to wake, and goes on."""
    hanging = Hanging(main, "append")
    writer = with_fallback(hanging.open, fallback, patience_s=60)
    append(writer, 1)
    loop = asyncio.new_event_loop()
    task = loop.create_task(writer.settle(PATIENCE_S))
    loop.run_until_complete(asyncio.to_thread(hanging.reached.wait, PATIENCE_S))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    hanging.released.set()
    append(writer, 2)
    settled = writer.wait(PATIENCE_S)
    del task
    gc.collect()

    assert settled
    assert names(1, 2) == ids(main)
    assert [] == writer.troubles
    assert "Task was destroyed" in caplog.text
    assert writer.close()
