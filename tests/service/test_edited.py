"""A record that was edited after the run: whoever asks for it, and however, is not told that it is clear."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from panic import cli, latch
from panic.ledger.events import Event
from panic.report.document import to_json
from panic.service.recovery import look
from panic.simulator import Fault
from tests.cli.support import account
from tests.ledger.support import rewrite, tamper
from tests.service.house import QUICK, House, bearer, house
from tests.service.room.page import parse

Edit = Callable[[Path], None]
Said = Callable[["Asking"], Awaitable[bool]]


# ── what somebody does to a ledger ──────────────────────────────────────────────────────────────────────────


def sql(*statements: str) -> Edit:
    """Somebody who knows SQL has been at it."""
    return lambda file: tamper(file, *statements)


def replaced(kind: str, old: str, new: str) -> str:
    """The statement that puts other words into the events of a kind."""
    words = f"replace(CAST(record AS TEXT), '{old}', '{new}')"
    return f"UPDATE events SET record = CAST({words} AS BLOB) WHERE kind = '{kind}'"  # noqa: S608


CLEARED = replaced("finished", '"verdict":"open","exit_code":20', '"verdict":"clear","exit_code":0')
"""It ended open, and its end says clear."""


def rewritten(change: Callable[[Event], Event | None]) -> Edit:
    """Somebody who knows panic as well wrote it anew."""
    return partial(rewrite, change=change)


def _cleared(event: Event) -> Event:
    end = {"verdict": "clear", "exit_code": 0}
    return event._replace(body={**event.body, **end}) if event.kind == "finished" else event


# ── who asks ────────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = ("verdict", "state", "coverage")


def clear_in(said: Any, name: str = "") -> bool:
    """Whether anything in a document means clear: a verdict, an exit code, a count, a letter of a board."""
    if isinstance(said, dict):
        return any(clear_in(value, key) for key, value in said.items() if key != "standings")
    if isinstance(said, list):
        return any(clear_in(one, name) for one in said)
    if name in ("exit_code", "accounts_clear", "clear"):
        return bool(said) == (name != "exit_code") and said is not None
    return (name in _WORDS and said == "clear") or (name == "codes" and said == "c")


@dataclass
class Asking:
    """Somebody who asks about one run; each question tells whether the answer means clear."""

    it: House
    run: str
    capsys: pytest.CaptureFixture[str]

    async def get(self, path: str) -> bool:
        """Ask the service."""
        return clear_in((await self.it.ask("GET", path, token="viewer")).json)

    async def panic(self, *words: str) -> bool:
        """Ask the command line."""
        code = await asyncio.to_thread(cli.run, self.it.firm.lines(*words, "--format", "json"))
        return code == 0 or clear_in(json.loads(self.capsys.readouterr().out))

    async def latch(self) -> bool:
        """Ask what is engaged: each hold has its doubt."""
        holds = (await self.it.ask("GET", "/v1/latch", token="viewer")).json["holds"]
        return not all(hold["doubt"] for hold in holds)

    async def page(self) -> bool:
        """Look at the board that a page is sent."""
        path = f"/v1/events?run={self.run}"
        async with self.it.client.get(path, headers=bearer("viewer")) as response:
            while True:
                told = parse((await response.content.readuntil(b"\r\n\r\n")).replace(b"\r\n", b"\n"))
                if told and told.kind == "board":
                    return clear_in(told.body)

    async def evidence(self) -> bool:
        """Read the report in the evidence, and have it checked."""
        file = self.it.firm.folder / "evidence"
        file.write_bytes((await self.it.ask("GET", f"/v1/runs/{self.run}/evidence", token="viewer")).body)
        reports = [json.loads(line).get("report") for line in file.read_text().splitlines()]
        return clear_in(reports) or await self.panic("evidence", "verify", str(file))

    async def reset(self) -> bool:
        """Ask whether all that is engaged may be ended."""
        body = {"reason": "over", "dry_run": True}
        return (await self.it.ask("POST", "/v1/reset", body, token="boss")).status != 409

    async def restart(self) -> bool:
        """Start again, and hear of it."""
        found = await asyncio.to_thread(look, self.it.standby.settings)
        reports = [json.loads(to_json(report)) for report in found.values() if report]
        return clear_in(reports) or not reports


WAYS: dict[str, Said] = {
    "panic runs": lambda one: one.panic("runs"),
    "GET /v1/runs": lambda one: one.get("/v1/runs"),
    "GET /v1/latch": lambda one: one.latch(),
    "GET /v1/room": lambda one: one.get("/v1/room"),
    "the next start": lambda one: one.restart(),
    "panic show": lambda one: one.panic("show", "last"),
    "GET /v1/runs/{id}": lambda one: one.get(f"/v1/runs/{one.run}"),
    "GET /v1/runs/{id}/report": lambda one: one.get(f"/v1/runs/{one.run}/report"),
    "GET /v1/runs/{id}/board": lambda one: one.get(f"/v1/runs/{one.run}/board"),
    "GET /v1/events": lambda one: one.page(),
    "evidence": lambda one: one.evidence(),
    "POST /v1/reset": lambda one: one.reset(),
}


@pytest.mark.parametrize(
    ("fault", "edit"),
    [
        ((), sql("DELETE FROM events WHERE kind = 'outcome'")),
        ((), sql(replaced("pressed", "algo", "test"))),
        ((), rewritten(lambda event: None if event.kind == "outcome" else event)),
        ((Fault("stuck"),), sql(CLEARED)),
        (
            (Fault("stuck"),),
            sql(CLEARED, replaced("standing", '"pending"', '"clear"'), replaced("standing", '"open"', '"clear"')),
        ),
        ((Fault("stuck"),), rewritten(_cleared)),
    ],
    ids=[
        *("an outcome gone", "a reason", "an outcome gone, anew", "the end", "standing and end", "the end, anew"),
    ],
)
async def test_an_edited_record_is_clear_on_no_way_out(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: tuple[Fault, ...],
    edit: Edit,
):
    """Whoever asks, and however: neither the run nor one of its accounts."""
    async with house(tmp_path, account(1, *fault), account(2, *fault)) as it:
        latch.create(tmp_path / "panic.latch")
        told = await it.press({**QUICK, "reason": "a bad algo", "deadline_s": 1.5, "latch": True, "wait": 30})
        it.forget()
        it.hub.overview.disks.ledger.found = None
        it.hub.overview.disks.ledger.expire()
        edit(tmp_path / "ledger.db")
        one = Asking(it, told.json["run_id"], capsys)
        clear = [name for name, is_clear in WAYS.items() if await is_clear(one)]

        assert ("open" if fault else "clear") == told.json["verdict"]
        assert [] == clear
