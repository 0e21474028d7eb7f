"""The service's refusals: RFC 9457 problem details, each naming its remedy.

A client's mistake is never a 5xx, and whatever a handler raises becomes a problem here.
"""

import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest
from pydantic import ValidationError
from pydantic_core import to_json

from panic.kit.errors import ConfigurationError, PanicError, UsageError
from panic.kit.words import clip

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID: Final = web.RequestKey("request_id", str)
CALLER: Final = web.RequestKey("caller", str)
"""The address of who called, as far as it can be trusted."""

_LISTED_MOST = 50
_DETAIL_MOST = 2000
_CALL = "Check the hook's name and the secret on both sides: docs/hooks.md shows a call made by hand."
_BY_HAND = "If this was a press: use the command line, panic press, or cancel at the broker by hand, now."


class Kind(NamedTuple):
    """One kind of problem, and what to do about it by default."""

    status: int
    title: str
    remedy: str


KINDS: Final = {
    "malformed": Kind(400, "The request is not understood", "Correct what `errors` lists, and send it again."),
    "unauthenticated": Kind(401, "No valid token", "Send `Authorization: Bearer TOKEN` with a configured token."),
    "forbidden": Kind(403, "This token may not do that", "Use a token that has the role and the groups for it."),
    "not_same_origin": Kind(
        403, "Not sent by the page of this service", "Open the service's own page, and do it there."
    ),
    "csrf": Kind(403, "X-CSRF-Token is not this session's", "Read `csrf` of GET /v1/session, and send it again."),
    "idle": Kind(403, "The session was idle for too long", "Give your token again."),
    "no_certificate": Kind(
        403, "No certificate came with the connection", "Connect with a certificate of the firm's authority."
    ),
    "stale_sign_in": Kind(
        403, "This takes a fresh sign-in", "Sign in again: open /v1/sign-in/begin?fresh=true in the browser."
    ),
    "not_found": Kind(404, "Not found", "Look at /openapi.json, or at GET /v1/runs for runs."),
    "method_not_allowed": Kind(405, "This method is not allowed", "Use a method that the Allow header lists."),
    "too_slow_a_request": Kind(408, "The request did not arrive in time", "Send it again, all at once."),
    "conflict": Kind(409, "This is not possible now", "Do what `detail` says first."),
    "too_large": Kind(413, "The request is too large", "Send less: a press needs a scope and a reason."),
    "unsupported_type": Kind(415, "Unsupported type of body", "Send JSON as `Content-Type: application/json`."),
    "wrong_host": Kind(421, "This service has another name", "Add the name to [service] allowed_hosts."),
    "unprocessable": Kind(422, "The request makes no sense", "Correct what `detail` says, and send it again."),
    "key_reused": Kind(422, "This Idempotency-Key was used for another body", "Use a new key for a new press."),
    "unreachable": Kind(
        502, "The broker could not be read", "See panic check. A press sends its cancels all the same."
    ),
    "busy": Kind(503, "Too many requests are under way", "Wait for as long as Retry-After says."),
    "unread": Kind(
        503, "The ledger could not be read", "Try again; if it stays so, use panic runs and panic show."
    ),
    "throttled": Kind(429, "Too many at once", "Wait for as long as Retry-After says."),
    "refused": Kind(400, "The request is refused", "Look at /openapi.json."),
    "internal": Kind(500, "panic itself failed", _BY_HAND),
    "unusable": Kind(
        503, "Settings, roster or credentials cannot be used", "Fix what `errors` lists; see panic check."
    ),
    "stopping": Kind(503, "The service is stopping", "Press with the command line: panic press."),
    "not_let_in": Kind(401, "The call was not let in: an unknown hook, or not from its sender", _CALL),
    "late": Kind(400, "The call is not of now", "Set the clocks (NTP) and sign each delivery anew."),
    "not_pressed": Kind(503, "NOTHING was pressed", "Send it again."),
    "too_slow": Kind(504, "The ledger or the latch did not answer in time", "Try again, and look at its disk."),
}
_BY_STATUS = {kind.status: code for code, kind in reversed(KINDS.items())}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where in the request, or in which file, and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details as RFC 9457 has them; `code` is the end of `type`, `errors` the first fifty mistakes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    errors: tuple[Mistake, ...]
    request_id: str


class ProblemError(Exception):
    """A refusal; `code` is one of `KINDS`, which has what is left out."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        remedy: str = "",
        errors: Sequence[Mistake] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = KINDS[code]
        super().__init__(detail or self.kind.title)
        self.status, self.code = self.kind.status, code
        self.detail, self.errors = detail or self.kind.title, tuple(errors)
        self.remedy, self.headers = remedy or self.kind.remedy, dict(headers or {})

    def response(self, request_id: str) -> web.Response:
        """Write it as an answer."""
        detail = self.detail
        found = Problem(
            type=f"urn:panic:problem:{self.code}",
            title=self.kind.title,
            status=self.status,
            detail=detail if len(detail) <= _DETAIL_MOST else f"{detail[: _DETAIL_MOST - 1]}…",
            code=self.code,
            remedy=self.remedy,
            errors=self.errors[:_LISTED_MOST],
            request_id=request_id,
        )
        body = to_json(found, indent=2)
        return web.Response(body=body, status=found.status, headers=self.headers, content_type=MEDIA_TYPE)


def of_validation(error: ValidationError, part: str) -> ProblemError:
    """Say what is wrong with a part of the request (body, query), and where; never quote it."""
    found = [
        Mistake(clip("/".join([part, *map(str, one["loc"])])), clip(one["msg"]))
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return ProblemError("malformed", f"{error.error_count()} mistakes in the {part}", errors=found)


_FIELDS = {"account": "accounts", "group": "groups", "instrument": "instruments"}


def in_our_words(text: str) -> str:
    """Call the command line's flags by the names of the body's fields."""
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: _FIELDS.get(found[1], found[1].replace("-", "_")), text)


def of_usage(error: UsageError, code: str = "unprocessable") -> ProblemError:
    """Say what makes no sense, and list it."""
    return ProblemError(code, in_our_words(str(error)), errors=[Mistake(*one) for one in error.mistakes])


def of(error: Exception) -> ProblemError:
    """Turn an exception into a problem."""
    match error:
        case ProblemError():
            return error
        case UsageError():
            return of_usage(error)
        case ConfigurationError():
            return ProblemError("unusable", "Nothing was sent.", errors=list(_mistakes(error)))
        case PanicError():
            return ProblemError("internal", str(error))
        case TimeoutError():
            return ProblemError("too_slow")
        case web.HTTPException():
            return _of_http(error)
    return ProblemError("internal", f"an unexpected {type(error).__name__}")


def _of_http(error: web.HTTPException) -> ProblemError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return ProblemError("method_not_allowed", f"allowed here: {allowed}", headers={"Allow": allowed})
    return ProblemError(_BY_STATUS.get(error.status, "internal" if error.status >= 500 else "refused"))  # noqa: PLR2004


def _mistakes(error: ConfigurationError) -> Iterable[Mistake]:
    for one in error.problems:
        place = "" if one.file is None else f"{one.file}:{one.line}" if one.line else str(one.file)
        yield Mistake(place, clip(f"{one.text}. {one.remedy}", 500))


def request_id(request: BaseRequest) -> str:
    """Give the id that this request goes by."""
    found: str = request.get(REQUEST_ID, "")
    return found


def report_failure(error: Exception, request: BaseRequest) -> None:
    """Log that panic itself failed: where, but never the message."""
    if structlog.is_configured():
        where = {"at": place_of(error), "request_id": request_id(request)}
        log.error("request_failed", error=type(error).__name__, **where)


def place_of(error: BaseException | None) -> str:
    """Say where an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
