"""What is known about each account of a run, as one letter. Pure.

A letter is read off the account's case: it is clear where the run itself takes the account for clear, and nowhere
else. At the end the letters are those of the report's verdicts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from panic.broker.outcomes import REFUSED, TRY_AGAIN, Outcome, Standing, Verdict
from panic.engine.case import Case


class Letter(StrEnum):
    """The state of an account."""

    WAITING = "w"
    SENT = "s"
    AGAIN = "t"
    ACCEPTED = "a"
    PENDING = "p"
    OPEN = "o"
    CLEAR = "c"
    REFUSED = "r"
    UNVERIFIED = "u"
    UNKNOWN = "k"


OF_VERDICT: Final[Mapping[Verdict, Letter]] = {
    Verdict.CLEAR: Letter.CLEAR,
    Verdict.UNVERIFIED: Letter.UNVERIFIED,
    Verdict.OPEN: Letter.OPEN,
    Verdict.UNKNOWN: Letter.UNKNOWN,
    Verdict.REFUSED: Letter.REFUSED,
}
"""What an account is at the end of a run."""

PROVISIONAL: Final[Mapping[Letter, Verdict]] = {
    Letter.WAITING: Verdict.UNKNOWN,
    Letter.SENT: Verdict.UNKNOWN,
    Letter.AGAIN: Verdict.UNKNOWN,
    Letter.ACCEPTED: Verdict.UNVERIFIED,
    Letter.PENDING: Verdict.OPEN,
    **{letter: verdict for verdict, letter in OF_VERDICT.items()},
}
"""What an account would be if the run ended now."""

WORST_FIRST: Final = (
    Letter.REFUSED,
    Letter.UNKNOWN,
    Letter.AGAIN,
    Letter.OPEN,
    Letter.PENDING,
    Letter.UNVERIFIED,
    Letter.ACCEPTED,
    Letter.SENT,
    Letter.WAITING,
)
"""All letters but clear, the ones that somebody should look at first."""


def letter_of(case: Case) -> Letter:
    """Give an account's letter while the run is under way."""
    standing, outcome = case.standing, case.outcome
    if standing is Standing.CLEAR and not (case.sending or case.pressed_again):
        return Letter.CLEAR
    if outcome in REFUSED:
        return Letter.REFUSED
    if standing is Standing.OPEN:
        return Letter.OPEN
    if standing is Standing.PENDING:
        return Letter.PENDING
    if outcome in TRY_AGAIN:
        return Letter.AGAIN
    if case.sending:
        return Letter.SENT
    return Letter.WAITING if outcome is Outcome.NOT_ATTEMPTED else Letter.ACCEPTED


class Letters:
    """The letters of all accounts, in the plan's order; those that could not be sent stand at the end.

    Attributes:
        row: One byte for each.
        changed: The places that changed since this was last emptied.
    """

    def __init__(self, accounts: int, unsent: int) -> None:
        self.row = bytearray(b"w" * accounts + b"k" * unsent)
        self.changed: set[int] = set()

    @property
    def counts(self) -> dict[Letter, int]:
        """How many accounts have which letter; those that nobody has are left out."""
        return {letter: count for letter in Letter if (count := self.row.count(letter.encode()))}

    def put(self, place: int, letter: Letter) -> None:
        """Give an account its letter."""
        code = ord(letter)
        if code != self.row[place]:
            self.row[place] = code
            self.changed.add(place)

    def take_changes(self) -> dict[str, list[int]]:
        """Give the places that changed by their letters, and empty them."""
        found: dict[str, list[int]] = {}
        for place in sorted(self.changed):
            found.setdefault(chr(self.row[place]), []).append(place)
        self.changed.clear()
        return found

    def worst(self, most: int) -> list[int]:
        """Give the places of accounts that are not clear, worst first, up to a limit."""
        found: list[int] = []
        for letter in WORST_FIRST:
            place, one = -1, letter.encode()
            while len(found) < most and (place := self.row.find(one, place + 1)) >= 0:
                found.append(place)
        return found
