"""A run that is under way at the desk, or was lately; and whether another press can be a part of it: pure."""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from panic.broker.client import Broker
from panic.engine.case import Case
from panic.engine.events import What
from panic.engine.lanes import Lanes
from panic.ledger.writer import Writer
from panic.report.document import Report, ScopeReport
from panic.run.press import Prepared, Press
from panic.run.run import Join, Run


class Supplies(Protocol):
    """What a run needs, kept ready: `Standby`."""

    def prepare(self, press: Press) -> Prepared:
        """Make a press ready; raises UsageError and ConfigurationError."""

    def take_broker(self) -> Broker | None:
        """Hand over open connections; None if there are none."""

    @property
    def lanes(self) -> Lanes:
        """The pace of each credential, which all runs share."""

    @property
    def ledger(self) -> Writer | None:
        """The writer of the ledger; None where there is none."""


class Live:
    """A run that is under way, or was lately.

    Attributes:
        run: The run.
        source: Who pressed first.
        automated: Whether no person pressed.
        program: Which program pressed by the API; empty for anybody else.
        watchers: Called with each account that has changed; must not block.
    """

    def __init__(self, prepared: Prepared, supplies: Supplies, *, automated: bool, drill: bool = False) -> None:
        self.automated = automated
        self.source, self.program = prepared.press.source, prepared.press.program
        self.watchers: list[Callable[[Case], None]] = []
        broker = supplies.take_broker()
        self.run = Run(
            prepared, self._observe, ledger=supplies.ledger, broker=broker, lanes=supplies.lanes, drill=drill
        )
        self.last_sent_at = _now() if prepared.unfinished is None else -math.inf
        self._task = asyncio.create_task(self.run.go())

    @property
    def scope(self) -> ScopeReport:
        """What was pressed."""
        return self.run.story.pressed.scope

    @property
    def is_over(self) -> bool:
        """Whether it came to its end."""
        return self._task.done()

    async def finished(self) -> Report:
        """Give its report, once it has come to its end; a caller that gives up does not end the run."""
        return await asyncio.shield(self._task)

    @property
    def report(self) -> Report | None:
        """Its report, once it is over; None where panic itself failed, or the run was cut off."""
        is_whole = self.is_over and not self._task.cancelled() and self.failure is None
        return self._task.result() if is_whole else None

    @property
    def failure(self) -> BaseException | None:
        """What broke, where panic itself failed."""
        return None if not self.is_over or self._task.cancelled() else self._task.exception()

    def when_over(self, do: Callable[["Live"], None]) -> None:
        """Call something at its end."""
        self._task.add_done_callback(lambda _task: do(self))

    def is_same(self, prepared: Prepared) -> bool:
        """Whether another press asks for exactly what started this run."""
        return not self.run.engine.deadline.is_over and asks_the_same(self.run.prepared, prepared)

    def may_take_in(self, prepared: Prepared) -> bool:
        """Whether another press can join this run without losing anything."""
        run, deadline = self.run, self.run.engine.deadline
        how = {"deadline_s": run.story.pressed.deadline_s, "watch_s": deadline.pace.watch_s}
        return not deadline.is_over and loses_nothing(run.prepared, prepared, **how)

    def take_in(self, prepared: Prepared, how: Join) -> bool:
        """Make another press a part of this run; False where it needs one of its own."""
        if not self.run.join(prepared, how):
            return False
        if how is Join.SEND_AGAIN and len(prepared.plan.accounts) == len(self.run.prepared.plan.accounts):
            self.last_sent_at = _now()  # a narrower press sent only its own again
        return True

    def sent_within(self, seconds: float) -> bool:
        """Whether every account was sent within the last given seconds, or is still to be sent."""
        return _now() - self.last_sent_at <= seconds

    def _observe(self, _: What, case: Case | None) -> None:
        if case is not None:
            for watch in self.watchers:
                watch(case)


def asks_the_same(run: Prepared, press: Prepared) -> bool:
    """Whether a press asks for exactly what started a run, and the run can do it."""
    mine, other = run.press, press.press
    asks = [(one.scope, one.verify, one.watch_s, one.deadline_s) for one in (mine, other)]
    return asks[0] == asks[1] and mine.latch >= other.latch and _reaches(run, press)


def loses_nothing(run: Prepared, press: Prepared, *, deadline_s: float, watch_s: float) -> bool:
    """Whether a press can be a part of a run, which may take and watch so long by now, without losing anything."""
    mine, other = run.press, press.press
    is_whole = all(one.verify and not one.scope.filters for one in (mine, other))
    is_as_wide = len(press.plan.accounts) == len(run.plan.accounts)
    is_outlasted = press.deadline_s > deadline_s or press.watch_s > watch_s
    return (
        is_whole
        and mine.scope.all >= other.scope.all
        and (is_as_wide or not is_outlasted)  # a narrower one must not draw others along
        and _reaches(run, press)
    )


def _reaches(run: Prepared, press: Prepared) -> bool:
    """Whether a run sends to every account of a press, in the same way and with the same keys.

    Either all runs of a desk are drills, or none is.
    """
    wanted = {account.id for account in press.plan.accounts}
    return (
        not press.plan.unsent
        and run.settings.broker == press.settings.broker
        and wanted <= {account.id for account in run.plan.accounts}
        and _keys(run, wanted) == _keys(press, wanted)
    )


def _keys(prepared: Prepared, ids: set[int]) -> dict[int, str]:
    keys = {name: key.reveal() for name, key in prepared.keys.items()}
    return {one.id: keys.get(one.credential, "") for one in prepared.plan.accounts if one.id in ids}


def _now() -> float:
    return asyncio.get_running_loop().time()
