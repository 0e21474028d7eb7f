"""The next runs of the schedules, and what one of them would cancel."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rich.console import RenderableType

from panic.render.drawing import LISTED_MOST, Text, draw, indented, line
from panic.schedule.outlook import Line, Outlook
from panic.schedule.sessions import BROKER, Session, clock
from panic.schedule.spared import Missed, Tally, Unspared


def schedule_table(plan: Outlook, *, width: int = 80, colour: bool = False) -> str:
    """Draw the next runs of every schedule."""
    return draw(_parts(plan), width=width, colour=colour)


def _parts(plan: Outlook) -> Iterable[RenderableType]:
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


def _calendars(plan: Outlook) -> str:
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


def unspared_table(found: Unspared, *, width: int = 80, colour: bool = False) -> str:
    """Draw what a schedule would cancel if it ran now."""
    return draw(_unspared_parts(found), width=width, colour=colour)


def _unspared_parts(found: Unspared) -> Iterable[RenderableType]:
    totals, missed = found.totals, found.missed
    least = "at least " if missed else ""
    yield line(
        (f"{found.schedule.name}: {least}{totals.unspared:,}", "bold"),
        f" of {least}{totals.orders:,} open orders cannot be spared: {_terms(totals)}",
    )
    yield Text(found.base_url, style="bold")
    read = found.accounts - len(missed)
    yield Text(f"{found.schedule.at} · {found.what} · {read:,} of {found.accounts:,} accounts read")
    yield from (Text(f"! {warning}", style="yellow") for warning in found.warnings)
    yield from (_unread(one) for one in missed[:LISTED_MOST])
    if len(missed) > LISTED_MOST:
        yield Text(f"and {len(missed) - LISTED_MOST:,} more not read: --format json lists them all")
    for held in found.held:
        yield line(
            (f"{held.id} {held.name}".rstrip(), "bold"),
            f": {held.tally.unspared:,} of {held.tally.orders:,} open orders: {_terms(held.tally)}",
        )
    if found.holders > len(found.held):
        yield Text(f"and {found.holders - len(found.held):,} more accounts with fewer")
    yield Text("Nothing was cancelled; these are the orders of now, not of the time it runs.", style="dim")


def _terms(tally: Tally) -> str:
    unclear = f", and {tally.unclear:,} whose terms are unclear" if tally.unclear else ""
    return f"{tally.good_till:,} good till cancelled or till a date, {tally.close:,} for the close{unclear}"


def _unread(one: Missed) -> Text:
    request = f" (request {one.request_id})" if one.request_id else ""
    who = "a row of the roster" if one.id is None else f"{one.id} {one.name}".rstrip()
    return line(("REFUSED     " if one.refused else "NOT READ    ", "bold red"), f"{who}: {one.why}{request}")
