"""`panic schedule`: when schedules run next, and why then; with `--orders` what they would cancel now."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter
from rich.console import RenderableType

from panic.accounts.plan import scope_of
from panic.cli import loop, output
from panic.cli.tables.drawing import Text, indented, line
from panic.config import Schedule, Settings
from panic.run.open_orders import a_look, open_now
from panic.run.pace import lanes_of
from panic.run.press import prepare
from panic.service.schedule.calendar import BROKER, Session, clock
from panic.service.schedule.outlook import Scheduled, Schedules, outlook

_MOST = 1000


def do_schedule(options: argparse.Namespace) -> int:
    """Show the next runs of every schedule, worst first."""
    settings = output.load(options)
    plan = outlook(settings, _now(), min(options.count, _MOST))
    if options.orders:
        named = {one.name: one for one in settings.schedules}
        asked = [replace(one, open_now=_open_now(one, named[one.name], settings)) for one in plan.schedules]
        plan = replace(plan, schedules=tuple(asked))
    output.show(TypeAdapter(Schedules).dump_json(plan, indent=2).decode(), schedule_table(plan), options)
    return 10 if plan.is_in_doubt else 0


def _open_now(one: Scheduled, schedule: Schedule, settings: Settings) -> str | None:
    if one.accounts is None:  # a drill, or one that would press nobody
        return None
    return loop.run(open_now(prepare(settings, a_look(scope_of(schedule))), lanes_of(settings)))


def _now() -> datetime:
    return datetime.now(UTC)


def schedule_table(plan: Schedules) -> Iterable[RenderableType]:
    """Give the next runs of every schedule."""
    yield from (Text(f"! WILL NOT RUN: {words}", style="bold red") for words in plan.left_out)
    yield from (Text(f"! {words}", style="bold yellow") for words in plan.calendar.problems)
    if not plan.schedules and not plan.left_out:
        yield Text("no schedule is set")
    for one in plan.schedules:
        yield from _schedule(one, plan.now)
    yield Text(_calendars(plan), style="dim")


def _schedule(one: Scheduled, now: datetime) -> Iterable[RenderableType]:
    yield line((one.name, "bold"), f"  {one.at}{' · DRILL' if one.drill else ''}")
    if one.refused:
        yield indented(f"! WILL PRESS NOBODY: {one.refused}", style="bold red")
    for due in one.runs:
        yield indented(f"{due.local:%a %Y-%m-%d %H:%M %Z} · {due.at:%H:%M} UTC · {_session(due.session, now)}")
        if due.why:
            yield indented(f"  {due.why}", style="yellow")
    if one.open_now:
        yield indented(f"would cancel now: {one.open_now}")
    if one.ends:
        yield indented(f"! {'then no more' if one.runs else 'WILL NOT RUN'}: {one.ends}", style="bold red")


def _session(session: Session | None, now: datetime) -> str:
    if session is None:
        return "no session"
    source = "broker's calendar" if session.source == BROKER else "shipped calendar"
    return f"closes {clock(session.closes)} ({source}, {_age(session.as_of, now)})"


def _calendars(plan: Schedules) -> str:
    fetched_at, until = plan.calendar.broker_fetched_at, plan.calendar.shipped_until
    broker = f"broker's, {_age(fetched_at, plan.now)}" if fetched_at else "none of the broker's"
    return f"calendars: {broker}; shipped, until {until or 'nowhere'}"


def _age(moment: datetime, now: datetime) -> str:
    return f"{(now - moment) / timedelta(hours=1):.0f} hours old"
