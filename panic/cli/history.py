"""`panic runs` and `panic show`: what the ledger says."""

import argparse
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic_core import to_json
from rich.console import RenderableType

from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.cli import output
from panic.cli.evidence import heads_of
from panic.cli.tables.drawing import STYLES, Text, indented, line
from panic.config import LedgerFiles
from panic.kit import terminal
from panic.kit.errors import UsageError
from panic.ledger import history, signing
from panic.ledger.evidence.export import Asked, export
from panic.ledger.evidence.verify import Finding, verify
from panic.ledger.summary import Summary
from panic.report.document import counts
from panic.report.headline import scope_words
from panic.run.press import whoami
from panic.service.api.views import Runs, row

_HEADS = "reports, notifications and the service's log have heads, --head N:HASH takes one"
_IN_DOUBT = EXIT_CODES[Verdict.UNVERIFIED]

_FRESH = timedelta(hours=24)
"""How long an unfinished run affects the exit code; longer, and it would hide the next one."""


def do_runs(options: argparse.Namespace) -> int:
    """List runs; the exit code says whether all of the last day's runs finished."""
    ledger = _ledger(options)
    found, damage = history.runs(ledger, options.limit)
    looked_in = history.looked(ledger)
    shown, now = found[: options.limit], datetime.now(UTC)
    rows = tuple(row(one, now) for one in shown)
    document = Runs("panic-runs/1", rows, len(found) - len(shown), tuple(damage), tuple(looked_in))
    lines = runs_table(shown, len(found) - len(shown), damage, looked_in, now)
    output.show(to_json(document, indent=2).decode(), lines, options)
    return 10 if damage or any(_is_open(one, now) for one in found) else 0


def _is_open(one: Summary, now: datetime) -> bool:
    """Whether an unfinished run needs somebody's attention."""
    if one.finished is not None or one.alive:
        return False
    return one.resumable(now) or now - one.pressed.started_at < _FRESH


def _ledger(options: argparse.Namespace) -> LedgerFiles:
    """Return the ledger that the options name, else the one in the settings."""
    settings = output.load(options)
    if options.ledger is not None and not os.path.lexists(options.ledger):
        raise UsageError(f"--ledger {options.ledger} is not there: name the right file")
    named = {} if options.ledger is None else {"file": options.ledger}
    return settings.ledger.model_copy(update=named)


def do_show(options: argparse.Namespace) -> int:
    """Print a report rebuilt from the ledger; the exit code is the run's own, or at least 10 in doubt."""
    ledger, heads = _ledger(options), heads_of(options)
    run = history.find(ledger, options.run)
    report = history.recall(ledger, run).report(now=True)
    output.deliver(report, options)
    signed = signing.signed_beside(ledger)
    if not heads and not signed:
        head = f"compare {report.ledger_head}" if report.ledger_head else "there is no head of its end to compare"
        terminal.say(f"panic: not anchored: nothing outside the ledger vouches for this; {head}: {_HEADS}")
        return report.exit_code
    _, lines = export(history.read(ledger, whole=True), Asked(run), by=whoami(), at=datetime.now(UTC))
    found = verify(lines, heads, signed)
    terminal.say(f"panic: {found.finding}{'' if not found.faults else f': {found.faults[0].text}'}")
    is_in_doubt = found.finding is Finding.ALTERED or (heads and found.finding is not Finding.ANCHORED)
    return max(report.exit_code, _IN_DOUBT) if is_in_doubt else report.exit_code


def runs_table(
    found: Sequence[Summary], more: int, damage: Sequence[str], looked_in: Iterable[object], now: datetime
) -> Iterable[RenderableType]:
    """Give the runs on record, in the order given; `more` are not among them."""
    yield from (Text(f"! {words}", style="bold yellow") for words in damage)
    if not found:
        yield Text("no run can be read" if damage else "no run is on record")
    for one in found:
        trigger, state = one.pressed.trigger, one.state(now)
        style = STYLES[one.finished.verdict] if one.finished else "bold red"
        yield line(
            (f"{state.upper():<10}", style),
            (f" {one.run}", "bold"),
            f"  {'DRILL · ' if one.pressed.drill else ''}{trigger.source} · {trigger.by}: {trigger.reason}",
        )
        ended, what = one.finished, [scope_words(one.pressed.scope)]
        if ended is not None:
            what += [words for words in (counts(ended.verdicts), f"took {ended.timings.total_s:,.1f} s") if words]
        yield indented(" · ".join(what))
        if one.resumable(now) and not one.alive:
            yield indented(f"→ panic resume {one.run}, until {one.resumable_until:%H:%M:%S} UTC; or press again")
    if more:
        yield Text(f"and {more:,} more: --limit")
    yield from (Text(f"looked in {file}", style="dim") for file in looked_in)
