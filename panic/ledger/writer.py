"""The only writer of this process: everything for its ledger is handed to a thread here.

No press ever waits for its ledger. A store that fails or hangs is left alone, and each later run tries it again.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from panic.config import LedgerFiles
from panic.kit import terminal
from panic.ledger.backlog import Backlog, Item, Store, Trail, Trouble
from panic.ledger.events import Event, Head
from panic.ledger.worker import Worker

PATIENCE_S = 2.0
"""After this long without a confirmation a store counts as hung."""

_DOUBT_S = 0.1
"""A hang is confirmed only if it lasts this much longer: the whole process may have been stalled."""

_TICK_S = 0.05
"""How often a wait looks whether the store hangs."""

_JOIN_S = 0.5
"""How long a close waits for the store once all is durable: the next opening can finish that."""


class Writer:
    """Hands events over to a store in a `place`. Only `put` raises, and nothing makes a run wait.

    `open_store` is called on the thread; `say` is told events that the store does not take, and must not block.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        place: str,
        *,
        patience_s: float = PATIENCE_S,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.place = place
        self._open_store, self._patience_s, self._say = open_store, patience_s, say or _say
        self._backlog = Backlog()
        self._worker: Worker | None = None
        self._stuck: Worker | None = None
        self._doubted_at: float | None = None

    @property
    def trouble(self) -> str:
        """Why nothing gets into the store at present; "" where all is well."""
        return self._worker.trouble.text if self._worker and self._worker.trouble else ""

    @property
    def gone(self) -> Sequence[Trouble]:
        """Why what was recorded is not in its place any more, each time."""
        return self._backlog.gone

    def leg(self, run: str = "", scrub: Callable[[str], str] = str, name: str = "") -> "Leg":
        """Begin this process's part of a run, or of events about no run; `name` is the first half of their ids."""
        return Leg(self, run, scrub, name or os.urandom(4).hex())

    def probe(self) -> None:
        """Open the store, or see whether it still answers; does not wait for it."""
        self.hand_over(Item(Trail(), tries_anew=True))

    def put(self, event: Event, within_s: float, *, after: int | None = None, unless: str = "") -> Head:
        """Record an event now or not at all, as `Store.append` does, and give the head after it.

        A PanicError says why it could not be; after a TimeoutError what has begun by then may still be written.
        """
        reply = Future[Head]()
        self.hand_over(Item(Trail(), event, reply, tries_anew=True, fails_closed=True, after=after, unless=unless))
        return self._result(reply, within_s, self._patience_s)

    def close(self, within_s: float = 2.0) -> bool:
        """End the thread after the last event is durable; False when it is not within so many seconds."""
        until = time.monotonic() + within_s
        if self._worker is None:
            return True
        reply: Future[Head] = Future()
        self.hand_over(Item(Trail(), reply=reply))
        self._backlog.close()
        try:
            self._result(reply, within_s, min(self._patience_s, within_s / 2))
        except Exception:  # noqa: BLE001  (the reports have said why)
            return False
        self._worker.join(max(min(until - time.monotonic(), _JOIN_S), 0.0))
        return True

    def _result(self, reply: Future[Head], within_s: float, patience_s: float) -> Head:
        until = time.monotonic() + within_s
        while True:
            try:
                return reply.result(max(min(until - time.monotonic(), _TICK_S), 0.0))
            except TimeoutError:
                self.watch(patience_s)
                if time.monotonic() >= until and reply.cancel():
                    raise

    def hand_over(self, item: Item) -> None:
        """Take something to write."""
        with self._backlog.changed:
            if self._stuck is not None and self._stuck.is_alive():
                item.tries_anew = False
            self._backlog.put(item)
            if self._worker is None:
                self._begin(None)
            self.watch()

    def watch(self, patience_s: float | None = None) -> None:
        """Relieve a thread whose store hangs."""
        patience_s = patience_s or self._patience_s
        with self._backlog.changed:
            worker, items, now = self._worker, self._backlog.items, time.monotonic()
            if worker is None or not items or now - max(items[0].since, worker.moved_at) <= patience_s:
                self._doubted_at = None
            elif self._doubted_at is None:
                self._doubted_at = now
            elif now - self._doubted_at >= _DOUBT_S:
                worker.is_relieved, self._stuck, self._doubted_at = True, worker, None
                for item in items:
                    item.tries_anew = False
                self._begin(Trouble("ledger_hangs", f"{self.place}: it does not answer"))

    def _begin(self, trouble: Trouble | None) -> None:
        self._worker = worker = Worker(self._backlog, self._open_store, self.place, self._say, trouble)
        try:
            worker.start()
        except RuntimeError:
            self._worker = None
            lost = self._backlog.drop(len(self._backlog.items))
            worker.lose(lost, Trouble("ledger_failed", "no thread can be started for it"))


class Leg(Trail):
    """One process's part of a run: it numbers its events, and tracks what became of them."""

    def __init__(self, writer: Writer, run: str, scrub: Callable[[str], str], name: str) -> None:
        super().__init__(run, scrub)
        self.place = writer.place
        self._writer, self._name, self._count = writer, name, 0

    def append(self, kind: str, at: str, body: Any, reply: Future[Head] | None = None) -> None:
        """Hand an event over, with its time in ISO 8601; do not change its body afterwards."""
        self._count += 1
        event = Event(self.run, kind, f"{self._name}-{self._count}", at, body)
        self._writer.hand_over(Item(self, event, reply, tries_anew=self._count == 1))

    async def conclude(self, kind: str, at: str, body: Any, within_s: float) -> Head | None:
        """Append an event, and give the head after it; None where it is not durable within so many seconds."""
        reply: Future[Head] = Future()
        self.append(kind, at, body, reply)
        return await self._settled(reply, within_s)

    async def settle(self, within_s: float) -> bool:
        """Wait until everything appended so far is durable; False when it is not within so many seconds."""
        reply: Future[Head] = Future()
        self._writer.hand_over(Item(self, reply=reply))
        return await self._settled(reply, within_s) is not None

    async def _settled(self, reply: Future[Head], within_s: float) -> Head | None:
        loop = asyncio.get_running_loop()
        until, told = loop.time() + within_s, asyncio.wrap_future(reply)
        try:
            while not told.done() and (left := until - loop.time()) > 0:
                await asyncio.wait([told], timeout=min(left, _TICK_S))
                self._writer.watch()
            return told.result() if told.done() and told.exception() is None else None
        finally:
            told.cancel()


def sqlite_writer(file: Path, say: Callable[[str], None] | None = None) -> Writer:
    """Write to a ledger file; `say` is as of `Writer`."""

    def opened() -> Store:
        from panic.ledger.store import SqliteStore  # noqa: PLC0415  (on the thread, beside whatever else begins)

        return SqliteStore(file)

    return Writer(opened, str(file), say=say)


def open_ledger(files: LedgerFiles, *, at_once: bool = True) -> Writer | None:
    """Give the ledger's writer, None where the settings name none; `at_once`, and not with the first event."""
    writer = None if files.file is None else sqlite_writer(files.file)
    if writer is not None and at_once:
        writer.probe()
    return writer


def _say(line: str) -> None:
    if not terminal.is_terminal(sys.stderr):  # there it would only bury what a person is to see
        terminal.say(line)
