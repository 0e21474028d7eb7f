"""Which accounts the broker shows, page by page; asked after the DELETEs of a press and by the check."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from panic.broker.answers import Answer
from panic.broker.pages import Parameters, page_of

_ASLEEP = frozenset({"INACTIVE", "CLOSED"})

Ask = Callable[[Parameters], Awaitable[Answer]]
"""Makes a GET /v1/accounts with these parameters, with retries."""


@dataclass(slots=True)
class Listing:
    """What the broker shows behind one credential, filled page by page.

    Attributes:
        active: Whether each account can hold orders; an unknown status counts as active.
        failure: Why the list is not whole; empty once it is.
        names: What the broker calls each account.
    """

    active: dict[int, bool] = field(default_factory=dict)
    failure: str = "the broker did not answer in time"
    names: dict[int, str] = field(default_factory=dict)


def are_whole(listings: Collection[Listing]) -> bool:
    """Whether somebody was asked, and every list came whole."""
    return bool(listings) and not any(one.failure for one in listings)


async def list_accounts(ask: Ask, listing: Listing) -> None:
    """Fill a listing with all pages. What the pages before a failure showed stays in it."""
    tokens = {""}
    token, rows, unreadable = "", 0, False
    while True:
        answer = await ask((("page_size", "1000"), *((("page_token", token),) if token else ())))
        document = answer.document or {}
        data, metadata = document.get("data"), document.get("metadata")
        if answer.evidence.status != 200 or not isinstance(data, list) or document.get("error") is not None:  # noqa: PLR2004
            listing.failure = answer.error or "no list came back"
            return
        rows += len(data)
        unreadable = unreadable or not _take(data, listing)
        token, wrong = _go_on(metadata, rows)
        if not token:
            listing.failure = wrong or ("an account of the list cannot be read" if unreadable else "")
            return
        if token in tokens:
            listing.failure = "the broker's pages have no end"
            return
        tokens.add(token)


def _take(data: list[Any], listing: Listing) -> bool:
    """Add the rows of a page; tell whether all could be read."""
    whole = True
    for row in data:
        id_ = _id(row.get("id")) if isinstance(row, Mapping) else None
        if id_ is None:
            whole = False
        else:  # shown twice: active wins
            listing.names[id_] = str(row.get("full_name") or row.get("short_name") or "")
            listing.active[id_] = listing.active.get(id_, False) or str(row.get("status") or "") not in _ASLEEP
    return whole


def _id(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value, re.ASCII) else None


def _go_on(metadata: object, rows: int) -> tuple[str, str]:
    """Give the next page's token, and what is wrong with a list that ends here."""
    try:
        page = page_of(metadata)
    except ValueError as error:
        return "", str(error)
    if not page.next_token and page.total not in {None, rows}:
        return "", f"the broker counts {page.total} accounts and shows {rows}"
    return page.next_token, ""
