"""Is this evidence what was recorded? One answer, which claims nothing that the file alone cannot prove."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from panic._version import VERSION
from panic.broker.outcomes import Verdict, worst
from panic.evidence.answer import EXIT_CODES, Finding, RunFound, State, Verification, VolumeFound, Wrong
from panic.evidence.form import Entry, Header
from panic.evidence.intake import Content, Faults, ReportLine, take_in
from panic.evidence.runs import Retold, retell
from panic.evidence.walk import Met, Walk, walk
from panic.ledger.chain import GENESIS, Head
from panic.words import clip

_WORST_FIRST = {kind: rank for rank, kind in enumerate(Wrong)}
_DIFFERENCES_MOST = 4
_ODDITIES_MOST = 10


class _Told(NamedTuple):
    """An event that the file tells in full, whether a head proves it, and whether it fits its chain."""

    entry: Entry
    anchored: bool
    fits: bool


def verify(lines: Iterable[bytes], heads: Sequence[Head] = ()) -> Verification:
    """Check evidence; whatever the lines hold, there is an answer.

    Args:
        lines: The file, line by line, each with its line break.
        heads: Heads of this ledger that were kept where the file's owner cannot write.
    """
    check = _Check()
    content = take_in(lines, check.faults)
    walks = [walk(line, entries, check.faults) for line, entries in content.volumes]
    for head in heads:
        check.meet(head, walks)
    proven = [one.anchored(heads) for one in walks]
    told = [
        _Told(step.entry, step.entry.seq in seqs, step.fits)
        for one, seqs in zip(walks, proven, strict=True)
        for step in one.steps
        if step.entry.record is not None
    ]
    check.ids(told)
    runs = tuple(check.runs(content, told))
    check.header(content, told, runs)
    if content.header and not content.header.asked.run:
        check.period(walks)
    finding = check.finding(told)
    return Verification(
        finding=finding,
        exit_code=EXIT_CODES[finding],
        said=_said(content.header),
        volumes=tuple(_volume(*pair) for pair in zip(walks, proven, strict=True)),
        runs=runs,
        faults=tuple(sorted(check.faults.kept, key=lambda fault: _WORST_FIRST[fault.kind])),
        more_faults=check.faults.more,
        doubts=tuple(check.doubts),
        notes=(*check.notes, *_untold(sum(len(one.steps) for one in walks) - len(told))),
    )


@dataclass(slots=True)
class _Check:
    """What is found on the way to the answer."""

    faults: Faults = field(default_factory=Faults)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def finding(self, told: Sequence[_Told]) -> Finding:
        """Sum up."""
        if self.faults:
            return Finding.ALTERED
        proven = [one.anchored for one in told]
        if not any(proven):
            return Finding.CONSISTENT
        return Finding.PARTLY if self.doubts or not all(proven) else Finding.ANCHORED

    def meet(self, kept: Head, walks: Sequence[Walk]) -> None:
        """Look for a head that was kept; what does not show it must not be taken for what was kept."""
        met = [(one, one.meet(kept)) for one in walks]
        if any(how is Met.HERE for _, how in met):
            return
        if any(how is Met.UNTOLD for _, how in met):
            text = (
                f"head {kept.seq}: it is of an event that is told by digest only: it proves those told before it"
            )
            self.doubts.append(f"{text}, but not that this one is none of what was asked for")
            return
        others = [one for one, how in met if how is Met.OTHER]
        for one in others:
            text = f"event {kept.seq} has another hash than the head kept: it or something before it was rewritten"
            self.faults.add(Wrong.HEAD, f"{text}, or the head is another ledger file's", one.line.name, kept.seq)
        beyond = [one for one, how in met if how is Met.AFTER]
        if beyond and not others:
            longest = max(beyond, key=lambda one: one.end.seq)
            last = longest.end.seq
            ends = f"head {kept.seq}: {clip(longest.line.name)} ends at event {last}"
            self.doubts.append(f"{ends}: {kept.seq - last:,} events were cut off, or it was exported before")
        elif not others:
            self.notes.append(f"head {kept.seq}: the file begins only after it, so that it proves nothing here")

    def ids(self, told: Sequence[_Told]) -> None:
        """An event may stand in two volumes, but never as two different ones."""
        known: dict[tuple[str, str], Entry] = {}
        for entry in (one.entry for one in told):
            if entry.event:
                first = known.setdefault((entry.event.run, entry.event.id), entry)
                if first.digest != entry.digest:
                    text = f"{entry}: it has the id of {first}, and says something else"
                    self.faults.add(Wrong.TWICE, text, event=entry.seq)

    def runs(self, content: Content, told: Sequence[_Told]) -> Iterator[RunFound]:
        """Make each run again, and hold the report in the file against it."""
        events: dict[str, list[_Told]] = {}
        for one in told:
            if one.entry.event and one.entry.event.run:
                events.setdefault(one.entry.event.run, []).append(one)
        reports: dict[str, ReportLine] = {}
        for line in content.reports:
            if reports.setdefault(line.run, line) is not line:
                self.faults.add(Wrong.REPORT, f"run {line.run}: there are two reports of it")
            if line.run not in events:
                self.faults.add(Wrong.REPORT, f"run {line.run}: there is a report of it, and no event")
        version = content.header.version if content.header else VERSION
        for run, its in events.items():
            broken = [one.entry for one in its if not one.fits]
            retold = retell(run, [one.entry for one in its], broken)
            for gap in retold.gaps:
                self.faults.add(Wrong.RUN, f"run {run}: {gap}: not told, though the events before and after are")
            self._compare_end(run, retold)
            self.doubts += [clip(f"run {run}: {words}") for words in retold.oddities[:_ODDITIES_MOST]]
            how = self._compare(run, reports.get(run), retold, version)
            yield _run(run, its, retold, how)

    def _compare_end(self, run: str, retold: Retold) -> None:
        """What the events come to must be what the last of them says: else some are left out."""
        if retold.finished is None or retold.verdict is None:
            return
        end, told = retold.finished.verdict, retold.verdict
        if retold.finished.unlisted:
            told = worst(told, Verdict.UNVERIFIED)
        if end is not told:
            words = f"run {run}: its end says that it was {end}, and its events come to {told}"
            if retold.finished.version == VERSION:
                self.faults.add(Wrong.RUN, f"{words}: not all of them are told")
            else:
                self.doubts.append(clip(f"{words}; the end was written by version {retold.finished.version}"))

    def _compare(self, run: str, line: ReportLine | None, retold: Retold, version: str) -> str:
        if line is None:
            return "not in the file"
        where = list(_differences(retold.report, line.report))
        if line.head != (str(retold.head) if retold.head else None):
            where.append("head")
        if not where:
            return "agrees with its events"
        places = clip(", ".join(where[:_DIFFERENCES_MOST]) + (", …" if len(where) > _DIFFERENCES_MOST else ""))
        if version != VERSION:
            how = f"not compared: made by version {clip(version, 40)}, and this is {VERSION}"
            self.doubts.append(f"run {clip(run)}: its report was {how}; it differs in {places}")
            return how
        self.faults.add(Wrong.REPORT, f"run {run}: its report is not what its events come to, in {places}")
        return f"differs from its events in {places}"

    def header(self, content: Content, told: Sequence[_Told], runs: Sequence[RunFound]) -> None:
        """Hold what the header says against what there is."""
        if not told:
            self.doubts.append("no event is told in it")
        if content.header is None:
            return
        asked = content.header.asked
        for entry in (one.entry for one in told):
            if entry.event and not asked.holds(entry.event):
                self.faults.add(Wrong.STRAY, f"{entry}: it is none of what was asked for", event=entry.seq)
        if asked.run and not any(run.run == asked.run and run.state is not State.NO_BEGINNING for run in runs):
            self.faults.add(Wrong.RUN, f"run {asked.run}: it is what was asked for, and its beginning is not here")
        parts = [run for run in runs if run.state is not State.WHOLE]
        for run in parts:
            if run.state is not State.INCOMPLETE:
                self.doubts.append(f"run {run.run} is {run.state}: there was none, or it was left out")
        for line, _ in content.volumes:
            if line.damage and (parts or not asked.run):
                words = f"{line.name}: it could not all be read when this was exported: {line.damage}"
                self.doubts.append(clip(words, 300))

    def period(self, walks: Sequence[Walk]) -> None:
        """What was not told of a period: a digest shows no time, and only its place among the others can tell."""
        for one in walks:
            name, untold = clip(one.line.name), one.untold_between()
            if untold:
                text = f"{name}: events between those told are told by digest only ({untold:,})"
                self.doubts.append(f"{text}: nothing shows that they are of another time")
            if one.line.base != GENESIS:
                before = f"{name}: that nothing before event {one.line.base.seq + 1} was asked for"
                self.notes.append(f"{before} is the exporter's word")


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Name where two JSON values differ; goes no deeper than the first, which is ours."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and list(ours) == list(theirs):
        for key, value in ours.items():
            yield from _differences(value, theirs[key], f"{path}.{key}" if path else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif isinstance(ours, dict | list) or type(ours) is not type(theirs) or ours != theirs:
        yield path or "everything"


def _run(run: str, its: Sequence[_Told], retold: Retold, report: str) -> RunFound:
    pressed = retold.pressed
    return RunFound(
        run=clip(run),
        state=_state(retold),
        verdict=retold.report["verdict"] if retold.report else None,
        drill=pressed.drill if pressed else False,
        base_url=clip(pressed.base_url) if pressed else "",
        by=clip(pressed.trigger.by) if pressed else "",
        reason=clip(pressed.trigger.reason) if pressed else "",
        started_at=pressed.started_at.isoformat() if pressed else "",
        events=len(its),
        anchored=all(one.anchored for one in its),
        report=report,
    )


def _state(retold: Retold) -> State:
    if retold.gaps:
        return State.INCOMPLETE
    if not retold.has_beginning:
        return State.NO_BEGINNING
    return State.WHOLE if retold.finished else State.NO_END


def _volume(found: Walk, anchored: set[int]) -> VolumeFound:
    seqs = [step.entry.seq for step in found.steps]
    return VolumeFound(
        name=clip(found.line.name),
        first=min(seqs, default=None),
        last=max(seqs, default=None),
        in_full=sum(step.entry.record is not None for step in found.steps),
        anchored=max(anchored, default=None),
        damage=clip(found.line.damage),
    )


def _said(header: Header | None) -> str:
    if header is None:
        return ""
    return clip(f"{header.asked}, exported {header.exported_at} by {header.by} with panic {header.version}", 400)


def _untold(count: int) -> Iterator[str]:
    if count:
        events = "1 event is" if count == 1 else f"{count:,} events are"
        yield f"{events} told by digest only; that they are none of what was asked for is the exporter's word"
