"""Whether evidence is what was recorded."""

from collections.abc import Iterable

from rich.console import RenderableType

from panic.broker.outcomes import Verdict
from panic.cli.tables.drawing import LISTED_MOST, STYLES, Text, draw, indented, line
from panic.ledger.evidence.verify import Finding, Verification, Wrong

_FAULTS_MOST = 20
_FINDING_STYLES = {0: "bold green", 10: "bold yellow", 20: "bold red"}
_FINDINGS = {
    Finding.ANCHORED: "a head that was kept proves every event in it",
    Finding.CONSISTENT: "it contradicts itself nowhere, but whoever can write the file could have made it",
    Finding.ALTERED: "this is not what was recorded, or not all of it",
}


def evidence_table(found: Verification, *, width: int = 80, colour: bool = False) -> str:
    """Draw what became of a check of evidence, worst first."""
    return draw(_parts(found), width=width, colour=colour)


def _parts(found: Verification) -> Iterable[RenderableType]:
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
