"""Every status of interest with every kind of body."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from tests.broker.support import BODIES, ID, cancel, door
from tests.broker.test_outcomes import by_the_design

BASE = "https://broker.example"
ORDERS = f"{BASE}/v1/accounts/{ID}/orders"


class _Response(ClientResponse):
    """What aioresponses makes: its 0.7.9 does not know the argument that aiohttp 3.14 asks for (its issue 289)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, stream_writer=Mock(output_size=0), **options)


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


STATUSES = (
    *(200, 201, 202, 203, 204, 206, 207, 226, 299),
    *(300, 301, 302, 303, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 418, 422, 425, 429, 431, 451, 499),
    *(500, 501, 502, 503, 504, 507, 520, 522, 524, 529, 599),
    *(600, 700, 999),
)


@pytest.mark.parametrize("body", BODIES)
async def test_every_status_with_every_body_is_one_request_and_has_the_outcome_of_the_design(
    mocked: aioresponses, body: str
):
    """An error's status alone names the outcome; a 2xx is accepted when its body is an object or empty."""
    found = {}
    async with door(BASE) as broker:
        for status in STATUSES:
            mocked.add(ORDERS, "DELETE", status=status, body=BODIES[body][0], response_class=_Response)
            found[status] = (await cancel(broker)).outcome

    assert {status: by_the_design(status, BODIES[body][1]) for status in STATUSES} == found
    assert [("DELETE", URL(ORDERS))] == list(mocked.requests)
    assert len(STATUSES) == len(mocked.requests["DELETE", URL(ORDERS)])
