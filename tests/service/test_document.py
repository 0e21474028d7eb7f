"""The OpenAPI document: valid, served, and true to what validates and to what the routes do."""

import json
from pathlib import Path
from typing import get_args

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES
from panic.report.document import json_schema
from panic.service.api import models
from panic.service.app import OPERATIONS
from panic.service.problems import KINDS
from tests.service.house import DOCUMENT, house

_SCHEMAS = DOCUMENT["components"]["schemas"]


async def test_the_document_is_valid_openapi_and_served_to_anybody(tmp_path: Path) -> None:
    """By the specification's own schema, and without a token."""
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)
    async with house(tmp_path) as it:
        answer = await it.ask("GET", "/openapi.json", token="")

    assert "3.1.0" == DOCUMENT["openapi"]
    assert (200, "application/json") == (answer.status, answer.response.content_type)
    assert json.loads(json.dumps(DOCUMENT)) == answer.json


def test_every_refusal_is_a_kind_of_problem() -> None:
    """With a title; and every sort of problem has a remedy."""
    statuses = {kind.status for kind in KINDS.values()}

    assert set() == {status for one in OPERATIONS for status in one.refusals} - statuses
    assert all(kind.remedy.endswith((".", "now.")) and kind.title for kind in KINDS.values())


def test_the_report_is_the_published_one() -> None:
    """Part by part what docs/report.schema.json says, but for where its parts stand."""
    text = json.dumps(_SCHEMAS["Report"]).replace("#/components/schemas/", "#/$defs/")
    published = json_schema()
    parts = published.pop("$defs")
    published.pop("$schema")

    assert published == json.loads(text)
    assert parts.keys() <= _SCHEMAS.keys()


def test_the_filters_are_the_brokers() -> None:
    """Words that the API takes are words that the plan takes."""

    def words(name: str) -> tuple[str, ...]:
        return get_args(get_args(models.FiltersAsked.model_fields[name].annotation)[0])

    assert (SIDES, TYPES, INSTRUMENT_TYPES) == (words("side"), words("type"), words("instrument_type"))
