"""`panic orders`: every open order of a scope, as it is now. It only reads."""

import argparse
from dataclasses import astuple, fields

from panic.cli import loop, output
from panic.cli.press import scope_of
from panic.cli.tables.orders import table
from panic.kit import terminal
from panic.report.open_orders import OpenOrder, to_json
from panic.run.open_orders import a_look, open_orders, takes_s
from panic.run.press import prepare
from panic.run.roster_size import doubts_of_plan

_SILENT_S = 5.0


def do_orders(options: argparse.Namespace) -> int:
    """Read, print what is open, and return the exit code."""
    settings = output.load(options)
    prepared = prepare(settings, a_look(scope_of(options)))
    if (long_s := takes_s(prepared)) > _SILENT_S:
        accounts = len(prepared.plan.accounts)
        terminal.say(f"panic: reading {accounts:,} accounts, about {long_s:.0f} s at a third of the broker's pace")
    found = loop.run(open_orders(prepared))
    if options.format == "csv":
        columns = [field.name for field in fields(OpenOrder)]
        output.hand_over(output.rows(columns, map(astuple, found.orders)), to_json(found).decode(), options)
        terminal.say(f"panic: {found.headline}")
    else:
        output.show(to_json(found).decode(), table(found, terminal.width()), options)
    for flag in (*doubts_of_plan(settings, prepared.roster), *prepared.flags):
        terminal.say(f"! {flag.text}")
    return found.exit_code
