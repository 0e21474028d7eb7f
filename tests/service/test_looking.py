"""Looking never slows pressing: it is done elsewhere, and each token has so much of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panic import latch
from panic.kit.background import begin
from panic.kit.pool import LostError
from panic.report import document as reports
from panic.service import quota
from panic.service.quota import EACH_MOST
from tests.cli.support import until
from tests.service.house import QUICK, House, house


class Reading:
    """What reads the ledger: it hangs for what is named in `hangs`, and dies for what is in `dies`."""

    def __init__(self) -> None:
        self.hangs, self.dies, self.asked = set[str](), set[str](), list[str]()
        self.go = asyncio.Event()

    def __call__(self, work: Callable[[], Any], name: str) -> "asyncio.Future[Any]":
        self.asked.append(name)
        return asyncio.ensure_future(self._do(work, name))

    async def _do(self, work: Callable[[], Any], name: str) -> Any:
        if name in self.dies:
            raise LostError("it died")
        if name in self.hangs:
            await self.go.wait()
        return await begin(work, name)


async def _ended(it: House) -> str:
    """A run of which only the ledger knows."""
    run: str = (await it.press({**QUICK, "latch": True, "wait": 30})).json["run_id"]
    it.forget()
    return run


async def test_whatever_reads_the_ledger_is_done_elsewhere(tmp_path: Path):
    """No route that looks reads it in the process that presses."""
    reading = Reading()
    async with house(tmp_path, reading=reading) as it:
        latch.create(tmp_path / "panic.latch")
        run = await _ended(it)
        paths = [
            "/v1/runs",
            "/v1/latch",
            *(f"/v1/runs/{run}{one}" for one in ("", "/report", "/board", "/accounts", "/evidence")),
        ]
        found = [(await it.ask("GET", path, token="viewer")).status for path in paths]

        assert [200] * len(paths) == found
        assert {"runs", "latch", "find", "run", "report", "board", "evidence"} <= set(reading.asked)


async def test_presses_and_resets_wait_for_nobody_who_looks(tmp_path: Path):
    """Runs are listed and evidence is made without end; a press is answered, and what it engaged is reset."""
    reading = Reading()
    async with house(tmp_path, reading=reading) as it:
        latch.create(tmp_path / "panic.latch")
        run = await _ended(it)
        reading.hangs, looks = {"runs", "evidence"}, []
        for path, what in ((f"/v1/runs/{run}/evidence", "evidence"), ("/v1/runs", "runs")):
            looks.append(asyncio.create_task(it.ask("GET", path, token="viewer")))
            await until(lambda what=what: what in reading.asked)  # type: ignore[misc]
        pressed = await it.press({**QUICK, "wait": 30})
        done = await it.ask("POST", "/v1/reset", {"reason": "over"}, token="boss")
        reading.go.set()
        await asyncio.gather(*looks)

        assert ("clear", True) == (pressed.fits("Report")["verdict"], done.fits("ResetView")["done"])


async def test_one_token_has_so_many_requests_under_way_and_others_are_not_kept(tmp_path: Path, monkeypatch: Any):
    """Beyond it a remedy; a press counts for nothing; when they are done there is room again."""
    monkeypatch.setattr(quota, "_PAUSE_S", 0.0)
    reading = Reading()
    async with house(tmp_path, reading=reading) as it:
        reading.hangs = {"runs"}
        looks = [asyncio.create_task(it.ask("GET", "/v1/runs", token="viewer")) for _ in range(EACH_MOST + 1)]
        (first,), looking = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        refused = first.result()
        others = await it.ask("GET", "/v1/status")
        pressed = [(await it.press()).status for _ in range(EACH_MOST + 1)]
        monkeypatch.setattr(quota, "ALL_MOST", EACH_MOST)
        busy = await it.ask("GET", "/v1/status")
        reading.go.set()
        await asyncio.gather(*looking)
        after = await it.ask("GET", "/v1/status", token="viewer")

        assert "Wait" in refused.problem("throttled")["remedy"]
        assert "1" == refused.headers["Retry-After"]
        assert "Wait" in busy.problem("busy")["remedy"]
        assert (200, 200, {202}) == (others.status, after.status, set(pressed))


async def test_where_what_reads_the_ledger_dies_it_is_said_and_a_press_goes_on(tmp_path: Path):
    """503 with what to do instead."""
    reading = Reading()
    async with house(tmp_path, reading=reading) as it:
        reading.dies = {"runs"}
        found = await it.ask("GET", "/v1/runs", token="viewer")

        assert "panic runs" in found.problem("unread")["remedy"]
        assert 202 == (await it.press()).status


async def test_a_report_is_written_once_for_all_who_ask(tmp_path: Path, monkeypatch: Any):
    """Of a run that is over, too: the loop belongs to presses."""
    async with house(tmp_path) as it:
        run = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        written = list[object]()

        def to_json(one: object) -> bytes:
            written.append(one)
            return b"{}"

        monkeypatch.setattr(reports, "to_json", to_json)
        for _ in range(5):
            await it.ask("GET", f"/v1/runs/{run}/report", token="viewer")

        assert 1 == len(written)
