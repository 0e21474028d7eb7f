"""`panic runs` and `panic show`: what the ledger tells."""

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from panic import config, history, logs
from panic.cli import output
from panic.errors import UsageError
from panic.history import Summary
from panic.render.history import runs_table
from panic.report import Flag
from panic.words import clip


def do_runs(options: argparse.Namespace) -> int:
    """List runs; the exit code tells whether each came to its end."""
    logs.configure(options.log_level)
    found, damage = history.runs(config.load(options.config).ledger)
    shown, now = found[: options.limit], datetime.now(UTC)
    document = {
        "schema": "panic-runs/1",
        "runs": [_told(one, now) for one in shown],
        "more": len(found) - len(shown),
        "damage": damage,
    }
    draw = partial(runs_table, shown, more=len(found) - len(shown), damage=damage, now=now)
    output.show(json.dumps(document, indent=2), draw, options)
    return 10 if damage or any(one.finished is None and not one.alive for one in found) else 0


def _told(one: Summary, now: datetime) -> dict[str, object]:
    pressed, finished = one.pressed, one.finished
    return {
        "run_id": one.run,
        "state": one.state(now),
        "verdict": finished and finished.verdict,
        "exit_code": finished and finished.exit_code,
        "drill": pressed.drill,
        "started_at": pressed.started_at.isoformat(),
        "finished_at": finished and finished.finished_at.isoformat(),
        "resumable_until": None if finished else one.resumable_until.isoformat(),
        "process": str(one.process),
        "base_url": pressed.base_url,
        "source": pressed.trigger.source,
        "by": pressed.trigger.by,
        "reason": pressed.trigger.reason,
    }


def do_show(options: argparse.Namespace) -> int:
    """Print a report made again from the ledger; the exit code is the run's own."""
    logs.configure(options.log_level)
    ledger = config.load(options.config).ledger
    past = history.recall(ledger, history.find(ledger, options.run))
    try:
        report = past.replay.report(past.head)
    except ValueError as error:
        raise UsageError(f"run {past.replay.run}: {error}") from error
    damage = [Flag("record_damaged", clip(words, 500)) for words in (*past.damage, *past.faults)]
    report = replace(report, flags=tuple(dict.fromkeys([*damage, *report.flags])))
    output.deliver(report, options)
    return report.exit_code
