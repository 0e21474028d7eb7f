"""Server-sent events: a run's own, live or from the ledger, each once, whoever comes back or falls behind."""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from panic import history
from panic.ledger.events import Event
from panic.service import stream
from panic.service.journal import Journal
from panic.simulator import Fault
from tests.cli.support import account, sent, until
from tests.service.house import QUICK, House, bearer, house


class Seen(NamedTuple):
    """One event as a reader got it."""

    id: str
    kind: str
    body: Any


def parse(text: str) -> list[Seen]:
    """Read a stream as a browser does."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append(Seen(fields["id"], fields["event"], json.loads(fields["data"])))
    return found


async def followed(it: House, run_id: str, **headers: str) -> list[Seen]:
    """Follow a run to its end."""
    answer = await it.ask("GET", f"/v1/runs/{run_id}/events", token="viewer", **headers)
    assert (200, "text/event-stream") == (answer.status, answer.response.content_type)
    return parse(answer.body.decode())


async def test_a_run_is_followed_to_its_end(tmp_path: Path):
    """From who pressed to how it ended; two readers see the same, and so does one who asks the ledger."""
    async with house(tmp_path, account(1, Fault("stuck", seconds=0.2)), account(2)) as it:
        run_id = (await it.press({**QUICK, "deadline_s": 1})).json["run_id"]
        one, two = await asyncio.gather(followed(it, run_id), followed(it, run_id))
        await it.over(run_id)  # and with it the writing of its last event
        it.forget()
        recorded = await followed(it, run_id)

        assert one == two == recorded
        assert ("pressed", "finished") == (one[0].kind, one[-1].kind)
        assert len(one) == len({seen.id for seen in one})
        assert run_id not in it.desk.live


@pytest.mark.parametrize("is_live", [True, False])
async def test_whoever_comes_back_goes_on_where_he_was(tmp_path: Path, is_live: bool):
    """By header or, where that cannot be set, by query; with an id that nobody knows from the beginning."""
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        if not is_live:
            it.forget()
        whole = await followed(it, run_id)
        by_header = await followed(it, run_id, Last_Event_ID=whole[1].id)
        by_query = await it.ask("GET", f"/v1/runs/{run_id}/events?after={whole[1].id}")
        unknown = await followed(it, run_id, Last_Event_ID="nobody's")

        assert whole[2:] == by_header == parse(by_query.body.decode())
        assert whole == unknown


@pytest.mark.parametrize("is_live", [True, False])
async def test_whoever_has_seen_the_end_need_not_come_back(tmp_path: Path, is_live: bool):
    """204 tells a browser to stop."""
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        if not is_live:
            it.forget()
        last = (await followed(it, run_id))[-1].id
        answer = await it.ask("GET", f"/v1/runs/{run_id}/events", Last_Event_ID=last)

        assert (204, b"") == (answer.status, answer.body)


async def test_an_unfinished_run_of_another_process_ends_without_an_end(tmp_path: Path):
    """What is on record is sent; a browser comes back for the rest."""
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        lines = stream.recorded(it.standby.settings.ledger, run_id)
        it.forget()

        assert lines[-1].kind == "finished"
        assert [line.id for line in lines] == [seen.id for seen in await followed(it, run_id)]
        assert [] == stream.recorded(it.standby.settings.ledger, "nobody")


async def test_a_stream_sends_a_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A comment now and then, so that a proxy does not take it for dead."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)
    async with house(tmp_path, account(1, Fault("stuck"))) as it:
        run_id = (await it.press()).json["run_id"]
        async with it.client.get(f"/v1/runs/{run_id}/events", headers=bearer("viewer")) as response:
            async with asyncio.timeout(20):
                await response.content.readuntil(b": ping\r\n\r\n")

            assert 1 == len(it.parts.streams)


async def test_a_reader_who_leaves_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the middle of a run, and without a word."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(stream, "_LOOK_S", 0.02)
    async with house(tmp_path, account(1, Fault("stuck"))) as it:
        run_id = (await it.press()).json["run_id"]
        async with it.client.get(f"/v1/runs/{run_id}/events", headers=bearer("viewer")) as response:
            await response.content.readuntil(b"\r\n\r\n")
            await until(lambda: 1 in sent(it.simulator, "DELETE"))
            response.close()
        await until(lambda: not it.parts.streams)

        assert not it.live(run_id).is_over


async def test_a_reader_who_takes_nothing_is_dropped_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """His connection is cut after a while; another reader has all of it meanwhile, and so has the journal."""
    monkeypatch.setattr(stream, "STALLED_S", 0.2)
    async with house(tmp_path, account(1, Fault("stuck"))) as it:
        run_id = (await it.press()).json["run_id"]
        journal: Journal = it.live(run_id).journal
        host, port = it.client.host, it.client.port
        reader, writer = await asyncio.open_connection(host, port, limit=1)
        token = bearer("viewer")["Authorization"]
        words = f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n"
        writer.write(words.encode())
        await until(lambda: bool(it.parts.streams))
        for n in range(40):
            journal.add(Event(run_id, "flag", f"x-{n}", "2026-01-01T00:00:00+00:00", "x" * 500_000))
        await until(lambda: not it.parts.streams)
        journal.close()
        monkeypatch.setattr(stream, "STALLED_S", 20.0)  # the other one reads, if slowly
        seen = await followed(it, run_id)
        writer.close()
        del reader

        assert 40 <= sum(one.id.startswith("x-") for one in seen)


async def test_there_are_only_so_many_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One more is told to come back later; the run does not notice."""
    monkeypatch.setattr(stream, "STREAMS_MOST", 0)
    async with house(tmp_path) as it:
        run_id = (await it.press()).json["run_id"]
        answer = await it.ask("GET", f"/v1/runs/{run_id}/events")
        answer.problem("throttled")

        assert "10" == answer.headers["Retry-After"]


async def test_the_end_of_the_service_waits_for_no_reader(tmp_path: Path):
    """Streams end at once; nobody's heartbeat keeps it up."""
    async with house(tmp_path, account(1, Fault("stuck"))) as it:
        run_id = (await it.press()).json["run_id"]
        async with it.client.get(f"/v1/runs/{run_id}/events", headers=bearer("viewer")) as response:
            await response.content.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(20):
                await it.client.server.close()

            assert not it.parts.streams
            assert not it.live(run_id).is_over


async def test_a_run_that_nobody_knows_has_no_events(tmp_path: Path):
    """404, not an empty stream."""
    async with house(tmp_path) as it:
        (await it.ask("GET", "/v1/runs/nobody/events")).problem("not_found")

        assert ([], []) == history.runs(it.standby.settings.ledger)
