"""Whether evidence is what was recorded."""

from collections.abc import Iterable

from rich.console import RenderableType

from panic.broker.outcomes import Verdict
from panic.evidence.answer import Finding, Verification
from panic.render.drawing import LISTED_MOST, STYLES, Text, draw, indented, line

_FAULTS_MOST = 20
_FINDING_STYLES = {0: "bold green", 10: "bold yellow", 20: "bold red"}
_FINDINGS = {
    Finding.ANCHORED: "the heads that were kept prove every event told here, and every run told is whole",
    Finding.PARTLY: "nothing is wrong, but the heads that were kept do not prove all of it",
    Finding.CONSISTENT: "nothing is wrong, but whoever can write the file could have made all of it",
    Finding.ALTERED: "this is not what was recorded, or not all of it",
}


def evidence_table(found: Verification, *, width: int = 80, colour: bool = False) -> str:
    """Draw what became of a check of evidence, worst first."""
    return draw(_evidence_parts(found), width=width, colour=colour)


def _evidence_parts(found: Verification) -> Iterable[RenderableType]:
    yield line((found.finding.upper(), _FINDING_STYLES[found.exit_code]), f"  {_FINDINGS[found.finding]}")
    faults = [f"! {f'{one.volume}: ' if one.volume else ''}{one.text}" for one in found.faults[:_FAULTS_MOST]]
    yield from (Text(words, style="bold red") for words in faults)
    more = len(found.faults) - len(faults) + found.more_faults
    if more:
        yield Text(f"and {more:,} more: --format json lists {len(found.faults):,}", style="bold red")
    for words in (found.doubts, found.notes):
        yield from (Text(f"· {one}", style="yellow") for one in words[:_FAULTS_MOST])
        if len(words) > _FAULTS_MOST:
            yield Text(f"· and {len(words) - _FAULTS_MOST:,} more: --format json", style="yellow")
    for volume in found.volumes:
        anchored = f"anchored up to event {volume.anchored}" if volume.anchored else "not anchored"
        span = "no event" if volume.first is None else f"events {volume.first} to {volume.last}"
        yield Text(f"{volume.name}: {span}, {volume.in_full:,} told in full · {anchored}")
    for run in found.runs[:LISTED_MOST]:
        verdict = Verdict(run.verdict) if run.verdict else None
        yield Text()
        yield line(
            (f"{(verdict or 'not known').upper():<10}", STYLES[verdict] if verdict and run.anchored else "dim"),
            (f" {run.run}", "bold"),
            f"  {'DRILL · ' if run.drill else ''}{run.base_url}",
        )
        if run.started_at:
            yield indented(f"pressed {run.started_at} by {run.by}: {run.reason}")
        anchored = "anchored" if run.anchored else "not anchored"
        yield indented(f"{run.state} · {run.events:,} events, {anchored} · its report {run.report}")
    if len(found.runs) > LISTED_MOST:
        yield Text(f"and {len(found.runs) - LISTED_MOST:,} more runs: --format json lists them all")
    yield Text()
    yield Text(f"The file says of itself, and nothing proves it: {found.said or 'nothing'}", style="dim")
