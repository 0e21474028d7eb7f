"""Every status of interest with every kind of body."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from panic.broker.outcomes import Body, Outcome
from tests.broker.support import BODIES, ID, cancel, door

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


def _answer(mock: aioresponses, status: int, body: str) -> None:
    mock.add(ORDERS, "DELETE", status=status, body=BODIES[body][0], response_class=_Response)


ACCEPTABLE = {Body.OBJECT, Body.EMPTY}

SUCCESS = [200, 201, 202, 203, 204, 206, 207, 226, 299]
ANY_BODY: dict[int, Outcome] = {
    **dict.fromkeys((300, 301, 302, 303, 304, 307, 308), Outcome.UNKNOWN),
    **dict.fromkeys((400, 402, 405, 406, 410, 411, 413, 414, 415, 418, 422, 431, 451, 499), Outcome.REJECTED),
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOTHING_TO_CANCEL,
    429: Outcome.RATE_LIMITED,
    **dict.fromkeys((408, 409, 425), Outcome.BROKER_ERROR),
    **dict.fromkeys((500, 501, 502, 503, 504, 507, 520, 522, 524, 529, 599), Outcome.BROKER_ERROR),
    **dict.fromkeys((600, 700, 999), Outcome.UNKNOWN),
}


@pytest.mark.parametrize("body", BODIES)
async def test_statuses_whose_body_does_not_matter(mocked: aioresponses, body: str):
    """Whatever an error says, its status alone names the outcome; each attempt is one request."""
    found = {}
    async with door(BASE) as broker:
        for status in ANY_BODY:
            _answer(mocked, status, body)
            found[status] = (await cancel(broker)).outcome

    assert ANY_BODY == found
    assert [("DELETE", URL(ORDERS))] == list(mocked.requests)
    assert len(ANY_BODY) == len(mocked.requests["DELETE", URL(ORDERS)])


@pytest.mark.parametrize("body", BODIES)
async def test_success_needs_an_object_or_nothing(mocked: aioresponses, body: str):
    """A 2xx is accepted when its body is an object or empty, and unknown else; a 204 has no body to judge."""
    accepted = []
    async with door(BASE) as broker:
        for status in SUCCESS:
            _answer(mocked, status, body)
            if (await cancel(broker)).outcome is Outcome.ACCEPTED:
                accepted.append(status)

    assert (SUCCESS if BODIES[body][1] in ACCEPTABLE else [204]) == accepted
