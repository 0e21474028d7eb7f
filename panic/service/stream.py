"""The events of a run as server-sent events: from its journal while it is here, from the ledger afterwards.

A reader holds an index into a list that all readers share, so that none holds up the run or the others; one that
takes nothing for ten seconds is dropped, and goes on later where it was, by Last-Event-ID.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from panic import history
from panic.broker.outcomes import EXIT_CODES, Verdict, worst
from panic.config import LedgerFiles
from panic.errors import UsageError
from panic.ledger.events import UnencodableError, encode_body
from panic.record import Kind
from panic.service.api.answers import on_thread
from panic.service.api.models import EventsQuery, read_query
from panic.service.api.problems import ProblemError
from panic.service.auth import Identity
from panic.service.descriptors import held_most
from panic.service.journal import Entry, Journal
from panic.service.parts import Parts

STREAMS_MOST: Final = 200
"""Readers of events at once, where there are descriptors for them."""

HEARTBEAT_S: Final = 15.0
STALLED_S: Final = 10.0
RETRY_MS: Final = 3000
"""Where a stream ends without the run's end, a browser comes back after so long."""

_LOOK_S = 5.0


class Line(NamedTuple):
    """One event as it goes out."""

    id: str
    kind: str
    text: str


def recorded(ledger: LedgerFiles, run: str) -> list[Line]:
    """Give the events of a run as they go out, its end with the verdict of its report. Blocks."""
    past = history.recall(ledger, run)
    found = []
    for event in past.events:
        body = {**event.body, **_end(past)} if event.kind == Kind.FINISHED else event.body
        try:
            found.append(Line(event.id, event.kind, encode_body(body)))
        except UnencodableError:
            found.append(Line(event.id, event.kind, "null"))
    return found


def _end(past: history.Past) -> dict[str, object]:
    """Give what the record of a run bears out of how it ended."""
    if past.replay.finished is None:
        return {}
    try:
        verdict = past.report().verdict
    except UsageError:
        verdict = worst(past.replay.finished.verdict, Verdict.UNVERIFIED)
    return {"verdict": verdict, "exit_code": EXIT_CODES[verdict]}


async def events(parts: Parts, request: web.Request, _: Identity) -> web.StreamResponse:
    """Follow a run's events."""
    after = read_query(EventsQuery, request).after
    last_id = request.headers.get("Last-Event-ID", "") or after
    found = await parts.lookup.find(request.match_info["id"])
    if not isinstance(found, str):
        return await follow_live(request, parts, found.journal, last_id)
    ledger = parts.settings.ledger
    lines = await on_thread(parts.threads, lambda: recorded(ledger, found), "events", usage="not_found")
    return await follow_record(request, parts, lines, last_id)


async def follow_live(request: web.Request, parts: Parts, journal: Journal, last_id: str) -> web.StreamResponse:
    """Send what the journal has after `last_id`, and what comes, until the run is over.

    The journal of a run that was taken up knows nothing of the processes before: then the ledger comes first.
    """
    index = journal.after(last_id)
    if journal.closed and index and index >= len(journal.entries):
        return web.Response(status=204)
    before = [] if index else await _before(parts, journal, last_id)
    seen = {line.id for line in before}
    async with reading(request, parts) as response:
        for line in before:
            await _send(response, line)
        is_over = False
        while not is_over:
            for entry in journal.entries[index:]:
                index += 1
                if entry.id not in seen:
                    await _send(response, _line(entry))
                is_over = is_over or entry.kind == Kind.FINISHED
            is_over = is_over or (journal.closed and index >= len(journal.entries)) or not response.is_connected()
            if not is_over:
                await _wait(journal, index)
    return response


async def follow_record(
    request: web.Request, parts: Parts, lines: Sequence[Line], last_id: str
) -> web.StreamResponse:
    """Send what is on record after `last_id`."""
    index = _after(lines, last_id)
    if lines and index == len(lines) and lines[-1].kind == Kind.FINISHED:
        return web.Response(status=204)
    async with reading(request, parts) as response:
        for line in lines[index:]:
            await _send(response, line)
    return response


async def _before(parts: Parts, journal: Journal, last_id: str) -> Sequence[Line]:
    """Give what the ledger has after an event that the journal does not know, where there may be anything."""
    live = next((one for one in parts.desk.live.values() if one.journal is journal), None)
    ledger = parts.settings.ledger
    if live is None or not live.run.prepared.leg or ledger.file is None:
        return []
    run = live.run.id
    lines = await on_thread(parts.threads, lambda: recorded(ledger, run), "events", usage="not_found")
    return lines[_after(lines, last_id) :]


def _after(lines: Sequence[Line], last_id: str) -> int:
    ids = [line.id for line in lines]
    return ids.index(last_id) + 1 if last_id in ids else 0


async def _wait(journal: Journal, index: int) -> None:
    """Wait for more, but look now and then whether anybody still listens."""
    try:
        async with asyncio.timeout(_LOOK_S):
            await journal.wait(index)
    except TimeoutError:
        return


def _line(entry: Entry) -> Line:
    return Line(entry.id, str(entry.kind), entry.text)


async def _send(response: EventSourceResponse, line: Line) -> None:
    await response.send(line.text, id=line.id, event=line.kind)
    await asyncio.sleep(0)  # a long record is not sent in one turn of the loop


@asynccontextmanager
async def reading(request: web.Request, parts: Parts) -> AsyncIterator[EventSourceResponse]:
    """Begin to answer one reader, who is counted while it reads, and dropped where it takes nothing."""
    if len(parts.streams) >= (most := held_most(STREAMS_MOST)):
        what = f"{most} readers follow runs already"
        raise ProblemError("throttled", what, headers={"Retry-After": "10"})
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  (a handler runs in one)
    parts.streams.add(task)
    response = EventSourceResponse(ping_interval=HEARTBEAT_S, send_timeout=STALLED_S)
    try:
        await response.prepare(request)
        async with response:
            with suppress(ConnectionError, TimeoutError):  # it went away, or took nothing
                await response.write(f"retry: {RETRY_MS}\r\n\r\n".encode())
                yield response
    finally:
        parts.streams.discard(task)
