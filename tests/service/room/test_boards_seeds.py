"""Whole runs that are watched, on virtual time: no letter is clear of which the run is not sure."""

import asyncio
import json
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from panic import drill
from panic.ledger.writer import Writer
from panic.report import Report, to_json
from panic.run import run
from panic.run.press import Prepared, Press
from panic.service.desk import Desk
from panic.service.parts import Parts
from panic.service.room import boards
from panic.service.room.boards import Watched
from panic.service.threads import Aside
from tests.service.room.page import Spy, codes, held_clear, letters
from tests.tape import Tape
from tests.test_seeds import _DEADLINE_S, _firm
from tests.virtual import virtually


class Supplies:
    """What a desk needs to run a made-up firm; with a record or without."""

    def __init__(self, ready: Prepared, *, has_record: bool) -> None:
        self._ready, self._has_record = ready, has_record

    def prepare(self, press: Press) -> Prepared:
        return replace(self._ready, press=press)

    def take_broker(self) -> None:
        return None

    @property
    def ledger(self) -> Writer | None:
        return Tape().writer if self._has_record else None


async def _watched(seed: int, *, has_record: bool) -> tuple[list[Spy], Report]:
    """Run a seed while pages watch and others press; give the pages and the report."""
    made_up, rng = _firm(seed), random.Random(seed)
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        ready = drill.prepare(made_up, simulator.base_url, watch_s=3.0)
        desk = Desk(Supplies(ready, has_record=has_record), drill=True)
        press = replace(ready.press, deadline_s=_DEADLINE_S)
        live = desk.press(press).live
        parts = cast("Parts", SimpleNamespace(settings=ready.settings, desk=desk, aside=Aside()))
        up_to_date: list[Spy] = []
        falsely = lambda spy: spy in up_to_date and spy.shown.clear - held_clear(live)  # noqa: E731
        watched, spies = Watched(parts, live), [Spy(falsely), Spy(falsely)]
        watched.join(spies[0])
        up_to_date.append(spies[0])
        for _ in range(2):
            await asyncio.sleep(rng.choice((0.3, 2.0)))
            desk.press(press)
        await asyncio.sleep(1.0)
        watched.join(spies[1])
        up_to_date.append(spies[1])
        late = spies[1].shown.letters, spies[0].shown.letters
        report = await live.finished()
        while not all(spy.boards and not spy.boards[-1]["live"] for spy in spies):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for spy in spies:
            watched.leave(spy)
        await desk.close()

        assert late[0] == late[1]
    return spies, report


@pytest.mark.parametrize(("seed", "has_record"), [(501, True), (502, False)])
def test_no_letter_is_clear_of_which_the_run_is_not_sure(
    seed: int, has_record: bool, monkeypatch: pytest.MonkeyPatch
):
    """At the moment at which it is told, whatever the faults are and whoever presses; the end is the report's."""
    monkeypatch.setattr(boards, "perf_counter", lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(run, "random", SimpleNamespace(Random=lambda: random.Random(seed)))
    spies, report = virtually(_watched(seed, has_record=has_record))

    assert 10 < len(spies[0].told)
    for spy in spies:
        assert [] == spy.wrong
        assert codes(report) == letters(spy.boards[-1])
        assert json.loads(to_json(report))["totals"] == spy.boards[-1]["totals"]
    assert spies[0].told[-1] == spies[1].told[-1]
