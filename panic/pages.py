"""Where a list goes on, as its answer's `metadata` says; one reader for orders and for accounts.

What is missing or null may be missing. What is there and cannot be read may say that there is more, so it is
never taken for the last page.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Paging(NamedTuple):
    """The next page's token (empty on the last page) and the count of all items (None when not given)."""

    next_token: str = ""
    total: int | None = None


def paging(metadata: object) -> Paging:
    """Read an answer's `metadata`.

    Raises:
        ValueError: It cannot be read, or says that there are more pages and not how to ask for them.
    """
    if metadata is None:
        return Paging()
    if not isinstance(metadata, Mapping):
        raise ValueError("the metadata cannot be read")  # noqa: TRY004  (the broker's mistake, not a caller's)
    total = _count(metadata.get("total_items"))
    pages, number = _count(metadata.get("total_pages")), _count(metadata.get("page_number"))
    token = metadata.get("next_page_token")
    if token is not None and not isinstance(token, str):
        raise ValueError("the next page's token cannot be read")
    if not token and pages is not None and (number or 1) < pages:
        raise ValueError(f"there are {pages} pages, and nobody says how to ask for them")
    return Paging(token or "", total)


def _count(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value, re.ASCII):
        return int(value)
    raise ValueError("a count cannot be read")
