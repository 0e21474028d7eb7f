"""A report for people: one verdict line first, then the host, then the accounts, worst first.

Names and messages come from outside, so everything is drawn as plain `Text`: no markup is interpreted.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text as RichText

from panic import latch
from panic.check import CheckReport, State
from panic.evidence.answer import Finding, Verification
from panic.history import Summary
from panic.latch import State as LatchState
from panic.outcomes import Verdict
from panic.plan import Plan
from panic.report import AccountReport, Report, counts
from panic.reset import WILL_NOT, Engagement, Reset
from panic.words import clean

_DETAILED_MOST = 25
"""So many accounts are told one by one; the rest are listed by id. Nobody reads a thousand paragraphs."""

_ODD_MOST = 8
"""So many clear accounts with notes are told: they are for tomorrow, and must not bury the rest."""

_LISTED_MOST = 60
_NOTES_MOST = 4

STYLES = {
    Verdict.CLEAR: "bold green",
    Verdict.UNVERIFIED: "bold yellow",
    Verdict.OPEN: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.REFUSED: "bold red",
}

_HEADLINES = {
    Verdict.CLEAR: "every one of {all} accounts was read and shows no open order",
    Verdict.UNVERIFIED: "nobody saw that nothing is open in {these} of {all} accounts",
    Verdict.OPEN: "orders are still open in {these} of {all} accounts",
    Verdict.UNKNOWN: "nobody knows what became of the cancel in {these} of {all} accounts",
    Verdict.REFUSED: "the broker refused to cancel in {these} of {all} accounts",
}


class Text(RichText):
    """Text without anything that could steer the terminal, whoever wrote it."""

    def __init__(self, words: str = "", style: str = "") -> None:
        super().__init__(clean(words), style)


def table(report: Report, *, width: int = 80, colour: bool = False) -> str:
    """Draw a report as text, at most `width` columns wide."""
    return _draw(_parts(report), width=width, colour=colour)


def verdict_line(report: Report) -> Text:
    """Give the one line that a reader at 3 a.m. reads."""
    total = report.totals.accounts
    these = report.totals.verdicts.get(report.verdict, 0)
    bad = total - report.totals.verdicts.get(Verdict.CLEAR, 0)
    words = _HEADLINES[report.verdict].format(all=f"{total:,}", these=f"{these:,}")
    if report.verdict is Verdict.UNVERIFIED and not these:
        words = (
            "all accounts of the roster are clear, and the broker shows others that it does not list"
            if report.finished
            else "every account was read clear, and the run has not come to its end"
        )
    if bad > these and report.verdict is not Verdict.CLEAR:
        words += f"; {bad:,} are not clear"
    filters = _filters(_report_filters(report)).removeprefix(", ")
    only = f"({filters}; other orders were left alone)  " if filters else ""
    drill = "DRILL · " if report.drill else ""
    return _line((f"{drill}{report.verdict.upper()}", STYLES[report.verdict]), f"  {only}{words}")


def plan_table(plan: Plan, base_url: str, *, width: int = 80, colour: bool = False) -> str:
    """Draw what a press would do."""
    ids = ", ".join(str(account.id) for account in plan.accounts[:_LISTED_MOST])
    more = ", …" if len(plan.accounts) > _LISTED_MOST else ""
    parts: list[RenderableType] = [
        Text("DRY RUN  nothing was sent", style="bold"),
        Text(f"{base_url}"),
        Text(
            f"would cancel in {len(plan.accounts):,} accounts ({plan.scope}{_filters(plan.scope.filters.query())})"
        ),
        Text(f"in this order: {ids}{more}"),
    ]
    parts += [Text(f"cannot reach {one}", style="yellow") for one in plan.unsent[:_LISTED_MOST]]
    if len(plan.unsent) > _LISTED_MOST:
        parts.append(Text(f"and {len(plan.unsent) - _LISTED_MOST:,} more; panic check lists them all"))
    return _draw(parts, width=width, colour=colour)


def runs_table(
    found: Sequence[Summary],
    *,
    more: int,
    damage: Sequence[str],
    now: datetime,
    width: int = 80,
    colour: bool = False,
) -> str:
    """Draw the runs on record, in the order given; `more` are not among them."""
    return _draw(_runs_parts(found, more, damage, now), width=width, colour=colour)


def _runs_parts(
    found: Sequence[Summary], more: int, damage: Sequence[str], now: datetime
) -> Iterable[RenderableType]:
    yield from (Text(f"! {words}", style="bold yellow") for words in damage)
    if not found:
        yield Text("no run is on record")
    for one in found:
        trigger, state = one.pressed.trigger, one.state(now)
        style = STYLES[one.finished.verdict] if one.finished else "bold red"
        yield _line(
            (f"{state.upper():<10}", style),
            (f" {one.run}", "bold"),
            f"  {'DRILL · ' if one.pressed.drill else ''}{trigger.source} · {trigger.by}: {trigger.reason}",
        )
        if one.finished is None and now < one.resumable_until and not one.alive:
            yield _indented(f"→ panic resume {one.run}, until {one.resumable_until:%H:%M:%S} UTC; or press again")
    if more:
        yield Text(f"and {more:,} more: --limit")


def latch_table(found: Engagement, file: Path, *, width: int = 80, colour: bool = False) -> str:
    """Draw what is engaged."""
    state = found.state
    head = ("ENGAGED" if state.engaged else "DISENGAGED", "bold red" if state.engaged else "bold green")
    words = f"for {'everything' if state.problem else latch.listed(state.holds)}" if state.engaged else ""
    parts: list[RenderableType] = [_line(head, f"  {words}".rstrip()), Text(str(file))]
    if state.problem:
        parts.append(Text(f"! it {state.problem}, which means engaged for everything", style="yellow"))
    parts += [Text(f"! {warning}", style="yellow") for warning in found.warnings[:_LISTED_MOST]]
    for hold in found.holds[:_LISTED_MOST]:
        parts.append(Text(f"{hold}: since {hold.at}, by run {hold.run}"))
        if hold in found.doubts:
            parts.append(_indented(f"not clear: {found.doubts[hold]}"))
    if state.engaged:
        parts.append(Text('→ panic reset --reason "…" ends it'))
    return _draw(parts, width=width, colour=colour)


def reset_table(reset: Reset, state: LatchState | None, *, width: int = 80, colour: bool = False) -> str:
    """Draw what a reset did, or without a state what it would do."""
    head = ("DRY RUN", "bold") if state is None else ("RESET", "bold green")
    parts: list[RenderableType] = [_line(head, f"  this {reset}"), Text(WILL_NOT)]
    if state is not None:
        parts.append(Text(f"the latch is {state} now", style="bold"))
    parts += [Text(f"! {doubt}", style="yellow") for doubt in reset.doubts[:_LISTED_MOST]]
    if reset.forced_because:
        parts.append(Text(f"forced: {reset.forced_because}"))
    parts.append(Text(f"by {reset.by}: {reset.reason}"))
    return _draw(parts, width=width, colour=colour)


def check_table(found: CheckReport, *, width: int = 80, colour: bool = False) -> str:
    """Draw what the check found, worst first."""
    return _draw(_check_parts(found), width=width, colour=colour)


def _check_parts(found: CheckReport) -> Iterable[RenderableType]:
    good = found.states.get(State.OK, 0)
    headline = (
        "a press would work everywhere" if found.ok else "a press would not work everywhere, or not provably"
    )
    yield _line(
        ("READY" if found.ok else "NOT READY", "bold green" if found.ok else "bold red"),
        f"  {headline}: {good:,} of {len(found.accounts):,} accounts can be read",
    )
    skew = "not known" if found.clock_skew_s is None else f"{found.clock_skew_s:+.2f} s"
    yield Text(found.base_url, style="bold")
    yield Text(f"took {found.elapsed_s:.1f} s · clock skew {skew} · roster {found.roster_digest[:19]}")
    yield from (Text(f"! {warning}", style="yellow") for warning in found.warnings)
    bad = [account for account in found.accounts if account.state is not State.OK]
    for account in bad[:_LISTED_MOST]:
        request = f", request {account.request_id}" if account.request_id else ""
        yield _line(
            (f"{account.state.upper():<12}", "bold red"),
            f"{account.id} {account.name}: {_REMEDIES[account.state]} "
            f"({account.error or account.status}{request})",
        )
    if len(bad) > _LISTED_MOST:
        yield Text(f"and {len(bad) - _LISTED_MOST:,} more: --format json lists them all")
    yield Text("Reads prove host, key, route and read permission; the right to cancel only a cancel can prove.")


_REMEDIES = {
    State.REFUSED: "this key may not read it; give it a key that may, or correct the id",
    State.UNREACHABLE: "no valid answer; check the network, the host and the broker's status",
    State.MISSING: "the broker does not list it; correct the id or take it out of the roster",
    State.CLOSED: "the broker says it is closed; take it out of the roster or mark it excluded",
}


def evidence_table(found: Verification, *, width: int = 80, colour: bool = False) -> str:
    """Draw what became of a check of evidence, worst first."""
    return _draw(_evidence_parts(found), width=width, colour=colour)


def _evidence_parts(found: Verification) -> Iterable[RenderableType]:
    yield _line((found.finding.upper(), _FINDING_STYLES[found.exit_code]), f"  {_FINDINGS[found.finding]}")
    faults = [f"! {f'{one.volume}: ' if one.volume else ''}{one.text}" for one in found.faults[:_FAULTS_MOST]]
    yield from (Text(words, style="bold red") for words in faults)
    more = len(found.faults) - len(faults) + found.more_faults
    if more:
        yield Text(f"and {more:,} more: --format json lists {len(found.faults):,}", style="bold red")
    for words in (found.doubts, found.notes):
        yield from (Text(f"· {one}", style="yellow") for one in words[:_FAULTS_MOST])
        if len(words) > _FAULTS_MOST:
            yield Text(f"· and {len(words) - _FAULTS_MOST:,} more: --format json", style="yellow")
    for volume in found.volumes:
        anchored = f"anchored up to event {volume.anchored}" if volume.anchored else "not anchored"
        span = "no event" if volume.first is None else f"events {volume.first} to {volume.last}"
        yield Text(f"{volume.name}: {span}, {volume.in_full:,} told in full · {anchored}")
    for run in found.runs[:_LISTED_MOST]:
        verdict = Verdict(run.verdict) if run.verdict else None
        yield Text()
        yield _line(
            (f"{(verdict or 'not known').upper():<10}", STYLES[verdict] if verdict and run.anchored else "dim"),
            (f" {run.run}", "bold"),
            f"  {'DRILL · ' if run.drill else ''}{run.base_url}",
        )
        if run.started_at:
            yield _indented(f"pressed {run.started_at} by {run.by}: {run.reason}")
        anchored = "anchored" if run.anchored else "not anchored"
        yield _indented(f"{run.state} · {run.events:,} events, {anchored} · its report {run.report}")
    if len(found.runs) > _LISTED_MOST:
        yield Text(f"and {len(found.runs) - _LISTED_MOST:,} more runs: --format json lists them all")
    yield Text()
    yield Text(f"The file says of itself, and nothing proves it: {found.said or 'nothing'}", style="dim")


_FAULTS_MOST = 20
_FINDING_STYLES = {0: "bold green", 10: "bold yellow", 20: "bold red"}
_FINDINGS = {
    Finding.ANCHORED: "the heads that were kept prove every event told here, and every run is whole",
    Finding.PARTLY: "nothing is wrong, but the heads that were kept do not prove all of it",
    Finding.CONSISTENT: "nothing is wrong, but whoever can write the file could have made all of it",
    Finding.ALTERED: "this is not what was recorded, or not all of it",
}


def _line(*pieces: str | tuple[str, str]) -> Text:
    """Join pieces of text, each plain or with a style."""
    line = Text("")
    for piece in pieces:
        words, style = (piece, "") if isinstance(piece, str) else piece
        line.append(clean(words), style=style)
    return line


def _draw(parts: Iterable[RenderableType], *, width: int, colour: bool) -> str:
    target = io.StringIO()
    console = Console(
        file=target,
        width=max(width, 40),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())


def _parts(report: Report) -> Iterable[RenderableType]:
    if report.drill:
        yield Text("DRILL  against the embedded simulator. No order at any broker was touched.", style="bold cyan")
    yield verdict_line(report)
    yield Text(f"{report.base_url}", style="bold")
    yield from _circumstances(report)
    yield from _record(report)
    yield from (Text(f"! {flag.text}", style="yellow") for flag in report.flags)
    yield from _accounts(report)
    yield from _sums(report)


def _circumstances(report: Report) -> Iterable[Text]:
    trigger, scope, timings = report.trigger, report.scope, report.timings
    what = "all accounts" if scope.all else ", ".join([*scope.groups, *map(str, scope.accounts)])
    yield Text(f"{what}{_filters(_report_filters(report))} · {counts(report)}")
    sent = "-" if timings.last_first_delete_s is None else f"{timings.last_first_delete_s:.2f} s"
    yield Text(
        f"pressed {report.started_at:%Y-%m-%d %H:%M:%S} UTC by {trigger.by}: {trigger.reason}\n"
        f"run {report.run_id} · last first DELETE after {sent} · took {timings.total_s:.1f} s "
        f"of {timings.deadline_s:g} s"
    )


def _report_filters(report: Report) -> dict[str, str]:
    filters = report.scope.filters
    return {
        "side": filters.side or "",
        "type": filters.type or "",
        "instrument_type": filters.instrument_type or "",
        "instrument_ids": ",".join(filters.instrument_ids),
    }


def _filters(filters: dict[str, str]) -> str:
    words = ", ".join(f"{name} {value}" for name, value in filters.items() if value)
    return f", only {words}" if words else ""


def _record(report: Report) -> Iterable[Text]:
    for one in report.resumed:
        yield Text(f"taken up again {one.at:%Y-%m-%d %H:%M:%S} UTC by {one.by}")
    if report.latch is not None:
        yield Text(f"latch: {report.latch.text}", style="" if report.latch.engaged else "bold red")
    if report.ledger_head is not None:
        yield Text(f"ledger head {report.ledger_head}", style="dim")


def _accounts(report: Report) -> Iterable[RenderableType]:
    bad = [account for account in report.accounts if account.verdict is not Verdict.CLEAR]
    for account in bad[:_DETAILED_MOST]:
        yield Text()
        yield from _account(account)
    yield from _rest(bad[_DETAILED_MOST:])
    clear = [account for account in report.accounts if account.verdict is Verdict.CLEAR]
    if clear:
        yield Text()
        yield from _clear(clear)


def _account(account: AccountReport) -> Iterable[RenderableType]:
    who = " · ".join(part for part in (account.name, account.group, account.owner) if part)
    name = "(no readable id)" if account.id is None else str(account.id)
    standing = f"read {account.standing}" + (f" at {account.as_of:%H:%M:%S}" if account.as_of else "")
    count = f" · {account.orders.open} open" if account.orders.open else ""
    yield _line(
        (f"{account.verdict.upper():<10}", STYLES[account.verdict]),
        (f" {name}", "bold"),
        f"  {who}" if who else "",
    )
    yield _indented(f"cancel {account.outcome} · {standing}{count} · {_attempts(account)}")
    yield _indented(f"→ {account.next_step}")
    for note in account.notes[:_NOTES_MOST]:
        yield _indented(f"· {note}", style="dim")


def _attempts(account: AccountReport) -> str:
    deletes = [attempt for attempt in account.attempts if attempt.method == "DELETE"]
    if not deletes:
        return "nothing sent"
    last = deletes[-1]
    result = last.error or f"HTTP {last.status}"
    return f"{len(deletes)} DELETE{'s' * (len(deletes) != 1)}, the last: {result}"


def _rest(accounts: Sequence[AccountReport]) -> Iterable[RenderableType]:
    for verdict in dict.fromkeys(account.verdict for account in accounts):
        ids = [str(account.id or account.name) for account in accounts if account.verdict is verdict]
        more = ", …" if len(ids) > _LISTED_MOST else ""
        yield Text()
        yield _line((f"{verdict.upper():<10}", STYLES[verdict]), f" {len(ids):,} more accounts")
        yield _indented(", ".join(ids[:_LISTED_MOST]) + more)
        yield _indented("→ --format json or --output FILE tells of each of them what to do")


def _clear(accounts: Sequence[AccountReport]) -> Iterable[RenderableType]:
    times = sorted(account.as_of for account in accounts if account.as_of)
    when = f", read between {times[0]:%H:%M:%S} and {times[-1]:%H:%M:%S} UTC" if times else ""
    yield _line(("CLEAR     ", STYLES[Verdict.CLEAR]), f" {len(accounts):,} accounts{when}")
    odd = [account for account in accounts if account.notes]
    for account in odd[:_ODD_MOST]:
        yield _indented(f"{account.id}: {'; '.join(account.notes[:_NOTES_MOST])}", style="dim")
    if len(odd) > _ODD_MOST:
        yield _indented(f"and {len(odd) - _ODD_MOST:,} more with notes in the JSON report", style="dim")


def _sums(report: Report) -> Iterable[Text]:
    orders, coverage = report.totals.orders, report.coverage
    yield Text()
    yield Text(
        f"orders: {orders.accepted:,} accepted for cancel, {orders.canceled:,} seen cancelled, "
        f"{orders.filled:,} filled meanwhile, {orders.open:,} seen open"
    )
    if report.totals.fills:
        words = ", ".join(f"{fill.side} {fill.quantity:,} {fill.symbol}".strip() for fill in report.totals.fills)
        yield Text(f"fills during the run: {words}")
    if not report.scope.verify:
        yield Text("coverage: nothing was read (--no-verify); accepted is not cancelled")
        return
    yield Text(
        f"coverage: {coverage.accounts_clear:,} accounts read clear; open statuses over "
        f"{coverage.open_lookback_s / 86_400:.0f} days, any status over "
        f"{coverage.recent_lookback_s / 3600:.0f} hours, "
        f"{coverage.named_seen_ended:,} of {coverage.named_orders:,} named orders seen ended"
    )


def _indented(words: str, style: str = "") -> Padding:
    return Padding(Text(words, style=style), (0, 0, 0, 2))
