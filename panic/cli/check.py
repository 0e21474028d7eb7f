"""`panic check`: would a press work, everywhere, now? And with `--last`: what did the service's last one find?"""

import argparse
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from panic.broker.outcomes import Verdict
from panic.cli import loop, neighbour, output
from panic.cli.tables.check import check_table, last_table
from panic.config import Settings
from panic.kit import background, logs
from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.run.check import CheckReport, check, to_json
from panic.service import selftest
from panic.service.readiness import read_setup

_LOOK_S = 10.0
"""So long disks may take to be looked at."""


def do_check(options: argparse.Namespace) -> int:
    """Check, print what was found and give its exit code."""
    logs.configure(options.log_level)
    settings = output.load(options)
    if options.last:
        return _do_last(settings, options)
    setup = read_setup(settings, os.environ)
    if setup.problems:
        more = [Problem(one.text, one.remedy) for one in _beside(settings) if one.is_alarming]
        asked = Problem("the broker was not asked yet", "Mend these first, and type panic check again.")
        raise ConfigurationError((*setup.problems, *more, asked))
    found = loop.run(check(settings, setup))
    beside = [*_beside(settings, found), *_of_neighbour(settings)]
    code = max(found.exit_code, selftest.exit_code(beside))
    found = replace(found, warnings=(*found.warnings, *map(str, beside)), exit_code=code)
    output.show(to_json(found).decode(), partial(check_table, found), options)
    return found.exit_code


def _beside(settings: Settings, found: CheckReport | None = None) -> list[selftest.Finding]:
    """Say what is wrong with this machine: such things do not stop a press, and need mending all the same."""
    try:
        machine = background.within(partial(selftest.look, settings), _LOOK_S, "machine")
    except (TimeoutError, RuntimeError):
        machine = (selftest.found("hangs", what="the disk of ledger or latch", seconds=_LOOK_S),)
    return [*machine, *selftest.certificate(found, datetime.now(UTC))]


def _of_neighbour(settings: Settings) -> Iterator[selftest.Finding]:
    """Say that a service of this machine keeps other files: a press there engages another latch."""
    beside = neighbour.look(settings)
    if beside is not None and beside.others:
        names = " and ".join(f"another {what}" for what in beside.others)
        text = f"the service at {beside.url} uses {names} than this command"
        remedy = (
            "Type panic config show here and as the service's user, and name one [state] folder in the settings."
        )
        yield selftest.Finding("neighbour", text, remedy, Verdict.UNVERIFIED)


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
