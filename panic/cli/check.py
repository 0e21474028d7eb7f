"""`panic check`: would a press work, everywhere, now? And with `--last`: what did the service's last one find?"""

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from rich.console import RenderableType

from panic.broker.outcomes import Verdict
from panic.cli import loop, neighbour, output
from panic.cli.tables.drawing import LISTED_MOST, STYLES, Text, line, listed
from panic.config import Settings
from panic.kit import background
from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.run.check import AccountCheck, CheckReport, State, check, to_json
from panic.service.readiness import read_setup
from panic.service.selftest import result
from panic.service.selftest.findings import Finding, certificate, exit_code, found
from panic.service.selftest.machine import look
from panic.service.selftest.result import SelfTestResult

_LOOK_S = 10.0  # how long a look at the disks may take
_REMEDIES = {
    State.REFUSED: "this key may not read it; use a key that may, or correct the id",
    State.UNREACHABLE: "no valid answer; check the network, the host and the broker's status",
    State.MISSING: "the broker does not list it; correct the id or take it out of the roster",
    State.CLOSED: "the broker says it is closed; take it out of the roster or mark it excluded",
}


def do_check(options: argparse.Namespace) -> int:
    """Check, print the findings and return the exit code."""
    settings = output.load(options)
    if options.last:
        return _do_last(settings, options)
    setup = read_setup(settings, os.environ)
    if setup.problems:
        more = [Problem(one.text, one.remedy) for one in _beside(settings) if one.is_alarming]
        asked = Problem("the broker was not asked yet", "Mend these first, and type panic check again.")
        raise ConfigurationError((*setup.problems, *more, asked))
    report = loop.run(check(settings, setup))
    beside = [*_beside(settings), *certificate(report, datetime.now(UTC)), *_of_neighbour(settings)]
    code = max(report.exit_code, exit_code(beside))
    report = replace(report, warnings=(*report.warnings, *map(str, beside)), exit_code=code)
    output.show(to_json(report).decode(), check_table(report), options)
    return code


def _beside(settings: Settings) -> tuple[Finding, ...]:
    """Say what is wrong with this machine: it does not stop a press, but needs fixing."""
    try:
        return background.within(partial(look, settings), _LOOK_S, "machine")
    except (TimeoutError, RuntimeError):
        return (found("hangs", what="the disk of ledger or latch", seconds=_LOOK_S),)


def _of_neighbour(settings: Settings) -> Iterator[Finding]:
    """Warn if a service on this machine uses other files: a press there engages another latch."""
    beside = neighbour.look(settings)
    if beside is not None and beside.others:
        names = " and ".join(f"another {what}" for what in beside.others)
        text = f"the service at {beside.url} uses {names} than this command"
        remedy = "Compare panic config show here and as the service's user, and name one [state] folder."
        yield Finding("neighbour", text, remedy, Verdict.UNVERIFIED)


def _do_last(settings: Settings, options: argparse.Namespace) -> int:
    """Print the service's last self-test; no request is made."""
    file, now, last = result.place(settings), datetime.now(UTC), None
    with suppress(TimeoutError, RuntimeError):
        last = None if file is None else background.within(partial(result.read, file), _LOOK_S, "last")
    if last is None:
        raise UsageError(
            "there is no self-test on record: panic serve makes one every few minutes. Type panic check"
        )
    if last.base_url != settings.broker.base_url:
        raise UsageError(
            f"the last self-test was of {last.base_url}, not of {settings.broker.base_url}. Type panic check"
        )
    output.show(result.to_json(last).decode(), last_table(last, now), options)
    return last.exit_code_at(now)


def check_table(found: CheckReport) -> Iterable[RenderableType]:
    """Give what the check found, worst first."""
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
    if found.forecast is not None:
        yield Text(f"a press of all of them: {found.forecast}")
    yield from (Text(f"! {warning}", style="yellow") for warning in found.warnings)
    bad = [account for account in found.accounts if account.state is not State.OK]
    causes: dict[tuple[State, object], list[AccountCheck]] = {}
    for account in bad:
        causes.setdefault((account.state, account.error or account.status), []).append(account)
    for (state, why), alike in list(causes.items())[:LISTED_MOST]:
        request = f", request {alike[0].request_id}" if alike[0].request_id else ""
        who = listed([f"{one.id} {one.name}".strip() for one in alike])
        whose, whom = (who, "") if len(alike) == 1 else (f"{len(alike):,} accounts", f": {who}")
        words = f"{whose}: {_REMEDIES[state]} ({why}{request}){whom}"
        yield line((f"{state.upper():<12}", "bold red"), words)
    if len(causes) > LISTED_MOST:
        yield Text(f"and {len(causes) - LISTED_MOST:,} causes more: --format json lists them all")
    yield Text("Reads prove host, key, route and read permission; only a cancel can prove the right to cancel.")


def last_table(last: SelfTestResult, now: datetime) -> Iterable[RenderableType]:
    """Give what the last self-test of the service found, worst first."""
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
