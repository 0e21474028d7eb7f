"""The OpenAPI 3.1 document, made from the table of operations and the models that validate."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from panic._version import VERSION
from panic.service import problems
from panic.service.operations import OPERATIONS, RUN_ID, SSE, Operation, refusals

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
                "session": {"type": "apiKey", "in": "cookie", "name": "panic-8787", "description": _COOKIE},
            },
        },
    }


_Key = tuple[type, str]
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
        for answers in one.answers.values():
            kinds.update({(kind, "serialization"): None for kind in answers if not isinstance(kind, str)})
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
    for status, answers in one.answers.items():
        found["responses"][str(status)] = _response(status, answers, schemas)
    problem = {problems.MEDIA_TYPE: {"schema": schemas[problems.Problem, "serialization"]}}
    for status in refusals(one):
        titles = " / ".join(kind.title for kind in problems.KINDS.values() if kind.status == status)
        found["responses"].setdefault(str(status), {"description": titles, "content": problem})
    return found


def _response(status: int, answers: Sequence[type | str], schemas: Mapping[_Key, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _TEXTS[status]}
    media = [kind for kind in answers if isinstance(kind, str)]
    models = [schemas[kind, "serialization"] for kind in answers if not isinstance(kind, str)]
    if media:
        response["content"] = {media[0]: {"schema": _MEDIA.get(media[0], {"type": "string"})}}
    elif models:
        schema = models[0] if len(models) == 1 else {"oneOf": models}
        response["content"] = {"application/json": {"schema": schema}}
    return response


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    if "{id}" in one.path:
        text = "The run's id, the beginning of it, or `last`."
        schema = {"type": "string", "pattern": f"^{RUN_ID}$"}
        yield {"name": "id", "in": "path", "required": True, "description": text, "schema": schema}

    for name, schema in one.query.model_json_schema(ref_template=REF).get("properties", {}).items():
        yield {"name": name, "in": "query", "schema": schema}

    for header in one.headers:
        yield {"name": header.name, "in": "header", "description": header.text, "schema": dict(header.schema)}
