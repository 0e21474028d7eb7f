"""The vocabulary of faults, and which requests a script hits."""

from pathlib import Path
from typing import Any

import pytest

from panic.simulator import FAULTS, Fault
from panic.simulator.faults import Script
from panic.simulator.spoils import INSTEAD
from panic.simulator.wire import PLAYS
from tests.simulator.support import ACCOUNT, ask, drain, simulate


async def test_faults_that_say_nothing_of_the_endpoint():
    """Those about pages and orders leave an error, a submitted order and an account as they are."""
    faults = [Fault(kind, on="ANY") for kind in ("paged_lies", "page_loop", "huge", "schema_drift", "stuck")]
    async with simulate(*faults, orders=0) as simulator:
        nothing = await ask(simulator)
        account = await ask(simulator, "GET", f"/v1/accounts/{ACCOUNT}")

    assert 404 == nothing.status
    assert ACCOUNT == account.json["data"]["id"]


async def test_the_first_decisive_fault_wins():
    """Of several faults that decide what is sent, the first does; the others still compose."""
    faults = [Fault("latency", seconds=0.001), Fault("status", times=1), Fault("bare_404", times=2)]
    async with simulate(*faults, Fault("status", status=201)) as simulator:
        statuses = [(await ask(simulator)).status for _ in range(3)]

    assert [503, 404, 201] == statuses


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (Fault("rst"), [True, True, True, True]),
        (Fault("rst", times=2), [True, True, False, False]),
        (Fault("rst", skip=1), [False, True, True, True]),
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


async def test_fault_on_the_other_endpoints():
    """A fault on OTHER hits what is about no account's orders, and no account's script counts it."""
    async with simulate(
        fault_all=(Fault("status", on="OTHER", times=1), Fault("fin", on="OTHER", skip=1))
    ) as simulator:
        first = await ask(simulator, "GET", "/v1/accounts")
        second = await drain(simulator, "GET", "/v1/clock")
        orders = await ask(simulator, "GET")

    assert (503, b"", 200) == (first.status, second, orders.status)


async def test_fault_of_all_accounts_counts_for_each():
    """`times` in `fault_all` means so often for every account."""
    async with simulate(fault_all=(Fault("status", times=1),)) as simulator:
        statuses = [(await ask(simulator)).status for _ in range(2)]

    assert [503, 200] == statuses


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "rts"}, "unknown fault 'rts'; known: bad_headers"),
        ({"kind": "rst", "on": "PUT"}, "fault 'rst' on 'PUT'; known: ANY, DELETE, GET, OTHER"),
    ],
)
def test_mistake_in_a_script(wrong: dict[str, Any], message: str):
    """A fault that does not exist is refused when it is written down."""
    with pytest.raises(ValueError, match=message):
        Fault(**wrong)


def test_every_fault_is_tested():
    """The vocabulary and these tests name the same faults."""
    here = Path(__file__)
    files = ("test_answer_faults.py", "test_wire_faults.py", "test_book.py")
    tests = "".join(here.with_name(name).read_text("utf-8") for name in files)

    assert [] == [kind for kind in FAULTS if f'"{kind}"' not in tests]


def test_every_fault_is_played():
    """Each decisive fault has one player."""
    decisive = {kind for kind in FAULTS if Fault(kind).decisive}

    assert decisive == INSTEAD.keys() | PLAYS.keys()
    assert not INSTEAD.keys() & PLAYS.keys()
