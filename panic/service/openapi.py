"""The OpenAPI 3.1 document, made from the table of operations and the models that validate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from panic._version import VERSION
from panic.service import problems
from panic.service.api import answers
from panic.service.auth import Identity
from panic.service.operations import RUN_ID, Operation
from panic.service.room.stream import SSE

REF: Final = "#/components/schemas/{model}"

_COOKIE: Final = (
    "What POST /v1/session sets; its name has the port in it, and begins with __Host- where the service is asked "
    "with TLS. It counts only without an Authorization header. Every method but GET and HEAD then needs the "
    "`csrf` of the session as X-CSRF-Token, and an Origin that is the service's own."
)

_EVENT: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")},
    "description": "One event; `data` is the JSON of its body in the ledger.",
}
_MEDIA: Final[Mapping[str, dict[str, Any]]] = {"application/json": {"type": "object"}, SSE: _EVENT}


class Documentation:
    """Answers with the document, made once: it takes a while, and presses would wait."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._text = json.dumps(document(operations), indent=2).encode()

    @Operation("GET", "/openapi.json", "", {200: "application/json"})
    async def openapi(self, _: web.Request, __: Identity) -> web.Response:
        """This document."""
        return answers.document(self._text)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
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
                "session": {"type": "apiKey", "in": "cookie", "name": "panic-8787", "description": _COOKIE},
            },
        },
    }


_Key = tuple[Any, str]
_TEXTS: Final = {
    200: "Done.",
    202: "Begun; follow the links.",
    204: "There is nothing more to tell.",
    503: "Not ready.",
}


def _schemas(operations: Iterable[Operation]) -> tuple[dict[_Key, Any], dict[str, Any]]:
    """Make the schema of everything that goes in and out, each part of it once."""
    kinds: dict[_Key, None] = {(problems.Problem, "serialization"): None}
    for one in operations:
        if one.body is not None:
            kinds[one.body, "validation"] = None
        kinds.update({(answer, "serialization"): None for answer in one.answers.values() if _is_json(answer)})
    inputs: list[Any] = [(kind, mode, TypeAdapter(kind)) for kind, mode in kinds]
    found, defined = TypeAdapter.json_schemas(inputs, ref_template=REF)
    return dict(found), defined.get("$defs", {})


def _operation(one: Operation, schemas: Mapping[_Key, Any]) -> dict[str, Any]:
    who = f"Needs a token with the role {one.role}{', held by a person' if one.person else ''}."
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.text,
        "description": who if one.role else "Needs no token.",
        "security": [{"token": []}, {"session": []}] if one.role else [],
        "parameters": list(_parameters(one)),
        "responses": {},
    }
    if one.body is not None:
        content = {"application/json": {"schema": schemas[one.body, "validation"]}}
        found["requestBody"] = {"required": one.needs_body, "content": content}
    for status, answer in one.answers.items():
        response: dict[str, Any] = {"description": _TEXTS[status]}
        if _is_json(answer):
            response["content"] = {"application/json": {"schema": schemas[answer, "serialization"]}}
        elif answer:
            response["content"] = {answer: {"schema": _MEDIA.get(answer, {"type": "string"})}}
        found["responses"][str(status)] = response
    problem = {problems.MEDIA_TYPE: {"schema": schemas[problems.Problem, "serialization"]}}
    for status in one.refusals:
        titles = " / ".join(kind.title for kind in problems.KINDS.values() if kind.status == status)
        found["responses"].setdefault(str(status), {"description": titles, "content": problem})
    return found


def _is_json(answer: object) -> bool:
    return not isinstance(answer, str | None)


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    if "{id}" in one.path:
        text = "The run's id, the beginning of it, or `last`."
        schema = {"type": "string", "pattern": f"^{RUN_ID}$"}
        yield {"name": "id", "in": "path", "required": True, "description": text, "schema": schema}

    query = one.query.model_json_schema(ref_template=REF)["properties"] if one.query else {}
    for name, schema in query.items():
        yield {"name": name, "in": "query", "schema": schema}

    for header in one.headers:
        yield {"name": header.name, "in": "header", "description": header.text, "schema": dict(header.schema)}
