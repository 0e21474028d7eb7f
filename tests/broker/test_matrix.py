"""Every status of interest with every kind of body, and the URL of every request."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from panic.accounts.roster import Account
from panic.broker.outcomes import Body, Outcome
from panic.broker.pages import Query
from panic.orders import Filters
from tests.broker.support import (
    ACCOUNT,
    ID,
    OTHER_ID,
    cancel,
    door,
    envelope,
    read,
    refusal,
)

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


def _answer(mock: aioresponses, status: int, body: bytes, url: str = ORDERS, method: str = "DELETE") -> None:
    mock.add(url, method, status=status, body=body, response_class=_Response)


BODIES: dict[str, bytes] = {
    "orders": json.dumps(envelope(ID)).encode(),
    "own envelope": json.dumps(refusal(404)).encode(),
    "empty object": b"{}",
    "no bytes": b"",
    "blanks": b" \r\n",
    "page of a login": b"<!DOCTYPE html><title>Sign in</title>",
    "list": b"[1, 2]",
    "null": b"null",
    "half": b'{"data": [',
    "not UTF-8": b'{"data": "\xff\xfe"}',
    "deep": b"[" * 100_000,
    "another account's": json.dumps(envelope(OTHER_ID)).encode(),
}
ACCEPTABLE = {"orders", "own envelope", "empty object", "no bytes", "blanks"}

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
            _answer(mocked, status, BODIES[body])
            found[status] = (await cancel(broker)).outcome

    assert ANY_BODY == found
    assert [("DELETE", URL(ORDERS))] == list(mocked.requests)
    assert len(ANY_BODY) == len(mocked.requests["DELETE", URL(ORDERS)])


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 207, 226, 299])
async def test_success_needs_an_object_or_nothing(mocked: aioresponses, status: int, body: str):
    """A 2xx is accepted when its body is an object or empty, and unknown when it is anything else."""
    expected = Outcome.ACCEPTED if body in ACCEPTABLE else Outcome.UNKNOWN
    _answer(mocked, status, BODIES[body])
    async with door(BASE) as broker:
        answer = await cancel(broker)

    assert expected == answer.outcome
    assert 1 == len(mocked.requests["DELETE", URL(ORDERS)])


@pytest.mark.parametrize("body", BODIES)
async def test_no_content_is_accepted(mocked: aioresponses, body: str):
    """A 204 has no body to judge."""
    _answer(mocked, 204, BODIES[body])
    async with door(BASE) as broker:
        answer = await cancel(broker)

    assert Outcome.ACCEPTED == answer.outcome


@pytest.mark.parametrize("body", BODIES)
async def test_only_a_whole_page_is_read(mocked: aioresponses, body: str):
    """A read counts as 200 with a `data` array and no error, whatever else comes back."""
    pages = {}
    async with door(BASE) as broker:
        for status in (200, 201, 204, 206, 302, 400, 401, 403, 404, 429, 500, 503):
            _answer(mocked, status, BODIES[body], f"{ORDERS}?page_size=1000", "GET")
            pages[status] = (await read(broker)).page is not None
    counted = [status for status, is_page in pages.items() if is_page]

    assert ([200] if body == "orders" else []) == counted


@pytest.mark.parametrize("limit", [1024, 2048])
async def test_longer_than_the_limit(mocked: aioresponses, limit: int):
    """One byte more than the limit is overlong, the limit itself is not."""
    whole = b'{"data":[]}'.ljust(limit)
    found = []
    async with door(BASE, max_answer_bytes=limit) as broker:
        for body in (whole, whole + b" "):
            _answer(mocked, 200, body)
            answer = await cancel(broker)
            found.append((answer.outcome, answer.evidence.body))

    assert [(Outcome.ACCEPTED, Body.OBJECT), (Outcome.ACCEPTED, Body.OVERLONG)] == found


UUIDS = ("019c0b48-b8fb-700d-8c5e-931d54555f54", "019c0b48-b8fb-700d-8c5e-931d54555f55")
OSI = "AAPL  261218C00150000"


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        (Filters(), ""),
        (Filters(side="SELL_SHORT"), "?side=SELL_SHORT"),
        (Filters(type="STOP_LIMIT", side="BUY"), "?side=BUY&type=STOP_LIMIT"),
        (Filters(instrument_type="OPTION"), "?instrument_type=OPTION"),
        (Filters(instrument_ids=UUIDS), f"?instrument_ids={UUIDS[0]},{UUIDS[1]}"),
        (Filters(instrument_ids=(OSI,)), "?instrument_ids=AAPL%20%20261218C00150000"),
        (Filters(instrument_ids=("BRK.B", "BF/B")), "?instrument_ids=BRK.B,BF%2FB"),
        (Filters(instrument_ids=("A&side=BUY",)), "?instrument_ids=A%26side%3DBUY"),
        (Filters(instrument_ids=("A#B", "C+D", "E%20F")), "?instrument_ids=A%23B,C%2BD,E%2520F"),
        (Filters(instrument_ids=("Ä",)), "?instrument_ids=%C3%84"),
    ],
)
async def test_filters_arrive_as_they_are(mocked: aioresponses, filters: Filters, query: str):
    """Blanks of an OSI symbol, lists and characters with a meaning in a URL are encoded exactly once."""
    url = URL(ORDERS + query, encoded=True)
    mocked.add(url, "DELETE", body=BODIES["orders"], response_class=_Response)
    async with door(BASE) as broker:
        answer = await cancel(broker, filters=filters)
    [(method, asked)] = mocked.requests

    assert Outcome.ACCEPTED == answer.outcome
    assert "DELETE" == method
    assert dict(url.query) == dict(asked.query)
    assert filters.query() == dict(url.query)


@pytest.mark.parametrize("id_", [1, 2**31, 2**63 - 1])
async def test_an_account_is_a_number_in_the_path(mocked: aioresponses, id_: int):
    """The whole int64 is written in plain digits."""
    url = f"{BASE}/v1/accounts/{id_}/orders"
    _answer(mocked, 200, b"", url)
    async with door(BASE) as broker:
        await cancel(broker, Account(id_))

    assert [("DELETE", URL(url))] == list(mocked.requests)


@pytest.mark.parametrize("id_", ["1/../2", "1#x", "..", "1?x", None, 1.0])
async def test_nothing_else_gets_into_the_path(mocked: aioresponses, id_: Any):
    """A text for an account id is our own mistake, and is sent nowhere."""
    async with door(BASE) as broker:
        with pytest.raises((ValueError, TypeError)):
            await cancel(broker, Account(id_))

    assert not mocked.requests


async def test_a_read_asks_for_its_page(mocked: aioresponses):
    """Statuses, times and page tokens are encoded once and the filters repeated."""
    query = Query((("status", "NEW,OTHER"), ("from", "2026-01-01T00:00:00Z")), "a+b/c==")
    url = f"{ORDERS}?status=NEW,OTHER&from=2026-01-01T00:00:00Z&page_token=a%2Bb%2Fc%3D%3D"
    _answer(mocked, 200, BODIES["orders"], url, "GET")
    async with door(BASE) as broker:
        answer = await broker.read(ACCOUNT, query, asyncio.timeout(5))
    [(_, asked)] = mocked.requests

    assert answer.page is not None
    assert dict(query.items()) == dict(asked.query)
