"""A run under way says what is so at that moment, and nothing that only its end can tell."""

import asyncio
import socket
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from panic.broker.outcomes import Verdict
from panic.report.document import Report
from panic.run import drill
from panic.run.press import whoami
from panic.run.run import Run
from panic.simulator import Fault, Simulator
from tests.kit.virtual import virtually

SLOW = Fault("latency", seconds=1.0)
NO_LIST = Fault("status", on="OTHER", status=500)


def reports(
    *faults: Fault, at: float = 0.0, accounts: int = 4, hit: int = 99, stop: bool = False, **press: Any
) -> tuple[Report, Report, Simulator]:
    """Give the report of a run at a moment and at its end, and the broker; so many accounts have the faults."""
    everywhere = tuple(fault for fault in faults if fault.on == "OTHER")
    theirs = tuple(fault for fault in faults if fault not in everywhere)

    async def go() -> tuple[Report, Report, Simulator]:
        made_up = drill.firm(accounts, 1, "none")
        simulated = [replace(one, faults=theirs if n < hit else ()) for n, one in enumerate(made_up.simulated)]
        how: dict[str, Any] = {"keys": {drill._KEY: None}, "seed": 1, "latency_s": 0.1}
        async with Simulator(simulated, fault_all=everywhere, **how) as simulator:
            prepared = drill.prepare(made_up, simulator.base_url)
            run = Run(replace(prepared, press=replace(prepared.press, **press)), drill=True)
            work = asyncio.create_task(run.go())
            await asyncio.sleep(at)
            if stop:
                run.stop()
            under_way = run.report()
            return under_way, await work, simulator

    return virtually(go())


def codes(report: Report) -> list[str]:
    """Its flags."""
    return [flag.code for flag in report.flags]


def test_while_cancels_leave_nobody_was_left_out():
    """One request at a time: the accounts whose turn has not come are no accounts that the end came before."""
    under_way, end, _ = reports(SLOW, at=1.5, concurrency=1, deadline_s=2.5)

    assert (False, True) == (under_way.finished, end.finished)
    assert 3 > sum(bool(account.attempts) for account in under_way.accounts)
    assert "not_attempted" not in codes(under_way)
    assert "not_attempted" in codes(end)


def test_before_the_list_was_asked_for_nobody_failed_to_read_it():
    """Which accounts there are is asked after the cancels; only the end says that it was not learned."""
    under_way, end, _ = reports(SLOW, NO_LIST, at=0.5, deadline_s=20.0)

    assert "roster_unchecked" not in codes(under_way)
    assert not under_way.coverage.roster_checked
    assert "roster_unchecked" in codes(end)


def test_a_run_that_is_stopped_says_so_at_once():
    """And of those that it left out at its end."""
    under_way, end, _ = reports(SLOW, at=0.5, stop=True, concurrency=1)

    assert ["stopped"] == codes(under_way)
    assert {"stopped", "not_attempted"} <= set(codes(end))


@pytest.mark.parametrize(
    ("env", "who"),
    [
        ({"SUDO_USER": "joe", "LOGNAME": "panic", "USER": "panic"}, "joe"),
        ({"LOGNAME": "joe", "USER": "panic"}, "joe"),
        ({}, "somebody"),
    ],
)
def test_who_presses_is_the_person(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], who: str):
    """Who became another user for it stays on record by their own name."""
    for name in ("SUDO_USER", "LOGNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    monkeypatch.setattr("panic.run.press.login", lambda: 1001)
    me = f"{who}@{socket.gethostname()} (uid 1001)"
    assert me == whoami()
    assert f"{me} on behalf of Jane Doe (CRO)" == whoami(" Jane Doe (CRO)\n")


def test_which_accounts_there_are_is_asked_when_every_first_delete_is_over():
    """Though there is a slot for it from the beginning, and the other accounts have long been read."""
    _, report, simulator = reports(SLOW, accounts=20, hit=1)
    first, *_ = simulator.requests
    (listed,) = [request for request in simulator.requests if request.path == "/v1/accounts"]

    assert "DELETE" == first.method
    assert 1.0 <= listed.at - first.at
    assert report.coverage.roster_checked


def test_no_more_requests_are_in_flight_than_there_are_descriptors(monkeypatch: pytest.MonkeyPatch):
    """Whatever the settings say; and the report says why it took longer."""
    monkeypatch.setattr("panic.run.run.connections_possible", lambda: 3)
    _, report, simulator = reports(accounts=12)

    assert 3 == simulator.max_in_flight
    assert "few_descriptors" in codes(report)
    assert Verdict.CLEAR is report.verdict


@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0])
def test_a_clock_that_is_wrong_is_told_whichever_way_it_is(monkeypatch: pytest.MonkeyPatch, ahead_s: float):
    """By the broker's own."""
    monkeypatch.setattr("panic.kit.clock.time", SimpleNamespace(time=lambda: time.time() + ahead_s))
    _, report, _ = reports()

    assert "clock_skew" in codes(report)
