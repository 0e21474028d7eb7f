"""Tells people about runs without delaying them, even if a channel is dead or slow."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from panic.config import Channel as ChannelSettings
from panic.kit.background import Do
from panic.kit.process import ENVIRONMENT
from panic.service.live import Live
from panic.service.notify.channel import Channel
from panic.service.notify.delivery import deliver
from panic.service.notify.notice import Notice, notices_of

log = structlog.get_logger()

PAGES_MOST = 1000
"""How many pages are remembered, to know when they are over and what was already sent."""

SAME_S = 3600.0
"""Within this time, in seconds, an identical page is not sent again."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]+")
_KEY_MOST = 64


@dataclass(slots=True)
class _Page:
    """A page that is open: its newest words, when they were told, and the channels that did not get them yet."""

    notice: Notice
    at: float
    untold: set[str]


class Notifier:
    """Tells channels of runs, and of whatever else somebody must see; `told` gets each page that every pager has.

    While `is_ending`, what did not finish is resumed at the next start of the service.
    """

    def __init__(
        self,
        channels: Mapping[str, ChannelSettings],
        env: Mapping[str, str] = ENVIRONMENT,
        *,
        scrub: Callable[[str], str] = str,
        told: Callable[[Notice], None] = lambda _: None,
        send: Callable[..., None] = deliver,
        do: Do | None = None,
    ) -> None:
        self._tells = {name: frozenset(channel.tells) for name, channel in channels.items()}
        self._scrub, self._told, self._pages = scrub, told, dict[str, _Page]()
        self._reporting: set[asyncio.Task[Any]] = set()
        self._is_closed = self.is_ending = False
        self._channels = {
            name: Channel(name, partial(send, name, channel.url, env), self._delivered, do)
            for name, channel in channels.items()
        }

    @property
    def failures(self) -> dict[str, int]:
        """For each channel the deliveries that failed, and the notices that were dropped."""
        return {name: channel.failures for name, channel in self._channels.items()}

    def remember(self, run: str) -> None:
        """Take a run's page for told: an earlier process may have told it, and it may end here."""
        page = Notice("page", run, f"run {run}, which an earlier process left", "", run)
        self._pages[run] = _Page(page, -SAME_S, set())

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run."""
        if what in {"started", "finished"} and self._channels:
            task = asyncio.create_task(self._began(live) if what == "started" else self._ended(live))
            self._reporting.add(task)
            task.add_done_callback(self._reporting.discard)

    async def _began(self, live: Live) -> None:
        await live.run.engine.swept.wait()  # a report takes time, and no first DELETE waits for it
        if not live.is_over:
            for notice in notices_of("started", live.run.report()):
                self.tell(notice)

    async def _ended(self, live: Live) -> None:
        try:
            report = await live.finished()
        except Exception:  # noqa: BLE001  (panic itself failed: what is known is all there is)
            report = live.run.report()
        event = "finished" if report.finished else "left" if self.is_ending else "interrupted"
        for notice in notices_of(event, report):
            self.tell(notice)

    def tell(self, notice: Notice) -> None:
        """Tell the channels that want to know, and no key with it. Never waits, never raises."""
        try:
            if not self._is_closed:
                key = _NOT_PLAIN.sub("-", self._scrub(notice.key))[:_KEY_MOST]  # it may stand in an address
                title, text = self._scrub(notice.title), self._scrub(notice.text)
                self._tell(replace(notice, title=title, text=text, key=key))
        except Exception as error:  # noqa: BLE001  (a run never fails because somebody could not be told)
            log.warning("notice not told", kind=notice.kind, run=notice.run, error=type(error).__name__)

    def _tell(self, notice: Notice) -> None:
        over = self._close(notice) if notice.closes else []
        if notice.opens and not self._is_news(notice):
            return
        page = self._pages.get(notice.key)
        is_known = bool(over) or (page is not None and notice.kind != "page" and page.notice.title == notice.title)
        for name, tells in self._tells.items():
            for end in over if "page" in tells else ():
                self._channels[name].tell(end)
            if notice.kind in tells and not (is_known and "page" in tells):  # nobody is told the same twice
                self._channels[name].tell(notice)

    def _is_news(self, page: Notice) -> bool:
        """Whether a page says something that nobody was told lately; from now on it was."""
        now, known = asyncio.get_running_loop().time(), self._pages.pop(page.key, None)
        if known is not None and known.notice == page and now - known.at < SAME_S:
            self._pages[page.key] = known
            return False
        self._pages[page.key] = _Page(page, now, {name for name, tells in self._tells.items() if "page" in tells})
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
        """Deliver what was not tried yet, within a limit, and stop; a channel that hangs is left behind."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*self._reporting, return_exceptions=True)
        self._is_closed = True
        await asyncio.gather(*(channel.close(within_s) for channel in self._channels.values()))
