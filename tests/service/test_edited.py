"""A record that was edited after the run: whoever asks for it, and however, is not told that it is clear."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from panic import cli, latch
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import read
from panic.ledger.store import SqliteStore
from panic.report.document import to_json
from panic.service.recovery import look
from panic.simulator import Fault
from tests.cli.support import account
from tests.ledger.support import tamper
from tests.service.house import QUICK, House, bearer, house
from tests.service.room.page import parse

Edit = Callable[[Path], None]
Said = Callable[["Asking"], Awaitable[Any]]


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
    """Somebody who knows panic as well wrote it anew, each event with the hash that fits."""

    def edit(file: Path) -> None:
        before = [decode(row.record) for row in read(file).rows]
        for one in file.parent.glob(f"{file.name}*"):
            one.unlink()
        with closing(SqliteStore(file)) as store:
            store.append([(new.run, new.kind, encode(new)) for event in before if (new := change(event))])

    return edit


def _cleared(event: Event) -> Event:
    end = {"verdict": "clear", "exit_code": 0}
    return event._replace(body={**event.body, **end}) if event.kind == "finished" else event


# ── who asks ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Asking:
    """Somebody who asks about one run."""

    it: House
    run: str
    capsys: pytest.CaptureFixture[str]

    async def get(self, path: str) -> Any:
        """Ask the service."""
        return (await self.it.ask("GET", path.format(self.run), token="viewer")).json

    async def panic(self, *words: str) -> tuple[int, str]:
        """Ask the command line; give the exit code, and what it prints."""
        code = await asyncio.to_thread(cli.run, self.it.firm.lines(*words))
        return code, self.capsys.readouterr().out

    async def page(self) -> list[Any]:
        """The board that a page is sent."""
        path = f"/v1/events?run={self.run}"
        async with self.it.client.get(path, headers=bearer("viewer")) as response:
            while True:
                told = parse((await response.content.readuntil(b"\r\n\r\n")).replace(b"\r\n", b"\n"))
                if told and told.kind == "board":
                    return _board(told.body)

    async def evidence(self) -> list[Any]:
        """The report in the evidence, and what whoever checks it is told."""
        file = self.it.firm.folder / "evidence"
        file.write_bytes((await self.it.ask("GET", f"/v1/runs/{self.run}/evidence", token="viewer")).body)
        reports = [
            found["report"] for line in file.read_text().splitlines() if "report" in (found := json.loads(line))
        ]
        code, out = await self.panic("evidence", "verify", str(file), "--format", "json")
        return [code, *map(_report, reports), [one["verdict"] for one in json.loads(out)["runs"]]]

    async def reset(self) -> list[Any]:
        """Whether all that is engaged may be ended."""
        body = {"reason": "over", "dry_run": True}
        return [
            "refused" if (await self.it.ask("POST", "/v1/reset", body, token="boss")).status == 409 else "clear"
        ]

    async def restarted(self) -> list[Any]:
        """Of what the next start tells somebody."""
        found = await asyncio.to_thread(look, self.it.standby.settings)
        return [_report(json.loads(to_json(one.report))) for one in found if one.report] or ["clear"]


def _report(found: dict[str, Any]) -> list[Any]:
    accounts = [one["verdict"] for one in found["accounts"]]
    return [found["verdict"], found["exit_code"], accounts, *found["totals"]["verdicts"], found["coverage"]]


def _board(found: dict[str, Any]) -> list[Any]:
    counts = ["clear" for code in found["codes"] if code == "c"] + list(found["totals"]["verdicts"])
    return [found["verdict"], found["exit_code"], found["coverage"], counts]


def _row(found: dict[str, Any]) -> list[Any]:
    return [found["state"], found["verdict"], found["exit_code"]]


async def _doubt(one: Asking) -> list[Any]:
    return [hold["doubt"] or "clear" for hold in (await one.get("/v1/latch"))["holds"]]


LISTS: dict[str, Said] = {
    "panic runs": lambda one: _printed(one, "runs", lambda found: _row(found["runs"][0])),
    "GET /v1/runs": lambda one: _got(one, "/v1/runs", lambda found: _row(found["runs"][0])),
    "GET /v1/latch": _doubt,
    "GET /v1/room": lambda one: _got(one, "/v1/room", lambda found: found["last"]["verdict"]),
    "the next start": lambda one: one.restarted(),
}
"""These look for what was edited, and tell no run again."""

WAYS: dict[str, Said] = LISTS | {
    "panic show": lambda one: _printed(one, "show last", _report),
    "GET /v1/runs/{id}": lambda one: _got(one, "/v1/runs/{}", lambda found: _row(found["run"])),
    "GET /v1/runs/last": lambda one: _got(one, "/v1/runs/last", lambda found: _row(found["run"])),
    "GET /v1/runs/{id}/report": lambda one: _got(one, "/v1/runs/{}/report", _report),
    "GET /v1/runs/{id}/board": lambda one: _got(one, "/v1/runs/{}/board", _board),
    "GET /v1/events": lambda one: one.page(),
    "evidence": lambda one: one.evidence(),
    "POST /v1/reset": lambda one: one.reset(),
}


async def _got(one: Asking, path: str, what: Callable[[dict[str, Any]], Any]) -> Any:
    return what(await one.get(path))


async def _printed(one: Asking, words: str, what: Callable[[dict[str, Any]], Any]) -> Any:
    code, out = await one.panic(*words.split(), "--format", "json")
    return [code, what(json.loads(out))]


def _is_clear(said: Any) -> bool:
    """Whether anything of it means clear: a word, an exit code, or a number of accounts."""
    if isinstance(said, list):
        return any(map(_is_clear, said))
    return bool(said["accounts_clear"]) if isinstance(said, dict) else said in ("clear", 0)


@pytest.mark.parametrize(
    ("fault", "edit", "ways"),
    [
        ((), sql("DELETE FROM events WHERE kind = 'outcome'"), WAYS),
        ((), sql(replaced("pressed", "algo", "test")), WAYS),
        ((), rewritten(lambda event: None if event.kind == "outcome" else event), WAYS),
        ((Fault("stuck"),), sql(CLEARED), WAYS),
        (
            (Fault("stuck"),),
            sql(CLEARED, replaced("standing", '"pending"', '"clear"'), replaced("standing", '"open"', '"clear"')),
            WAYS,
        ),
        ((Fault("stuck"),), rewritten(_cleared), {name: WAYS[name] for name in WAYS if name not in LISTS}),
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
    ways: dict[str, Said],
):
    """Whoever asks, and however: neither the run nor one of its accounts."""
    async with house(tmp_path, account(1, *fault), account(2, *fault)) as it:
        latch.create(tmp_path / "panic.latch")
        told = await it.press({**QUICK, "reason": "a bad algo", "deadline_s": 1.5, "latch": True, "wait": 30})
        it.forget()
        it.hub.overview.disks._ledger.found = None
        it.hub.overview.disks.expire()
        edit(tmp_path / "ledger.db")
        one = Asking(it, told.json["run_id"], capsys)
        said = {name: await ask(one) for name, ask in ways.items()}

        assert ("open" if fault else "clear") == told.json["verdict"]
        assert {} == {name: words for name, words in said.items() if _is_clear(words)}
