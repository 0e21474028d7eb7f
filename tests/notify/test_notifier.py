"""Telling people: whatever the channels do, nobody waits, nothing fails, and no address shows."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from panic.config import Channel, Credential
from panic.notify import Notice
from panic.notify.channel import _HANGING_MOST, Patience
from panic.notify.channel import Channel as Worker
from panic.notify.delivery import Undelivered
from panic.notify.outbox import SIZE
from tests.notify.support import (
    CANARY,
    RUN,
    Hands,
    Receiver,
    a_channel,
    a_notice,
    a_notifier,
    receiving,
    until,
)

NO_PATIENCE = Patience(delivery_s=0.05, page_waits=(), other_waits=())
CLEAR = a_notice("verdict", "CLEAR  all clear", closes=True)


@pytest.fixture
def server() -> Iterator[Receiver]:
    """A server that takes what it is sent."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def other() -> Iterator[Receiver]:
    """One more."""
    with receiving() as receiver:
        yield receiver


async def test_a_channel_is_told_what_it_wants_to_know(tmp_path: Path, server: Receiver, other: Receiver):
    """And nothing else, in the order in which it happened."""
    notifier = a_notifier(
        {
            "all": a_channel(tmp_path, f"json://{server.place}", "all"),
            "ends": a_channel(tmp_path, f"json://{other.place}", "ends", tells=("verdict",)),
        }
    )
    for notice in (a_notice("start", "a"), a_notice("flag", "b"), CLEAR):
        notifier.tell(notice)
    await notifier.close(10)

    assert ["a", "b", "CLEAR  all clear"] == server.titles()
    assert ["CLEAR  all clear"] == other.titles()
    assert {"all": 0, "ends": 0} == notifier.failures
    assert () == notifier.problems


async def test_a_page_is_repeated_escalates_and_ends_when_somebody_acknowledges(
    tmp_path: Path, server: Receiver, other: Receiver
):
    """By a clock that the test sets."""
    hands = Hands()
    notifier = a_notifier(
        {
            "first": a_channel(tmp_path, f"json://{server.place}", "first"),
            "second": a_channel(tmp_path, f"json://{other.place}", "second", after_s=600, tells=("page",)),
        },
        now=hands,
    )
    notifier.tell(a_notice())
    until(lambda: len(server.got) == 1)
    hands.at += 300
    notifier.nudge()
    until(lambda: len(server.got) == 2)
    told_too_soon = list(other.got)
    hands.at += 300
    notifier.nudge()
    until(lambda: len(server.got) == 3 and len(other.got) == 1)
    open_before = notifier.open_pages
    acknowledged = notifier.acknowledge(RUN, "joe@desk")
    hands.at += 3000
    notifier.nudge()
    await notifier.close(10)

    assert [] == told_too_soon
    assert [a_notice()] == open_before
    assert acknowledged
    assert ["OPEN  still open"] * 3 + ["ACKNOWLEDGED  OPEN  still open"] == server.titles()
    assert ["OPEN  still open", "ACKNOWLEDGED  OPEN  still open"] == other.titles()
    assert "Acknowledged by joe@desk" in server.bodies[-1]["message"]
    assert [] == notifier.open_pages
    assert not notifier.acknowledge(RUN, "joe@desk")


async def test_a_clear_verdict_closes_a_page_and_nobody_is_told_twice(
    tmp_path: Path, server: Receiver, other: Receiver
):
    """Whoever was paged is told that it is over; whoever was not, only the verdict."""
    notifier = a_notifier(
        {
            "paged": a_channel(tmp_path, f"json://{server.place}", "paged"),
            "not yet": a_channel(tmp_path, f"json://{other.place}", "other", after_s=600),
        }
    )
    notifier.tell(a_notice())
    notifier.tell(a_notice("verdict"))
    until(lambda: len(server.got) == 1 and len(other.got) == 1)
    notifier.tell(CLEAR)
    await notifier.close(10)

    assert ["OPEN  still open", "CLOSED  CLEAR  all clear"] == server.titles()
    assert ["OPEN  still open", "CLEAR  all clear"] == other.titles()
    assert [] == notifier.open_pages


async def test_a_hanging_channel_holds_up_nobody(tmp_path: Path, server: Receiver, other: Receiver):
    """Neither who tells, nor the other channel, nor the end."""
    server.gate.clear()
    notifier = a_notifier(
        {
            "hangs": a_channel(tmp_path, f"json://{server.place}", "hangs"),
            "works": a_channel(tmp_path, f"json://{other.place}", "works"),
        }
    )
    notifier.tell(a_notice("start"))
    until(lambda: server.got)
    began = time.monotonic()
    for n in range(20):
        notifier.tell(a_notice("flag", f"{n}"))
    told = time.monotonic() - began
    until(lambda: len(other.got) == 21)
    began = time.monotonic()
    await notifier.close(0.1)
    closed = time.monotonic() - began

    assert told < 1.0
    assert closed < 3.0
    assert 1 == len(server.got)
    assert 0 == notifier.failures["works"]


@pytest.mark.parametrize(("status", "requests"), [(500, 3), (404, 3)])
async def test_a_page_is_tried_again_a_few_times(tmp_path: Path, server: Receiver, status: int, requests: int):
    """And then counted as a failure; the pager will repeat it."""
    server.statuses = [status] * 3
    notifier = a_notifier({"hook": a_channel(tmp_path, f"json://{server.place}")})
    notifier.tell(a_notice())
    until(lambda: notifier.failures["hook"])

    assert requests == len(server.got)
    assert {"hook": 1} == notifier.failures
    assert [a_notice()] == notifier.open_pages
    await notifier.close(10)


async def test_a_page_that_gets_through_at_the_second_try_is_no_failure(tmp_path: Path, server: Receiver):
    """A server that is being restarted."""
    server.statuses = [503]
    notifier = a_notifier({"hook": a_channel(tmp_path, f"json://{server.place}")})
    notifier.tell(a_notice())
    until(lambda: len(server.got) == 2)
    notifier.acknowledge(RUN, "joe")
    await notifier.close(10)

    assert {"hook": 0} == notifier.failures


async def test_a_dead_channel_fails_alone(tmp_path: Path, server: Receiver):
    """Nobody listens at one, another has no address, a third is no address."""
    with receiving() as gone:
        dead = gone.place
    notifier = a_notifier(
        {
            "dead": a_channel(tmp_path, f"json://{dead}", "dead"),
            "missing": Channel(url=Credential(file=tmp_path / "none")),
            "odd": a_channel(tmp_path, CANARY, "odd"),
            "works": a_channel(tmp_path, f"json://{server.place}", "works"),
        }
    )
    notifier.tell(a_notice("verdict"))
    await notifier.close(10)

    assert {"dead": 1, "missing": 1, "odd": 1, "works": 0} == notifier.failures
    assert ["OPEN  still open"] == server.titles()
    assert [
        "[notify.missing] url: the address file cannot be read: no such file or directory",
        "[notify.odd] url: it is no address that the library apprise knows",
    ] == [problem.what for problem in notifier.problems]


async def test_no_address_shows_in_logs_problems_or_threads(tmp_path: Path, server: Receiver):
    """Whatever goes wrong with it."""
    server.statuses = [500] * 3
    addresses = [f"json://{server.place}/{CANARY}", f"nosuch://{CANARY}", f"json://{CANARY}.invalid/{CANARY}"]
    with structlog.testing.capture_logs() as logs:
        notifier = a_notifier({f"c{n}": a_channel(tmp_path, a, f"c{n}") for n, a in enumerate(addresses)})
        notifier.tell(a_notice())
        until(lambda: all(notifier.failures.values()))
        threads = [thread.name for thread in threading.enumerate()]
        await notifier.close(10)
    shown = f"{logs} {notifier.problems} {threads} {vars(notifier)}"

    assert {"c0", "c1", "c2"} == {line["channel"] for line in logs}
    assert {"it answered HTTP 500", "it could not be reached, or gave no answer in time"} <= {
        line.get("why") for line in logs
    }
    assert "panic-notify-c0" in threads
    assert CANARY not in shown


async def test_when_nobody_is_told_of_pages_that_is_a_problem(tmp_path: Path):
    """Without any channel it is a choice."""
    some = a_notifier({"chat": a_channel(tmp_path, "json://localhost", tells=("start",))})
    none = a_notifier({})
    none.tell(a_notice())
    await some.close(1)
    await none.close(1)

    assert ["no channel of [notify] is told of pages"] == [problem.what for problem in some.problems]
    assert () == none.problems
    assert {} == none.failures
    assert [a_notice()] == none.open_pages


async def test_whoever_was_paged_is_told_that_nobody_repeats_it_any_more(tmp_path: Path, server: Receiver):
    """A page that falls silent must not look like one that somebody took on."""
    notifier = a_notifier({"hook": a_channel(tmp_path, f"json://{server.place}")})
    notifier.tell(a_notice())
    until(lambda: server.got)
    await notifier.close(10)
    notifier.tell(a_notice("start"))
    await notifier.close(10)

    assert ["OPEN  still open", "STILL OPEN  OPEN  still open"] == server.titles()


async def test_nothing_that_is_told_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run never fails because its notifier is broken."""

    def fail(*_args: object) -> None:
        raise RuntimeError(CANARY)

    notifier = a_notifier({"hook": a_channel(tmp_path, "json://localhost")})
    monkeypatch.setattr("panic.notify.outbox.Outbox.put", fail)
    with structlog.testing.capture_logs() as logs:
        notifier.tell(a_notice())
    monkeypatch.undo()
    await notifier.close(1)

    assert ["notice not told"] == [line["event"] for line in logs]
    assert CANARY not in str(logs)


async def test_a_system_without_threads_is_a_problem_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The run goes on, and nobody is told."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        notifier = a_notifier({"hook": a_channel(tmp_path, "json://localhost")})
        notifier.tell(a_notice())
        await notifier.close(0.1)

    assert ["the system gave no thread to tell the channels of [notify]"] == [p.what for p in notifier.problems]


def test_deliveries_that_hang_are_bounded():
    """They are given up after their time, and not piled up; when one ends it goes on."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hang(_notice: Notice) -> None:
        begun.release()
        gate.wait()

    worker = Worker("hook", tuple, hang, NO_PATIENCE)
    worker.start()
    with structlog.testing.capture_logs() as logs:
        for n in range(_HANGING_MOST + 2):
            worker.outbox.put(a_notice("flag", f"{n}"))
        until(lambda: worker.undelivered == _HANGING_MOST + 2)
        gate.set()
        until(lambda: worker._hanging == 0)
        worker.outbox.put(a_notice("flag", "at last"))
        assert worker.outbox.drain(10)
        worker.outbox.close()

    assert _HANGING_MOST + 1 == sum(begun.acquire(blocking=False) for _ in range(100))
    assert _HANGING_MOST + 2 == worker.failures
    expected = ["no end within 0.05 s"] * _HANGING_MOST + [f"{_HANGING_MOST} earlier deliveries still hang"] * 2
    assert expected == [line["why"] for line in logs]


def test_the_start_of_a_run_is_told_when_the_first_deletes_are_out():
    """A delivery would take the processor from them."""
    delivered = threading.Event()
    worker = Worker("hook", tuple, lambda _: delivered.set(), Patience(start_rest_s=600))
    worker.start()
    worker.outbox.put(a_notice("start"))
    until(lambda: worker.outbox._busy)
    too_soon = delivered.is_set()
    worker.outbox.close()

    assert delivered.wait(10)
    assert not too_soon


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Undelivered("it answered HTTP 500"), "it answered HTTP 500"),
        (ValueError(CANARY), "it failed (ValueError)"),
        (SystemExit(CANARY), "it failed (SystemExit)"),
    ],
)
def test_whatever_a_delivery_raises_is_a_failure_in_our_words(error: BaseException, why: str):
    """The thread goes on."""

    def fail(_notice: Notice) -> None:
        raise error

    worker = Worker("hook", tuple, fail, Patience(page_waits=(), other_waits=()))
    worker.start()
    with structlog.testing.capture_logs() as logs:
        worker.outbox.put(a_notice())
        worker.outbox.put(a_notice("flag"))
        assert worker.outbox.drain(10)
        worker.outbox.close()

    assert [why, why] == [line["why"] for line in logs]
    assert 2 == worker.failures


async def test_what_is_dropped_counts_as_a_failure(tmp_path: Path, server: Receiver):
    """The hundred that wait are the newest."""
    server.gate.clear()
    notifier = a_notifier({"hook": a_channel(tmp_path, f"json://{server.place}")})
    notifier.tell(a_notice("start"))
    until(lambda: server.got)
    for n in range(SIZE + 7):
        notifier.tell(a_notice("flag", f"{n}"))
    dropped, failures = notifier.dropped, notifier.failures
    server.gate.set()
    await notifier.close(10)

    assert {"hook": 7} == dropped
    assert dropped == failures
    assert [f"{n}" for n in range(7, SIZE + 7)] == server.titles()[1:]


_LEAVE = """
import asyncio, sys
from panic.config import Channel, Credential, Paging
from panic.notify import Notice, Notifier

notifier = Notifier({"hook": Channel(url=Credential(env="HOOK"))}, Paging(), {"HOOK": sys.argv[1]})
notifier.tell(Notice("page", "run", "OPEN", "text", "run"))
sys.stdin.readline()
asyncio.run(notifier.close(0.05))
print("left", flush=True)
"""


def test_a_process_ends_while_a_delivery_hangs(server: Receiver):
    """The threads of an executor would be waited for; these are not."""
    server.gate.clear()
    command = [sys.executable, "-c", _LEAVE, f"json://{server.place}/{CANARY}?rto=600"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            until(lambda: server.got)
            out, err = child.communicate("go\n", timeout=10)
        finally:
            child.kill()

    assert 0 == child.returncode
    assert out.endswith("left\n")
    assert CANARY not in out + err
