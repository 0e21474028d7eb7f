"""Telling people: never in the way of a run, and not to be stopped by a channel that is dead or slow."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import structlog

from panic.config import Channel as ChannelSettings
from panic.kit.background import Do
from panic.kit.errors import Problem
from panic.service.notify.channel import Channel
from panic.service.notify.delivery import deliver, examine
from panic.service.notify.notice import Notice

log = structlog.get_logger()

PAGES_MOST = 1000
"""So many pages are remembered, to tell when they are over and what was told already."""

SAME_S = 3600.0
"""A page that says the same again within so many seconds is no change, and is not told."""


@dataclass(slots=True)
class _Page:
    """A page that is open: its newest words, when they were told, and the channels that did not get them yet."""

    notice: Notice
    at: float
    untold: set[str]


class Notifier:
    """Tells channels of runs. Use it inside one running loop, between `start` and `close`.

    Args:
        channels: The settings' channels by name.
        env: The environment, for addresses that are in it.
        told: Called with each page once every channel that is told of pages has it.
        send: Sends one notice to a channel.
        do: Does what may hang; None for threads.
    """

    def __init__(
        self,
        channels: Mapping[str, ChannelSettings],
        env: Mapping[str, str] = os.environ,
        *,
        told: Callable[[Notice], None] = lambda _: None,
        send: Callable[..., None] = deliver,
        do: Do | None = None,
    ) -> None:
        self._tells = {name: frozenset(channel.tells) for name, channel in channels.items()}
        self._pagers = {name for name, tells in self._tells.items() if "page" in tells}
        self._told, self._pages, self._is_closed = told, dict[str, _Page](), False
        self._channels = {
            name: Channel(
                name,
                partial(examine, name, channel.url, env),
                partial(send, name, channel.url, env),
                self._delivered,
                do,
            )
            for name, channel in channels.items()
        }

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the channels, as far as that is known by now."""
        found = [problem for channel in self._channels.values() for problem in channel.problems]
        if self._channels and not self._pagers:
            remedy = 'Add "page" to the tells of one of them.'
            found.insert(0, Problem("no channel of [notify] is told of pages", remedy))
        return tuple(found)

    @property
    def failures(self) -> dict[str, int]:
        """For each channel the deliveries that failed, and the notices that were dropped."""
        return {name: channel.failures for name, channel in self._channels.items()}

    def start(self) -> None:
        """Begin to deliver."""
        for channel in self._channels.values():
            channel.start()

    def remember(self, run: str) -> None:
        """Take a run's page for told: an earlier process may have told it, and it may end here."""
        page = Notice("page", run, f"run {run}, which an earlier process left", "", run)
        self._pages[run] = _Page(page, -SAME_S, set())

    def tell(self, notice: Notice) -> None:
        """Tell the channels that want to know. Never waits, never raises."""
        try:
            if not self._is_closed:
                self._tell(notice)
        except Exception as error:  # noqa: BLE001  (a run never fails because somebody could not be told)
            log.warning("notice not told", kind=notice.kind, run=notice.run, error=type(error).__name__)

    def _tell(self, notice: Notice) -> None:
        over = self._close(notice) if notice.closes else []
        for end in over:
            self._put(end, self._pagers)
        if notice.opens and not self._is_news(notice):
            return
        wanting = {name for name, tells in self._tells.items() if notice.kind in tells}
        page = self._pages.get(notice.key)
        is_known = bool(over) or (page is not None and notice.kind != "page" and page.notice.title == notice.title)
        self._put(notice, wanting - self._pagers if is_known else wanting)  # nobody is told the same twice

    def _put(self, notice: Notice, names: set[str]) -> None:
        for name in names:
            self._channels[name].tell(notice)

    def _is_news(self, page: Notice) -> bool:
        """Whether a page says something that nobody was told lately; from now on it was."""
        now, known = asyncio.get_running_loop().time(), self._pages.pop(page.key, None)
        if known is not None and known.notice == page and now - known.at < SAME_S:
            self._pages[page.key] = known
            return False
        self._pages[page.key] = _Page(page, now, set(self._pagers))
        if len(self._pages) > PAGES_MOST:
            del self._pages[next(iter(self._pages))]
        return True

    def _close(self, end: Notice) -> list[Notice]:
        """Forget the pages that a notice ends; give what those are told who were told of them."""
        over = [
            page.notice
            for key, page in self._pages.items()
            if key == end.key or (page.notice.about and page.notice.about <= end.about)
        ]
        for page in over:
            del self._pages[page.key]
        return [
            replace(end, kind="page", key=page.key, title=f"OVER  {page.title}", text=f"{end.title}\n{end.text}")
            for page in over
        ]

    def _delivered(self, name: str, notice: Notice) -> None:
        page = self._pages.get(notice.key)
        if page is None or page.notice is not notice:
            return
        page.untold.discard(name)
        if not page.untold:
            self._told(notice)

    async def close(self, within_s: float = 5.0) -> None:
        """Deliver what was not tried yet, so long at most, and stop; a channel that hangs is left behind."""
        self._is_closed = True
        channels = self._channels.values()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(channel.quiet() for channel in channels))
        for channel in channels:
            waiting = await channel.close()
            if waiting:
                log.warning("notices not delivered: panic stopped first", channel=channel.name, notices=waiting)
