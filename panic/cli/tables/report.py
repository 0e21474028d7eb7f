"""A report: one verdict line first, then the host, then the accounts, worst first."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.console import RenderableType

from panic.broker.outcomes import NEVER_LEFT, Verdict, worst
from panic.cli.tables.drawing import STYLES, Text, indented, line, listed
from panic.kit.words import counted, money
from panic.report.document import LEFT_OUT, NEVER_CLEAR, UNDER_WAY, AccountReport, Report, counts
from panic.report.headline import filters_of, headline, scope_words
from panic.report.order_list import NAMING, largest_open

_MEMBERS_MOST = 10
"""Accounts of one cause that have a line of their own; the rest are listed by id."""

_ODD_MOST = 8
"""Clear accounts whose notes are shown: these can wait, and must not bury the rest."""

_NOTES_MOST = 4
_ORDERS_MOST = 5
_QUOTING = ", quoting "
_PACES_MOST = 6


def verdict_line(report: Report) -> Text:
    """Give the one line that a reader at 3 a.m. reads."""
    drill = "DRILL · " if report.drill else ""
    verdict, so_far = report.verdict, ""
    if any(flag.code == UNDER_WAY for flag in report.flags):
        so_far = " SO FAR"  # as the terminal of the press says; unverified, as it would be called, alarms in vain
        verdict = (
            worst(*report.totals.verdicts) if not any(f.code in NEVER_CLEAR for f in report.flags) else verdict
        )
    return line((f"{drill}{verdict.upper()}{so_far}", STYLES[verdict]), f"  {headline(report)}")


def table(report: Report) -> Iterable[RenderableType]:
    """Give the lines of a report; the verdict is the last one too, because a screen scrolls."""
    yield verdict_line(report)
    if report.drill:
        yield Text("DRILL  against the embedded simulator. No order at any broker was touched.", style="bold cyan")
    yield from (Text(f"! {flag.text}", style="bold red") for flag in report.flags if flag.code in LEFT_OUT)
    if report.latch is not None and not report.latch.engaged:
        yield Text(f"! THE LATCH IS NOT ENGAGED: {report.latch.text}", style="bold red")
    yield Text(f"{report.base_url}", style="bold")
    yield from _circumstances(report)
    yield from _record(report)
    yield from (Text(f"! {flag.text}", style="yellow") for flag in report.flags if flag.code not in LEFT_OUT)
    yield from _accounts(report)
    yield from _sums(report)
    yield Text()
    yield verdict_line(report)


def _circumstances(report: Report) -> Iterable[Text]:
    trigger, timings = report.trigger, report.timings
    yield Text(f"{scope_words(report.scope)} · {counts(report.totals.verdicts)}")
    yield Text(
        f"pressed {report.started_at:%Y-%m-%d %H:%M:%S} UTC by {trigger.by}: {trigger.reason}\n"
        f"run {report.run_id} · {_sent(report)} · took {timings.total_s:.1f} s "
        f"of {timings.deadline_s:g} s"
    )
    if timings.paces:
        paces = [f"{one.credential} about {one.requests_per_second:g}" for one in timings.paces[:_PACES_MOST]]
        more = ", …" if len(timings.paces) > _PACES_MOST else ""
        refused = sum(one.refused for one in timings.paces)
        yield Text(
            f"requests a second that the broker lets through: {', '.join(paces)}{more} · "
            f"{refused:,} refused · {timings.waited_s:.1f} s of waiting"
        )


def _sent(report: Report) -> str:
    """Say when the last account was sent its first cancel, and never of some as if it were all."""
    total, after_s = report.totals.accounts, report.timings.last_first_delete_s
    sent = total - sum(report.totals.outcomes.get(outcome, 0) for outcome in NEVER_LEFT)
    if not sent:
        return "nothing was sent"
    after = "" if after_s is None else f" after {after_s:.2f} s"
    if sent < total:
        return f"{sent:,} of {counted(total)} sent{', the last' if after else ''}{after}"
    return f"last account sent{after}" if after else "all accounts sent"


def _record(report: Report) -> Iterable[Text]:
    for joined in report.joined:
        again = f", {joined.sent_again:,} accounts sent again" if joined.sent_again else ""
        yield Text(f"pressed again {joined.at:%Y-%m-%d %H:%M:%S} UTC by {joined.by}: {joined.reason}{again}")
    for one in report.resumed:
        yield Text(f"resumed {one.at:%Y-%m-%d %H:%M:%S} UTC by {one.by}")
    if report.latch is not None:
        yield Text(f"latch: {report.latch.text}", style="" if report.latch.engaged else "bold red")
    if report.ledger_head is not None:
        yield Text(f"ledger head {report.ledger_head}", style="dim")


def _accounts(report: Report) -> Iterable[RenderableType]:
    causes: dict[tuple[str, ...], list[AccountReport]] = {}
    for account in report.accounts:
        causes.setdefault(_cause(account), []).append(account)
    clear = [account for account in report.accounts if account.verdict is Verdict.CLEAR]
    for accounts in causes.values():
        if accounts[0].verdict is not Verdict.CLEAR:
            yield Text()
            yield from _account(accounts[0]) if len(accounts) == 1 else _alike(accounts)
    if clear:
        yield Text()
        yield from _clear(clear)


def _cause(account: AccountReport) -> tuple[str, ...]:
    """Give what accounts have in common that one remedy helps, such as a wrong key."""
    return (account.verdict, account.outcome, account.standing, _step(account).partition(_QUOTING)[0])


def _step(account: AccountReport) -> str:
    """Give its next step without its orders, which have lines of their own."""
    return account.next_step.partition(NAMING)[0]


def _account(account: AccountReport) -> Iterable[RenderableType]:
    standing = f"read {account.standing}" + (f" at {account.as_of:%H:%M:%S}" if account.as_of else "")
    who = _who(account)
    yield line(_word(account.verdict), (f" {_name(account)}", "bold"), f"  {who}" if who else "")
    yield indented(f"cancel {account.outcome} · {standing}{_open(account)} · {_attempts(account)}")
    yield indented(f"→ {_step(account)}")
    yield from _orders(account)
    for note in account.notes[:_NOTES_MOST]:
        yield indented(f"· {note}", style="dim")


def _alike(accounts: Sequence[AccountReport]) -> Iterable[RenderableType]:
    """Give the accounts that one cause has made what they are; what all of them say is said once."""
    first = accounts[0]
    shared = [note for note in first.notes if all(note in one.notes for one in accounts)]
    step = next((_step(one) for one in accounts if _QUOTING in one.next_step), _step(first))
    yield line(_word(first.verdict), (f" {len(accounts):,} accounts", "bold"))
    yield indented(f"cancel {first.outcome} · read {first.standing} · {_attempts(first)}")
    yield indented(f"→ {step}")
    for note in shared[:_NOTES_MOST]:
        yield indented(f"· {note}", style="dim")
    for one in accounts[:_MEMBERS_MOST]:
        own = [note for note in one.notes if note not in shared][:_NOTES_MOST]
        more = "".join(f" · {words}" for words in (_who(one), *own) if words)
        yield indented(f"{_name(one)}{_open(one)}{more}")
    ids = [str(one.id or one.name) for one in accounts[_MEMBERS_MOST:]]
    if ids:
        yield indented(listed(ids))


def _orders(account: AccountReport) -> Iterable[RenderableType]:
    found = largest_open(account.order_list)
    for order in found[:_ORDERS_MOST]:
        more = "".join(f" · {words}" for words in (order.status, order.client_order_id, order.id) if words)
        yield indented(f"{order.words}{more}")
    if len(found) > _ORDERS_MOST:
        yield indented(f"and {len(found) - _ORDERS_MOST:,} more orders, in the JSON report")


def _word(verdict: Verdict) -> tuple[str, str]:
    return f"{verdict.upper():<10}", STYLES[verdict]


def _name(account: AccountReport) -> str:
    return "(no readable id)" if account.id is None else str(account.id)


def _who(account: AccountReport) -> str:
    return " · ".join(part for part in (account.name, account.group, account.owner) if part)


def _open(account: AccountReport) -> str:
    worth = sum((order.notional or Decimal() for order in account.order_list if order.open), Decimal())
    about = f", about {money(worth)}" if worth else ""
    return f" · {account.orders.open} open{about}" if account.orders.open else ""


def _attempts(account: AccountReport) -> str:
    deletes = [attempt for attempt in account.attempts if attempt.method == "DELETE"]
    if not deletes:
        return "nothing sent"
    last = deletes[-1]
    result = last.error or f"HTTP {last.status}"
    return f"{counted(len(deletes), 'DELETE')}, the last: {result}"


def _clear(accounts: Sequence[AccountReport]) -> Iterable[RenderableType]:
    times = sorted(account.as_of for account in accounts if account.as_of)
    when = f", read between {times[0]:%H:%M:%S} and {times[-1]:%H:%M:%S} UTC" if times else ""
    yield line(_word(Verdict.CLEAR), f" {counted(len(accounts))}{when}")
    odd = [account for account in accounts if account.notes]
    for account in odd[:_ODD_MOST]:
        yield indented(f"{account.id}: {'; '.join(account.notes[:_NOTES_MOST])}", style="dim")
    if len(odd) > _ODD_MOST:
        yield indented(f"and {len(odd) - _ODD_MOST:,} more with notes in the JSON report", style="dim")


def _sums(report: Report) -> Iterable[Text]:
    orders, coverage = report.totals.orders, report.coverage
    yield Text()
    yield Text(
        f"orders: {orders.accepted:,} accepted for cancel, {orders.canceled:,} seen cancelled, "
        f"{orders.filled:,} filled meanwhile, {orders.open:,} seen open"
    )
    if report.totals.fills:
        yield Text(f"fills during the run: {listed([fill.words for fill in report.totals.fills])}")
    if not report.scope.verify:
        yield Text("coverage: nothing was read (--no-verify); accepted is not cancelled")
        return
    by_count = f" ({coverage.accounts_counted:,} by count)" if coverage.accounts_counted else ""
    filtered = any(filters_of(report.scope).values())
    what = "no order that the filters name is open" if filtered else "nothing but ended orders"
    proven = f"{counted(coverage.accounts_clear)} read clear{by_count}: {what} over"
    yield Text(
        f"coverage: {proven if coverage.accounts_clear else 'no account was proven clear in'} "
        f"{coverage.lookback_s / 86_400:.0f} days, "
        f"{coverage.named_seen_ended:,} of {coverage.named_orders:,} named orders seen ended"
    )
