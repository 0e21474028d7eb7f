"""`panic latch` and `panic reset`: what is engaged, and the deliberate act that ends it."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.console import RenderableType

from panic import latch
from panic.accounts.plan import Scope
from panic.cli import output
from panic.cli.tables.drawing import LISTED_MOST, Text, indented, line
from panic.config import Settings
from panic.kit import terminal
from panic.kit.errors import UsageError
from panic.run import engagement, reset
from panic.run.asked import user
from panic.run.press import whoami

ENGAGED = 20


def do_latch(options: argparse.Namespace) -> int:
    """Print what is engaged, or set the latch up; the exit code says whether anything is engaged."""
    settings = output.load(options)
    file = settings.latch.file
    if file is None:
        raise UsageError("the settings name no [latch] file")
    if options.create:
        _create(settings, file)
        terminal.say(f"panic: the latch {file} is set up, disengaged")
    found = engagement.look(settings)
    document = json.dumps(asdict(found.view(str(file))), indent=2)
    output.show(document, latch_table(found, file), options)
    return ENGAGED if found.state.engaged or found.lost else 0


def _create(settings: Settings, file: Path) -> None:
    """Set the latch up, unless that would end what was engaged before the file was lost, as on a RAM disk."""
    found = engagement.look(settings, walk=True)
    if found.damage:
        words = "\n".join(found.damage)
        raise UsageError(
            f"{words}\nSo nobody knows whether something is engaged: repair the ledger, or say that nothing is by "
            'panic reset --reason "…" --force "…", which sets the latch up as well'
        )
    if found.recorded and found.state.problem:
        held, wrong = latch.listed(found.recorded), found.state.problem
        raise UsageError(
            f"the latch {file} {wrong}, and the ledger says that {held} is engaged: panic reset ends that"
        )
    latch.create(file)


def do_reset(options: argparse.Namespace) -> int:
    """End the engaged state, or ask another person to, and say what that does and does not do."""
    settings = output.load(options)
    scope = Scope.of(options.all, options.group, options.account)
    reset.require_reason(options.reason)
    found = engagement.look(settings, walk=True)
    by = whoami(options.by)
    prepared = reset.prepare(
        settings, scope, found, person=user(), by=by, reason=options.reason, force=options.force
    )
    state = None if options.dry_run else reset.carry_out(settings, prepared)
    document = json.dumps(asdict(prepared.view(state)), indent=2)
    output.show(document, reset_table(prepared, state), options)
    return ENGAGED if state is not None and prepared.document.awaits_another else 0


def latch_table(found: engagement.Engagement, file: Path) -> Iterable[RenderableType]:
    """Give what is engaged."""
    state = found.state
    words = f"for {'everything' if state.problem else latch.listed(state.holds)}" if state.engaged else ""
    head = ("ENGAGED", "bold red") if state.engaged else ("DISENGAGED", "bold green")
    yield line(head, f"  {words}".rstrip())
    yield Text(str(file))
    if state.problem:
        yield Text(f"! it {state.problem}, which means engaged for everything", style="yellow")
    yield from (Text(f"! {warning}", style="yellow") for warning in found.warnings[:LISTED_MOST])
    for hold in found.holds[:LISTED_MOST]:
        yield Text(f"{hold}: since {hold.at}, by run {hold.run}")
        if hold in found.doubts:
            yield indented(f"not clear: {found.doubts[hold]}")
    for one in found.asked[:LISTED_MOST]:
        ends = latch.listed(latch.Hold(*hold) for hold in one.holds) if one.holds else "everything"
        yield Text(f"{one.by} asked to end {ends} at {one.at}: another person must, too")
    if state.engaged:
        yield Text('→ panic reset --reason "…" ends it')


def reset_table(done: reset.Reset, state: latch.State | None) -> Iterable[RenderableType]:
    """Give what a reset did, or without a state what it would do."""
    asks = done.document.awaits_another
    carried_out = ("ASKED", "bold yellow") if asks else ("RESET", "bold green")
    yield line(("DRY RUN", "bold") if state is None else carried_out, f"  this {done}")
    yield Text(reset.WILL_NOT)
    if state is not None:
        yield Text(f"the latch is {state} now", style="bold")
    yield from (Text(f"! {doubt}", style="yellow") for doubt in done.document.doubts[:LISTED_MOST])
    if done.document.forced_because:
        yield Text(f"forced: {done.document.forced_because}")
    if done.document.asked_by:
        yield Text(f"asked for by {done.document.asked_by}")
    yield Text(f"by {done.document.by}: {done.document.reason}")
    yield from (Text(f"looked in {file}", style="dim") for file in done.document.looked_in)
