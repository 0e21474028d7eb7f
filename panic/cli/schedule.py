"""`panic schedule`: when what comes by the clock comes next, and why then. It asks nobody."""

import argparse
import json
from datetime import UTC, datetime
from functools import partial

from panic.cli import output
from panic.cli.tables.schedule import schedule_table
from panic.kit import logs
from panic.service.schedule.outlook import outlook

_MOST = 1000


def do_schedule(options: argparse.Namespace) -> int:
    """Show the next runs of every schedule, worst first."""
    logs.configure(options.log_level)
    plan = outlook(output.load(options), _now(), min(options.count, _MOST))
    output.show(json.dumps(plan.document(), indent=2), partial(schedule_table, plan), options)
    return 10 if plan.is_in_doubt else 0


def _now() -> datetime:
    return datetime.now(UTC)
