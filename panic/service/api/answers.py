"""What several routes need: JSON as an answer, work on a thread whose mistakes become problems, and a run."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Final, TypeVar

from aiohttp import web
from pydantic_core import to_json

from panic.config import LedgerFiles
from panic.kit.background import Aside
from panic.kit.errors import UsageError
from panic.kit.pool import LostError
from panic.ledger import history
from panic.report import document as reports
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.problems import ProblemError, in_our_words
from panic.service.standby import Standby

_T = TypeVar("_T")

_SWEEP_S: Final = 5.0
_SHARED_S: Final = 0.5
_SHARE: Final = 0.05
"""The least time between folding reports of a run under way, however many watch, and the share of the loop's time
that this may take: the loop belongs to the run."""


def document(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON: bytes as they are, anything else as pydantic writes it."""
    text = body if isinstance(body, bytes) else to_json(body, indent=2)
    return web.Response(
        body=text, status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


class Threads(Aside):
    """Threads, or processes, for work that may hang, and whose mistakes are the caller's."""

    async def ask(
        self, work: Callable[[], _T], name: str, most_s: float | None = None, *, usage: str = "not_found"
    ) -> _T:
        """Do work; a UsageError becomes the problem `usage`."""
        try:
            return await self.do(work, name, most_s)
        except LostError as error:
            raise ProblemError("unread", str(error)) from error
        except UsageError as error:
            raise ProblemError(usage, in_our_words(str(error))) from error


class Lookup:
    """Finds a run wherever it is: at the desk while it is here, in the ledger afterwards."""

    def __init__(self, desk: Desk, standby: Standby, reading: Threads) -> None:
        self._desk, self._standby, self._reading = desk, standby, reading
        self._reports: dict[str, tuple[float, bytes]] = {}

    async def find(self, name: str) -> Live | str:
        """Give a run that is here, or the id of the one on record; `not_found` if there is none, or several."""
        live = self._desk.find(name)
        if live is not None:
            return live
        ledger, here = self._standby.settings.ledger, self._desk.last_presses
        run = await self._reading.ask(partial(history.find, ledger, name, here), "find")
        return self._desk.find(run) or run

    async def report(self, name: str) -> bytes:
        """Give a run's report as JSON, as it is known now."""
        found = await self.find(name)
        if isinstance(found, str):
            return await self._reading.ask(partial(_report, self._standby.settings.ledger, found), "report")
        if found.report is None:
            await until_swept(found)
        now = monotonic()
        fresh_until, text = self._reports.get(found.run.id, (0.0, b""))
        if now < fresh_until:
            return text
        self._reports = {run: one for run, one in self._reports.items() if self._desk.find(run)}
        text = reports.to_json(found.report or found.run.report())
        shared_s = inf if found.report else max(_SHARED_S, (monotonic() - now) / _SHARE)
        self._reports[found.run.id] = now + shared_s, text
        return text


def _report(ledger: LedgerFiles, run: str) -> bytes:
    return reports.to_json(history.recall(ledger, run).report())


async def until_swept(live: Live) -> None:
    """Wait until every first DELETE has left, but not for long: to fold a report takes the loop's time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SWEEP_S):
            await live.run.engine.swept.wait()
