"""One attempt is one wire request and one value, whatever the broker and the network do."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.outcomes import Outcome
from panic.broker.request import Exchange
from panic.orders import Filters
from panic.simulator import FAULTS, Fault
from tests.broker.support import (
    ACCOUNT,
    FINE,
    ID,
    METHODS,
    Line,
    always,
    ask,
    cancel,
    door,
    http,
    listening,
    refusal,
    simulate,
)

ACCEPTED, UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN
SOUND = (
    *("empty_list", "hidden_orders", "second_answer", "late_second_answer", "latency"),
    *("schema_drift", "paged", "paged_lies", "page_loop", "no_counts", "counts_page"),
    *("counts_unfiltered", "counts_capped", "ignores_status", "refuses_status", "stuck"),
    *("slow_settle", "fills", "part_fills", "replaced", "reappears"),
)
"""Sound HTTP, though it may not be the truth: only the other questions can tell."""

NO_ANSWER = (
    *("wrong_account", "not_json", "redirect", "big_headers"),
    *("gzip_bomb", "hang", "rst", "fin", "garbage", "executed_late"),
    *("executed_unanswered", "rst_after", "truncated", "drip"),
)
OF_A_DELETE: dict[str, Outcome] = {
    **dict.fromkeys((*SOUND, "error_in_200", "endless", "empty", "huge"), ACCEPTED),
    **dict.fromkeys(NO_ANSWER, UNKNOWN),
    "status": Outcome.BROKER_ERROR,
    "lying_404": Outcome.NOTHING_TO_CANCEL,
    "bare_404": Outcome.NOTHING_TO_CANCEL,
}


async def _meet(kind: str, method: str) -> Answer:
    fault = Fault(kind, on=method, seconds=0.0 if kind == "endless" else 2.0)
    async with simulate(fault) as simulator, door(simulator.base_url) as broker:
        answer = await ask(method, broker, within=5.0)

        assert [method] == [request.method for request in simulator.requests]
        assert simulator.requests[0].authorized
    return answer


def test_no_fault_is_forgotten():
    """The table names every kind of fault there is."""
    assert set(FAULTS) == set(OF_A_DELETE)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("kind", "outcome"), OF_A_DELETE.items())
async def test_a_delete_meets_every_fault(kind: str, outcome: Outcome):
    """Each is one request on the wire and one value that the table names; nothing is raised."""
    answer = await _meet(kind, "DELETE")

    assert outcome == answer.outcome
    assert answer.page is None
    assert answer.ended - answer.began <= 5.1
    assert bool(answer.error) is (outcome is not ACCEPTED or kind in {"error_in_200", "endless", "huge"})


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", FAULTS)
async def test_a_read_meets_every_fault(kind: str):
    """Each is one request on the wire; a page is made of a whole and sound answer only."""
    answer = await _meet(kind, "GET")

    assert (kind in SOUND) == (answer.page is not None)
    assert answer.ended - answer.began <= 5.1


@METHODS
@pytest.mark.parametrize("end", [Line.reset, lambda line: line.writer.close()], ids=["RST", "FIN"])
async def test_a_dropped_connection_is_not_asked_again(method: str, end: Callable[[Line], None]):
    """DELETE counts as idempotent, so that aiohttp would send it once more behind our back."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.request()
        end(line)

    async with listening(play) as listener, door(listener.base_url) as broker:
        answers = [await ask(method, broker) for _ in range(2)]

    assert [Outcome.ACCEPTED, Outcome.UNKNOWN] == [answer.outcome for answer in answers]
    assert 2 == len(listener.heads)


OPTION = "AAPL  261218C00150000"
ODD = ("A&side=BUY", "A#B", "C+D", "E%20F", "Ä")


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        (Filters(), ""),
        (Filters(type="STOP_LIMIT", side="BUY"), "?side=BUY&type=STOP_LIMIT"),
        (
            Filters(instrument_type="OPTION", instrument_ids=(OPTION, "BF/B")),
            "?instrument_type=OPTION&instrument_ids=AAPL%20%20261218C00150000,BF%2FB",
        ),
        (Filters(instrument_ids=ODD), "?instrument_ids=A%26side%3DBUY,A%23B,C%2BD,E%2520F,%C3%84"),
    ],
)
async def test_filters_arrive_as_they_are(filters: Filters, query: str):
    """Blanks of an OSI symbol, lists and characters with a meaning in a URL are encoded exactly once."""
    async with listening(always(FINE)) as listener, door(listener.base_url) as broker:
        await cancel(broker, filters=filters)

    assert listener.heads[0].startswith(f"DELETE /v1/accounts/{ID}/orders{query} HTTP")


@pytest.mark.parametrize("id_", [1, 2**63 - 1, "1/../2", "1#x", None, 1.0])
async def test_an_account_is_a_number_in_the_path(id_: Any):
    """The whole int64 in plain digits; anything else is our own mistake, and is sent nowhere."""
    is_number = isinstance(id_, int)
    async with listening(always(FINE)) as listener, door(listener.base_url) as broker:
        with nullcontext() if is_number else pytest.raises((ValueError, TypeError)):
            await cancel(broker, Account(id_))

    assert is_number == any(head.startswith(f"DELETE /v1/accounts/{id_}/orders HTTP") for head in listener.heads)
    assert is_number == bool(listener.heads)


async def test_a_read_asks_for_its_page():
    """Everything is encoded once and the filters repeated; a gateway's prefix stays in front."""
    query = (("status", "NEW,OTHER"), ("from", "2026-01-01T00:00:00Z"), ("page_token", "a+b/c=="))
    async with listening(always(FINE)) as listener, door(f"{listener.base_url}/gate") as broker:
        await broker.read(ACCOUNT, query, asyncio.timeout(5))

    asked = "status=NEW,OTHER&from=2026-01-01T00:00:00Z&page_token=a%2Bb%2Fc%3D%3D"
    assert listener.heads[0].startswith(f"GET /gate/v1/accounts/{ID}/orders?{asked} HTTP")


@METHODS
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("where", ["/login", "http://localhost:{}/", ""])
async def test_no_redirect_is_followed(status: int, where: str, method: str):
    """A login page that answers 404 must not read as nothing to cancel, and no header goes elsewhere."""
    async with listening(always(http(404, refusal(404)))) as stranger:
        moved = http(status, b"", f"Location: {where.format(stranger.port)}")
        async with listening(always(moved)) as listener, door(listener.base_url) as broker:
            answer = await ask(method, broker)

    assert Outcome.UNKNOWN == answer.outcome
    assert f"HTTP {status}" == answer.error
    assert answer.page is None
    assert 1 == len(listener.heads)
    assert 0 == stranger.connections


async def test_no_answer_is_held_on_to():
    """Of thousands of accounts that wait for their next request, each would keep a page of orders in memory."""
    async with listening(always(FINE)) as listener, door(listener.base_url) as broker:
        assert [ACCEPTED] * 5 == [(await cancel(broker)).outcome for _ in range(5)]

        opened_a_connection = 1
        assert opened_a_connection == len([one for one in gc.get_objects() if isinstance(one, Exchange)])
