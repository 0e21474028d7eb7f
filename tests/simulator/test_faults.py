"""Every fault: what is on the wire, and what the truth says meanwhile."""

import asyncio
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panic.simulator import FAULTS, Fault, SimAccount, SimOrder, Simulator
from panic.simulator.faults import Script
from panic.simulator.spoils import INSTEAD
from panic.simulator.wire import PLAYS
from tests.simulator.support import ACCOUNT, ORDERS, Line, Reply, ask, drain, executed_once, simulate, until

NO_ORDERS = "No orders match the specified filters"


def is_html(reply: Reply) -> bool:
    """Whether it is a page for people."""
    return reply.headers["content-type"].startswith("text/html") and reply.body.startswith(b"<!DOCTYPE html>")


def inflates_to(body: bytes) -> int:
    """How long it is once it is unpacked, to the last byte."""
    inflater, size = zlib.decompressobj(zlib.MAX_WBITS | 16), 0
    while not inflater.eof:
        size += len(inflater.decompress(body, 1 << 22))
        body = inflater.unconsumed_tail
    return size


@pytest.mark.parametrize(
    ("fault", "status", "executed", "so"),
    [
        (Fault("status"), 503, False,
         lambda r: (r.json["error"]["code"], set(r.json)) == (503, {"error", "metadata"})),
        (Fault("status", status=999, retry_after="nan"), 999, False, lambda r: r.headers["retry-after"] == "nan"),
        (Fault("status", status=201), 201, True, lambda r: r.json["data"][0]["status"] == "PENDING_CANCEL"),
        (Fault("lying_404", retry_after="7"), 404, False,
         lambda r: (r.json["error"]["message"], r.headers["retry-after"]) == (NO_ORDERS, "7")),
        (Fault("bare_404"), 404, False, is_html),
        (Fault("not_json"), 200, False, is_html),
        (Fault("error_in_200"), 200, False, lambda r: (r.json["data"], r.json["error"]["code"]) == (None, 500)),
        (Fault("empty_list"), 200, False, lambda r: r.json["data"] == []),
        (Fault("wrong_account", count=2), 200, False,
         lambda r: [(one["account_id"], len(one["id"])) for one in r.json["data"]] == [(ACCOUNT + 1, 36)] * 2),
        (Fault("redirect"), 302, False, lambda r: r.headers["location"] == "/login"),
        (Fault("redirect", status=308, location="//x"), 308, False, lambda r: r.headers["location"] == "//x"),
        (Fault("big_headers"), 200, False, lambda r: len(r.headers["x-big"]) == 1 << 16),
        (Fault("gzip_bomb"), 200, False, lambda r: len(r.body) < 300_000 and inflates_to(r.body) > 256 << 20),
        (Fault("empty"), 200, True, lambda r: (r.body, r.headers["content-length"]) == (b"", "0")),
        (Fault("huge"), 200, True,
         lambda r: 32 << 20 < len(r.body) < 33 << 20 and r.body.count(r.body[9:61]) > 10_000),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)  # fmt: skip
async def test_an_answer(fault: Fault, status: int, executed: bool, so: Callable[[Reply], bool]):
    """It is as the vocabulary says, and so is whether the cancel was executed."""
    async with simulate(fault) as simulator:
        reply = await ask(simulator)

        assert (status, executed) == (reply.status, executed_once(simulator))
        assert so(reply)


async def test_schema_drift():
    """The answer of some later release: what ended still reads as ended, nothing else as it did."""
    async with simulate(Fault("schema_drift", on="ANY")) as simulator:
        cancelled = (await ask(simulator)).json["data"][0]
        listed = (await ask(simulator, "GET")).json

    assert ("HELD_AT_VENUE", 100, None) == tuple(cancelled[key] for key in ("status", "quantity", "instrument_id"))
    assert not {"client_order_id", "venue", "symbol"} & set(cancelled)
    assert {"legs", "origin"} < set(cancelled)
    assert "warnings" in listed
    assert ["CANCELED"] == [order["status"] for order in listed["data"]]


@pytest.mark.parametrize(
    ("fault", "path", "expected"),
    [
        (Fault("paged", count=2), "", (2, 5, True)),
        (Fault("paged_lies", count=3), "", (5, 8, False)),
        (Fault("page_loop"), "", (5, 5, True)),
        (Fault("hidden_orders"), "", (0, 0, False)),
        (Fault("no_counts"), "?page_size=2", (2, None, True)),
        (Fault("counts_page"), "?page_size=2", (2, 2, True)),
        (Fault("counts_page"), "?page_size=1&status=FILLED", (1, 1, True)),
        (Fault("counts_unfiltered"), "?page_size=1&status=FILLED", (1, 5, True)),
        (Fault("counts_unfiltered"), "?order_ids=nobody", (0, 0, False)),
        (Fault("counts_capped", count=4), "?page_size=1", (1, 4, True)),
        (Fault("counts_capped", count=4), "?status=FILLED", (2, 2, False)),
        (Fault("ignores_status"), "?status=FILLED", (5, 5, False)),
        (Fault("ignores_status"), "?order_ids=nobody&status=FILLED", (0, 0, False)),
        (Fault("refuses_status"), "?status=FILLED", (2, 2, False)),
    ],
)
async def test_a_list(fault: Fault, path: str, expected: tuple[int, int | None, bool]):
    """Of five orders, two of them ended: how many are shown, how many counted, and whether there are more."""
    orders = (*(SimOrder(),) * 3, *(SimOrder(status="FILLED"),) * 2)
    async with Simulator([SimAccount(ACCOUNT, orders=orders, faults=(fault,))]) as simulator:
        answer = (await ask(simulator, "GET", f"{ORDERS}{path}")).json
        pages = answer["metadata"]

        assert expected == (len(answer["data"]), pages.get("total_items"), pages["next_page_token"] is not None)
        assert fault.kind != "no_counts" or {"request_id", "next_page_token", "previous_page_token"} == set(pages)
        assert 3 == len(simulator.truth(ACCOUNT).open)


@pytest.mark.parametrize("status", ["QUEUED", "NEW,PENDING_TRIGGER"])
async def test_refuses_status(status: str):
    """A server of the first release does not know the words of a later one; a DELETE names none."""
    async with simulate(Fault("refuses_status")) as simulator:
        refused = await ask(simulator, "GET", f"{ORDERS}?status={status}")
        cancelled = await ask(simulator)

    assert (400, 200) == (refused.status, cancelled.status)
    assert refused.json["error"]["message"].strip("`").endswith(status.removeprefix("NEW,"))


def is_half(wire: bytes) -> bool:
    """Whether the body is shorter than the head promised."""
    head, _, body = wire.partition(b"\r\n\r\n")
    return 0 < len(body) < promised(head)


def promised(head: bytes) -> int:
    """The length of the body, as the head has it."""
    return int(head.lower().split(b"content-length: ")[1].split()[0])


@pytest.mark.parametrize(
    ("kind", "executed", "so"),
    [
        ("garbage", False, lambda wire: wire and not wire.startswith(b"HTTP")),
        ("fin", False, lambda wire: wire == b""),
        ("executed_unanswered", True, lambda wire: wire == b""),
        ("rst", False, lambda wire: wire is None),
        ("rst_after", True, lambda wire: wire is None),
        ("truncated", True, is_half),
    ],
)
async def test_an_end_of_the_connection(kind: str, executed: bool, so: Callable[[bytes | None], bool]):
    """All its bytes, or None for a reset; often only the truth tells two of them apart."""
    async with simulate(Fault(kind)) as simulator:
        try:
            wire = await drain(simulator)
        except ConnectionResetError:
            wire = None

        assert so(wire)
        assert executed == executed_once(simulator)


@pytest.mark.virtual_time
async def test_drip():
    """The head at once and then byte after byte; whoever waits gets the whole truth, and the line stays."""
    async with simulate(Fault("drip", seconds=1), orders=0) as simulator:
        line = await Line.to(simulator)
        line.send()
        length = promised(await line.reader.readuntil(b"\r\n\r\n"))
        began = asyncio.get_running_loop().time()
        body = await line.reader.readexactly(length)
        passed = asyncio.get_running_loop().time() - began
        line.send("GET")
        again = await line.reply()
        await line.close()

        assert NO_ORDERS == json.loads(body)["error"]["message"]
        assert (1, 200) == (simulator.truth(ACCOUNT).executed, again.status)
        assert length == pytest.approx(passed, rel=0.1)


async def _read_for_ever(line: Line) -> None:
    while True:
        await line.reader.readexactly(1 << 16)


@pytest.mark.virtual_time
async def test_endless():
    """The body goes on for as long as somebody reads, virtual time goes on too, and it ends when he leaves."""
    async with simulate(Fault("endless")) as simulator:
        line = await Line.to(simulator)
        line.send()
        received = await line.reader.readexactly(1 << 16)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_read_for_ever(line), 0.2)
        await line.close()
        await until(lambda: not simulator.in_flight)

        assert b"Transfer-Encoding: chunked" in received
        assert not executed_once(simulator)


@pytest.mark.parametrize(
    ("fault", "at_once", "later"),
    [
        (Fault("hang"), False, False),
        (Fault("executed_late", seconds=5), False, True),
        (Fault("latency", seconds=60), True, True),
    ],
)
@pytest.mark.virtual_time
async def test_no_answer_before_the_client_leaves(fault: Fault, at_once: bool, later: bool):
    """The handler ends with the client; what was taken is executed all the same, at its time."""
    async with simulate(fault) as simulator:
        line = await Line.to(simulator)
        line.send()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.reader.read(1), 2)
        waiting = simulator.in_flight
        await line.close()
        await until(lambda: not simulator.in_flight)
        before = executed_once(simulator)
        await asyncio.sleep(10)

        assert (1, at_once, later) == (waiting, before, executed_once(simulator))


@pytest.mark.parametrize("kind", ["second_answer", "late_second_answer"])
@pytest.mark.virtual_time
async def test_an_answer_that_nobody_asked_for(kind: str):
    """After the true one: an account without orders. To a client that has hung up it is not sent."""
    async with simulate(Fault(kind, seconds=0.5, times=2)) as simulator:
        line = await Line.to(simulator)
        line.send()
        true, unasked = await line.reply(), await line.reply()
        line.send("GET")
        asked = await line.reply()
        await line.close()
        await ask(simulator)
        await asyncio.sleep(1)

        assert "PENDING_CANCEL" == true.json["data"][0]["status"]
        assert (200, []) == (unasked.status, unasked.json["data"])
        assert "CANCELED" == asked.json["data"][0]["status"]
        assert 2 == simulator.truth(ACCOUNT).executed


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (Fault("rst"), [True, True, True, True]),
        (Fault("rst", times=2), [True, True, False, False]),
        (Fault("rst", skip=1, times=2), [False, True, True, False]),
        (Fault("rst", on="GET"), [False, False, False, False]),
        (Fault("rst", on="ANY", times=1), [True, False, False, False]),
        (Fault("rst", on="OTHER"), [False, False, False, False]),
    ],
)
def test_script(fault: Fault, hit: list[bool]):
    """A fault skips, hits and is used up as it says."""
    script = Script([fault])

    assert hit == [bool(script.next("DELETE")) for _ in range(4)]


async def test_faults_that_say_nothing_of_the_endpoint():
    """Those about pages and orders leave an error as it is."""
    faults = [Fault(kind, on="ANY") for kind in ("paged_lies", "page_loop", "huge", "schema_drift", "stuck")]
    async with simulate(*faults, orders=0) as simulator:
        nothing = await ask(simulator)

    assert (404, NO_ORDERS) == (nothing.status, nothing.json["error"]["message"])


async def test_the_first_decisive_fault_wins():
    """Of several faults that decide what is sent, the first does; the others still compose."""
    faults = [Fault("latency", seconds=0.001), Fault("status", times=1), Fault("bare_404", times=2)]
    async with simulate(*faults, Fault("status", status=201)) as simulator:
        statuses = [(await ask(simulator)).status for _ in range(3)]

    assert [503, 404, 201] == statuses


async def test_faults_of_all_accounts_and_of_the_other_endpoints():
    """`times` counts for every account; OTHER hits what is about no account's orders, and nothing else."""
    fault_all = (Fault("status", times=1), Fault("status", on="OTHER", times=1), Fault("fin", on="OTHER", skip=1))
    async with simulate(fault_all=fault_all) as simulator:
        first = await ask(simulator, "GET", "/v1/accounts")
        second = await drain(simulator, "GET", "/v1/clock")
        cancelled = [(await ask(simulator)).status for _ in range(2)]

    assert (503, b"", [503, 200]) == (first.status, second, cancelled)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "rts"}, "unknown fault 'rts'; known: bare_404"),
        ({"kind": "rst", "on": "PUT"}, "fault 'rst' on 'PUT'; known: ANY, DELETE, GET, OTHER"),
    ],
)
def test_a_mistake_in_a_script_is_refused(wrong: dict[str, Any], message: str):
    """When it is written down."""
    with pytest.raises(ValueError, match=message):
        Fault(**wrong)


def test_every_fault_is_played_once_and_tested():
    """The vocabulary, the players and these tests name the same faults."""
    tests = "".join(
        Path(__file__).with_name(name).read_text("utf-8") for name in ("test_faults.py", "test_book.py")
    )

    assert [] == [kind for kind in FAULTS if f'"{kind}"' not in tests]
    assert {kind for kind in FAULTS if Fault(kind).decisive} == INSTEAD.keys() | PLAYS.keys()
    assert not INSTEAD.keys() & PLAYS.keys()
