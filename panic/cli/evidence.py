"""`panic evidence`: what the ledger tells, in a file that is checked without it; and a ledger that stays small."""

import argparse
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import Any, BinaryIO

from panic import config, engagement, history, logs, terminal
from panic.cli import output
from panic.config.own import is_same, refuse_own
from panic.errors import PanicError, UsageError
from panic.evidence.answer import to_json
from panic.evidence.archive import archive
from panic.evidence.export import export
from panic.evidence.form import Asked, moment
from panic.evidence.intake import lines_of
from panic.evidence.verify import verify
from panic.files import new_file, why
from panic.ledger import reader, upkeep
from panic.ledger.chain import Head
from panic.render.evidence import evidence_table
from panic.run.press import read_keys, whoami
from panic.words import clip

_DAMAGED = 20
_PIECE = 1 << 20
_KEEP = "keep it where nobody can change it"

_Command = Callable[[argparse.Namespace], int]


def _sends_nothing(command: _Command) -> _Command:
    """Let a command say what is wrong and no more: that nothing was sent goes without saying here."""

    @wraps(command)
    def carry_out(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except PanicError as error:
            terminal.say(f"panic: {error}")
            return error.exit_code

    return carry_out


@_sends_nothing
def do_export(options: argparse.Namespace) -> int:
    """Write the evidence of a run or a period."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    if options.output is not None:
        refuse_own(options.output, settings, "--output")
    ledger = settings.ledger
    asked = _asked(options, ledger)
    volumes = [reader.read(file, whole=True) for file in history.files(ledger)]
    lines = export(volumes, asked, by=whoami(), at=datetime.now(UTC))
    if options.output is None:
        _print(lines)
    else:
        with new_file(options.output) as stream:
            stream.writelines(lines)
    for volume in volumes:
        terminal.say(f"{clip(volume.file.name)}: ledger head {volume.head}: {_KEEP}")
    return _DAMAGED if _complain(volumes) else 0


def _asked(options: argparse.Namespace, ledger: config.LedgerFiles) -> Asked:
    period = (_moment("--from", options.since), _moment("--to", options.until))
    if bool(options.run) == any(period):
        raise UsageError("say what to export: either RUN, or a period with --from or --to or both")
    if options.run:
        return Asked(history.find(ledger, options.run))
    if all(period) and period[0] >= period[1]:  # type: ignore[operator]
        raise UsageError(f"--from {options.since} --to {options.until}: there is no time between them")
    return Asked("", *period)


def _moment(word: str, words: str | None) -> datetime | None:
    if words is None:
        return None
    found = moment(words)
    if found is None:
        raise UsageError(
            f"{word} {clip(words, 40)}: give a day such as 2026-03-31, or a time 2026-03-31T17:00, UTC"
        )
    return found


def _print(lines: Iterable[bytes]) -> None:
    piece: list[bytes] = []
    for line in lines:
        piece.append(line)
        if len(line) > _PIECE or len(piece) > _PIECE // 1000:
            _out(piece)
    _out(piece)


def _out(piece: list[bytes]) -> None:
    if piece and not terminal.out(b"".join(piece).decode("ascii")):
        raise PanicError("standard output is gone, and the evidence with it: name a file with --output")
    piece.clear()


def _complain(volumes: Sequence[reader.Volume]) -> bool:
    """Say what is wrong with the ledger itself."""
    found = [f"! {clip(str(volume.file))}: {words}" for volume in volumes for words in volume.wrong()]
    for words in found[:20]:
        terminal.say(words)
    if len(found) > 20:  # noqa: PLR2004  (see above)
        terminal.say(f"! and {len(found) - 20:,} more")
    return bool(found)


# ── verify ──────────────────────────────────────────────────────────────────────────────────────────────────


@_sends_nothing
def do_verify(options: argparse.Namespace) -> int:
    """Check evidence, print what was found and give its exit code; the settings may be missing or wrong."""
    logs.configure(options.log_level)
    try:
        heads = [Head.parse(words) for words in options.head]
    except ValueError as error:
        raise UsageError(f"--head: {error}") from None
    if options.output is not None and is_same(options.output, options.file):
        raise UsageError("--output would overwrite the evidence: name another file")
    output.guard(options, config.survey(options.config).settings)
    with _opened(options.file) as stream:
        found = verify(lines_of(stream), heads)
    output.show(to_json(found).decode(), partial(evidence_table, found), options)
    return found.exit_code


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file that anybody may have put there: a pipe must not keep us waiting."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{clip(str(file))} is no regular file")
            yield stream
    except OSError as error:
        raise UsageError(f"{clip(str(file))} cannot be read: {why(error)}") from None


# ── upkeep ──────────────────────────────────────────────────────────────────────────────────────────────────


@_sends_nothing
def do_backup(options: argparse.Namespace) -> int:
    """Copy the ledger into a new file and check the copy."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    refuse_own(options.file, settings, "FILE")
    ledger = settings.ledger
    others = [file for file in history.files(ledger) if file != ledger.file]
    volume = upkeep.backup(Path(ledger.file or ""), options.file)
    damaged = _complain([volume])
    for other in others:
        terminal.say(f"! {clip(str(other))} is a part of the ledger too, and not in it: copy it as well")
    words = f"{len(volume.rows):,} events in {clip(str(options.file))}\nledger head {volume.head}: {_KEEP}"
    document = {
        "schema": "panic-backup/1",
        "file": str(options.file),
        "events": len(volume.rows),
        "head": str(volume.head),
        "whole": not damaged,
    }
    _show(document, words, options)
    return _DAMAGED if damaged else 0


@_sends_nothing
def do_archive(options: argparse.Namespace) -> int:
    """Move old events from the ledger into a file."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    refuse_own(options.output, settings, "--output")
    before, now = _moment("--before", options.before), datetime.now(UTC)
    if before is None or before > now:
        raise UsageError(f"--before {clip(options.before, 40)} is yet to come: only the past can be archived")
    by, reason = _scrubbed(settings, options.by or whoami(), options.reason)
    engaged = {hold.run for hold in engagement.recorded(settings)}
    files = history.files(settings.ledger)
    found = archive(files, before, options.output, by=by, at=now, reason=reason, engaged=engaged)
    for words in found.stopped:
        terminal.say(f"! {words}")
    events, runs = (f"{n:,} {what}{'s' * (n != 1)}" for n, what in ((found.events, "event"), (found.runs, "run")))
    told = f"{events} of {runs} left the ledger"
    words = (
        f"{told}; they are in {clip(str(found.file))}"
        if found.file
        else "nothing is old enough; no file was written"
    )
    heads = [f"\nledger head {head} of {clip(name)} anchors it: {_KEEP}" for name, head in found.heads.items()]
    document = {
        "schema": "panic-archive/1",
        "file": str(found.file) if found.file else None,
        "sha256": found.sha256 or None,
        "events": found.events,
        "runs": found.runs,
        "heads": found.heads,
        "stopped": found.stopped,
    }
    _show(document, words + "".join(heads), options)
    return 0


def _scrubbed(settings: config.Settings, *words: str) -> list[str]:
    """Take every key out of what a person typed: it stays on record for ever."""
    keys, *_ = read_keys(settings, os.environ)
    found = list(words)
    for key in keys.values():
        found = [key.scrub(one) for one in found]
    return found


def _show(document: dict[str, Any], words: str, options: argparse.Namespace) -> None:
    how = argparse.Namespace(format=options.format, output=None)
    output.show(json.dumps(document, indent=2), lambda **_: words, how)
