"""Whole presses against a broker that is written elsewhere, whatever it holds and however it tells of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import clearstreet
import pytest
from clearstreet import AsyncClearStreet
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import panic
from panic.config import Broker, Credential, RosterFile, Settings
from panic.report.document import Report
from tests.kit.elsewhere import COUNTS, DAY_S, FILTERS, NEWEST_RELEASE, Elsewhere, Held, Ways
from tests.kit.virtual import virtually

KEY = "tenant-9.the-secret-of-the-firm"
DEADLINE_S = 2.5
YEAR_S = 365 * DAY_S
MANY = 250
"""More than a first page and than a count that is capped, fewer than the broker's largest page."""

EVERY_CELL = "PROVE" in os.environ
"""Whether to try every combination, as `make prove` does, and not only every pair."""

Accounts = dict[int, tuple[tuple[Held, ...], Ways]]


@dataclass(frozen=True)
class Told:
    """What a press said of each account, what was true at its end, and what it took."""

    report: Report
    verdicts: Mapping[int, str]
    alive: Mapping[int, list[str]]
    cancels: Mapping[int, int]

    def false_clears(self) -> dict[int, list[str]]:
        """The accounts that are told clear, with the orders that live in them all the same."""
        return {id_: self.alive[id_] for id_, word in self.verdicts.items() if word == "clear" and self.alive[id_]}


Press = Callable[..., Told]


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Press:
    """Press every account of such a broker, by the library, on virtual time."""
    roster = tmp_path_factory.mktemp("firm") / "accounts.csv"

    def go(accounts: Accounts, filters: panic.Filters | None = None, **broker: Any) -> Told:
        roster.write_text("id\n" + "".join(f"{id_}\n" for id_ in accounts))
        return virtually(_press(roster, accounts, filters or panic.Filters(), broker))

    return go


async def _press(roster: Path, accounts: Accounts, filters: panic.Filters, how: dict[str, Any]) -> Told:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ELSEWHERE_KEY", KEY)
        async with Elsewhere(accounts, KEY, **how) as broker:
            ready = Settings(
                broker=Broker(base_url=broker.base_url),
                credentials={"default": Credential(env="ELSEWHERE_KEY")},
                roster=RosterFile(file=roster),
            )
            scope = panic.Scope(all=True, filters=filters)
            report = await panic.press(ready, scope=scope, reason="x", deadline_s=DEADLINE_S, watch_s=0)
            verdicts = {one.id: str(one.verdict) for one in report.accounts if one.id is not None}
            assert set(accounts) == set(verdicts)
            alive = {id_: broker.alive(id_) for id_ in accounts}
            return Told(report, verdicts, alive, broker.cancels)


FINISHED = ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
GTC = "GOOD_TILL_CANCEL"
OF_TODAY = Held("NEW", 0.1)
LIVES = {
    "a stop of last year that waits": Held("PENDING_TRIGGER", 399.0, GTC, unseen=True),
    "one that is queued today": Held("QUEUED", 0.01, unseen=True),
    "a word nobody knows": Held("HELD_AT_VENUE", 40.0, GTC, unseen=True),
    "one that goes on tomorrow": Held("DONE_FOR_DAY", 30.0, GTC, unseen=True),
    "one that lives on, replaced": Held("REPLACED", 200.0, GTC, 60, unseen=True),
    "a plain one": Held("NEW", 10.0, GTC, unseen=True),
}
"""Orders that have not ended and that no DELETE names."""

OVER_FOR_TODAY = (
    Held("DONE_FOR_DAY", 3.0, leaves=40),
    Held("CALCULATED", 2.0, leaves=40),
    Held("REPLACED", 1.0, GTC, leaves=0),
)
"""Ended, though their status alone does not say so."""

GO_BY_A_CANCEL = (OF_TODAY, Held("PARTIALLY_FILLED", 90.0, GTC, 60))


def finished(count: int) -> tuple[Held, ...]:
    """So many orders that ended, from today's to one of 399 days ago."""
    return tuple(
        Held(FINISHED[n % 4], 399.0 * n / max(1, count - 1), leaves=100 if n % 4 else 0) for n in range(count)
    )


async def test_the_broker_is_one_that_the_sdk_can_read():
    """The broker's own client, which believes only its own enumerations, pages, cancels and is refused."""
    held = (*finished(3), Held("PENDING_TRIGGER", 40.0, GTC, symbol=None, unseen=True), OF_TODAY)
    async with (
        Elsewhere({1: (held, Ways())}, KEY) as broker,
        AsyncClearStreet(api_key=KEY, base_url=broker.base_url, _strict_response_validation=True) as sdk,
    ):
        first = await sdk.v1.orders.get_orders(1, page_size=4, from_="2020-01-01T00:00:00Z")
        token = str(first.metadata.next_page_token)
        rest = await sdk.v1.orders.get_orders(1, page_token=token, from_="2020-01-01T00:00:00Z")
        gone = await sdk.v1.orders.cancel_all_open_orders(1)
        with pytest.raises(clearstreet.NotFoundError, match="No orders match"):
            await sdk.v1.orders.cancel_all_open_orders(1)

        assert ["PENDING_TRIGGER", "PENDING_CANCEL"] == broker.alive(1)
    assert (5, 2) == (first.metadata.total_items, first.metadata.total_pages)
    assert (4, 1) == (len(first.data), len(rest.data))
    assert ["PENDING_CANCEL"] == [order.status for order in gone.data]


@pytest.mark.parametrize("counts", COUNTS)
def test_no_order_that_lives_is_hidden_by_how_it_is_told(press: Press, counts: str):
    """Whatever the broker counts, filters and sorts, an account in which an order lives is not clear."""
    turn = COUNTS.index(counts)
    cells = [
        (filters, size, life)
        for place, (size, life) in enumerate(product((5, MANY), LIVES))
        for filters in (FILTERS if EVERY_CELL else [FILTERS[(place + turn) % len(FILTERS)]])
    ]
    accounts: Accounts = {}
    for id_, (filters, size, life) in enumerate(cells, 1):
        beside = (OF_TODAY,) if id_ % 2 else ()  # else it hides behind a 404
        ways = Ways(counts, filters, newest_first=id_ % 4 < 2)
        accounts[id_] = ((*finished(size), LIVES[life], *beside), ways)
    told = press(accounts)

    assert all(told.alive.values())
    assert [] == [(*cells[id_ - 1], alive) for id_, alive in told.false_clears().items()]


SKEWS = {
    "ours is ahead by more than a look back": (-500 * DAY_S, (0.0,)),
    "ours is ahead by years": (-3 * YEAR_S, (0.0,)),
    "ours is behind by years": (3 * YEAR_S, (0.0,)),
    "theirs jumps": (0.0, (0.0, 3 * YEAR_S, -3 * YEAR_S, None)),
    "theirs jumps, and ours is ahead by years": (-3 * YEAR_S, (3 * YEAR_S, 0.0, None)),
    "a date not so far ahead of their clock": (0.0, (399 * DAY_S,)),
}


@pytest.mark.parametrize("skew", SKEWS)
def test_no_order_that_lives_is_hidden_by_a_clock(press: Press, skew: str):
    """Whoever's clock is wrong, and by however much, the look back does not begin after an order."""
    ahead_s, dates = SKEWS[skew]
    cells = list(product((0, MANY), LIVES) if EVERY_CELL else zip((0, MANY) * 3, LIVES, strict=True))
    accounts: Accounts = {
        id_: ((*finished(size), LIVES[life]), Ways()) for id_, (size, life) in enumerate(cells, 1)
    }
    told = press(accounts, ahead_s=ahead_s, dates=dates)

    assert [] == [(*cells[id_ - 1], alive) for id_, alive in told.false_clears().items()]


@pytest.mark.parametrize(
    ("filters", "life"),
    [
        (panic.Filters(instrument_ids=("APPL",)), OF_TODAY),
        (panic.Filters(instrument_ids=("AAPL",)), Held("NEW", 40.0, symbol=None, unseen=True)),
        (panic.Filters(side="SELL"), Held("NEW", 40.0, side="SELL_SHORT", unseen=True)),
    ],
    ids=["a symbol that is none", "several legs", "a short sale of an older release"],
)
def test_a_filter_that_may_name_what_lives_or_names_nothing_proves_nothing(
    press: Press, filters: panic.Filters, life: Held
):
    """In doubt a filter names an order; where it names none that anybody ever saw, somebody mistyped it."""
    told = press({1: ((*finished(5), life), Ways())}, filters)
    word = str(told.report.verdict)

    assert "clear" != word


@pytest.mark.parametrize(
    ("size", "filters"),
    [(0, "honoured"), (1, "refused"), (99, "refused"), (100, "honoured"), (MANY, "refused"), (1200, "honoured")],
)
def test_an_honest_broker_is_believed(press: Press, size: int, filters: str):
    """All orders have ended, or end by the DELETE: clear, with one DELETE, of whatever release the broker is."""
    cells = list(product((False, True), ((), OVER_FOR_TODAY), ((), GO_BY_A_CANCEL)))
    accounts: Accounts = {}
    for id_, (newest_first, over, open_) in enumerate(cells, 1):
        accounts[id_] = ((*finished(size), *over, *open_), Ways(filters=filters, newest_first=newest_first))
    told = press(accounts)

    assert not any(told.alive.values())
    assert [] == [(*cells[id_ - 1], word) for id_, word in told.verdicts.items() if word != "clear"]
    assert dict.fromkeys(accounts, 1) == told.cancels


HELD = st.builds(
    Held,
    status=st.sampled_from([*sorted(NEWEST_RELEASE), "HELD_AT_VENUE", "", "filled", "CANCELLED"]),
    age_days=st.floats(0, 399),
    time_in_force=st.sampled_from(["DAY", GTC, "AT_CLOSE"]),
    leaves=st.sampled_from([0, 40, 100]),
    symbol=st.sampled_from(["AAPL", None]),
    unseen=st.booleans(),
)
WAYS = st.builds(
    Ways,
    counts=st.sampled_from(COUNTS),
    filters=st.sampled_from(FILTERS),
    newest_first=st.booleans(),
    page_most=st.sampled_from([40, 100, 1000]),
)
FIRM = st.lists(
    st.tuples(st.sampled_from([0, 0, 50, MANY]), st.lists(HELD, max_size=4), WAYS), min_size=1, max_size=8
)
"""Of each account: how many orders it finished, what it holds beside them, and how it is told of."""
DATES = st.lists(st.sampled_from([0.0, 0.0, None, 3 * YEAR_S, -3 * YEAR_S]), min_size=1, max_size=4)


@hypothesis_settings(max_examples=100 if EVERY_CELL else 8, phases=[Phase.generate])
@given(FIRM, DATES, st.booleans())
def test_whatever_a_broker_holds_and_says_nothing_that_lives_is_told_clear(
    press: Press, firm: list[tuple[int, list[Held], Ways]], dates: list[float | None], honest: bool
):
    """Any orders told in any of these ways; of a broker that tells the truth, what is not clear is really open."""
    truth: dict[str, Any] = {"counts": "honest", "filters": "honoured"} if honest else {}
    accounts = {
        id_: ((*finished(size), *held), replace(ways, **truth)) for id_, (size, held, ways) in enumerate(firm, 1)
    }
    told = press(accounts, dates=(0.0,) if honest else dates)

    assert {} == told.false_clears()
    if honest:
        assert {} == {id_: word for id_, word in told.verdicts.items() if word != "clear" and not told.alive[id_]}
