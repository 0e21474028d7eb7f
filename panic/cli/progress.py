"""Progress on standard error while a run is under way: a board on a terminal, an occasional line in a pipe."""

import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self, cast

from rich.console import Console
from rich.text import Text

from panic.engine.case import Case
from panic.engine.events import What
from panic.engine.forecast import Forecast
from panic.kit import terminal
from panic.kit.words import clip
from panic.run.overview import Mark, Overview
from panic.run.run import Run

if TYPE_CHECKING:
    from rich.live import Live

_BOARD_EVERY_S = 0.1
_LOOK_EVERY_S = 0.25  # at news, in a pipe
_FIRST_LINE_S, _LINE_EVERY_S = 1.0, 5.0
_SHARE_OF_TIME = 0.02  # that drawing may take of the loop's time, however many accounts there are
_NAMED_MOST = 8
_MOVED_S, _MOVED_SHARE = 10.0, 0.3


class Foretold:
    """Tells a forecast once, and again when the end that it promised has moved much."""

    def __init__(self) -> None:
        self._ends_s: float | None = None

    def news(self, forecast: Forecast | None, elapsed_s: float) -> str:
        """Give what there is to say; "" if it is nothing new."""
        if forecast is None:
            return ""
        ends_s, much_s = elapsed_s + forecast.proven_s, max(_MOVED_S, _MOVED_SHARE * forecast.proven_s)
        if self._ends_s is not None and (abs(ends_s - self._ends_s) < much_s or forecast.proven_s < _MOVED_S):
            return ""
        self._ends_s = ends_s
        return str(forecast)


class Progress:
    """Draws a run until it ends. Never raises and never blocks: a press does not wait for a picture of itself."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.overview: Overview | None = None
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None
        self._foretold = Foretold()
        self._next_line_s = _FIRST_LINE_S

    def follow(self, run: Run) -> None:
        """Draw this run, of which nothing has happened yet."""
        self.run, self.overview = run, Overview(run)

    def observe(self, what: What, case: Case | None) -> None:
        """Take an event of the engine."""
        if case is not None and self.overview is not None:
            self.overview.observe(case)
        if what is What.REAPPEARED and case is not None:
            prefix = clip(case.tally.reappeared_prefix(self.run.scrub), 40) if self.run else ""
            whose = f", client order ids {prefix}…" if prefix else ""
            self._say(f"account {case.account.id}: new orders after the cancel{whose}: something is still trading")
        elif what is What.SETTLED and self.run is not None and self.overview is not None:
            self._say(_provisional(self.run, self.overview))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._draw())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._live is not None:
            self._live.stop()

    def _say(self, words: str) -> None:
        if self._live is None:
            terminal.say(words)
        else:
            self._live.console.print(Text(words))

    def _board(self) -> "Live":
        from rich.live import Live  # noqa: PLC0415  (only where somebody is looking)

        errors, no_color = cast("IO[str]", terminal.errors), not terminal.colour(sys.stderr)
        console = Console(file=errors, force_terminal=True, no_color=no_color, highlight=False, markup=False)
        live = Live(console=console, auto_refresh=False, transient=True)
        live.start()
        return live

    async def _draw(self) -> None:
        took_s = 0.0
        await asyncio.sleep(_BOARD_EVERY_S)  # the first DELETEs are out before anything is drawn
        if terminal.is_terminal(sys.stderr):
            self._live = self._board()
        while True:
            every_s = _BOARD_EVERY_S if self._live else _LOOK_EVERY_S
            await asyncio.sleep(max(every_s, took_s / _SHARE_OF_TIME))
            if self.run is None or self.overview is None:
                continue
            began = time.perf_counter()
            for words in self.overview.news():
                self._say(f"{_drill(self.run)}{words}")
            if self._live is None:
                self._say_lines(self.run, self.overview)
            else:
                self._live.update(_picture(self.run, self.overview), refresh=True)
            took_s = time.perf_counter() - began

    def _say_lines(self, run: Run, overview: Overview) -> None:
        if news := self._foretold.news(run.engine.forecast, run.elapsed_s):
            terminal.say(f"{_drill(run)}{news}")
        if run.elapsed_s >= self._next_line_s:
            self._next_line_s = run.elapsed_s + _LINE_EVERY_S
            terminal.say(_status_line(run, overview))


def _drill(run: Run) -> str:
    return "DRILL " if run.drill else ""


def _status_line(run: Run, overview: Overview) -> str:
    return f"{_drill(run)}{run.elapsed_s:5.1f} s  {overview.status()}"


def _provisional(run: Run, overview: Overview) -> str:
    """Say what every account has come to; never the verdict, which only the end of a run gives."""
    pace = run.engine.deadline.pace
    watch = min(pace.watch_s, round(pace.deadline - run.story.began_at - run.elapsed_s, 1))
    line = f"{_drill(run)}{overview.so_far()} ({run.elapsed_s:.1f} s)"
    return f"{line}; watching {watch:g} s for orders that reappear" if watch and overview.progress.clear else line


def _picture(run: Run, overview: Overview) -> Text:
    left = overview.progress.left
    states = Counter[str]()
    for mark, count in overview.marks.items():
        states[str(mark)] += count
    width = max(min(terminal.width() - 2, 60), 10)
    filled = width * (len(run.cases) - left) // max(overview.accounts, 1)
    picture = Text()
    if run.drill:
        picture.append("DRILL against the simulator\n", style="bold cyan")
    picture.append(run.prepared.settings.broker.base_url + "\n", style="bold")
    picture.append("█" * filled, style="green")
    picture.append("░" * (width - filled) + "\n")
    ends_s = run.engine.deadline.pace.deadline - run.story.began_at
    picture.append(f"{_status_line(run, overview)}  (deadline {ends_s:.4g} s)\n")
    if run.engine.forecast is not None:
        picture.append(f"{run.engine.forecast}\n", style="yellow")
    picture.append("  ".join(f"{state} {count:,}" for state, count in sorted(states.items()) if count) + "\n")
    if run.engine.swept.is_set() and 0 < left <= _NAMED_MOST:
        for case in (case for case in run.cases if not case.is_concluded):
            picture.append(f"  {case.account.id} {case.account.name[:30]}: {Mark.of(case)}\n")
    return picture
