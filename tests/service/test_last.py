"""`last` is the run that was pressed last, as soon as its press is accepted, whatever the ledger tells by then."""

import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from panic.ledger.backlog import Record
from panic.ledger.store import SqliteStore
from panic.simulator import Fault
from tests.cli.support import PATIENCE_S, account, panic
from tests.service.house import House, house
from tests.service.room.page import opened, pressed

EAST, WEST = {"scope": {"groups": ["East"]}}, {"scope": {"groups": ["West"]}}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whatever this process puts on record waits until this is set."""
    released, append = threading.Event(), SqliteStore.append
    released.set()

    def wait(store: SqliteStore, records: Sequence[Record], **how: Any) -> Any:
        assert released.wait(PATIENCE_S)
        return append(store, records, **how)

    monkeypatch.setattr(SqliteStore, "append", wait)
    yield released
    released.set()


@pytest.fixture
async def it(tmp_path: Path, held: threading.Event) -> AsyncIterator[House]:
    """A service that was started anew after a run that ended clear, and whose ledger takes in nothing more."""
    async with house(tmp_path, account(1, Fault("stuck")), account(2, Fault("stuck"))) as made:
        await pressed(made, verify=False, wait=30)
        made.forget()
        held.clear()
        yield made
        held.set()


async def called_last(it: House) -> list[str]:
    """Which run it is that `last` names, by every way to ask for it."""
    found = [
        (await it.ask("GET", f"/v1/runs/last{path}", token="viewer")).json for path in ("", "/report", "/board")
    ]
    return [found[0]["run"]["run_id"], *(one["run_id"] for one in found[1:]), await _followed(it)]


async def _followed(it: House) -> str:
    """The run whose board a page is told."""
    async with opened(it, "last") as page:
        await page.has("board")
        return str(page.latest("board")["run_id"])


async def test_a_press_that_was_accepted_is_the_last_at_once(it: House):
    """Before a word of it is on record; of several the one pressed last, be it by a press that joined it."""
    first = await pressed(it, reason="first")
    by_first = await called_last(it)
    second = await pressed(it, reason="second", **EAST, verify=False)
    by_second = await called_last(it)
    third = await pressed(it, reason="third", **WEST)
    by_third = await called_last(it)

    for run in (second, first):
        await it.live(run).run.engine.swept.wait()
        it.live(run).run.stop()
        await it.over(run)
    it.hub.overview.disks.ledger.expire()
    room = (await it.ask("GET", "/v1/room", token="viewer")).fits("Room")

    assert third == first != second
    assert first == room["last"]["run_id"]  # though it stands on no record yet
    assert ([first] * 4, [second] * 4, [first] * 4) == (by_first, by_second, by_third)


async def test_a_later_press_of_another_process_is_the_last(it: House, tmp_path: Path):
    """Though what was pressed here before is not on record yet; and what is pressed here then is later again."""
    await pressed(it, reason="here")
    done = await panic(*it.firm.lines("press", "--all", "--no-verify", "--reason", "there"), cwd=tmp_path)
    there = json.loads(done.out)["run_id"]
    by_there = (await it.ask("GET", "/v1/runs/last", token="viewer")).json["run"]["run_id"]
    again = await pressed(it, reason="here again", verify=False, **EAST)

    assert there == by_there
    assert [again] * 4 == await called_last(it)
