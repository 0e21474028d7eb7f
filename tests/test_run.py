"""A run under way says what is so at that moment, and nothing that only its end can tell."""

import asyncio
import os
import socket
from dataclasses import replace
from typing import Any

import pytest

from panic import drill
from panic.prepared import whoami
from panic.report import Report
from panic.run import Run
from panic.simulator import Fault, Simulator
from tests.virtual import virtually

SLOW = Fault("latency", seconds=1.0)
NO_LIST = Fault("status", on="OTHER", status=500)


def reports(*faults: Fault, at: float, everywhere: tuple[Fault, ...] = (), **press: Any) -> tuple[Report, Report]:
    """Give the report of a run of four accounts at a moment, and at its end."""

    async def go() -> tuple[Report, Report]:
        made_up = drill.firm(4, 1, "none")
        simulated = [replace(account, faults=faults) for account in made_up.simulated]
        how: dict[str, Any] = {"keys": {drill._KEY: None}, "seed": 1, "latency_s": 0.01}
        async with Simulator(simulated, fault_all=everywhere, **how) as simulator:
            prepared = drill.prepare(made_up, simulator.base_url)
            run = Run(replace(prepared, press=replace(prepared.press, **press)), drill=True)
            work = asyncio.create_task(run.go())
            await asyncio.sleep(at)
            under_way = run.report()
            return under_way, await work

    return virtually(go())


def codes(report: Report) -> list[str]:
    """Its flags."""
    return [flag.code for flag in report.flags]


def test_while_cancels_leave_nobody_was_left_out():
    """One request at a time: the accounts whose turn has not come are no accounts that the end came before."""
    under_way, end = reports(SLOW, at=1.5, concurrency=1, deadline_s=2.5)

    assert (False, True) == (under_way.finished, end.finished)
    assert 3 > sum(bool(account.attempts) for account in under_way.accounts)
    assert "not_attempted" not in codes(under_way)
    assert "not_attempted" in codes(end)


def test_before_the_list_was_asked_for_nobody_failed_to_read_it():
    """Which accounts there are is asked after the cancels; only the end says that it was not learned."""
    under_way, end = reports(SLOW, at=0.5, everywhere=(NO_LIST,), deadline_s=20.0)

    assert "roster_unchecked" not in codes(under_way)
    assert not under_way.coverage.roster_checked
    assert "roster_unchecked" in codes(end)


def test_a_run_that_is_stopped_says_so_at_once():
    """And of those that it left out at its end."""

    async def go() -> tuple[Report, Report]:
        made_up = drill.firm(4, 1, "none")
        made_up = replace(made_up, simulated=tuple(replace(one, faults=(SLOW,)) for one in made_up.simulated))
        async with drill.simulator(made_up, seed=1, latency_s=0.01) as simulator:
            prepared = drill.prepare(made_up, simulator.base_url)
            run = Run(replace(prepared, press=replace(prepared.press, concurrency=1)), drill=True)
            work = asyncio.create_task(run.go())
            await asyncio.sleep(0.5)
            run.stop()
            return run.report(), await work

    under_way, end = virtually(go())

    assert ["stopped"] == codes(under_way)
    assert {"stopped", "not_attempted"} <= set(codes(end))


@pytest.mark.parametrize(
    ("env", "who"),
    [
        ({"SUDO_USER": "joe", "LOGNAME": "panic", "USER": "panic"}, "joe"),
        ({"LOGNAME": "joe", "USER": "panic"}, "joe"),
        ({"USER": "joe"}, "joe"),
        ({}, f"uid {os.getuid()}"),
    ],
)
def test_who_presses_is_the_person(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], who: str):
    """Who became another user for it stays on record by their own name."""
    for name in ("SUDO_USER", "LOGNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert f"{who}@{socket.gethostname()}" == whoami()
