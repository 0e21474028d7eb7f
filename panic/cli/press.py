"""`panic press`: a whole press, or with --dry-run its plan; `panic resume`: the rest of one."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

from rich.console import RenderableType

from panic.accounts.plan import Plan, Scope
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.cli import loop, neighbour, output
from panic.cli.tables.drawing import LISTED_MOST, Text, listed
from panic.engine.forecast import Forecast, planned
from panic.kit import terminal
from panic.kit.errors import by_cause
from panic.kit.words import counted
from panic.ledger.writer import Writer, open_ledger
from panic.report.document import LatchReport, Source, plan_json
from panic.report.headline import narrowing
from panic.run.pace import lanes_of
from panic.run.press import Prepared, Press, prepare, whoami
from panic.run.roster_size import doubts_of_plan

_ANSWER_S = 0.1
"""How long an answer takes where nothing is known of the broker: a guess, and said to be one."""

LARGE_ROSTER = 1_000_000
"""Bytes of a roster of some ten thousand accounts, which take half a second to read."""


_CLOSING_S = 0.5
"""The report is out: only tidying up is left, and it may not take long."""


def do_press(options: argparse.Namespace) -> int:
    """Press, print the report and return its exit code."""
    loop.stand_by()
    press = _press_of(options)
    settings = output.read(options)
    if options.dry_run:
        output.guard(options, settings)
        return _dry_run(prepare(settings, press), options)
    ledger = open_ledger(settings.ledger)  # on a thread of its own, while the roster is read
    is_large = _tell_of_a_large_roster(settings.roster.file)
    prepared = prepare(settings, press)
    if is_large:
        terminal.say(f"panic: {counted(len(prepared.plan.accounts))}: sending begins")
    return _carry_out(prepared, ledger, options)


def _tell_of_a_large_roster(file: Path) -> bool:
    """Say what takes a second or more, so that nobody takes silence for death; tell whether it does."""
    size = file.stat().st_size if file.is_file() else 0
    if size > LARGE_ROSTER:
        terminal.say(f"panic: reading {file} ({size / 1e6:.0f} MB)")
    return size > LARGE_ROSTER


def do_resume(options: argparse.Namespace) -> int:
    """Complete a run that a process left unfinished; otherwise like `press`."""
    from panic.run import resume  # noqa: PLC0415  (a press does not need it)

    loop.stand_by()
    settings = output.read(options)
    ledger = open_ledger(settings.ledger, at_once=False)
    return _carry_out(resume.prepare(settings, ledger, options.run, whoami(options.by)), ledger, options)


def _carry_out(prepared: Prepared, ledger: Writer | None, options: argparse.Namespace) -> int:
    report = loop.run(loop.with_progress(prepared, drill=False, ledger=ledger))
    output.guard_after_press(options, prepared.settings)
    output.deliver(report, options)
    if report.latch is not None:
        _tell_of_latch(report.latch, prepared)
    if ledger is not None:
        ledger.close(_CLOSING_S)
    return report.exit_code


def _tell_of_latch(latch: LatchReport, prepared: Prepared) -> None:
    """Say last of all, whatever the verdict, which strategies were not stopped."""
    if not latch.engaged:
        terminal.say(f"panic: THE LATCH IS NOT ENGAGED: {latch.text}")
    elif (beside := neighbour.look(prepared.settings)) and "latch" in beside.others:
        terminal.say(f"panic: THE SERVICE AT {beside.url} USES ANOTHER LATCH, which this press did not engage")


def _press_of(options: argparse.Namespace) -> Press:
    return Press(
        scope=scope_of(options),
        reason=options.reason,
        by=whoami(options.by),
        source=Source.CLI,
        deadline_s=options.deadline,
        concurrency=options.concurrency,
        watch_s=options.watch,
        verify=not options.no_verify,
        latch=options.latch,
    )


def scope_of(options: argparse.Namespace) -> Scope:
    """Give the scope that the options name, with its filters."""
    orders = (options.side, options.type, options.instrument_type, options.instrument)
    return Scope.of(options.all, options.group, options.account, orders)


def _dry_run(prepared: Prepared, options: argparse.Namespace) -> int:
    """Print the plan; the exit code is the best that the press could come to."""
    from panic.run.open_orders import open_now  # noqa: PLC0415  (a press does not need it)

    plan, base_url, lanes = prepared.plan, prepared.settings.broker.base_url, lanes_of(prepared.settings)
    forecast = planned(plan.accounts, lanes, verify=prepared.press.verify)
    found = (plan, base_url, forecast, loop.run(open_now(prepared, lanes)))
    lines = (*plan_table(*found), *map(Text, _expected(prepared, forecast)))
    output.show(plan_json(*found).decode(), lines, options)
    for flag in (*doubts_of_plan(prepared.settings, prepared.roster), *prepared.flags):
        terminal.say(f"! {flag.text}")
    return EXIT_CODES[Verdict.UNKNOWN if plan.unsent else Verdict.CLEAR]


def plan_table(
    plan: Plan, base_url: str, forecast: Forecast | None = None, open_now: str | None = None
) -> Iterable[RenderableType]:
    """Give what a press would do."""
    all_ = len(plan.accounts) + len(plan.unsent)
    lost = f"; {len(plan.unsent):,} of {all_:,} accounts CANNOT BE REACHED" if plan.unsent else ""
    yield Text(f"DRY RUN  nothing was cancelled{lost}", style="bold")
    yield Text(base_url)
    what = f"{plan.scope}{narrowing(plan.scope.filters.query())}"
    yield Text(f"would cancel in {counted(len(plan.accounts))} ({what})")
    if open_now is not None:
        yield Text(f"open now: {open_now}")
    groups = [f"{group or '(none)'} {count:,}" for group, count in plan.groups.items()]
    yield Text(f"groups: {listed(groups)}")
    named = [f"{account.id} {account.name}".strip() for account in plan.accounts[:LISTED_MOST]]
    yield Text(f"in this order: {listed(named, among=len(plan.accounts))}")
    if forecast is not None:
        yield Text(str(forecast))
    causes = by_cause(one.problem for one in plan.unsent)
    yield from (Text(f"cannot reach {one}", style="yellow") for one in causes[:LISTED_MOST])
    if len(causes) > LISTED_MOST:
        yield Text(f"and {len(causes) - LISTED_MOST:,} causes more; panic check lists them all")


def _expected(prepared: Prepared, forecast: Forecast | None) -> Iterable[str]:
    """Say how long it would take, and what becomes of the latch."""
    press, rounds = prepared.press, math.ceil(len(prepared.plan.accounts) / prepared.concurrency)
    if forecast is None:
        takes_s = rounds * (1 + press.verify) * _ANSWER_S
        yield f"no limit of the broker's pace is known: about {takes_s:,.1f} s, if an answer takes {_ANSWER_S:g} s"
    longer = prepared.longest_s > prepared.deadline_s
    slow = f", or {prepared.longest_s:,g} s where the broker is slow" if longer else ""
    watch = f"; once clear it reads on for {prepared.watch_s:g} s" if press.verify and prepared.watch_s else ""
    yield f"at most {prepared.deadline_s:,g} s{slow}{watch}"
    file = prepared.settings.latch.file
    if not press.latch:
        yield "the latch stays as it is: no --latch"
    else:
        yield (
            f"would engage {file} for {press.scope}" if file else "THE LATCH WOULD NOT BE ENGAGED: no [latch] file"
        )
