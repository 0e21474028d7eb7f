"""Which unfinished runs may be resumed, and what a resume is made of: by what the ledger tells."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from panic.config import Settings, load
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.process import here
from panic.ledger.events import Event, encode
from panic.ledger.record import Resumed
from panic.ledger.store import SqliteStore
from panic.ledger.writer import open_ledger
from panic.run import drill
from panic.run import resume as resume_module
from panic.run.press import Prepared
from panic.run.resume import prepare
from panic.run.run import Run
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.cli.ledgers import LEDGER, SETTINGS
from tests.cli.support import KEY, Firm
from tests.kit.tape import Tape
from tests.kit.virtual import virtually
from tests.ledger.support import tamper

URL = "https://broker.example"
AGAIN = "Press again: that is always possible."
DEAD: dict[str, Any] = {"pid": 1, "born": "1"}
ELSEWHERE = {"host": "elsewhere", "pid": 1, "boot": "b", "born": "1"}


@asynccontextmanager
async def broker() -> AsyncIterator[tuple[Prepared, Simulator]]:
    """A simulator with one account that hangs once, and the press of it."""
    made_up = drill.firm(1, 1, "none")
    hanging = SimAccount(made_up.simulated[0].id, orders=(SimOrder(),), faults=(Fault("hang", times=1),))
    made_up = replace(made_up, simulated=(hanging,))
    async with drill.simulator(made_up, seed=1, latency_s=0.01) as simulator:
        yield drill.prepare(made_up, simulator.base_url, watch_s=0.0), simulator


async def dying(ready: Prepared, tape: Tape, after_s: float | None) -> None:
    """Press, and be gone so much later, or at the end."""
    going = asyncio.create_task(Run(ready, ledger=tape.writer, drill=True, rng=random.Random(1)).go())
    await asyncio.wait([going], timeout=after_s)
    going.cancel()
    await asyncio.wait([going])


@cache
def recorded(*, to_its_end: bool = False) -> tuple[Event, ...]:
    """What a press puts on record until its process dies, or until its end."""

    async def work() -> tuple[Event, ...]:
        tape = Tape()
        async with broker() as (ready, _):
            await dying(ready, tape, None if to_its_end else 1.0)
        return tuple(tape.events())

    return virtually(work())


def pressed(process: dict[str, Any], *, ago_s: float = 1.0, **changes: Any) -> Callable[[Event], Event]:
    """Tell of a press so long ago, for real, by such a process."""

    def change(event: Event) -> Event:
        if event.kind != "pressed":
            return event
        at = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()
        now = {"started_at": at, "drill": False, "base_url": URL, "deadline_s": 120.0}
        return event._replace(body=event.body | now | {"process": event.body["process"] | process} | changes)

    return change


def resumed(folder: Path, *changes: Callable[[Event], Event | None], to_its_end: bool = False) -> Prepared:
    """Prepare to resume what the ledger tells after these changes."""
    return resume(on_record(folder, *changes, to_its_end=to_its_end), "the night shift")


def resume(settings: Settings, by: str = "") -> Prepared:
    """Prepare to resume the last run."""
    ledger = open_ledger(settings.ledger, at_once=False)
    assert ledger is not None
    try:
        return prepare(settings, ledger, "last", by, {})
    finally:
        ledger.close()


def on_record(folder: Path, *changes: Callable[[Event], Event | None], to_its_end: bool = False) -> Settings:
    """Write such a ledger beside a firm's files; give its settings."""
    events = recorded(to_its_end=to_its_end)
    for change in changes:
        events = tuple(changed for event in events if (changed := change(event)))
    with closing(SqliteStore(folder / LEDGER)) as store:
        store.append([(one.run, one.kind, encode(one)) for one in events])
    made_up = drill.firm(1, 1, "none")
    return load(Firm(folder, URL, [made_up.simulated[0].id], more=SETTINGS).settings, {})


OTHER = "https://other.example"
REFUSED: dict[str, tuple[list[Any], str]] = {
    "too old": ([pressed(DEAD, ago_s=421)], f"is too old to resume: the clock says .*. {AGAIN}"),
    "of the future": ([pressed(DEAD, ago_s=-3600)], f"is of the future: the clock says .*. {AGAIN}"),
    "a drill": ([pressed(DEAD, drill=True)], "was a drill, and its simulator is gone"),
    "under way": ([pressed({})], f"is under way in process {os.getpid()} on "),
    "elsewhere": ([pressed(ELSEWHERE)], f"may be under way in process 1 on elsewhere; look there. {AGAIN}"),
    "no plan": ([lambda event: event if event.kind == "pressed" else None], "its record is damaged"),
    "an event that tells nothing": (
        [lambda event: event._replace(body={"deletes": "all"}) if event.kind == "attempt" else event],
        f"its record is damaged .event .* .attempt. cannot be read: .*. {AGAIN}",
    ),
    "another broker": (
        [pressed(DEAD, base_url=OTHER)],
        f"was pressed against {OTHER}, and the settings say ",
    ),
    "at its end": ([pressed(DEAD)], f"came to its end: clear. {AGAIN}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_that_nobody_may_resume(tmp_path: Path, name: str):
    """Yesterday's run must not cancel today's book, nor a drill a real one, nor two machines the same one."""
    changes, why = REFUSED[name]
    with pytest.raises((UsageError, ConfigurationError), match=why):
        resumed(tmp_path, *changes, to_its_end=name == "at its end")


def test_a_run_whose_record_was_edited(tmp_path: Path):
    """What is left to do is what somebody else wrote: who had the run in hand presses again."""
    settings = on_record(tmp_path, pressed(DEAD))
    tamper(tmp_path / LEDGER, "UPDATE events SET record = replace(record, 'broker.', 'bloker.') WHERE seq = 1")

    with pytest.raises(UsageError, match=f"its record is damaged .*event 1 .*. {AGAIN}"):
        resume(settings)


def test_no_key_any_more(tmp_path: Path):
    """Without a usable key there is nothing to do it with; with one again it may be resumed."""
    settings = on_record(tmp_path, pressed(DEAD))
    (tmp_path / "panic.key").write_text("")

    with pytest.raises(ConfigurationError, match="no account of this run can be reached"):
        resume(settings)

    (tmp_path / "panic.key").write_text(KEY)
    assert resume(settings).unfinished


@pytest.mark.parametrize(
    "change",
    [pressed(DEAD, ago_s=400), pressed(ELSEWHERE, ago_s=121), pressed({"pid": os.getpid(), "born": "1"})],
    ids=["just not too old", "elsewhere and over", "a process that got the number of the dead one"],
)
def test_a_run_that_may_be_resumed(tmp_path: Path, change: Callable[[Event], Event]):
    """For five minutes past its deadline, and where its process is surely dead."""
    found = resumed(tmp_path, change)

    assert ["resumed"] == [flag.code for flag in found.flags]
    assert found.unfinished
    assert "the night shift" == found.unfinished.resumed.by
    assert found.unfinished.is_on_record


def test_of_two_only_one_resumes_it(tmp_path: Path):
    """The second is told that somebody has it, also where both looked before either had it."""
    settings = on_record(tmp_path, pressed(DEAD))
    looked = resume_module._recall(settings, "last")
    resume(settings)
    late = Resumed(datetime.now(UTC), "the day shift", "0", here())

    with pytest.raises(UsageError, match=f"is under way in process {os.getpid()}"):
        resume(settings)
    with pytest.raises(UsageError, match="was resumed by somebody else just now"):
        resume_module._claim(open_ledger(settings.ledger), looked, late, "late")


def test_a_roster_that_cannot_be_used_any_more(tmp_path: Path):
    """The accounts are on record: a resume needs no roster."""
    settings = on_record(tmp_path, pressed(DEAD))
    (tmp_path / "accounts.csv").write_text("name\nnobody\n")

    assert 1 == len(resume(settings).plan.accounts)
