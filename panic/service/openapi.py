"""The OpenAPI 3.1 document, made from the table of operations and the models that validate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from panic._version import VERSION
from panic.service import problems
from panic.service.api.answers import document as answer_with
from panic.service.auth import Identity
from panic.service.operations import ACCOUNT_ID, RUN_ID, Operation

REF: Final = "#/components/schemas/{model}"

_COOKIE: Final = (
    "What POST /v1/session sets, its name with the port; it counts only without an Authorization header. All but "
    "GET and HEAD then needs the `csrf` of the session as X-CSRF-Token, and an Origin that is the service's own."
)


class Documentation:
    """Answers with the document, made once: it takes a while, and presses would wait."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._text = json.dumps(document(operations), indent=2).encode()

    @Operation("GET", "/openapi.json", "", {200: dict[str, Any]})
    async def openapi(self, _: web.Request, __: Identity) -> web.Response:
        """This document."""
        return answer_with(self._text)


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


def _schemas(operations: Iterable[Operation]) -> tuple[dict[_Key, Any], dict[str, Any]]:
    """Make the schema of everything that goes in and out, each part of it once."""
    kinds: dict[_Key, None] = {(problems.Problem, "serialization"): None}
    for one in operations:
        if one.body is not None:
            kinds[one.body, "validation"] = None
        answers = [answer for answer in one.answers.values() if not isinstance(answer, str | None)]
        kinds.update({(answer, "serialization"): None for answer in answers})
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
        is_needed = any(field.is_required() for field in one.body.model_fields.values())
        content = {"application/json": {"schema": schemas[one.body, "validation"]}}
        found["requestBody"] = {"required": is_needed, "content": content}
    for status, answer in one.answers.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if isinstance(answer, str):
            response["content"] = {answer: {}}
        elif answer is not None:
            response["content"] = {"application/json": {"schema": schemas[answer, "serialization"]}}
        found["responses"][str(status)] = response
    problem = {problems.MEDIA_TYPE: {"schema": schemas[problems.Problem, "serialization"]}}
    for status in one.refusals:
        titles = " / ".join(kind.title for kind in problems.KINDS.values() if kind.status == status)
        found["responses"].setdefault(str(status), {"description": titles, "content": problem})
    return found


def _parameters(one: Operation) -> Iterable[Mapping[str, Any]]:
    if "{id}" in one.path:
        text = "The run's id, the beginning of it, or `last`."
        schema = {"type": "string", "pattern": f"^{RUN_ID}$"}
        yield {"name": "id", "in": "path", "required": True, "description": text, "schema": schema}
    if "{account}" in one.path:
        schema = {"type": "string", "pattern": f"^{ACCOUNT_ID}$"}
        yield {"name": "account", "in": "path", "required": True, "description": "Its id.", "schema": schema}
    query = one.query.model_json_schema(ref_template=REF)["properties"] if one.query else {}
    yield from ({"name": name, "in": "query", "schema": schema} for name, schema in query.items())
    yield from one.headers
