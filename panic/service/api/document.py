"""What the service can be asked, in one table: the routes are made from it, and so is the OpenAPI 3.1 document."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from panic import engagement, reset
from panic._version import VERSION
from panic.check import CheckReport
from panic.report import PlanReport, Report
from panic.selftest import Last
from panic.service import repeats
from panic.service.api import facts, problems, views
from panic.service.api.models import (
    ByAsked,
    EventsQuery,
    NoQuery,
    PlanAsked,
    PressAsked,
    ResetAsked,
    RunsQuery,
)
from panic.service.room.signing import SessionView, TokenAsked
from panic.service.room.views import Board, Room, Schedules

REF: Final = "#/components/schemas/{model}"
VIEWER, PRESSER, RESETTER = "viewer", "presser", "resetter"
RUN_ID: Final = "[A-Za-z0-9-]{1,64}"

_COOKIE: Final = (
    "What POST /v1/session sets; its name has the port in it, and begins with __Host- where the service is asked "
    "with TLS. It counts only without an Authorization header. Every method but GET and HEAD then needs the "
    "`csrf` of the session as X-CSRF-Token, and an Origin that is the service's own."
)


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
        person: Whether the token must be a person's.
        body: What the body must be; None where there is none.
        needs_body: Whether there must be one.
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
    {"type": "string", "pattern": f"^{repeats.KEY}$"},
)
_PREFER = Parameter(
    "Prefer", "`wait=N`: seconds to wait for the report, as `wait` in the body.", {"type": "string"}
)
_SSE = "text/event-stream"
_LINES = "application/x-ndjson"
_EVENT: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")},
    "description": "One event; `data` is the JSON of its body in the ledger.",
}
_MEDIA: Final[Mapping[str, dict[str, Any]]] = {"application/json": {"type": "object"}, _SSE: _EVENT}
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
        "run", "GET", _RUN, "Sum one run up.", VIEWER, answers={200: (views.RunFound,)}, refuses=(404, 504)
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
        "room", "GET", "/v1/room", "How things stand, as the room shows it.", VIEWER, answers={200: (Room,)}
    ),
    Operation(
        "events", "GET", "/v1/events", "Follow how things stand, and the board of one run.", VIEWER,
        query=EventsQuery, answers={200: (_SSE,)}, refuses=(404, 429, 504),
    ),
    Operation(
        "schedule", "GET", "/v1/schedule", "What comes by the clock, as `panic schedule --format json`.", VIEWER,
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
        answers={200: (Last,)}, refuses=(404,),
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
        "status", "GET", "/v1/status", "How the service is.", VIEWER, answers={200: (facts.StatusView,)}
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
        "seen", "POST", "/v1/session/seen", "Somebody is there: a session that may act still may.", VIEWER,
        answers={200: (SessionView,)}, refuses=(404,),
    ),
    Operation(
        "sign_out", "DELETE", "/v1/session", "Sign out.", VIEWER, answers={204: ()}, refuses=(404,)
    ),
    Operation("healthz", "GET", "/healthz", "Is it alive?", answers={200: (facts.Alive,)}),
    Operation("readyz", "GET", "/readyz", "Ready to press?", answers={200: (facts.Ready,), 503: (facts.Ready,)}),
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


def document(operations: Sequence[Operation] = OPERATIONS) -> dict[str, Any]:
    """Write the OpenAPI document."""
    schemas, components = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "panic",
            "version": VERSION,
            "summary": "Cancel every open order in every account, and prove that they are gone.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "panic-8787",
                    "description": _COOKIE,
                },
            },
        },
    }


_Key = tuple[type, str]


def _schemas(operations: Iterable[Operation]) -> tuple[dict[_Key, Any], dict[str, Any]]:
    """Make the schema of everything that goes in and out, each part of it once."""
    kinds: dict[_Key, None] = {(problems.Problem, "serialization"): None}
    for one in operations:
        if one.body is not None:
            kinds[one.body, "validation"] = None
        for answers in one.answers.values():
            kinds.update({(kind, "serialization"): None for kind in answers if not isinstance(kind, str)})
    inputs: list[Any] = [(kind, mode, TypeAdapter(kind)) for kind, mode in kinds]
    found, defined = TypeAdapter.json_schemas(inputs, ref_template=REF)
    return dict(found), defined.get("$defs", {})


def _operation(one: Operation, schemas: Mapping[_Key, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.text,
        "description": _who_may(one),
        "security": [{"token": []}, {"session": []}] if one.role else [],
        "parameters": [*_in_path(one), *_in_query(one), *_in_headers(one)],
        "responses": {},
    }
    if one.body is not None:
        content = {"application/json": {"schema": schemas[one.body, "validation"]}}
        found["requestBody"] = {"required": one.needs_body, "content": content}
    for status, answers in one.answers.items():
        found["responses"][str(status)] = _response(status, answers, schemas)
    problem = {problems.MEDIA_TYPE: {"schema": schemas[problems.Problem, "serialization"]}}
    for status in refusals(one):
        found["responses"].setdefault(str(status), {"description": _title(status), "content": problem})
    return found


def _who_may(one: Operation) -> str:
    if not one.role:
        return "Needs no token."
    return f"Needs a token with the role {one.role}{', held by a person' if one.person else ''}."


def _title(status: int) -> str:
    return " / ".join(kind.title for kind in problems.KINDS.values() if kind.status == status)


def _response(status: int, answers: Sequence[type | str], schemas: Mapping[_Key, Any]) -> dict[str, Any]:
    texts = {
        200: "Done.",
        202: "Begun; follow the links.",
        204: "There is nothing more to tell.",
        503: "Not ready.",
    }
    response: dict[str, Any] = {"description": texts[status]}
    media = [kind for kind in answers if isinstance(kind, str)]
    models = [schemas[kind, "serialization"] for kind in answers if not isinstance(kind, str)]
    if media:
        schema = _MEDIA.get(media[0], {"type": "string"})
        response["content"] = {media[0]: {"schema": schema}}
    elif models:
        response["content"] = {
            "application/json": {"schema": models[0] if len(models) == 1 else {"oneOf": models}}
        }
    return response


def _in_path(one: Operation) -> Iterable[dict[str, Any]]:
    if "{id}" in one.path:
        text = "The run's id, the beginning of it, or `last`."
        schema = {"type": "string", "pattern": f"^{RUN_ID}$"}
        yield {"name": "id", "in": "path", "required": True, "description": text, "schema": schema}


def _in_query(one: Operation) -> Iterable[dict[str, Any]]:
    for name, schema in one.query.model_json_schema(ref_template=REF).get("properties", {}).items():
        yield {"name": name, "in": "query", "schema": schema}


def _in_headers(one: Operation) -> Iterable[dict[str, Any]]:
    for header in one.headers:
        yield {"name": header.name, "in": "header", "description": header.text, "schema": dict(header.schema)}
