"""The next runs of the schedules."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from rich.console import RenderableType

from panic.render.drawing import Text, draw, indented, line
from panic.schedule.next import Due
from panic.schedule.sessions import BROKER, Session, clock


@dataclass(frozen=True)
class Line:
    """One schedule.

    Attributes:
        zone: Whose clocks its runs are shown by, beside UTC.
        runs: The next ones.
        refused: Why it would press nobody; "" where it would.
        ends: Why there are no more; "" where there are.
    """

    name: str
    at: str
    drill: bool
    zone: tzinfo
    runs: tuple[Due, ...]
    refused: str
    ends: str

    @property
    def doubt(self) -> bool:
        """Whether the calendars disagree about one of its runs."""
        return any(due.session and due.session.doubt for due in self.runs)


@dataclass(frozen=True)
class Plan:
    """All schedules, worst first.

    Attributes:
        left_out: What is wrong with those that do not run.
        fetched_at: When the broker's calendar was fetched; None where there is none.
        last: The last day of the shipped calendar.
        problems: What is wrong with the calendars.
    """

    now: datetime
    lines: tuple[Line, ...]
    left_out: tuple[str, ...]
    fetched_at: datetime | None
    last: date | None
    problems: tuple[str, ...]

    @property
    def is_in_doubt(self) -> bool:
        """Whether somebody should see to it."""
        told = any(one.refused or one.ends or one.doubt for one in self.lines)
        return told or bool(self.left_out or self.problems)


def schedule_table(plan: Plan, *, width: int = 80, colour: bool = False) -> str:
    """Draw the next runs of every schedule."""
    return draw(_parts(plan), width=width, colour=colour)


def _parts(plan: Plan) -> Iterable[RenderableType]:
    yield from (Text(f"! WILL NOT RUN: {words}", style="bold red") for words in plan.left_out)
    yield from (Text(f"! {words}", style="bold yellow") for words in plan.problems)
    if not plan.lines and not plan.left_out:
        yield Text("no schedule is set")
    for one in plan.lines:
        yield from _schedule(one, plan.now)
    yield Text(_calendars(plan), style="dim")


def _schedule(one: Line, now: datetime) -> Iterable[RenderableType]:
    yield line((one.name, "bold"), f"  {one.at}{' · DRILL' if one.drill else ''}")
    if one.refused:
        yield indented(f"! WILL PRESS NOBODY: {one.refused}", style="bold red")
    for due in one.runs:
        local = due.at.astimezone(one.zone)
        yield indented(f"{local:%a %Y-%m-%d %H:%M %Z} · {due.at:%H:%M} UTC · {_session(due.session, now)}")
        if due.why:
            yield indented(f"  {due.why}", style="yellow")
    if one.ends:
        yield indented(f"! {'then no more' if one.runs else 'WILL NOT RUN'}: {one.ends}", style="bold red")


def _session(session: Session | None, now: datetime) -> str:
    if session is None:
        return "no session"
    source = "broker's calendar" if session.source == BROKER else "shipped calendar"
    return f"closes {clock(session.closes)} ({source}, {age(session.as_of, now)})"


def _calendars(plan: Plan) -> str:
    broker = f"broker's, {age(plan.fetched_at, plan.now)}" if plan.fetched_at else "none of the broker's"
    return f"calendars: {broker}; shipped, until {plan.last or 'nowhere'}"


def age(moment: datetime, now: datetime) -> str:
    """Tell in words how old something is."""
    seconds = (now - moment) / timedelta(seconds=1)
    if seconds < 0:
        return "from the future: look at the clock"
    for unit, many in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * many:
            return f"{seconds // many:.0f} {unit} old"
    return "new"
