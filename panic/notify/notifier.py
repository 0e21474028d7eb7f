"""Telling people: never in the way of a run, and not to be stopped by a channel that is dead or slow."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from panic import background
from panic.config import Channel as ChannelSettings
from panic.config import Paging
from panic.errors import Problem
from panic.notify.channel import Channel, Patience
from panic.notify.delivery import deliver, examine
from panic.notify.notice import Notice
from panic.notify.schedule import Pager, Telling
from panic.words import clip

log = structlog.get_logger()

_BY_MOST = 80


class Notifier:
    """Tells channels of runs, and pages until somebody acknowledges.

    All methods may be called from any thread; none but `close` waits for anything.

    Args:
        channels: The settings' channels by name.
        paging: How often a page is repeated.
        env: The environment, for addresses that are in it.
        now: A steady clock, seconds.
        patience: How long a channel is waited for.
    """

    def __init__(
        self,
        channels: Mapping[str, ChannelSettings],
        paging: Paging,
        env: Mapping[str, str] = os.environ,
        *,
        now: Callable[[], float] = time.monotonic,
        patience: Patience = Patience(),  # noqa: B008  (frozen)
    ) -> None:
        self._settings = dict(channels)
        self._now = now
        self._is_closed = False
        self._changed = threading.Condition()
        self._pager = Pager({n: c.after_s for n, c in channels.items() if "page" in c.tells}, paging.repeat_s)
        self._unstarted: list[Problem] = []
        self._channels = {
            name: Channel(
                name,
                partial(examine, name, channel.url, env),
                partial(deliver, name, channel.url, env),
                patience,
            )
            for name, channel in channels.items()
        }
        if channels:
            self._start()

    def _start(self) -> None:
        if all("page" not in channel.tells for channel in self._settings.values()):
            remedy = 'Add "page" to the tells of one of them.'
            self._unstarted.append(Problem("no channel of [notify] is told of pages", remedy))
        try:
            for channel in self._channels.values():
                channel.start()
            threading.Thread(target=self._repeat, name="panic-notify-pager", daemon=True).start()
        except RuntimeError:
            what = "the system gave no thread to tell the channels of [notify]"
            self._unstarted.append(Problem(what, "Raise the limit of threads and start again."))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the channels, as far as their threads have found out by now."""
        return (*self._unstarted, *(p for channel in self._channels.values() for p in channel.problems))

    @property
    def failures(self) -> dict[str, int]:
        """For each channel the notices that it did not get, dropped ones counted in."""
        return {name: channel.failures for name, channel in self._channels.items()}

    @property
    def dropped(self) -> dict[str, int]:
        """For each channel the notices that were dropped because too many waited."""
        return {name: channel.outbox.dropped for name, channel in self._channels.items()}

    @property
    def open_pages(self) -> list[Notice]:
        """The pages that nobody has acknowledged, oldest first."""
        with self._changed:
            return self._pager.open

    def tell(self, notice: Notice) -> None:
        """Tell the channels that want to know; a page again and again. Never waits, never raises."""
        try:
            self._tell(notice)
        except Exception as error:  # noqa: BLE001  (a run never fails because somebody could not be told)
            with suppress(Exception):
                log.warning("notice not told", kind=notice.kind, run=notice.run, error=type(error).__name__)

    def _tell(self, notice: Notice) -> None:
        with self._changed:
            if self._is_closed:
                return
            if notice.kind == "page" and not notice.closes:
                self._pager.page(notice, self._now())
                self._send(self._pager.due(self._now()))
            else:
                closed = self._pager.close(notice) if notice.closes else []
                knowing = {name for name, _ in closed}  # nobody is told the same twice
                knowing |= {name for name in self._settings if self._pager.has_told(name, notice)}
                wanting = {name for name, channel in self._settings.items() if notice.kind in channel.tells}
                self._send(closed)
                self._send([(name, notice) for name in wanting - knowing])
            self._changed.notify_all()

    def acknowledge(self, run: str, by: str) -> bool:
        """Stop repeating the pages of a run, or the page with this key; False when none of them is open.

        Args:
            run: The run's id, or a page's key.
            by: Who took it on.
        """
        with self._changed:
            is_open = self._pager.is_open(run)
            with suppress(Exception):
                self._send(self._pager.acknowledge(run, clip(by, _BY_MOST)))
            self._changed.notify_all()
        return is_open

    def nudge(self) -> None:
        """Look at the clock again: for those whose clock jumps."""
        with self._changed:
            self._changed.notify_all()

    async def close(self, within_s: float = 5.0) -> None:
        """Deliver what still waits, so long at most, and stop; a channel that hangs is left behind."""
        with suppress(Exception):
            await background.begin(partial(self._close, within_s), "notify-close")

    def _close(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        with self._changed:
            if not self._is_closed:
                self._is_closed = True
                self._send([(name, _last_words(page)) for name, page in self._pager.told_of_open()])
            self._changed.notify_all()
        for channel in self._channels.values():
            channel.outbox.drain(until - time.monotonic())
        for channel in self._channels.values():
            left = channel.outbox.close()
            if left:
                log.warning("notices not delivered: panic stopped first", channel=channel.name, notices=left)

    def _send(self, tellings: list[Telling]) -> None:
        for name, notice in tellings:
            self._channels[name].outbox.put(notice)

    def _repeat(self) -> None:
        with self._changed:
            while not self._is_closed:
                with suppress(Exception):
                    self._send(self._pager.due(self._now()))
                due = self._pager.next_at()
                self._changed.wait(None if due is None else max(due - self._now(), 0.001))


def _last_words(page: Notice) -> Notice:
    """What those who were told of a page are told when nobody repeats it any more."""
    words = f"panic stops now and repeats this page no more. Nobody has acknowledged it.\n{page.text}"
    return replace(page, title=f"STILL OPEN  {page.title}", text=words)
