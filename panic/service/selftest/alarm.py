"""Who is told what a self-test found: a page for what is new, and one word when all is well again. Pure."""

from collections.abc import Iterable
from typing import Final

from panic.service.notify import Notice
from panic.service.selftest.finding import Finding
from panic.service.selftest.last import Last

KEY: Final = "selftest"
"""Of the page: there is one at a time."""

_TOLD_MOST = 6


class Alarm:
    """What people were told, and still have to see to."""

    def __init__(self) -> None:
        self._codes: frozenset[str] = frozenset()
        self._text = ""

    def partly(self, found: Iterable[Finding]) -> Notice | None:
        """Give the page for what a round found so far: only of a new kind, for the rest is not known yet."""
        alarming = [one for one in found if one.is_alarming]
        return self._page(alarming) if {one.code for one in alarming} - self._codes else None

    def whole(self, last: Last) -> Notice | None:
        """Give the page for what a whole round found, if it says something new; or the end of the one before."""
        alarming = [one for one in last.findings if one.is_alarming]
        if alarming:
            before = self._text
            page = self._page(alarming)
            return None if page.text == before else page
        was_told, self._codes, self._text = bool(self._text), frozenset(), ""
        if not was_told:
            return None
        title = f"A press would work everywhere again: {last.good:,} of {last.accounts:,}"
        return Notice("page", "", title, "The self-test found nothing wrong.", KEY, closes=True)

    def _page(self, alarming: list[Finding]) -> Notice:
        more = f"\nand {len(alarming) - _TOLD_MOST} more" if len(alarming) > _TOLD_MOST else ""
        text = "\n".join(f"{one.worst.upper()}  {one}" for one in alarming[:_TOLD_MOST]) + more
        self._codes = frozenset(one.code for one in alarming)
        self._text = f"{text}\nType: panic check"
        return Notice("page", "", "A press would not work everywhere, or not provably", self._text, KEY)
