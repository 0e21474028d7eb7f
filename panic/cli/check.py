"""`panic check`: would a press work, everywhere, now? And with `--last`: what did the service's last one find?"""

import argparse
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from panic import background, config, logs, selftest
from panic.check import CheckReport, check, to_json
from panic.cli import loop, neighbour, output
from panic.config import Settings
from panic.errors import UsageError
from panic.outcomes import EXIT_CODES, Verdict
from panic.render.check import check_table, last_table
from panic.service.tls import days_left

_LOOK_S = 10.0
"""So long disks may take to be looked at."""


def do_check(options: argparse.Namespace) -> int:
    """Check, print what was found and give its exit code."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    output.guard(options, settings)
    if options.last:
        return _do_last(settings, options)
    found = _with_machine(settings, loop.run(check(settings, os.environ)))
    found = _with_neighbour(settings, found)
    output.show(to_json(found).decode(), partial(check_table, found), options)
    return found.exit_code


def _with_machine(settings: Settings, found: CheckReport) -> CheckReport:
    """Count in what is wrong with this machine: such things do not stop a press, and need mending all the same."""
    now = datetime.now(UTC)
    try:
        machine = background.within(partial(_look, settings, now), _LOOK_S, "machine")
    except (TimeoutError, RuntimeError):
        text = f"the disk of ledger or latch could not be looked at within {_LOOK_S:.0f} s"
        warnings, code = [text], EXIT_CODES[Verdict.UNVERIFIED]
    else:
        around = selftest.Circumstances(now, machine)
        beside = [*selftest.machine_findings(found, around)]
        warnings, code = [str(one) for one in beside], selftest.exit_code(beside)
    return replace(found, warnings=(*found.warnings, *warnings), exit_code=max(found.exit_code, code))


def _with_neighbour(settings: Settings, found: CheckReport) -> CheckReport:
    """Count in a service of this machine that keeps other files: who presses there engages another latch."""
    beside = neighbour.look(settings)
    if beside is None or not beside.others:
        return found
    names = " and ".join(f"another {what}" for what in beside.others)
    remedy = "Type panic config show here and as the service's user, and name one [state] folder in the settings."
    warning = f"the service at {beside.url} uses {names} than this command. {remedy}"
    code = max(found.exit_code, EXIT_CODES[Verdict.UNVERIFIED])
    return replace(found, warnings=(*found.warnings, warning), exit_code=code)


def _look(settings: Settings, now: datetime) -> selftest.Machine:
    certificate = settings.service.tls_certificate
    return selftest.look(settings, None if certificate is None else days_left(certificate, now))


def _do_last(settings: Settings, options: argparse.Namespace) -> int:
    """Tell the last self-test of the service; nobody is asked anything."""
    file, now = selftest.place(settings), datetime.now(UTC)
    kept = None
    with suppress(TimeoutError, RuntimeError):
        kept = None if file is None else background.within(partial(selftest.read, file), _LOOK_S, "last")
    if kept is None:
        raise UsageError(
            "there is no self-test on record: panic serve makes one every few minutes. Type panic check"
        )
    if kept.last.base_url != settings.broker.base_url:
        raise UsageError(
            f"the last self-test was of {kept.last.base_url}, not of {settings.broker.base_url}. Type panic check"
        )
    output.show(selftest.to_json(kept.last).decode(), partial(last_table, kept.last, now), options)
    return kept.last.exit_code_at(now)
