"""Checks whether evidence is what was recorded. It finds every fault, and nothing in the file can stop it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from panic._version import VERSION
from panic.kit.words import clip
from panic.ledger.events import GENESIS, Head, decode, link
from panic.ledger.evidence.export import SCHEMA, Header, report_of, write
from panic.ledger.reader import Row
from panic.report.document import Report, to_json

_PLACES_MOST = 5


class Wrong(StrEnum):
    """What can be wrong with evidence, worst first."""

    EDITED = "edited"
    MISSING = "missing"
    UNANCHORED = "not anchored"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; `event` is the number of the event that it is about, None for none."""

    kind: Wrong
    text: str
    event: int | None = None


class Finding(StrEnum):
    """The answer in a word."""

    ANCHORED = "anchored"
    CONSISTENT = "consistent, not anchored"
    ALTERED = "altered or damaged"


EXIT_CODES = {Finding.ANCHORED: 0, Finding.CONSISTENT: 10, Finding.ALTERED: 20}


@dataclass(frozen=True, slots=True)
class RunFound:
    """One run, retold from the rows in the file and from nothing else, in words that steer no terminal."""

    run: str
    verdict: str
    drill: bool
    base_url: str
    by: str
    reason: str
    started_at: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer, with the numbers of the first and last row, and of the last one that a head proves.

    `said` is what the header says of the file, which proves nothing; the worst faults come first.
    """

    schema: Literal["panic-verification/1"]
    finding: Finding
    exit_code: int
    said: str
    first: int | None
    last: int | None
    anchored: int | None
    runs: tuple[RunFound, ...]
    faults: tuple[Fault, ...]


def verify(lines: Iterable[bytes], heads: Sequence[Head], signed: Sequence[Head] = ()) -> Verification:
    """Check the lines of evidence against heads that were kept elsewhere; never fails, whatever they are.

    Of those that the ledger's key has `signed` only these count that are about the lines.
    """
    check = _Check()
    check.read(lines)
    rows = {row.seq for row in check.rows}
    anchored = check.chain([*heads, *(one for one in signed if one.seq in rows)])
    runs = tuple(check.runs())
    faults = sorted(check.faults, key=lambda fault: list(Wrong).index(fault.kind))
    finding = Finding.ANCHORED
    if faults:
        finding = Finding.CONSISTENT if faults[0].kind is Wrong.UNANCHORED else Finding.ALTERED
    return Verification(
        schema="panic-verification/1",
        finding=finding,
        exit_code=EXIT_CODES[finding],
        said=clip(str(check.header), 400) if check.header else "",
        first=check.rows[0].seq if check.rows else None,
        last=check.rows[-1].seq if check.rows else None,
        anchored=None if finding is Finding.ALTERED else anchored,
        runs=runs,
        faults=tuple(faults),
    )


@dataclass(slots=True)
class _Check:
    """What was read, and what was found wrong."""

    header: Header | None = None
    rows: list[Row] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, kind: Wrong, text: str, event: int | None = None) -> None:
        """Note a fault."""
        self.faults.append(Fault(kind, clip(text, 300), event))

    def read(self, lines: Iterable[bytes]) -> None:
        """Read the lines; what cannot be read is a fault, and left out."""
        for number, line in enumerate(lines, 1):
            try:
                words = parse(line)
                if number == 1:
                    self.header = _read_header(words)
                elif list(words) == ["run", "report"] and isinstance(words["run"], str):
                    self._add_report(**words)
                else:
                    self.rows.append(read_row(words))
            except (ValueError, RecursionError) as error:
                self.wrong(Wrong.EDITED, f"line {number}: {clip(str(error), 100)}")
        if self.header is None:
            self.wrong(Wrong.MISSING, "the header is missing: this is no evidence, or not the whole of it")

    def _add_report(self, run: str, report: Any) -> None:
        if self.reports.setdefault(run, report) is not report:
            raise ValueError(f"it is a second report of run {clip(run)}")

    def chain(self, heads: Sequence[Head]) -> int | None:
        """Walk the rows from the base to the head, and say up to where a saved head proves them."""
        base = head = Head.parse(self.header.base) if self.header else GENESIS
        for row in self.rows:
            name = f"event {row.seq} ({clip(row.kind, 40)})"
            if row.seq > head.seq + 1:
                between = f"{name}: it follows event {head.seq}: those between are missing"
                self.wrong(Wrong.MISSING, between, row.seq)
            elif link(head, row.record) != (row.seq, row.hash):
                self.wrong(Wrong.EDITED, f"{name}: it, or its hash, or what it follows was edited", row.seq)
            head = Head(row.seq, row.hash)
        if self.header and str(head) != self.header.head:
            end = f"the rows end at event {head.seq}, and the header says {self.header.head[:40]}…"
            self.wrong(Wrong.MISSING, end)
        return self._anchored(base.seq + 1, head.seq, heads)

    def _anchored(self, first: int, last: int, heads: Sequence[Head]) -> int | None:
        here = {row.seq: row.hash for row in self.rows}
        for kept in heads:
            if kept.seq in here and here[kept.seq] != kept.hash:
                other = "has another hash than the head kept: it or something before it was edited"
                self.wrong(Wrong.EDITED, f"event {kept.seq} {other}", kept.seq)
            elif kept.seq not in here:
                self.wrong(Wrong.UNANCHORED, f"head {kept.seq}: the file is of events {first} to {last} only")
        anchored = max((kept.seq for kept in heads if here.get(kept.seq) == kept.hash), default=None)
        if anchored != last:
            proven = f"only what comes up to event {anchored}" if anchored else "nothing"
            self.wrong(Wrong.UNANCHORED, f"{proven} is proven by a head that was kept elsewhere")
        return anchored

    def runs(self) -> Iterator[RunFound]:
        """Rebuild each run's report, and compare it with the one in the file."""
        if (header := self.header) is None:
            return
        if header.damage:
            text = f"the ledger could not all be read when this was exported: {header.damage}"
            self.wrong(Wrong.UNANCHORED, text)
        if header.run and header.run not in self.reports:
            self.wrong(Wrong.MISSING, f"run {header.run}: it was asked for, and its report is missing")
        for run, told in self.reports.items():
            try:
                report = report_of(run, tuple(self.rows), Head.parse(header.base), header.ledger)
                self._compare(run, told, report, header.version)
            except Exception as error:  # noqa: BLE001  (what foreign events do to the fold is a finding)
                why = str(error) or type(error).__name__
                self.wrong(Wrong.MISSING, f"run {run}: its rows come to no report: {why}")
                continue
            if not report.finished:
                self.wrong(Wrong.UNANCHORED, f"run {run} is without its end: there was none, or it was left out")
            yield _found(report)

    def _compare(self, run: str, told: Any, report: Report, version: str) -> None:
        ours = json.loads(to_json(report))
        if not _differ(ours, told):
            return
        theirs = told if isinstance(told, dict) else {}
        names = [name for name in ours if name not in theirs or _differ(ours[name], theirs[name])]
        places = ", ".join(names[:_PLACES_MOST] or ["what it has beside"])
        if version == VERSION:
            self.wrong(Wrong.EDITED, f"run {run}: its report is not what its rows come to, in {places}")
        else:
            by = f"version {clip(version, 40)}, and this is {VERSION}"
            self.wrong(Wrong.UNANCHORED, f"run {run}: its report was made by {by}; it differs in {places}")


def _differ(ours: Any, theirs: Any) -> bool:
    return json.dumps(ours) != json.dumps(theirs)  # as they are written: 1 is not 1.0, nor true


def _found(report: Report) -> RunFound:
    host, by, reason = map(clip, (report.base_url, report.trigger.by, report.trigger.reason))
    began = report.started_at.isoformat()
    return RunFound(clip(report.run_id), report.verdict, report.drill, host, by, reason, began, report.finished)


# ── reading a line ──────────────────────────────────────────────────────────────────────────────────────────


def parse(line: bytes) -> dict[str, Any]:
    """Read a line that is written exactly as `export` writes it; a ValueError where it is not."""
    try:
        words = json.loads(line)
        is_canonical = isinstance(words, dict) and write(words) == line
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise ValueError("it is no line of evidence")
    return words  # type: ignore[no-any-return]


def _read_header(words: dict[str, Any]) -> Header:
    if (
        words.get("schema") != SCHEMA
        or list(words) != list(Header.__slots__)
        or {*map(type, words.values())} != {str}
    ):
        raise ValueError(f"this panic reads {SCHEMA}, and this is something else")
    Head.parse(words["base"])
    return Header(**words)


def read_row(words: dict[str, Any]) -> Row:
    """Read a row; a ValueError where it is none, or its event is none of panic's."""
    match words:
        case {"seq": int(seq), "hash": str(hashed), "event": event, **more} if not more:
            Head.parse(f"{seq}:{hashed}")
            record = write(event)[:-1]
            found = decode(record)
            return Row(seq, found.run, found.kind, record, hashed)
    raise ValueError("it is no row")
