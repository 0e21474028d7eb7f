"""`panic latch` and `panic reset`: what is engaged, and the deliberate act that ends it."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from panic import latch
from panic.accounts.plan import Scope
from panic.cli import output
from panic.cli.tables.latch import latch_table, reset_table
from panic.config import Settings
from panic.kit import logs, terminal
from panic.kit.errors import UsageError
from panic.run import engagement, reset
from panic.run.press import whoami

ENGAGED = 20


def do_latch(options: argparse.Namespace) -> int:
    """Print what is engaged, or set the latch up; the exit code tells whether anything is."""
    logs.configure(options.log_level)
    settings = output.load(options)
    file = settings.latch.file
    if file is None:
        raise UsageError("the settings name no [latch] file")
    if options.create:
        _create(settings, file)
        terminal.say(f"panic: the latch {file} is set up, disengaged")
    found = engagement.look(settings)
    document = json.dumps(asdict(found.view(str(file))), indent=2)
    output.show(document, partial(latch_table, found, file), options)
    return ENGAGED if found.state.engaged or found.lost else 0


def _create(settings: Settings, file: Path) -> None:
    """Set the latch up, unless that would end what somebody engaged before all of it went, as with a RAM disk."""
    found = engagement.look(settings, walk=True)
    if found.damage:
        words = "\n".join(found.damage)
        raise UsageError(
            f"{words}\nSo nobody knows whether something is engaged: mend the ledger, or say that nothing is by "
            'panic reset --reason "…" --force "…", which sets the latch up as well'
        )
    if found.recorded and found.state.problem:
        held, wrong = latch.listed(found.recorded), found.state.problem
        raise UsageError(
            f"the latch {file} {wrong}, and the ledger says that {held} is engaged: panic reset ends that"
        )
    latch.create(file)


def do_reset(options: argparse.Namespace) -> int:
    """End the engaged state, and say what that does and what not."""
    logs.configure(options.log_level)
    settings = output.load(options)
    scope = Scope.of(options.all, options.group, options.account)
    by = options.by or whoami()
    prepared = reset.prepare(settings, scope, by=by, reason=options.reason, force=options.force)
    state = None if options.dry_run else reset.carry_out(settings, prepared)
    document = json.dumps(asdict(prepared.view(state)), indent=2)
    output.show(document, partial(reset_table, prepared, state), options)
    return 0
