"""`panic evidence`: export part of the ledger to a file that can be checked on its own, or copy the ledger."""

import argparse
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rich.console import RenderableType

from panic import config
from panic.broker.outcomes import Verdict
from panic.cli import output
from panic.cli.tables.drawing import LISTED_MOST, STYLES, Text, indented, line
from panic.config.own_files import is_same, refuse_own
from panic.kit import terminal
from panic.kit.errors import PanicError, UsageError
from panic.kit.files import new_file, why
from panic.kit.words import clip
from panic.ledger import history, reader, signing
from panic.ledger.events import Head
from panic.ledger.evidence.export import Asked, export
from panic.ledger.evidence.verify import Finding, Verification, Wrong, verify
from panic.run.press import whoami

_DAMAGED = 20
_FAULTS_MOST = 20
_KEEP = "keep it where nobody can change it"
_FINDING_STYLES = {0: "bold green", 10: "bold yellow", 20: "bold red"}
_FINDINGS = {
    Finding.ANCHORED: "a head kept elsewhere proves every event in it",
    Finding.CONSISTENT: "it does not contradict itself, but anyone who can write the file could have made it",
    Finding.ALTERED: "this is not what was recorded, or not all of it",
}


def do_export(options: argparse.Namespace) -> int:
    """Write the evidence of a run or a period."""
    settings = output.read(options)
    if options.output is not None:
        refuse_own(options.output, settings, "--output")
    asked = _asked(options, settings.ledger)
    volume = history.read(settings.ledger, whole=True)
    head, lines = export(volume, asked, by=whoami(), at=datetime.now(UTC))
    if options.output is None:
        if not all(terminal.out(line.decode("ascii")) for line in lines):
            raise PanicError("standard output is gone, so the evidence is lost: name a file with --output")
    else:
        with new_file(options.output) as stream:
            stream.writelines(lines)
    terminal.say(f"{clip(volume.file.name)}: not anchored: ledger head {head} proves it: {_KEEP}")
    return _DAMAGED if _complain(volume) else 0


def _asked(options: argparse.Namespace, ledger: config.LedgerFiles) -> Asked:
    since, until = _moment("--from", options.since), _moment("--to", options.until)
    if bool(options.run) == bool(since or until):
        raise UsageError("say what to export: either RUN, or a period with --from or --to or both")
    if options.run:
        return Asked(history.find(ledger, options.run))
    if since and until and since >= until:
        raise UsageError(f"--from {options.since} --to {options.until}: there is no time between them")
    return Asked("", since, until)


def _moment(word: str, words: str | None) -> datetime | None:
    if words is None:
        return None
    try:
        found = datetime.fromisoformat(words)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        example = "give a day such as 2026-03-31, or a time 2026-03-31T17:00, UTC"
        raise UsageError(f"{word} {clip(words, 40)}: {example}") from None


def _complain(volume: reader.Volume) -> bool:
    """Say what is wrong with the ledger itself."""
    wrong = list(volume.wrong())
    for words in wrong[:_FAULTS_MOST]:
        terminal.say(f"! {clip(str(volume.file))}: {words}")
    if len(wrong) > _FAULTS_MOST:
        terminal.say(f"! and {len(wrong) - _FAULTS_MOST:,} more")
    return bool(wrong)


def heads_of(options: argparse.Namespace) -> list[Head]:
    """Give the heads that were kept elsewhere."""
    try:
        return [Head.parse(words) for words in options.head]
    except ValueError as error:
        raise UsageError(f"--head: {error}") from None


def do_verify(options: argparse.Namespace) -> int:
    """Check evidence, print what was found and give its exit code; the settings may be missing or wrong."""
    heads = heads_of(options)
    if options.output is not None and is_same(options.output, options.file):
        raise UsageError("--output would overwrite the evidence: name another file")
    output.guard(options, config.survey(options.config).settings)
    signed = _signed(options)
    with _opened(options.file) as stream:
        found = verify(stream, heads, signed)
    output.show(json.dumps(asdict(found), indent=2), evidence_table(found), options)
    return found.exit_code


def _signed(options: argparse.Namespace) -> list[Head]:
    if (options.signed is None) != (options.key is None):
        raise UsageError("--signed and --key: give both, or none")
    if options.signed is None:
        return []
    with _opened(options.signed) as stream:
        heads = signing.signed((line.decode("ascii", "replace") for line in stream), options.key)
    if not heads:
        terminal.say(f"! {clip(str(options.signed))}: no head in it is signed by this key")
    return heads


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file that anybody may have put there: a pipe must not make us wait."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{clip(str(file))} is not a regular file")
            yield stream
    except OSError as error:
        raise UsageError(f"{clip(str(file))} cannot be read: {why(error)}") from None


def do_backup(options: argparse.Namespace) -> int:
    """Copy the ledger into a new file and check the copy."""
    settings = output.read(options)
    refuse_own(options.file, settings, "FILE")
    if settings.ledger.file is None:
        raise UsageError("the settings name no [ledger] file")
    volume = reader.backup(settings.ledger.file, options.file)
    is_damaged = _complain(volume)
    document = {
        "schema": "panic-backup/1",
        "file": str(options.file),
        "events": len(volume.rows),
        "head": str(volume.head),
        "whole": not is_damaged,
    }
    words = f"{len(volume.rows):,} events in {clip(str(options.file))}\nledger head {volume.head}: {_KEEP}"
    terminal.out(json.dumps(document, indent=2) if output.wants_json(options) else words)
    return _DAMAGED if is_damaged else 0


def evidence_table(found: Verification) -> Iterable[RenderableType]:
    """Give what became of a check of evidence, worst first."""
    yield line((found.finding.upper(), _FINDING_STYLES[found.exit_code]), f"  {_FINDINGS[found.finding]}")
    for fault in found.faults[:_FAULTS_MOST]:
        style = "yellow" if fault.kind is Wrong.UNANCHORED else "bold red"
        yield Text(f"! {fault.kind}: {fault.text}", style=style)
    if len(found.faults) > _FAULTS_MOST:
        yield Text(f"and {len(found.faults) - _FAULTS_MOST:,} more: --format json lists them", style="bold red")
    anchored = f"anchored up to event {found.anchored}" if found.anchored else "not anchored"
    yield Text(f"events {found.first} to {found.last}, {anchored}" if found.first else "no event")
    for run in found.runs[:LISTED_MOST]:
        verdict = Verdict(run.verdict)
        yield Text()
        yield line(
            (f"{verdict.upper():<10}", STYLES[verdict] if found.exit_code == 0 else "dim"),
            (f" {run.run}", "bold"),
            f"  {'DRILL · ' if run.drill else ''}{run.base_url}",
        )
        yield indented(f"pressed {run.started_at} by {run.by}: {run.reason}")
    if len(found.runs) > LISTED_MOST:
        yield Text(f"and {len(found.runs) - LISTED_MOST:,} more runs: --format json lists them all")
    yield Text()
    yield Text(f"The file says of itself, and nothing proves it: {found.said or 'nothing'}", style="dim")
