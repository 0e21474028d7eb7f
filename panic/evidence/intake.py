"""Evidence is read again, whoever wrote it: what can be read of it, and what is wrong with its lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple

from panic.evidence.answer import Fault, Wrong
from panic.evidence.form import LINE_MOST, Entry, Header, VolumeLine, is_word, parse
from panic.words import clip

_KEPT_MOST = 1000
"""So many faults are kept; more are only counted."""


@dataclass(slots=True)
class Faults:
    """What was found wrong; `more` is how many faults there were beyond those kept."""

    kept: list[Fault] = field(default_factory=list)
    more: int = 0

    def add(self, kind: Wrong, text: str, volume: str = "", event: int | None = None) -> None:
        """Note a fault."""
        if len(self.kept) < _KEPT_MOST:
            self.kept.append(Fault(kind, clip(text, 300), clip(volume), event))
        else:
            self.more += 1

    def __bool__(self) -> bool:
        return bool(self.kept)


class ReportLine(NamedTuple):
    """The report of a run, as the file tells it."""

    run: str
    head: str | None
    report: Any


@dataclass(slots=True)
class Content:
    """What could be read of a file."""

    header: Header | None = None
    volumes: list[tuple[VolumeLine, list[Entry]]] = field(default_factory=list)
    reports: list[ReportLine] = field(default_factory=list)


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Read a file line by line, endless lines in pieces."""
    return iter(partial(stream.readline, LINE_MOST + 1), b"")


def take_in(lines: Iterable[bytes], faults: Faults) -> Content:
    """Read the lines of a file; what cannot be read is a fault and is left out."""
    content, seal, number = Content(), sha256(), 0
    is_sealed = False
    for number, line in enumerate(lines, 1):
        if is_sealed:
            faults.add(Wrong.LINE, f"line {number}: it stands after the seal; nothing from here on was read")
            break
        try:
            is_sealed = _take(line, content, seal.hexdigest(), faults)
        except (ValueError, RecursionError) as error:
            faults.add(Wrong.LINE, f"line {number}: {clip(str(error), 100)}")
        seal.update(line)
    if not is_sealed:
        faults.add(Wrong.TRUNCATED, "the seal at its end is missing: the file is not whole")
    if content.header is None:
        faults.add(Wrong.TRUNCATED, "the header is missing: this is no evidence, or not the whole of it")
    elif content.header.lines != number:
        faults.add(
            Wrong.TRUNCATED, f"the header speaks of {content.header.lines:,} lines, and there are {number:,}"
        )
    return content


def _take(line: bytes, content: Content, seal: str, faults: Faults) -> bool:
    """Take a line in; tell whether it is the seal.

    Raises:
        ValueError: It cannot be read, or not here.
    """
    words = parse(line)
    keys = tuple(words)
    if keys == ("seal",):
        if words["seal"] != seal:
            faults.add(Wrong.SEAL, "the seal does not fit: something was changed after the file was exported")
        return True
    if keys not in _SHAPES:
        raise ValueError("it is no line of evidence")
    _SHAPES[keys](words, content)
    return False


def _header(words: Mapping[str, Any], content: Content) -> None:
    if content.header or content.volumes or content.reports:
        raise ValueError("it is a header and does not stand at the beginning")
    content.header = Header.read(words)


def _volume(words: Mapping[str, Any], content: Content) -> None:
    if content.reports:
        raise ValueError("it is a volume and stands after a report")
    content.volumes.append((VolumeLine.read(words), []))


def _event(words: Mapping[str, Any], content: Content) -> None:
    if content.reports or not content.volumes:
        raise ValueError("it is an event and does not stand below a volume")
    content.volumes[-1][1].append(Entry.read(words))


def _report(words: Mapping[str, Any], content: Content) -> None:
    report, run, head = words.values()
    if not is_word(run) or not is_word(head or ""):
        raise ValueError("its values are not what a report has")
    content.reports.append(ReportLine(run, head, report))


_SHAPES: dict[tuple[str, ...], Callable[[Mapping[str, Any], Content], None]] = {
    ("schema", "version", "exported_at", "by", "asked", "lines"): _header,
    ("volume", "base", "damage"): _volume,
    ("seq", "hash", "record"): _event,
    ("seq", "hash", "raw"): _event,
    ("seq", "hash", "digest"): _event,
    ("report", "run", "head"): _report,
}
