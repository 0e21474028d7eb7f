"""`panic schedule`: when what comes by the clock comes next, and why then. It asks nobody.

With `--plan` it reads what a schedule would cancel if it ran now, and cancels nothing.
"""

import argparse
import json
from datetime import UTC, datetime
from functools import partial

from panic import logs
from panic.census import take
from panic.cli import loop, output
from panic.config import Schedule, Settings
from panic.errors import UsageError
from panic.plan import scope_of
from panic.prepared import Press, prepare
from panic.render.schedule import schedule_table, unspared_table
from panic.schedule.outlook import LEFT_OUT, outlook, told
from panic.schedule.spared import Tally, Unspared, unspared

_MOST = 1000


def do_schedule(options: argparse.Namespace) -> int:
    """Show the next runs of every schedule, worst first; or what one of them would cancel if it ran now."""
    logs.configure(options.log_level)
    settings = output.load(options)
    if options.plan is not None:
        return _do_plan(_named(settings, options.plan), settings, options)
    plan = outlook(settings, _now(), min(options.count, _MOST))
    output.show(json.dumps(told(plan), indent=2), partial(schedule_table, plan), options)
    return 10 if plan.is_in_doubt else 0


def _now() -> datetime:
    return datetime.now(UTC)


# ── what one would cancel ───────────────────────────────────────────────────────────────────────────────────


def _named(settings: Settings, name: str) -> Schedule:
    found = next((schedule for schedule in settings.schedules if schedule.name == name), None)
    if found is None:
        why = [str(one) for one in settings.problems if one.what.startswith(f"{LEFT_OUT} {name}:")]
        known = ", ".join(schedule.name for schedule in settings.schedules) or "none"
        raise UsageError("\n".join([f"--plan {name!r}: no such schedule runs; there are: {known}", *why]))
    if found.drill:
        raise UsageError(f"--plan {name!r}: it is a drill, which cancels nothing at the broker")
    return found


def _do_plan(schedule: Schedule, settings: Settings, options: argparse.Namespace) -> int:
    press = Press(scope_of(schedule), f"the plan of {schedule.name}", source="cli", deadline_s=schedule.deadline_s)
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
