"""One round of the self-test: the files, this machine, and every account at a pace."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from panic.config import Settings
from panic.kit.background import Do
from panic.run.check import CheckReport, Pace, Setup, check
from panic.service.readiness import read_setup
from panic.service.selftest.finding import Finding, exit_code, found
from panic.service.selftest.judgement import Circumstances, findings
from panic.service.selftest.last import Kept, Last

log = structlog.get_logger()

ASIDE_S: Final = 10.0
"""How long files and disks may take; longer is a finding."""

Tell = Callable[[tuple[Finding, ...]], None]


class Tools(NamedTuple):
    """The environment, who does what may hang, who looks at this machine, and the time of day."""

    env: Mapping[str, str]
    do: Do
    machine: Callable[[Settings], tuple[Finding, ...]]
    now: Callable[[], datetime]


async def go_round(settings: Settings, before: Kept | None, tools: Tools, tell: Tell) -> Kept:
    """Look at everything; `tell` hears of failures before the end. To stop it, cancel it.

    Returns:
        What is kept of it: when all was last well, and which accounts a press reached then.
    """
    loop = asyncio.get_running_loop()
    began, report, around = loop.time(), None, Circumstances(tools.now())
    try:
        report, around = await _look(settings, before, tools, tell)
        everything = findings(report, around)
    except Exception as error:  # self-testing must never end, and that it fails is a finding
        log.exception("self_test_failed")
        everything = (found("self_test_failed", error=type(error).__name__),)
    now, is_well = tools.now(), not any(one.is_alarming for one in everything)
    last = Last(
        schema="panic-self-test/1",
        finished_at=now,
        took_s=round(loop.time() - began, 3),
        interval_s=max(settings.self_test.every_s, around.round_s),
        base_url=settings.broker.base_url,
        exit_code=exit_code(everything, around.problems),
        proven_at=now if is_well else before.last.proven_at if before else None,
        accounts=len(report.accounts) if report else 0,
        states=dict(report.states) if report else {},
        findings=everything,
    )
    if is_well and around.covered is not None:
        return Kept(last, tuple(sorted(around.covered)))
    return Kept(last, before.covered if before else None)


async def _look(
    settings: Settings, before: Kept | None, tools: Tools, tell: Tell
) -> tuple[CheckReport, Circumstances]:
    """Read the files, look at the machine and check; of what hangs somebody is told, and the rest is looked at."""
    hung: list[Finding] = []

    async def aside(work: Callable[[], Any], name: str, what: str, otherwise: Any) -> Any:
        try:
            return await tools.do(work, name, ASIDE_S)
        except (TimeoutError, RuntimeError):
            hung.append(found("hangs", what=what, seconds=ASIDE_S))
            return otherwise

    read = partial(read_setup, settings, tools.env)
    setup: Setup = await aside(read, "self-test-load", "roster and keys", Setup(None, {}, ()))
    look = partial(tools.machine, settings)
    machine = await aside(look, "self-test-machine", "the disk of ledger or latch", ())
    pace = Pace(settings.self_test.rate, settings.self_test.share)
    accounts = setup.roster.accounts if setup.roster else ()
    around = Circumstances(
        now=tools.now(),
        machine=(*hung, *machine),
        problems=setup.problems,
        covered=None if setup.roster is None else frozenset(one.id for one in setup.accounts),
        covered_before=None if before is None or before.covered is None else frozenset(before.covered),
        excluded=frozenset(one.id for one in accounts if one.excluded),
        pages_told=any("page" in channel.tells for channel in settings.channels.values()),
        round_s=pace.needs_s(len(setup.accounts)),
        every_s=settings.self_test.every_s,
    )
    report = await check(settings, setup, pace=pace, tell=lambda so_far: tell(findings(so_far, around)))
    return report, around
