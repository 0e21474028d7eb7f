"""What the service can be asked, in one table: the routes are made from it, and so is the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from panic.report.document import PlanReport, Report
from panic.run import engagement, reset
from panic.run.check import CheckReport
from panic.service.api import views
from panic.service.api.models import ByAsked, EventsQuery, NoQuery, PlanAsked, PressAsked, ResetAsked, RunsQuery
from panic.service.api.press import KEY
from panic.service.room.signing import SessionView, TokenAsked
from panic.service.room.views import Board, Room, Schedules
from panic.service.selftest.result import SelfTestResult

VIEWER, PRESSER, RESETTER = "viewer", "presser", "resetter"
RUN_ID: Final = "[A-Za-z0-9-]{1,64}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A header that an operation reads."""

    name: str
    text: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked.

    Attributes:
        role: What the token must be good for; empty where none is needed.
        answers: What a status comes with; a text is a media type other than JSON.
        refuses: The other statuses, all of them problems.
    """

    id: str
    method: str
    path: str
    text: str
    role: str = ""
    person: bool = False
    body: type[BaseModel] | None = None
    needs_body: bool = True
    query: type[BaseModel] = NoQuery
    headers: tuple[Parameter, ...] = ()
    answers: Mapping[int, tuple[type | str, ...]] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()


_KEY = Parameter(
    "Idempotency-Key",
    "Repeats of one trigger: the same key with the same body is the same run, for 24 hours.",
    {"type": "string", "pattern": f"^{KEY}$"},
)
_PREFER = Parameter(
    "Prefer", "`wait=N`: seconds to wait for the report, as `wait` in the body.", {"type": "string"}
)
SSE = "text/event-stream"
_LINES = "application/x-ndjson"
_RUN = "/v1/runs/{id}"

OPERATIONS: Final = (
    Operation(
        "press", "POST", "/v1/runs", "Cancel every open order of a scope, now.", PRESSER,
        body=PressAsked, headers=(_KEY, _PREFER), answers={200: (Report, PlanReport), 202: (views.Started,)},
        refuses=(422, 429, 503),
    ),
    Operation(
        "runs", "GET", "/v1/runs", "List runs, unfinished ones first.", VIEWER,
        query=RunsQuery, answers={200: (views.Runs,)}, refuses=(504,),
    ),
    Operation(
        "run", "GET", _RUN, "Summarise one run.", VIEWER, answers={200: (views.RunFound,)}, refuses=(404, 504)
    ),
    Operation(
        "report", "GET", f"{_RUN}/report", "The report, as far as it is known now.", VIEWER,
        answers={200: (Report,)}, refuses=(404, 504),
    ),
    Operation(
        "board", "GET", f"{_RUN}/board", "The run account by account, a letter for each, as the room shows it.",
        VIEWER, answers={200: (Board,)}, refuses=(404, 504),
    ),
    Operation(
        "evidence", "GET", f"{_RUN}/evidence", "The evidence of a run, as `panic evidence export` writes it.",
        VIEWER, answers={200: (_LINES,)}, refuses=(404, 504),
    ),
    Operation(
        "resume", "POST", f"{_RUN}/resume", "Complete a run that a process left unfinished.", PRESSER,
        body=ByAsked, needs_body=False, answers={202: (views.Started,)}, refuses=(404, 409, 503, 504),
    ),
    Operation(
        "room", "GET", "/v1/room", "The current state, as the room shows it.", VIEWER, answers={200: (Room,)}
    ),
    Operation(
        "events", "GET", "/v1/events", "Follow the current state, and the board of one run.", VIEWER,
        query=EventsQuery, answers={200: (SSE,)}, refuses=(404, 429, 504),
    ),
    Operation(
        "schedule", "GET", "/v1/schedule", "The next scheduled runs, as `panic schedule --format json`.", VIEWER,
        answers={200: (Schedules,)}, refuses=(504,),
    ),
    Operation(
        "plan", "POST", "/v1/plan", "What a press of this scope would do; nothing is sent.", VIEWER,
        body=PlanAsked, answers={200: (PlanReport,)}, refuses=(422, 503, 504),
    ),
    Operation(
        "check", "POST", "/v1/check", "Would a press work everywhere? Read-only, one at a time.", VIEWER,
        answers={200: (CheckReport,)}, refuses=(409, 503, 504),
    ),
    Operation(
        "last_check", "GET", "/v1/check/last", "What the last self-test found; the broker is not asked.", VIEWER,
        answers={200: (SelfTestResult,)}, refuses=(404,),
    ),
    Operation(
        "latch", "GET", "/v1/latch", "What is engaged.", VIEWER, answers={200: (engagement.LatchView,)},
        refuses=(404, 504),
    ),
    Operation(
        "reset", "POST", "/v1/reset", "End the engaged state: a person's deliberate act.", RESETTER, person=True,
        body=ResetAsked, answers={200: (reset.ResetView,)}, refuses=(409, 503, 504),
    ),
    Operation(
        "status", "GET", "/v1/status", "The state of the service.", VIEWER, answers={200: (views.StatusView,)}
    ),
    Operation(
        "metrics", "GET", "/metrics", "Metrics for Prometheus.", VIEWER, answers={200: ("text/plain",)}
    ),
    Operation(
        "sign_in", "POST", "/v1/session", "Sign in from a browser: a token for a cookie.", body=TokenAsked,
        answers={200: (SessionView,)}, refuses=(401, 403, 429),
    ),
    Operation(
        "session", "GET", "/v1/session", "Who is signed in.", VIEWER, answers={200: (SessionView,)}, refuses=(404,)
    ),
    Operation(
        "seen", "POST", "/v1/session/seen", "Keep an active session active: somebody is there.", VIEWER,
        answers={200: (SessionView,)}, refuses=(404,),
    ),
    Operation(
        "sign_out", "DELETE", "/v1/session", "Sign out.", VIEWER, answers={204: ()}, refuses=(404,)
    ),
    Operation("healthz", "GET", "/healthz", "Is it alive?", answers={200: (views.Alive,)}),
    Operation("readyz", "GET", "/readyz", "Ready to press?", answers={200: (views.Ready,), 503: (views.Ready,)}),
    Operation("openapi", "GET", "/openapi.json", "This document.", answers={200: ("application/json",)}),
)  # fmt: skip


def refusals(operation: Operation) -> tuple[int, ...]:
    """Give every status with which an operation may be refused."""
    found = {400, 421, *operation.refuses}
    if operation.role:
        found |= {401, 403}
    if operation.body is not None:
        found |= {408, 413, 415}
    if "{id}" in operation.path:
        found.add(404)
    return tuple(sorted(found))
