"""Telling people: that a run began, how it ended, and whatever else somebody must see; never with a key in it."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

from panic.service.live import Live
from panic.service.notify.notice import Notice
from panic.service.notify.notifier import Notifier
from panic.service.notify.words import notices_of

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]+")
_KEY_MOST = 64


class People:
    """Tells people; a key that somebody put into a call is none of their business."""

    def __init__(self, notifier: Notifier, scrub: Callable[[str], str]) -> None:
        self._notifier, self._scrub = notifier, scrub
        self._under_way: set[asyncio.Task[None]] = set()
        self.is_ending = False

    def tell(self, notice: Notice) -> None:
        """Tell them something; never waits."""
        title, text = self._scrub(notice.title), self._scrub(notice.text)
        key = _NOT_PLAIN.sub("-", self._scrub(notice.key))[:_KEY_MOST]  # it may stand in an address
        self._notifier.tell(replace(notice, title=title, text=text, key=key))

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run."""
        if what in {"started", "finished"}:
            task = asyncio.create_task(self._began(live) if what == "started" else self._ended(live))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def told(self) -> None:
        """Wait until they were told of every run."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

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
