"""Answers that are sound HTTP and wrong: what is on the wire, and what the truth says meanwhile."""

import json
import zlib

import pytest

from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.simulator.support import ACCOUNT, ORDERS, ask, hit, simulate

NO_ORDERS = "No orders match the specified filters"


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 429, 500, 502, 503, 504, 599, 999])
async def test_status(status: int):
    """A status comes in the broker's error envelope and nothing is cancelled."""
    reply, executed = await hit(Fault("status", status=status, retry_after="7"))

    assert status == reply.status
    assert status == reply.json["error"]["code"]
    assert {"error", "metadata"} == set(reply.json)
    assert "7" == reply.headers["retry-after"]
    assert not executed


@pytest.mark.parametrize("status", [201, 202, 299])
async def test_status_that_means_success(status: int):
    """A 2xx tells the truth under another number, so the cancel is executed."""
    reply, executed = await hit(Fault("status", status=status))

    assert status == reply.status
    assert "PENDING_CANCEL" == reply.json["data"][0]["status"]
    assert executed


async def test_retry_after_is_verbatim():
    """Whatever the script says is sent, sense or not."""
    reply, _ = await hit(Fault("status", status=429, retry_after="nan"))

    assert "nan" == reply.headers["retry-after"]


async def test_lying_404():
    """The broker's own words, though an order is open."""
    reply, executed = await hit(Fault("lying_404"))

    assert (404, NO_ORDERS) == (reply.status, reply.json["error"]["message"])
    assert not executed


@pytest.mark.parametrize(("kind", "status"), [("bare_404", 404), ("not_json", 200)])
async def test_html(kind: str, status: int):
    """A page for people, from something in between."""
    reply, executed = await hit(Fault(kind))

    assert status == reply.status
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.body.startswith(b"<!DOCTYPE html>")
    assert not executed


async def test_error_in_200():
    """A 200 that says inside that it failed."""
    reply, executed = await hit(Fault("error_in_200"))

    assert 200 == reply.status
    assert reply.json["data"] is None
    assert 500 == reply.json["error"]["code"]
    assert not executed


async def test_empty_list():
    """A 200 without orders, though one is open."""
    reply, executed = await hit(Fault("empty_list"))

    assert (200, []) == (reply.status, reply.json["data"])
    assert not executed


async def test_wrong_account():
    """Somebody else's orders."""
    reply, executed = await hit(Fault("wrong_account", count=2))

    assert [ACCOUNT + 1] * 2 == [order["account_id"] for order in reply.json["data"]]
    assert 2 == len({order["id"] for order in reply.json["data"]})
    assert not executed


async def test_json_list():
    """JSON, but no object."""
    reply, executed = await hit(Fault("json_list"))

    assert (200, [1, 2, 3]) == (reply.status, reply.json)
    assert not executed


async def test_deep_json():
    """More brackets than a parser's stack holds."""
    reply, executed = await hit(Fault("deep_json"))

    with pytest.raises(RecursionError):
        json.loads(reply.body)
    assert not executed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect(status: int):
    """A redirect to wherever the script says."""
    reply, executed = await hit(Fault("redirect", status=status, location="https://elsewhere.example/login"))

    assert status == reply.status
    assert "https://elsewhere.example/login" == reply.headers["location"]
    assert not executed


async def test_redirect_without_a_status():
    """Unless it is told otherwise, a redirect is a 302."""
    reply, _ = await hit(Fault("redirect"))

    assert (302, "/login") == (reply.status, reply.headers["location"])


async def test_empty():
    """A 200 without a body; the cancel was executed."""
    reply, executed = await hit(Fault("empty"))

    assert (200, b"") == (reply.status, reply.body)
    assert "0" == reply.headers["content-length"]
    assert executed


async def test_no_content():
    """A 204; the cancel was executed."""
    reply, executed = await hit(Fault("no_content"))

    assert (204, b"") == (reply.status, reply.body)
    assert executed


async def test_huge():
    """Tens of megabytes of valid JSON that names only true orders."""
    reply, executed = await hit(Fault("huge"))

    assert 32 << 20 < len(reply.body) < 33 << 20
    assert 1 == len({order["id"] for order in reply.json["data"]})
    assert executed


async def test_gzip_bomb():
    """Small on the wire, a quarter of a gigabyte inflated, and sound gzip to the last byte."""
    reply, executed = await hit(Fault("gzip_bomb"))

    assert "gzip" == reply.headers["content-encoding"]
    assert len(reply.body) < 300_000
    assert 256 << 20 < _inflated_size(reply.body)
    assert not executed


def _inflated_size(body: bytes) -> int:
    inflater, size = zlib.decompressobj(zlib.MAX_WBITS | 16), 0
    while not inflater.eof:
        size += len(inflater.decompress(body, 1 << 22))
        body = inflater.unconsumed_tail
    return size


async def test_big_headers():
    """A header line of 64 kB."""
    reply, executed = await hit(Fault("big_headers"))

    assert 1 << 16 == len(reply.headers["x-big"])
    assert not executed


async def test_schema_drift():
    """The answer of some later release: what ended still reads as ended, nothing else as it did."""
    async with simulate(Fault("schema_drift", on="ANY")) as simulator:
        cancelled = (await ask(simulator)).json["data"][0]
        listed = (await ask(simulator, "GET")).json
        single = (await ask(simulator, "GET", f"{ORDERS}/{cancelled['id']}")).json["data"]

    assert "HELD_AT_VENUE" == cancelled["status"]
    assert not {"client_order_id", "venue", "symbol"} & set(cancelled)
    assert 100 == cancelled["quantity"]
    assert cancelled["instrument_id"] is None
    assert {"legs", "origin"} < set(cancelled)
    assert "warnings" in listed
    assert ["CANCELED"] == [order["status"] for order in listed["data"]]
    assert "CANCELED" == single["status"]


async def test_paged():
    """One account whose pages are small."""
    async with simulate(Fault("paged", count=2), orders=5) as simulator:
        metadata = (await ask(simulator, "GET")).json["metadata"]
        last = await ask(simulator, "GET", f"{ORDERS}?page_token={metadata['next_page_token']}")

    assert (5, 3) == (metadata["total_items"], metadata["total_pages"])
    assert 2 == len(last.json["data"])


async def test_paged_lies():
    """A total that the pages never reach."""
    async with simulate(Fault("paged_lies", count=3)) as simulator:
        answer = (await ask(simulator, "GET")).json

    assert (1, 4) == (len(answer["data"]), answer["metadata"]["total_items"])


async def test_page_loop():
    """A list whose end never comes."""
    async with simulate(Fault("page_loop")) as simulator:
        token = (await ask(simulator, "GET")).json["metadata"]["next_page_token"]
        again = (await ask(simulator, "GET", f"{ORDERS}?page_token={token}")).json

    assert token == again["metadata"]["next_page_token"]
    assert 1 == len(again["data"])


async def counted(path: str, *faults: Fault) -> tuple[int, int | None, bool]:
    """List five orders, two of them ended: how many are shown, how many counted, and whether there are more."""
    orders = (*(SimOrder(),) * 3, *(SimOrder(status="FILLED"),) * 2)
    async with Simulator([SimAccount(ACCOUNT, orders=orders, faults=faults)]) as simulator:
        answer = (await ask(simulator, "GET", f"{ORDERS}{path}")).json
    metadata = answer["metadata"]
    return len(answer["data"]), metadata.get("total_items"), metadata["next_page_token"] is not None


@pytest.mark.parametrize(
    ("fault", "path", "expected"),
    [
        (Fault("no_counts"), "?page_size=2", (2, None, True)),
        (Fault("counts_page"), "?page_size=2", (2, 2, True)),
        (Fault("counts_page"), "?page_size=1&status=FILLED", (1, 1, True)),
        (Fault("counts_unfiltered"), "?page_size=1&status=FILLED", (1, 5, True)),
        (Fault("counts_unfiltered"), "?status=FILLED", (2, 5, False)),
        (Fault("counts_unfiltered"), "?order_ids=nobody", (0, 0, False)),
        (Fault("counts_capped", count=4), "?page_size=1", (1, 4, True)),
        (Fault("counts_capped", count=4), "?status=FILLED", (2, 2, False)),
        (Fault("ignores_status"), "?status=FILLED", (5, 5, False)),
        (Fault("ignores_status"), "?order_ids=nobody&status=FILLED", (0, 0, False)),
        (Fault("refuses_status"), "?status=FILLED", (2, 2, False)),
    ],
)
async def test_counts(fault: Fault, path: str, expected: tuple[int, int | None, bool]):
    """Counts that are absent or that lie, and a filter that does nothing; the pages themselves are true."""
    assert expected == await counted(path, fault)


async def test_no_counts():
    """Nothing is left that a page's number or the number of pages could be told by."""
    async with simulate(Fault("no_counts")) as simulator:
        metadata = (await ask(simulator, "GET")).json["metadata"]

    assert {"request_id", "next_page_token", "previous_page_token"} == set(metadata)


@pytest.mark.parametrize("status", ["QUEUED", "PENDING_TRIGGER", "NEW,QUEUED"])
async def test_refuses_status(status: str):
    """A server of the first release does not know the words of a later one."""
    async with simulate(Fault("refuses_status")) as simulator:
        refused = await ask(simulator, "GET", f"{ORDERS}?status={status}")
        cancelled = await ask(simulator)

    assert (400, 200) == (refused.status, cancelled.status)
    assert refused.json["error"]["message"].strip("`").endswith(status.removeprefix("NEW,"))


async def test_hidden_orders():
    """The list is empty though an order is open."""
    async with simulate(Fault("hidden_orders")) as simulator:
        answer = (await ask(simulator, "GET")).json

        assert ([], 0) == (answer["data"], answer["metadata"]["total_items"])
        assert 1 == len(simulator.truth(ACCOUNT).open)
