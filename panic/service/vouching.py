"""The ledger's head after each run, said aloud: the journal, and wherever that is sent, can vouch for it."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from panic.config import LedgerFiles
from panic.kit.background import wait
from panic.ledger import signing
from panic.ledger.events import Head
from panic.report.document import Report
from panic.service.live import Live

log = structlog.get_logger()

_WITHIN_S: Final = 2.0


class Vouching:
    """Says the head of each run that ends, signed if there is a key for it. Hand `observe` to the desk."""

    def __init__(self, ledger: Callable[[], LedgerFiles], say: Callable[[str], None]) -> None:
        self._ledger, self._say = ledger, say
        self._tasks = set[asyncio.Task[None]]()

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run."""
        if what == "finished" and (report := live.report) is not None and report.ledger_head:
            task = asyncio.create_task(self._vouch(report, report.ledger_head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait for what is still to be said."""
        await asyncio.gather(*self._tasks)

    async def _vouch(self, report: Report, head: str) -> None:
        file, key = self._ledger().file, self._ledger().signing_key
        if file is not None and key is not None:
            try:
                head = await wait(lambda: signing.sign(file, key, Head.parse(head)), _WITHIN_S, "sign")
            except Exception as error:  # the head counts unsigned as well
                log.exception("head_not_signed", run_id=report.run_id, why=type(error).__name__)
        self._say(f"panic: run {report.run_id} ended {report.verdict}; ledger head {head}")
