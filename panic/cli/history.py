"""`panic runs` and `panic show`: what the ledger tells."""

import argparse
from datetime import UTC, datetime, timedelta
from functools import partial

from panic.cli import output
from panic.cli.tables.history import runs_table
from panic.config import LedgerFiles
from panic.kit import logs
from panic.ledger import history
from panic.ledger.summary import Summary
from panic.service.api.views import Runs, row, to_json

_FRESH = timedelta(hours=24)
"""So long a run that nobody completed is news; then it is history, and would hide the next one."""


def do_runs(options: argparse.Namespace) -> int:
    """List runs; the exit code tells whether each of the last day's came to its end."""
    logs.configure(options.log_level)
    ledger = _ledger(options)
    found, damage = history.runs(ledger, options.limit)
    looked_in = history.looked(ledger)
    shown, now = found[: options.limit], datetime.now(UTC)
    rows = tuple(row(one, now) for one in shown)
    document = Runs("panic-runs/1", rows, len(found) - len(shown), tuple(damage), tuple(looked_in))
    draw = partial(runs_table, shown, more=len(found) - len(shown), damage=damage, looked_in=looked_in, now=now)
    output.show(to_json(document).decode(), draw, options)
    return 10 if damage or any(_is_open(one, now) for one in found) else 0


def _is_open(one: Summary, now: datetime) -> bool:
    """Whether somebody should see to a run that came to no end."""
    if one.finished is not None or one.alive:
        return False
    return one.resumable(now) or now - one.pressed.started_at < _FRESH


def _ledger(options: argparse.Namespace) -> LedgerFiles:
    """Give the ledger of the settings, or the one that is named."""
    settings = output.load(options)
    return settings.ledger if options.ledger is None else LedgerFiles(file=options.ledger)


def do_show(options: argparse.Namespace) -> int:
    """Print a report made again from the ledger; the exit code is the run's own, and 10 at least in doubt."""
    logs.configure(options.log_level)
    ledger = _ledger(options)
    report = history.recall(ledger, history.find(ledger, options.run)).report()
    output.deliver(report, options)
    return report.exit_code
