"""One round of the self-test: the files, this machine, and every account at a pace."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from panic.config import Settings
from panic.kit.background import Do
from panic.run.check import CheckReport, Pace, Setup, check
from panic.service.readiness import read_setup
from panic.service.selftest.finding import Finding, exit_code, found
from panic.service.selftest.judgement import Circumstances, findings
from panic.service.selftest.last import Kept, Last
from panic.service.selftest.machine import Machine

ASIDE_S: Final = 10.0
"""So long files and disks may take; what takes longer is a finding."""

Tell = Callable[[tuple[Finding, ...]], None]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a round works with.

    Attributes:
        env: Where keys are looked for.
        do: Does what may hang.
        machine: Looks at this machine.
        now: The time of day.
    """

    env: Mapping[str, str]
    do: Do
    machine: Callable[[Settings], Machine]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Result:
    """What a round found; no report where the check could not begin."""

    report: CheckReport | None
    around: Circumstances
    findings: tuple[Finding, ...]

    def kept(self, settings: Settings, took_s: float, before: Kept | None, now: datetime) -> Kept:
        """Say what is kept of it: when all was last well, and which accounts a press reached then."""
        report, around = self.report, self.around
        is_well = not any(one.is_alarming for one in self.findings)
        last = Last(
            schema="panic-self-test/1",
            finished_at=now,
            took_s=round(took_s, 3),
            interval_s=max(settings.self_test.every_s, around.round_s),
            base_url=settings.broker.base_url,
            exit_code=exit_code(self.findings, around.problems),
            proven_at=now if is_well else before.last.proven_at if before else None,
            accounts=len(report.accounts) if report else 0,
            states=dict(report.states) if report else {},
            findings=self.findings,
        )
        if is_well and around.covered is not None:
            return Kept(last, tuple(sorted(around.covered)))
        return Kept(last, before.covered if before else None)


def failed(error: Exception, now: datetime) -> Result:
    """Give what a round found that broke: that nothing is known."""
    return Result(None, Circumstances(now), (found("self_test_failed", error=type(error).__name__),))


async def go_round(settings: Settings, before: Kept | None, tools: Tools, tell: Tell) -> Result:
    """Look at everything; `tell` is told of failures before the end. To stop it, cancel it."""
    setup, machine, hung = await _look(settings, tools)
    pace = Pace(settings.self_test.rate, settings.self_test.share)
    accounts = setup.roster.accounts if setup.roster else ()
    around = Circumstances(
        now=tools.now(),
        machine=machine,
        problems=setup.problems,
        covered=None if setup.roster is None else frozenset(one.id for one in setup.accounts),
        covered_before=None if before is None or before.covered is None else frozenset(before.covered),
        excluded=frozenset(one.id for one in accounts if one.excluded),
        pages_told=any("page" in channel.tells for channel in settings.channels.values()),
        round_s=pace.needs_s(len(setup.accounts)),
        every_s=settings.self_test.every_s,
    )
    report = await check(settings, setup, pace=pace, tell=lambda so_far: tell((*findings(so_far, around), *hung)))
    return Result(report, around, (*hung, *findings(report, around)))


async def _look(settings: Settings, tools: Tools) -> tuple[Setup, Machine, tuple[Finding, ...]]:
    """Read the files and look at the machine; what hangs is named, and the rest is looked at all the same."""
    hung: list[Finding] = []

    async def do(work: Callable[[], Any], name: str, what: str, otherwise: Any) -> Any:
        try:
            return await tools.do(work, name, ASIDE_S)
        except (TimeoutError, RuntimeError):
            hung.append(found("hangs", what=what, seconds=ASIDE_S))
            return otherwise

    read = partial(read_setup, settings, tools.env)
    setup = await do(read, "self-test-load", "roster and keys", Setup(None, {}, ()))
    look = partial(tools.machine, settings)
    return setup, await do(look, "self-test-machine", "the disk of ledger or latch", Machine()), tuple(hung)
