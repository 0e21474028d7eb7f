"""One attempt is one wire request and one value, whatever the broker and the network do."""

import asyncio
from collections.abc import Callable

import pytest

from panic.broker.answers import Answer
from panic.broker.outcomes import Outcome
from panic.simulator import FAULTS, Fault
from tests.broker.support import (
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
    read,
    refusal,
    simulate,
)
from tests.kit.virtual import virtually

# ── every fault that the simulator knows ────────────────────────────────────────────────────────────────

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


@pytest.mark.parametrize(("kind", "outcome"), OF_A_DELETE.items())
def test_a_delete_meets_every_fault(kind: str, outcome: Outcome):
    """Each is one request on the wire and one value that the table names; nothing is raised."""
    answer = virtually(_meet(kind, "DELETE"))

    assert outcome == answer.outcome
    assert answer.page is None
    assert answer.ended - answer.began <= 5.1
    assert bool(answer.error) is (outcome is not ACCEPTED or kind in {"error_in_200", "endless", "huge"})


@pytest.mark.parametrize("kind", FAULTS)
def test_a_read_meets_every_fault(kind: str):
    """Each is one request on the wire; a page is made of a whole and sound answer only."""
    answer = virtually(_meet(kind, "GET"))

    assert (kind in SOUND) == (answer.page is not None)
    assert answer.ended - answer.began <= 5.1


# ── one attempt, one request ────────────────────────────────────────────────────────────────────────────


async def _ask_twice(method: str, end: Callable[[Line], None], *, resend: bool = False) -> tuple[Answer, int]:
    """Let the second request on a kept connection meet this end; gives its answer and all that arrived."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.request()
        end(line)

    async with listening(play) as listener, door(listener.base_url) as broker:
        if resend:
            broker._session._retry_connection = True
        first = await ask(method, broker)
        second = await ask(method, broker)

        assert Outcome.ACCEPTED == first.outcome
        return second, len(listener.heads)


ENDS = pytest.mark.parametrize("end", [Line.reset, lambda line: line.writer.close()], ids=["RST", "FIN"])


@METHODS
@ENDS
async def test_a_dropped_connection_is_not_asked_again(method: str, end: Callable[[Line], None]):
    """DELETE counts as idempotent, so that aiohttp would send it once more behind our back."""
    answer, arrived = await _ask_twice(method, end)

    assert Outcome.UNKNOWN == answer.outcome
    assert 2 == arrived


@METHODS
@ENDS
async def test_aiohttp_would_ask_again(method: str, end: Callable[[Line], None]):
    """The control: with aiohttp's own default one attempt is two requests on the wire."""
    _, arrived = await _ask_twice(method, end, resend=True)

    assert 3 == arrived


@ENDS
async def test_as_many_drops_are_as_many_requests(end: Callable[[Line], None]):
    """Nothing is resent under load either, fresh connections or used ones."""

    async def play(line: Line) -> None:
        if line.number % 2:
            await line.answer(FINE)
        await line.request()
        end(line)

    async with listening(play) as listener, door(listener.base_url) as broker:
        for _ in range(3):
            await asyncio.gather(*(cancel(broker) for _ in range(50)))

        assert 150 == len(listener.heads)


async def test_a_base_url_with_a_path():
    """A gateway's prefix stays in front."""
    async with listening(always(FINE)) as listener, door(f"{listener.base_url}/gate/v1") as broker:
        await read(broker)

    assert listener.heads[0].startswith(f"GET /gate/v1/accounts/{ID}/orders?page_size=1000 HTTP")


# ── redirects ───────────────────────────────────────────────────────────────────────────────────────────


@METHODS
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("where", ["the same host", "another host", "plain http", "nowhere"])
async def test_no_redirect_is_followed(status: int, where: str, method: str):
    """A login page that answers 404 must not read as nothing to cancel, and no header goes elsewhere."""
    async with listening(always(http(404, refusal(404)))) as stranger:
        targets = {
            "the same host": "/login",
            "another host": f"{stranger.base_url}/v1/accounts/{ID}/orders",
            "plain http": f"http://localhost:{stranger.port}/",
            "nowhere": "",
        }
        moved = http(status, b"", f"Location: {targets[where]}")
        async with listening(always(moved)) as listener, door(listener.base_url) as broker:
            answer = await ask(method, broker)

    assert Outcome.UNKNOWN == answer.outcome
    assert f"HTTP {status}" == answer.error
    assert answer.page is None
    assert 1 == len(listener.heads)
    assert not stranger.heads
    assert 0 == stranger.connections
