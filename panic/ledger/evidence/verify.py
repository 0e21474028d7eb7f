"""Checks whether evidence is what was recorded. It finds every fault, and nothing in the file can stop it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, BinaryIO, Literal

from panic._version import VERSION
from panic.kit.words import clip
from panic.ledger.chain import GENESIS, Head, digest, link
from panic.ledger.evidence.export import LINE_MOST, Header, parse, read_row, report_of
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
    """One run, retold from the rows in the file and from nothing else."""

    run: str
    verdict: str
    drill: bool
    base_url: str
    by: str
    reason: str
    started_at: str
    finished: bool

    @classmethod
    def of(cls, report: Report) -> "RunFound":
        """Tell of a run, in words that steer no terminal."""
        host, by, reason = map(clip, (report.base_url, report.trigger.by, report.trigger.reason))
        began = report.started_at.isoformat()
        return cls(clip(report.run_id), report.verdict, report.drill, host, by, reason, began, report.finished)


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer.

    Attributes:
        said: What the header says of the file, which proves nothing.
        first: The number of the first row; None where there is none.
        last: That of the last.
        anchored: The number up to which a head proves every row; None where there is none.
        runs: The runs of which the file holds a report.
        faults: What is wrong, worst first.
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


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Read a file line by line, endless lines in pieces."""
    return iter(partial(stream.readline, LINE_MOST + 1), b"")


def verify(lines: Iterable[bytes], heads: Sequence[Head]) -> Verification:
    """Check the lines of evidence against heads that were kept elsewhere; never fails, whatever they are."""
    check = _Check()
    header = check.read(lines)
    anchored = check.chain(header, heads)
    runs = tuple(check.runs(header)) if header else ()
    faults = sorted(check.faults, key=lambda fault: list(Wrong).index(fault.kind))
    finding = Finding.ANCHORED
    if faults:
        finding = Finding.CONSISTENT if faults[0].kind is Wrong.UNANCHORED else Finding.ALTERED
    return Verification(
        schema="panic-verification/1",
        finding=finding,
        exit_code=EXIT_CODES[finding],
        said=clip(str(header), 400) if header else "",
        first=check.rows[0].seq if check.rows else None,
        last=check.rows[-1].seq if check.rows else None,
        anchored=None if finding is Finding.ALTERED else anchored,
        runs=runs,
        faults=tuple(faults),
    )


@dataclass(slots=True)
class _Check:
    """What was read, and what was found wrong."""

    rows: list[Row] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, kind: Wrong, text: str, event: int | None = None) -> None:
        """Note a fault."""
        self.faults.append(Fault(kind, clip(text, 300), event))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────

    def read(self, lines: Iterable[bytes]) -> Header | None:
        """Read the lines; what cannot be read is a fault, and left out."""
        header: Header | None = None
        for number, line in enumerate(lines, 1):
            try:
                words = parse(line)
                if number == 1:
                    header = Header.read(words)
                elif list(words) == ["run", "report"] and isinstance(words["run"], str):
                    self._add_report(**words)
                elif self.reports:
                    raise ValueError("it stands after a report")  # noqa: TRY301
                else:
                    self.rows.append(read_row(words))
            except (ValueError, RecursionError) as error:
                self.wrong(Wrong.EDITED, f"line {number}: {clip(str(error), 100)}")
        if header is None:
            self.wrong(Wrong.MISSING, "the header is missing: this is no evidence, or not the whole of it")
        return header

    def _add_report(self, run: str, report: Any) -> None:
        if self.reports.setdefault(run, report) is not report:
            raise ValueError(f"it is a second report of run {clip(run)}")

    # ── the chain ───────────────────────────────────────────────────────────────────────────────────────

    def chain(self, header: Header | None, heads: Sequence[Head]) -> int | None:
        """Walk the rows from the base to the head, and say up to where a saved head proves them."""
        base = head = Head.parse(header.base) if header else GENESIS
        for row in self.rows:
            name = f"event {row.seq} ({clip(row.kind, 40)})"
            if row.seq > head.seq + 1:
                self.wrong(
                    Wrong.MISSING, f"{name}: it follows event {head.seq}: those between are missing", row.seq
                )
            elif row.seq <= head.seq:
                self.wrong(Wrong.EDITED, f"{name}: it stands after event {head.seq}", row.seq)
            elif link(head, digest(row.record)) != (row.seq, row.hash):
                self.wrong(Wrong.EDITED, f"{name}: it, or its hash, or what it follows was edited", row.seq)
            head = Head(row.seq, row.hash)
        if header and str(head) != header.head:
            self.wrong(Wrong.MISSING, f"the rows end at event {head.seq}, and the header says {header.head[:40]}…")
        if not self.rows:
            self.wrong(Wrong.MISSING, "no row is in it")
        return self._anchored(base, head, heads)

    def _anchored(self, base: Head, last: Head, heads: Sequence[Head]) -> int | None:
        here = {row.seq: row.hash for row in self.rows}
        met = [kept.seq for kept in heads if here.get(kept.seq) == kept.hash]
        for kept in heads:
            if kept.seq in here and here[kept.seq] != kept.hash:
                text = (
                    f"event {kept.seq} has another hash than the head kept: it or something before it was edited"
                )
                self.wrong(Wrong.EDITED, text, kept.seq)
            elif kept.seq > last.seq:
                text = f"head {kept.seq}: the file ends at event {last.seq}: it was cut off, or made earlier"
                self.wrong(Wrong.UNANCHORED, text)
            elif kept.seq <= base.seq:
                self.wrong(
                    Wrong.UNANCHORED, f"head {kept.seq}: the file begins after it, so that it proves nothing"
                )
        anchored = max(met, default=None)
        if anchored != last.seq:
            proven = f"only what comes up to event {anchored}" if anchored else "nothing"
            self.wrong(Wrong.UNANCHORED, f"{proven} is proven by a head that was kept elsewhere")
        return anchored

    # ── the runs ────────────────────────────────────────────────────────────────────────────────────────

    def runs(self, header: Header) -> Iterator[RunFound]:
        """Rebuild each run's report, and compare it with the one in the file."""
        if header.damage:
            self.wrong(
                Wrong.UNANCHORED, f"the ledger could not all be read when this was exported: {header.damage}"
            )
        if header.run and header.run not in self.reports:
            self.wrong(Wrong.MISSING, f"run {header.run}: it was asked for, and its report is missing")
        for run, told in self.reports.items():
            try:
                report = report_of(run, self.rows, Head.parse(header.base), header.ledger)
                self._compare(run, told, report, header.version)
            except Exception as error:  # noqa: BLE001  (what foreign events do to the fold is a finding)
                self.wrong(
                    Wrong.MISSING, f"run {run}: its rows come to no report: {str(error) or type(error).__name__}"
                )
                continue
            if not report.finished:
                self.wrong(Wrong.UNANCHORED, f"run {run} is without its end: there was none, or it was left out")
            yield RunFound.of(report)

    def _compare(self, run: str, told: Any, report: Report, version: str) -> None:
        ours = json.loads(to_json(report))
        theirs = told if isinstance(told, dict) else {}
        names = [name for name in ours if name not in theirs or _differ(ours[name], theirs[name])]
        if not names and not _differ(ours, told):
            return
        places = ", ".join(names[:_PLACES_MOST] or ["what it has beside"])
        if version == VERSION:
            self.wrong(Wrong.EDITED, f"run {run}: its report is not what its rows come to, in {places}")
        else:
            by = f"version {clip(version, 40)}, and this is {VERSION}"
            self.wrong(Wrong.UNANCHORED, f"run {run}: its report was made by {by}; it differs in {places}")


def _differ(ours: Any, theirs: Any) -> bool:
    return json.dumps(ours) != json.dumps(theirs)  # as they are written: 1 is not 1.0, nor true
