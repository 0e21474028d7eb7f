"""What several routes need: a bounded body in, a document out, and a run wherever it is."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.client_exceptions import ClientError

from panic import history
from panic.errors import UsageError
from panic.report import to_json
from panic.service.api.problems import ProblemError, of_usage, request_id
from panic.service.auth import Identity
from panic.service.desk import Live
from panic.service.parts import Parts

_T = TypeVar("_T")

BODY_MOST: Final = 64 << 10
HOOK_BODY_MOST: Final = 1 << 20
BODY_S: Final = 10.0

_SWEEP_S = 5.0
_SHARED_S = 0.5
"""A report of a run under way is folded so often at most, however many watch: the loop is the run's."""

_JSON: Final = "application/json"


async def read_body(request: web.Request, *, needed: bool = True) -> bytes:
    """Read the body of a JSON request, bounded in size and time.

    Raises:
        ProblemError: It is too long, too slow or no JSON by its own account.
    """
    if not request.can_read_body and not needed:
        return b"{}"
    if request.content_type != _JSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise ProblemError("unsupported_type", headers={"Accept": _JSON})
    if (request.content_length or 0) > BODY_MOST:
        raise ProblemError("too_large", f"more than {BODY_MOST >> 10} KiB")
    try:
        async with asyncio.timeout(BODY_S):
            body = await _read(request)
    except TimeoutError:
        raise ProblemError("too_slow_a_request") from None
    except (ClientError, ValueError, web.RequestPayloadError):
        raise ProblemError("malformed", "the body broke off") from None
    return body if body or needed else b"{}"


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > BODY_MOST:
            raise ProblemError("too_large", f"more than {BODY_MOST >> 10} KiB")
    return bytes(body)


def document(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=body, status=status, headers=headers, content_type=_JSON, charset="utf-8")


def require(refusal: str) -> None:
    """Go on if nothing is said against it.

    Raises:
        ProblemError: Something is; what, and the remedy, are in the words.
    """
    if refusal:
        what, _, remedy = refusal.partition(": ")
        raise ProblemError("forbidden", what, remedy=f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "")


async def aside(parts: Parts, work: Callable[[], _T], name: str, *, usage: str, most_s: float | None = None) -> _T:
    """Do work that may hang; a UsageError becomes the problem `usage`.

    Raises:
        ProblemError: It makes no sense, or is not done in time.
    """
    try:
        return await parts.aside.do(work, name, most_s)
    except UsageError as error:
        raise of_usage(error, usage) from error
    except TimeoutError:
        raise ProblemError("too_slow") from None


async def find(parts: Parts, name: str) -> Live | str:
    """Give a run that is here, or the id of one on record.

    Raises:
        ProblemError: There is none of this name, or several.
    """
    live = parts.desk.find(name)
    if live is not None:
        return live
    ledger, here = parts.settings.ledger, parts.desk.last_presses
    run = await aside(parts, lambda: history.find(ledger, name, here), "find", usage="not_found")
    return parts.desk.find(run) or run


async def report_of(parts: Parts, name: str) -> bytes:
    """Give a run's report as JSON, as it is known now."""
    found = await find(parts, name)
    if isinstance(found, str):
        ledger = parts.settings.ledger
        told = lambda: to_json(history.recall(ledger, found).report())  # noqa: E731  (on a thread)
        return await aside(parts, told, "report", usage="not_found")
    if found.is_over and found.failure is None:
        return to_json(await found.finished())
    await until_swept(found)
    return _live_report(parts, found)


async def until_swept(live: Live) -> None:
    """Wait until every first DELETE has left, but not for long: to fold a report takes the loop's time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SWEEP_S):
            await live.run.engine.swept.wait()


def _live_report(parts: Parts, live: Live) -> bytes:
    """Fold the report of a run under way, once for all who ask at the same time."""
    now = monotonic()
    known = parts.reports.get(live.run.id)
    if known is None or now - known[0] > _SHARED_S:
        for old in [run for run in parts.reports if parts.desk.find(run) is None]:
            del parts.reports[old]
        known = parts.reports[live.run.id] = now, to_json(live.run.report())
    return known[1]


def on_record(parts: Parts, request: web.Request, identity: Identity, kind: str, **body: object) -> None:
    """Put on record who did something."""
    where = {"from": request.remote, "request_id": request_id(request)}
    parts.record.tell(kind, {"token": identity.name, **body, **where})
