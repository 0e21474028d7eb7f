"""The desk: where presses come in, and become runs.

A press starts a run of its own, unless it can join one under way without losing anything: what that run has
sent already is then sent again. No press is answered with an older press's DELETE.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog

from panic.engine.lanes import Lanes
from panic.kit.collector import Pause
from panic.ledger.record import LastPress
from panic.report.document import Source
from panic.run.press import Prepared, Press
from panic.run.run import Join
from panic.service.live import Live, Supplies
from panic.service.problems import ProblemError

log = structlog.get_logger()

AS_ONE_S = 0.25
"""Identical presses within this time, in seconds, count as one: a double click, or a caller's retry."""

AUTOMATED_AS_ONE_S = 5.0
"""Identical presses by programs within this time, in seconds, send once; what is clear is read again for each."""

ENDED_KEPT = 5
"""How many ended runs are kept here; the ledger has them all."""

PROGRAM_RUNS = 2
"""How many runs a program may have under way, beside one for all accounts: more would starve people."""

_CLOSE_S = 20.0
"""How long first DELETEs that are still owed may take to be sent once the service is told to end."""


Tell = Callable[[str, Live], None]
"""Called with "started", "joined" or "finished" and the run; must neither block nor raise."""


class Pressing(NamedTuple):
    """The run that a press started or joined; whether what it had sent before was sent again."""

    live: Live
    joined: bool = False
    resent: bool = False


class Desk:
    """Takes presses. Each is handled within one turn of the loop, so that no two presses interleave.

    `live` has the runs under way, and the last few that ended, by id; the latest last.
    """

    def __init__(self, supplies: Supplies, *, drill: bool = False) -> None:
        self._supplies, self._drill = supplies, drill
        self._closing = False
        self.live: dict[str, Live] = {}
        self.observers: list[Tell] = []

    def find(self, run_id: str) -> Live | None:
        """Give a run by its id; None if it is not here: the ledger may know it."""
        return self.live.get(run_id)

    @property
    def lanes(self) -> Lanes:
        """The pace of each credential, which all runs share, and the self-test."""
        return self._supplies.lanes

    @property
    def last_presses(self) -> list[LastPress]:
        """The last press of each of them."""
        return [live.run.story.last_press for live in self.live.values()]

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way: whoever only looks keeps off."""
        return bool(self._under_way())

    def press(
        self, press: Press, *, automated: bool = False, may_see: Callable[[Live], bool] = lambda _: True
    ) -> Pressing:
        """Press: at once, and without waiting for anything. A PanicError or ProblemError: nothing was sent.

        It joins no run whose report whoever presses may not see.
        """
        self._require_open()
        prepared, under_way = self._supplies.prepare(press), self._under_way()
        for live in filter(may_see, under_way):
            if found := _joined(live, prepared, automated=automated):
                self._tell("joined", live)
                return found
        _require_few(press, under_way)
        return Pressing(self.start(prepared, automated=automated))

    def start(self, prepared: Prepared, *, automated: bool = False) -> Live:
        """Start a run, also one that a process left unfinished; raises ProblemError as `press` does."""
        self._require_open()
        with Pause():  # thousands of cases are made, and none is garbage
            live = Live(prepared, self._supplies, automated=automated, drill=self._drill)
        self.live[live.run.id] = live
        ended = [run_id for run_id, one in self.live.items() if one.is_over]
        for run_id in ended[:-ENDED_KEPT]:
            del self.live[run_id]
        live.when_over(self._ended)
        self._give_way()
        self._tell("started", live)
        return live

    async def close(self) -> None:
        """Start nothing more, let every first DELETE that is owed be sent, and stop: the rest can be resumed."""
        self._closing = True
        under_way = self._under_way()
        for live in under_way:  # what made way is owed its first DELETEs as well
            live.run.engine.give_way(while_so=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(*(live.run.engine.swept.wait() for live in under_way))
        for live in under_way:
            if not live.run.engine.swept.is_set() and structlog.is_configured():
                log.error("first_cancels_left", run_id=live.run.id, accounts=live.run.engine.sweep.unsent)
            live.run.leave()
        await asyncio.gather(*(live.finished() for live in under_way), return_exceptions=True)

    def _require_open(self) -> None:
        if self._closing:
            raise ProblemError("stopping", headers={"Retry-After": "5"})

    def _under_way(self) -> list[Live]:
        return [live for live in reversed(self.live.values()) if not live.is_over]

    def _ended(self, live: Live) -> None:
        if live.failure is not None and structlog.is_configured():
            log.error("run_failed", run_id=live.run.id, exc_info=live.failure)
        self._give_way()
        self._tell("finished", live)

    def _give_way(self) -> None:
        """Let scheduled runs wait while anybody else's is under way."""
        under_way = self._under_way()
        others = any(live.source != Source.SCHEDULE for live in under_way)
        for live in under_way:
            if live.source == Source.SCHEDULE:
                live.run.engine.give_way(while_so=others)

    def _tell(self, what: str, live: Live) -> None:
        for observer in self.observers:
            try:
                observer(what, live)
            except Exception:
                if structlog.is_configured():
                    log.exception("observer_failed", what=what, run_id=live.run.id)


def _require_few(press: Press, under_way: Iterable[Live]) -> None:
    """Refuse a program that has its runs. All accounts it may always press: such presses join each other."""
    is_whole = press.scope.all and not press.scope.filters and press.verify
    own = [live.run.id for live in under_way if live.program == press.program]
    if press.program and not is_whole and len(own) >= PROGRAM_RUNS:
        what = f"the program {press.program} has {len(own)} runs under way: {', '.join(own)}"
        remedy = "Press all accounts without filters, which is always taken, or wait until one of them is over."
        raise ProblemError(
            "throttled", f"{what}; NOTHING was pressed", remedy=remedy, headers={"Retry-After": "5"}
        )


def _joined(live: Live, prepared: Prepared, *, automated: bool) -> Pressing | None:
    """Make a press a part of a run under way, if it can be."""
    if (live.source == Source.SCHEDULE) != (prepared.press.source == Source.SCHEDULE):
        return None  # a person's press must not wait, nor be drawn out
    if live.is_same(prepared):
        repeats = automated and live.automated and live.sent_within(AUTOMATED_AS_ONE_S)
        if (repeats or live.sent_within(AS_ONE_S)) and live.take_in(prepared, Join.LOOK_AGAIN):
            return Pressing(live, joined=True)
        if automated and live.automated and live.take_in(prepared, Join.SEND_AGAIN):
            return Pressing(live, joined=True, resent=True)  # also where it has filters: they are the same
    if live.may_take_in(prepared) and live.take_in(prepared, Join.SEND_AGAIN):
        return Pressing(live, joined=True, resent=True)
    return None
