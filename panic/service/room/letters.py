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
    """The state of an account, the ones first that somebody should look at first."""

    REFUSED = "r"
    UNKNOWN = "k"
    AGAIN = "t"
    OPEN = "o"
    PENDING = "p"
    UNVERIFIED = "u"
    ACCEPTED = "a"
    SENT = "s"
    WAITING = "w"
    CLEAR = "c"


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


def worst_of(row: bytes | bytearray, most: int) -> list[int]:
    """Give the places in a row of letters that are not clear, worst first, up to a limit."""
    found: list[int] = []
    for one in (letter.encode() for letter in Letter if letter is not Letter.CLEAR):
        place = -1
        while len(found) < most and (place := row.find(one, place + 1)) >= 0:
            found.append(place)
    return found
