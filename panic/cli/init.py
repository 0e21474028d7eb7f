"""`panic init`: settings, key, roster and latch of a firm that has none. It never writes over a file."""

import argparse
import csv
import io
import os
import sys
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path

from panic import config, latch
from panic.cli import loop
from panic.cli.token import toml
from panic.config import Broker, Credential, RosterFile, Settings
from panic.config.address import safe_base_url
from panic.config.secret import Key, checked, read
from panic.kit import terminal
from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.kit.files import new_file, why
from panic.kit.words import clip
from panic.run.asking import listing_of

_LONGEST = 1 << 16
_SETTINGS = """\
# Settings of panic. docs/configuration.md has every setting with its reason, panic config show those in force.

[broker]
base_url = {base_url}
# Whom to call at the broker when a report is not clear, one line. Fill it in now.
contact = {contact}

# The key is in a file of its own, mode 600, and nowhere else.
[credentials.default]
file = "panic.key"

[roster]
file = "accounts.csv"

# Where the ledger and the latch are, if not beside this file; a folder on a local disk.
# [state]
# folder = "/var/lib/panic"
"""


def do_init(options: argparse.Namespace) -> int:
    """Ask for the key and the broker for its accounts; then write what is not there yet, the settings last."""
    file = _place(options.config)
    key_file, roster, engaged = (file.with_name(name) for name in ("panic.key", "accounts.csv", "panic.latch"))
    where = Broker(base_url=safe_base_url(options.base_url), contact=options.contact)
    key = _key(options.key, key_file)
    names: Mapping[int, str] = {}
    if not os.path.lexists(roster):
        names = _accounts(Settings(broker=where, roster=RosterFile(file=roster)), key)
    settings = _SETTINGS.format(base_url=toml(where.base_url), contact=toml(where.contact))
    texts = {key_file: f"{key.reveal()}\n", roster: _roster(names), file: settings}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file.parent} cannot be made: {why(error)}; name another with --config FILE") from None
    for path, text in texts.items():
        if os.path.lexists(path):
            terminal.out(f"kept  {path}")
            continue
        with new_file(path) as stream:
            stream.write(text.encode())
        listed = f", {len(names):,} accounts of {where.base_url}" if path == roster else ""
        terminal.out(f"made  {path}{listed}")
    if not os.path.lexists(engaged):
        latch.create(engaged)
        terminal.out(f"made  {engaged}")
    terminal.out(_next(file, options))
    return 0


def _place(named: Path | None) -> Path:
    """Give where the settings are to be: as named, else the user's place, the system's for root."""
    file, named_by = config.find(named)
    if os.path.lexists(file):
        raise UsageError(
            f"{file} is there already, and stays as it is. See whether a press would work: panic check. "
            "For settings beside it: panic init --config FILE"
        )
    return file.absolute() if named_by else config.places()[-1 if os.geteuid() == 0 else -2].absolute()


def _key(source: Path | None, there: Path) -> Key:
    """Give the key: of the file that is there, or of another; else it is typed, or comes on standard input."""
    if os.path.lexists(there) or source is not None:
        key, problems = read("default", Credential(file=there if os.path.lexists(there) else source), {})
    elif terminal.is_terminal(sys.stdin):
        key, problems = checked("the key", getpass("The broker's API key (it is not shown): "), None)
    else:
        key, problems = checked("the key on standard input", sys.stdin.read(_LONGEST) if sys.stdin else "", None)
    if key is None:
        raise ConfigurationError(problems)
    return key


def _accounts(settings: Settings, key: Key) -> Mapping[int, str]:
    """Ask the broker for its active accounts, and give their names by id."""
    listing = loop.run(listing_of(settings, key))
    names = {id_: listing.names[id_] for id_, is_active in sorted(listing.active.items()) if is_active}
    if listing.failure or not names:
        reason = listing.failure or "it shows none that is active"
        what = f"{settings.broker.base_url} did not list its accounts for this key: {key.scrub(clip(reason))}"
        remedy = "Correct the key or --base-url, or see whether it can be reached; nothing was made."
        raise ConfigurationError([Problem(what, remedy)])
    return names


def _roster(names: Mapping[int, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "name", "group", "owner", "priority"))
    writer.writerows((id_, clip(name), "", "", "") for id_, name in names.items())
    return text.getvalue()


def _next(file: Path, options: argparse.Namespace) -> str:
    is_found = file in [one.absolute() for one in config.places()]
    named = "" if is_found or os.environ.get("PANIC_CONFIG") else f" --config {file}"
    contact = "" if options.contact else f", and in {file.name} whom to call: contact"
    owner = f"\nnext: chown -R USER {file.parent}, for the user who runs panic" if os.geteuid() == 0 else ""
    return f"next: fill in the column group of accounts.csv{contact}{owner}\nnext: panic{named} check"
