"""`last` is the run that was pressed last, as soon as its press is accepted, whatever the ledger tells by then."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from panic.ledger.backlog import Record
from panic.ledger.store import SqliteStore
from panic.simulator import Fault
from tests.cli.support import PATIENCE_S, account, panic
from tests.service.house import House, house
from tests.service.room.page import board_of, opened, pressed

EAST, WEST = {"scope": {"groups": ["East"]}}, {"scope": {"groups": ["West"]}}


async def called_last(it: House) -> set[str]:
    """Which run it is that `last` names, by every way to ask for it."""
    report = (await it.ask("GET", "/v1/runs/last/report", token="viewer")).json
    row = (await it.ask("GET", "/v1/runs/last", token="viewer")).json["run"]
    async with opened(it, "last") as page:
        await page.has("board")
        return {one["run_id"] for one in (report, row, await board_of(it, "last"), page.latest("board"))}


async def test_a_press_that_was_accepted_is_the_last_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before a word of it is on record; of several, another process's too, the one pressed last or joined last."""
    released, append = threading.Event(), SqliteStore.append

    def wait(store: SqliteStore, records: Sequence[Record], **how: Any) -> Any:
        assert released.wait(PATIENCE_S)
        return append(store, records, **how)

    found, runs = list[set[str]](), list[str]()
    async with house(tmp_path, account(1, Fault("stuck")), account(2, Fault("stuck"))) as it:
        await pressed(it, verify=False, wait=30)
        it.forget()
        monkeypatch.setattr(SqliteStore, "append", wait)  # the ledger takes in nothing more
        for how in (
            {"reason": "first"},
            {"reason": "second", **EAST, "verify": False},
            {"reason": "third", **WEST},
        ):
            runs.append(await pressed(it, **how))
            found.append(await called_last(it))
        done = await panic(*it.firm.lines("press", "--all", "--no-verify", "--reason", "there"), cwd=tmp_path)
        runs.append(json.loads(done.out)["run_id"])
        found.append(await called_last(it))
        runs.append(await pressed(it, reason="here again", verify=False, **EAST))
        found.append(await called_last(it))
        for run in {*runs} & it.desk.live.keys():
            await it.live(run).run.engine.swept.wait()
            it.live(run).run.stop()
            await it.over(run)
        it.hub.overview.disks.ledger.expire()
        room = (await it.ask("GET", "/v1/room", token="viewer")).fits("Room")
        released.set()

    assert runs[0] == runs[2] != runs[1]  # the third one joined
    assert [{run} for run in runs] == found
    assert runs[-1] == room["last"]["run_id"]  # though it stands on no record yet
