"""Which accounts the broker shows."""

from collections.abc import Iterable
from typing import Any

import pytest

from panic.broker.answers import Answer, too_late
from panic.broker.listing import Listing, list_accounts
from tests.kit.builders import an_answer, no_answer
from tests.kit.virtual import virtually


def a_list(*rows: Any, token: Any = None, status: int = 200, **metadata: Any) -> Answer:
    """One page of the broker's accounts."""
    if token is not None:
        metadata["next_page_token"] = token
    return an_answer(status, document={"data": list(rows), "metadata": metadata})


def active(id_: Any, status: Any = "ACTIVE") -> dict[str, Any]:
    """One account that can hold orders."""
    return {"id": id_, "status": status}


def listed(answers: Iterable[Answer]) -> tuple[Listing, list[tuple[tuple[str, str], ...]]]:
    """What comes of these answers, and what was asked for."""
    asked: list[tuple[tuple[str, str], ...]] = []
    told, listing = iter(answers), Listing()

    async def ask(parameters: tuple[tuple[str, str], ...]) -> Answer:
        asked.append(parameters)
        return next(told)

    virtually(list_accounts(ask, listing))
    return listing, asked


def test_all_pages_are_read():
    """Each with the token of the one before."""
    found, asked = listed([a_list(active(1), token="t"), a_list(active(2), active(3))])

    assert ({1: True, 2: True, 3: True}, "") == (found.active, found.failure)
    assert [(("page_size", "1000"),), (("page_size", "1000"), ("page_token", "t"))] == asked


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "CLOSED", None, "FROZEN", ["CLOSED"]])
def test_an_account_is_active_unless_it_is_known_not_to_be(status: Any):
    """A status nobody has heard of may hold orders."""
    assert {1: status not in ("INACTIVE", "CLOSED")} == listed([a_list(active(1, status))])[0].active


def test_an_id_that_came_as_something_else_is_not_overlooked():
    """An account that is missed here makes a run look complete; a row without an id names none."""
    ids: tuple[Any, ...] = (None, 1.5, [], True, "123", 124.0)

    assert {123: True, 124: True} == listed([a_list(None, 5, "x", [], {}, *({"id": id_} for id_ in ids))])[
        0
    ].active


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ([no_answer()], "no answer in time"),
        ([too_late(1.0)], "the broker did not answer in time"),
        ([an_answer(401, error="who are you")], "who are you"),
        ([an_answer(200)], "no list came back"),
        ([an_answer(200, document={"data": {"id": 1}})], "no list came back"),
        ([a_list(status=500)], "no list came back"),
        ([an_answer(200, document={"data": [], "error": {"code": 403}})], "no list came back"),
        ([a_list(token=5)], "the next page's token cannot be read"),
        ([a_list(token="t"), a_list(token="t")], "the broker's pages have no end"),
        ([a_list(total_items=1)], "the broker counts 1 accounts and shows 0"),
    ],
)
def test_a_list_that_cannot_be_had_whole_is_a_failure(answers: list[Answer], failure: str):
    """Nobody may conclude from it that all accounts are known."""
    assert Listing(failure=failure) == listed(answers)[0]


@pytest.mark.parametrize("last", [an_answer(403, error="no"), no_answer()])
def test_what_the_pages_before_a_failure_showed_stays_known(last: Answer):
    """An account that the roster does not list is one, however the list ends."""
    found, _ = listed([a_list(active(7), token="t"), last])

    assert {7: True} == found.active
    assert found.failure
