"""`panic schedule`: when what comes by the clock comes next, and why then. It asks nobody.

With `--plan` it reads what a schedule would cancel if it ran now, and cancels nothing.
"""

import argparse
import json
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import islice
from zoneinfo import ZoneInfo

from panic import config, logs
from panic.census import take
from panic.cli import loop, output
from panic.config import Schedule, Settings
from panic.errors import ConfigurationError, UsageError
from panic.prepared import Press, prepare
from panic.render.schedule import Line, Plan, schedule_table, unspared_table
from panic.roster import load as load_roster
from panic.schedule.at import WallTime
from panic.schedule.cache import cache_file, load_cache
from panic.schedule.next import Due, NoRun, upcoming
from panic.schedule.presses import refusal, scope
from panic.schedule.sessions import Calendar, exchange_zone, fallback, merge
from panic.schedule.spared import Tally, Unspared, unspared

_LEFT_OUT = "[[schedules]]"
_NEAR_DAYS = 60
"""So long before it ends the shipped calendar says so: an upgrade takes a while."""

_MOST = 1000


def do_schedule(options: argparse.Namespace) -> int:
    """Show the next runs of every schedule, worst first; or what one of them would cancel if it ran now."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    if options.plan is not None:
        return _do_plan(_named(settings, options.plan), settings, options)
    plan = _plan(settings, _now(), min(options.count, _MOST))
    output.show(json.dumps(_told(plan), indent=2), partial(schedule_table, plan), options)
    return 10 if plan.is_in_doubt else 0


def _now() -> datetime:
    return datetime.now(UTC)


def _plan(settings: Settings, now: datetime, count: int) -> Plan:
    cached = load_cache(cache_file(settings.ledger.file)) if settings.ledger.file else Calendar()
    calendar = merge(cached, fallback())
    lines = [
        _line(schedule, calendar, now, count, _refused(schedule, settings)) for schedule in settings.schedules
    ]
    lines.sort(
        key=lambda line: (
            not (line.ends or line.refused),
            not line.doubt,
            line.runs[0].at if line.runs else now,
            line.name,
        )
    )
    return Plan(
        now=now,
        lines=tuple(lines),
        left_out=tuple(str(problem) for problem in settings.problems if problem.what.startswith(_LEFT_OUT)),
        fetched_at=max((day.as_of for day in cached.days.values()), default=None),
        last=fallback().last,
        problems=(*calendar.problems, *_ending(fallback(), now)),
    )


def _refused(schedule: Schedule, settings: Settings) -> str:
    if schedule.drill:
        return ""
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
    except ConfigurationError as error:
        return str(error)
    return refusal(schedule, roster, settings.credentials)


def _line(schedule: Schedule, calendar: Calendar, now: datetime, count: int, refused: str) -> Line:
    found = list(islice(upcoming(schedule, calendar, now), count))
    when = schedule.when
    zone: tzinfo = ZoneInfo(when.zone) if isinstance(when, WallTime) else exchange_zone()
    return Line(
        name=schedule.name,
        at=schedule.at,
        drill=schedule.drill,
        zone=zone,
        runs=tuple(due for due in found if isinstance(due, Due)),
        refused=refused,
        ends=next((last.why for last in found if isinstance(last, NoRun)), ""),
    )


def _ending(shipped: Calendar, now: datetime) -> tuple[str, ...]:
    if shipped.last is None or (shipped.last - now.date()).days > _NEAR_DAYS:
        return ()
    return (f"the shipped calendar ends on {shipped.last}: upgrade panic",)


def _told(plan: Plan) -> dict[str, object]:
    return {
        "schema": "panic-schedule/1",
        "now": plan.now.isoformat(),
        "schedules": [
            {
                "name": line.name,
                "at": line.at,
                "drill": line.drill,
                "runs": [_run(due, line.zone) for due in line.runs],
                "ends": line.ends or None,
                "refused": line.refused or None,
            }
            for line in plan.lines
        ],
        "left_out": plan.left_out,
        "calendar": {
            "broker_fetched_at": plan.fetched_at and plan.fetched_at.isoformat(),
            "shipped_until": plan.last and plan.last.isoformat(),
            "problems": plan.problems,
        },
    }


def _run(due: Due, zone: tzinfo) -> dict[str, object]:
    session = due.session
    return {
        "at": due.at.isoformat(),
        "local": due.at.astimezone(zone).isoformat(),
        "key": due.key,
        "why": due.why,
        "session": session
        and {
            "day": session.day.isoformat(),
            "opens": session.opens.isoformat(),
            "closes": session.closes.isoformat(),
            "early": session.early,
            "source": session.source,
            "as_of": session.as_of.isoformat(),
            "doubt": session.doubt,
        },
    }


# ── what one would cancel ───────────────────────────────────────────────────────────────────────────────────


def _named(settings: Settings, name: str) -> Schedule:
    found = next((schedule for schedule in settings.schedules if schedule.name == name), None)
    if found is None:
        why = [str(one) for one in settings.problems if one.what.startswith(f"{_LEFT_OUT} {name}:")]
        known = ", ".join(schedule.name for schedule in settings.schedules) or "none"
        raise UsageError("\n".join([f"--plan {name!r}: no such schedule runs; there are: {known}", *why]))
    if found.drill:
        raise UsageError(f"--plan {name!r}: it is a drill, which cancels nothing at the broker")
    return found


def _do_plan(schedule: Schedule, settings: Settings, options: argparse.Namespace) -> int:
    press = Press(scope(schedule), f"the plan of {schedule.name}", source="cli", deadline_s=schedule.deadline_s)
    prepared = prepare(settings, press)
    now = _now()
    found = unspared(schedule, prepared, loop.run(take(prepared)), now)
    output.show(json.dumps(_plan_told(found), indent=2), partial(unspared_table, found), options)
    return found.exit_code


def _plan_told(found: Unspared) -> dict[str, object]:
    return {
        "schema": "panic-schedule-plan/1",
        "now": found.now.isoformat(),
        "base_url": found.base_url,
        "exit_code": found.exit_code,
        "elapsed_s": found.elapsed_s,
        "schedule": {"name": found.schedule.name, "at": found.schedule.at, "what": found.what},
        "totals": {
            "accounts": found.accounts,
            "unread": len(found.missed),
            "holders": found.holders,
            **_tally(found.totals),
        },
        "unread": [one._asdict() for one in found.missed],
        "accounts": [{"id": held.id, "name": held.name, **_tally(held.tally)} for held in found.held],
        "warnings": found.warnings,
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {
        "orders": tally.orders,
        "cannot_be_spared": tally.unspared,
        "good_till_cancel_or_date": tally.good_till,
        "for_the_close": tally.close,
        "unclear": tally.unclear,
    }
