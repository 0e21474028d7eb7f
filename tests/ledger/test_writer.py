"""The writer: whatever its store does, no run waits for it, and what it says of itself is true."""

import asyncio
import errno
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from panic.kit.errors import PanicError
from panic.ledger import backlog
from panic.ledger.backlog import ConflictError, GoneError
from panic.ledger.events import decode
from panic.ledger.writer import Writer, sqlite_writer
from tests.ledger.support import AT, PATIENCE_S, Memory, append, event, ids, leg_of, names, rewrite, until

FULL_WORDS = "no space left on device"
FULL = OSError(errno.ENOSPC, "No space left on device")
GONE = GoneError(errno.ESTALE, "It was removed or replaced while it was in use")
NOTHING = ("ledger_memory", "nothing of this run could be recorded: keep this report")
THE_REST = ("ledger_memory", "the rest of this run could not be recorded: keep this report")


class Desk:
    """A writer over a store in memory, and what it said on standard error."""

    def __init__(self, patience_s: float = 60.0) -> None:
        self.store, self.said = Memory(), list[str]()
        self.writer = Writer(self.store.open, "disk", patience_s=patience_s, say=self.said.append)

    @property
    def said_ids(self) -> list[str]:
        return [decode(line.encode()).id for line in self.said]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "main" / "ledger.db"


async def test_the_head_of_an_event_is_told_though_others_write_as_well(desk: Desk):
    """It is the one right after that event, or evidence would rest on somebody else's."""
    one, other = (leg_of(desk.writer, run, run) for run in ("r1", "r2"))
    append(one, 1)
    concluding = asyncio.create_task(one.conclude("finished", AT, {}, PATIENCE_S))
    await asyncio.sleep(0)
    append(other, 1, 2)
    head = await concluding
    await other.settle(PATIENCE_S)
    seq = desk.store.ids.index("r1-2") + 1

    assert head is not None
    assert seq == head.seq


def test_a_rush_makes_few_transactions(desk: Desk):
    """And each waits for the ones before it."""
    append(leg_of(desk.writer), *range(1, 3001))

    assert desk.writer.close(PATIENCE_S)
    assert names(*range(1, 3001)) == desk.store.ids
    assert len(desk.store.batches) < 60


async def test_only_who_waits_cuts_the_pause_between_batches_short(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """Who settles, who concludes, and who closes."""
    monkeypatch.setattr(backlog, "_GAP_S", 1000.0)
    leg = leg_of(desk.writer)
    append(leg, 1)
    settled = await leg.settle(PATIENCE_S)
    append(leg, 2)
    head = await leg.conclude("finished", AT, {}, PATIENCE_S)
    append(leg, 4)
    closed = desk.writer.close(PATIENCE_S)

    assert (True, 3, True) == (settled, head and head.seq, closed)
    assert names(1, 2, 3, 4) == desk.store.ids


def test_a_probe_opens_the_store_before_the_first_event(desk: Desk):
    """It is ready when the press needs it."""
    desk.writer.probe()
    until(lambda: desk.store.batches)

    assert [] == desk.store.records
    assert desk.writer.close()


def test_of_two_who_claim_the_same_one_is_refused(file: Path):
    """And who was refused leaves nothing behind."""
    writer = sqlite_writer(file)
    append(leg_of(writer), 1)
    head = writer.put(event(kind="claimed", leg="a", body={"key": "x"}), PATIENCE_S, unless='"key":"x"')
    with pytest.raises(ConflictError):
        writer.put(event(kind="claimed", leg="b", body={"key": "x"}), PATIENCE_S, unless='"key":"x"')
    with pytest.raises(ConflictError):
        writer.put(event(leg="c"), PATIENCE_S, after=7)

    assert 2 == head.seq
    assert writer.close()
    assert ["leg-1", "a-1"] == ids(file)


def test_what_has_to_be_recorded_fails_where_it_is_not(desk: Desk):
    """It is not said elsewhere either: it did not happen."""
    desk.store.fails = FULL
    with pytest.raises(PanicError, match="disk: no space left on device"):
        desk.writer.put(event(), PATIENCE_S)

    assert [] == desk.said


def test_what_was_given_up_is_not_recorded_later(desk: Desk):
    """Somebody was told that it was not."""
    desk.store.gate.clear()
    append(leg_of(desk.writer), 1)
    assert desk.store.reached.wait(PATIENCE_S)
    with pytest.raises(TimeoutError):
        desk.writer.put(event(2), 0.0)
    desk.store.gate.set()

    assert desk.writer.close(PATIENCE_S)
    assert names(1) == desk.store.ids


@pytest.mark.parametrize(("opens", "fails", "opened"), [(FULL, None, 4), (None, FULL, 4), (None, GONE, 8)])
async def test_without_a_store_a_run_goes_on_and_is_told_on_standard_error(
    desk: Desk, opens: OSError | None, fails: OSError | None, opened: int
):
    """Every event of it, as the ledger would have it; one that is removed again and again has an end."""
    desk.store.opens, desk.store.fails = opens, fails
    leg = leg_of(desk.writer)
    append(leg, 1, 2)
    settled = await leg.settle(PATIENCE_S)
    append(leg, 3)
    head = await leg.conclude("finished", AT, {}, PATIENCE_S)

    assert (False, None) == (settled, head)
    assert names(1, 2, 3, 4) == desk.said_ids
    reason = "disk: it was removed or replaced while it was in use" if fails is GONE else f"disk: {FULL_WORDS}"
    assert [("ledger_failed", reason), NOTHING] == leg.troubles
    assert reason == desk.writer.trouble
    assert desk.store.opened <= opened


async def test_the_next_run_has_the_store_tried_again(desk: Desk):
    """The run that was broken off goes on as it was: half of it after a gap would only be a riddle."""
    broken, whole = leg_of(desk.writer), leg_of(desk.writer, "r2", "next")
    append(broken, 1)
    first = await broken.settle(PATIENCE_S)
    desk.store.fails = FULL
    append(broken, 2)
    second = await broken.settle(PATIENCE_S)
    desk.store.fails = None
    append(whole, 1)
    settled = await whole.settle(PATIENCE_S)
    append(broken, 3)
    again = await broken.settle(PATIENCE_S)
    trouble = desk.writer.trouble
    desk.writer.close(PATIENCE_S)

    assert (True, False, True, False) == (first, second, settled, again)
    assert (["leg-1", "next-1"], names(2, 3)) == (desk.store.ids, desk.said_ids)
    assert ([], "") == (whole.troubles, trouble)
    assert THE_REST in broken.troubles


async def test_a_ledger_that_was_removed_is_begun_anew_for_those_with_nothing_in_it(file: Path):
    """Whoever has something in it is told that this is gone."""
    writer = sqlite_writer(file)
    old, new = leg_of(writer), leg_of(writer, "r2", "next")
    append(old, 1)
    first = await old.settle(PATIENCE_S)
    for one in list(file.parent.iterdir()):
        one.unlink()
    append(new, 1)
    append(old, 2)
    settled = await new.settle(PATIENCE_S), await old.settle(PATIENCE_S)

    assert (True, (True, False)) == (first, settled)
    assert ["next-1"] == ids(file)
    assert [
        ("ledger_removed", f"{file}: it was removed or replaced while it was in use"),
        THE_REST,
    ] == old.troubles
    assert [] == new.troubles
    assert writer.close()


async def test_a_ledger_that_others_wrote_anew_is_not_believed_by_those_with_something_in_it(file: Path):
    """Whoever has something in it is told, and the rest of that goes to standard error; others go on in it."""
    said = list[str]()
    writer = sqlite_writer(file, said.append)
    old, new = leg_of(writer), leg_of(writer, "r2", "next")
    append(old, 1, 2)
    first = await old.settle(PATIENCE_S)
    rewrite(file, lambda one: one._replace(body={"account": 7}) if one.id == "leg-1" else one)
    writer.probe()
    until(lambda: writer.gone)
    append(old, 3)
    append(new, 1)
    settled = await new.settle(PATIENCE_S), await old.settle(PATIENCE_S)

    told = ("ledger_rewritten", f"{file}: what was recorded up to event 2 was written anew by others")
    assert (True, (True, False)) == (first, settled)
    assert [*names(1, 2), "next-1"] == ids(file)
    assert ([told, THE_REST], [], [told]) == (old.troubles, new.troubles, writer.gone)
    assert names(3) == [decode(line.encode()).id for line in said]
    assert writer.close()


async def test_a_store_that_failed_in_between_is_not_believed_blindly(file: Path):
    """What was in it is known to the process, not to the connection."""
    writer = sqlite_writer(file)
    old = leg_of(writer)
    append(old, 1)
    await old.settle(PATIENCE_S)
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writer.probe()
        until(lambda: writer.trouble)
    rewrite(file, lambda one: one._replace(body={"account": 7}))
    writer.probe()
    until(lambda: writer.gone)

    assert ["ledger_rewritten"] == [one.code for one in writer.gone]
    assert writer.close()


@pytest.fixture
def hung() -> Any:
    desk = Desk(patience_s=0.1)
    desk.store.gate.clear()
    yield desk
    desk.store.gate.set()


async def test_a_store_that_hangs_is_left(hung: Desk):
    """Who waits is told, and no append takes any time."""
    leg = leg_of(hung.writer)
    slowest = 0.0
    while not hung.writer.trouble:
        before = time.monotonic()
        append(leg, 1)
        slowest = max(slowest, time.monotonic() - before)
        await asyncio.sleep(0.01)
    settled = await leg.settle(PATIENCE_S)

    assert not settled
    assert slowest < 0.1
    assert [("ledger_hangs", "disk: it does not answer"), NOTHING] == leg.troubles
    assert "leg-1" == hung.said_ids[0]


async def test_while_a_thread_is_stuck_no_other_is_sent_after_it(hung: Desk):
    """Each run on a dead disk would leave one behind; once it answers, the next run is recorded, and no other."""
    first, second, third = (leg_of(hung.writer, f"r{n}", f"l{n}") for n in range(3))
    append(first, 1)
    settled = [await first.settle(PATIENCE_S)]
    troubles = list(first.troubles)
    append(second, 1)
    settled.append(await second.settle(PATIENCE_S))
    opened = hung.store.opened
    hung.store.gate.set()
    until(lambda: not hung.writer._stuck.is_alive())  # type: ignore[union-attr]
    append(third, 1)
    append(first, 2)
    settled += [await third.settle(PATIENCE_S), await first.settle(PATIENCE_S)]

    assert [False, False, True, False] == settled
    assert troubles == first.troubles
    assert 1 == opened
    assert ["l0-1", "l1-1", "l0-2"] == hung.said_ids
    assert "l2-1" in hung.store.ids


async def test_nobody_waits_longer_than_they_said(desk: Desk):
    """However patient the writer itself is."""
    desk.store.gate.clear()
    leg = leg_of(desk.writer)
    append(leg, 1)
    settled = await leg.settle(0.05), await leg.conclude("finished", AT, {}, 0.05), desk.writer.close(0.1)
    desk.store.gate.set()
    until(lambda: len(desk.store.records) == 2)

    assert (False, None, False) == settled
    assert names(1, 2) == desk.store.ids


async def test_where_no_thread_can_be_started_a_run_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """It says its events, and why."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    leg = leg_of(desk.writer)
    append(leg, 1)
    settled = await leg.settle(PATIENCE_S)

    assert not settled
    assert names(1) == desk.said_ids
    assert [("ledger_failed", "no thread can be started for it"), NOTHING] == leg.troubles


async def test_an_event_that_cannot_be_written_down_costs_no_other(desk: Desk):
    """It leaves a mark in its place."""
    leg = leg_of(desk.writer)
    leg.append("outcome", AT, {"x": object()})
    append(leg, 2)
    settled = await leg.settle(PATIENCE_S)

    assert settled
    assert names(1, 2) == desk.store.ids
    assert [("ledger_event_lost", "event leg-1 (outcome) could not be written down: object")] == leg.troubles


@pytest.mark.parametrize("is_broken", [False, True])
async def test_secrets_are_taken_out_of_every_event(desk: Desk, is_broken: bool):
    """Where a scrub fails the event is lost rather than written with one; on standard error it is the same."""

    def scrub(text: str) -> str:
        if is_broken:
            raise KeyError(text)
        return text.replace("canary-123", "[key]")

    for run in ("r1", "r2"):
        leg = desk.writer.leg(run, scrub)
        leg.append("outcome", AT, {"error": "key canary-123 is bad"})
        await leg.settle(PATIENCE_S)
        desk.store.fails = FULL
    told = desk.store.records[0][2].decode(), desk.said[0]

    assert 2 * [not is_broken] == ["key [key] is bad" in one for one in told]
    assert "canary" not in repr((told, leg.troubles))
