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

from panic.accounts.plan import Scope
from panic.config import LedgerFiles
from panic.kit.background import Aside
from panic.kit.errors import UsageError
from panic.kit.pool import LostError
from panic.ledger import history
from panic.report import document as reports
from panic.service.auth import Identity, covers, reach_of
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.problems import ProblemError, of_usage
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
            raise of_usage(error, usage) from error


class Lookup:
    """Finds a run wherever it is: at the desk while it is here, in the ledger afterwards."""

    def __init__(self, desk: Desk, standby: Standby, reading: Threads) -> None:
        self._desk, self._standby, self._reading = desk, standby, reading
        self._reports: dict[str, tuple[float, bytes]] = {}

    async def find(self, name: str, identity: Identity) -> Live | str:
        """Give a run that is here, or the id of the one on record, to somebody who may see it.

        `not_found` if there is none, or several; `forbidden` if it is of other groups than theirs, or of more.
        """
        ledger, here = self._standby.settings.ledger, self._desk.last_presses
        run = name
        if (live := self._desk.find(name)) is None:
            run = await self._reading.ask(partial(history.find, ledger, name, here), "find")
            live = self._desk.find(run)
        reach = reach_of(identity, self._standby.roster)
        if reach is not None:
            scope = live.scope if live else await self._reading.ask(partial(_scope, ledger, run), "scope")
            if not covers(reach, scope):
                what = f"run {run} is of other groups than {', '.join(sorted(reach.groups))}, or of more"
                raise ProblemError("forbidden", what, remedy="Ask somebody whose token is not limited.")
        return live or run

    async def report(self, name: str, identity: Identity) -> bytes:
        """Give a run's report as JSON, as it is known now."""
        found = await self.find(name, identity)
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


def _scope(ledger: LedgerFiles, run: str) -> Scope:
    return history.recall(ledger, run).replay.scope


def _report(ledger: LedgerFiles, run: str) -> bytes:
    return reports.to_json(history.recall(ledger, run).report(now=True))


async def until_swept(live: Live) -> None:
    """Wait until every first DELETE has left, but not for long: to fold a report takes the loop's time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SWEEP_S):
            await live.run.engine.swept.wait()
