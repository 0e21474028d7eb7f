"""What the self-test found."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import RenderableType

from panic.broker.outcomes import Verdict
from panic.cli.tables.drawing import LISTED_MOST, STYLES, Text, draw, line
from panic.run.check import CheckReport, State
from panic.service.selftest import Last

_REMEDIES = {
    State.REFUSED: "this key may not read it; give it a key that may, or correct the id",
    State.UNREACHABLE: "no valid answer; check the network, the host and the broker's status",
    State.MISSING: "the broker does not list it; correct the id or take it out of the roster",
    State.CLOSED: "the broker says it is closed; take it out of the roster or mark it excluded",
}


def check_table(found: CheckReport, *, width: int = 80, colour: bool = False) -> str:
    """Draw what the check found, worst first."""
    return draw(_check_parts(found), width=width, colour=colour)


def _check_parts(found: CheckReport) -> Iterable[RenderableType]:
    good = found.states.get(State.OK, 0)
    headline = (
        "a press would work everywhere" if found.ok else "a press would not work everywhere, or not provably"
    )
    yield line(
        ("READY" if found.ok else "NOT READY", "bold green" if found.ok else "bold red"),
        f"  {headline}: {good:,} of {len(found.accounts):,} accounts can be read",
    )
    skew = "not known" if found.clock_skew_s is None else f"{found.clock_skew_s:+.2f} s"
    yield Text(found.base_url, style="bold")
    yield Text(f"took {found.elapsed_s:.1f} s · clock skew {skew} · roster {found.roster_digest[:19]}")
    yield from (Text(f"! {warning}", style="yellow") for warning in found.warnings)
    bad = [account for account in found.accounts if account.state is not State.OK]
    for account in bad[:LISTED_MOST]:
        request = f", request {account.request_id}" if account.request_id else ""
        yield line(
            (f"{account.state.upper():<12}", "bold red"),
            f"{account.id} {account.name}: {_REMEDIES[account.state]} "
            f"({account.error or account.status}{request})",
        )
    if len(bad) > LISTED_MOST:
        yield Text(f"and {len(bad) - LISTED_MOST:,} more: --format json lists them all")
    yield Text("Reads prove host, key, route and read permission; the right to cancel only a cancel can prove.")


def last_table(last: Last, now: datetime, *, width: int = 80, colour: bool = False) -> str:
    """Draw what the last self-test of the service found, worst first."""
    return draw(_last_parts(last, now), width=width, colour=colour)


def _last_parts(last: Last, now: datetime) -> Iterable[RenderableType]:
    stale = last.is_stale(now)
    word, style = ("READY", "bold green") if last.ok else ("NOT READY", "bold red")
    if stale:
        word, style = "NOT KNOWN", "bold yellow"
    yield line((word, style), f"  {last.headline(now)}")
    yield Text(last.base_url, style="bold")
    if stale:
        every = f"{last.interval_s / 60:.0f} minutes"
        yield Text(f"! one was wanted every {every}: is panic serve running? Type panic check", style="yellow")
    for one in last.findings[:LISTED_MOST]:
        if one.worst is Verdict.CLEAR:
            yield Text(f"! {one}", style="yellow")
        else:
            yield line((f"{one.worst.upper():<12}", STYLES[one.worst]), str(one))
    if len(last.findings) > LISTED_MOST:
        yield Text(f"and {len(last.findings) - LISTED_MOST:,} more: --format json lists them all")
