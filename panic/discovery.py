"""Which accounts the broker shows, page by page; asked after the DELETEs of a press and by the check."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from panic.answers import Answer

_MOST_PAGES = 1000
_ASLEEP = frozenset({"INACTIVE", "CLOSED"})

Ask = Callable[[tuple[tuple[str, str], ...]], Awaitable[Answer | None]]
"""Make one GET /v1/accounts with these parameters; None when it is too late to ask."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One account as the broker lists it."""

    id: int
    status: str

    @property
    def is_active(self) -> bool:
        """Whether it can hold orders; a status nobody has heard of counts as active."""
        return self.status not in _ASLEEP


@dataclass(frozen=True, slots=True)
class Listing:
    """What the broker shows behind one credential, or why it could not be had."""

    accounts: tuple[Shown, ...] = ()
    failure: str = ""


async def list_accounts(ask: Ask, tries: int = 3) -> Listing:
    """Ask for all pages; a page that fails is asked for again at once, `tries` times in all."""
    shown: list[Shown] = []
    token = ""
    for _ in range(_MOST_PAGES):
        answer = await _ask_page(ask, token, tries)
        if answer is None or answer.document is None or not isinstance(answer.document.get("data"), list):
            return Listing(failure=(answer.error or "no list came back") if answer else "the run ended first")
        shown.extend(_rows(answer.document["data"]))
        metadata = answer.document.get("metadata")
        token = str(metadata.get("next_page_token") or "") if isinstance(metadata, dict) else ""
        if not token:
            return Listing(accounts=tuple(shown))
    return Listing(failure="the broker's pages have no end")


async def _ask_page(ask: Ask, token: str, tries: int) -> Answer | None:
    parameters = (("page_size", "1000"), *((("page_token", token),) if token else ()))
    answer = None
    for _ in range(tries):
        answer = await ask(parameters)
        if answer is None or answer.evidence.status is not None:
            break
    return answer


def _rows(data: Iterable[Any]) -> Iterable[Shown]:
    for row in data:
        if isinstance(row, dict) and isinstance(row.get("id"), int):
            yield Shown(row["id"], str(row.get("status") or ""))
