"""Letters: of each account its own, and never clear where the run would not say so."""

import re
from itertools import product
from typing import Any

import pytest

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.case import Case, Proof
from panic.service.room.letters import OF_VERDICT, PROVISIONAL, Letter, letter_of, worst_of
from tests import ROOT


@pytest.mark.parametrize(
    ("outcome", "standing", "fields", "letter"),
    [
        (Outcome.NOT_ATTEMPTED, Standing.UNREAD, {}, Letter.WAITING),
        (Outcome.NOT_ATTEMPTED, Standing.UNREAD, {"sending": True}, Letter.SENT),
        (Outcome.RATE_LIMITED, Standing.UNREAD, {}, Letter.AGAIN),
        (Outcome.RATE_LIMITED, Standing.UNREAD, {"sending": True}, Letter.AGAIN),
        (Outcome.ACCEPTED, Standing.UNREAD, {}, Letter.ACCEPTED),
        (Outcome.NOTHING_TO_CANCEL, Standing.UNREAD, {}, Letter.ACCEPTED),
        (Outcome.ACCEPTED, Standing.UNREAD, {"sending": True}, Letter.SENT),
        (Outcome.ACCEPTED, Standing.PENDING, {}, Letter.PENDING),
        (Outcome.ACCEPTED, Standing.OPEN, {"sending": True}, Letter.OPEN),
        (Outcome.ACCEPTED, Standing.CLEAR, {}, Letter.CLEAR),
        (Outcome.ACCEPTED, Standing.CLEAR, {"sending": True}, Letter.SENT),
        (Outcome.ACCEPTED, Standing.CLEAR, {"pressed_again": True}, Letter.ACCEPTED),
        (Outcome.FORBIDDEN, Standing.OPEN, {}, Letter.REFUSED),
        (Outcome.FORBIDDEN, Standing.CLEAR, {}, Letter.CLEAR),
    ],
)
def test_an_account_has_the_letter_of_what_is_known_last(
    outcome: Outcome, standing: Standing, fields: dict[str, Any], letter: Letter
):
    """The worse of two where they contradict each other."""
    assert letter == letter_of(Case(Account(1), outcome=outcome, proof=Proof(standing), cancels=1, **fields))


def test_no_letter_is_clear_of_which_the_verdict_is_not():
    """Of all that a case can be; and what a letter would come to is never better than its account's verdict."""
    worst = [Verdict.CLEAR, Verdict.UNVERIFIED, Verdict.OPEN, Verdict.UNKNOWN, Verdict.REFUSED]
    for outcome, standing, sending, again in product(Outcome, Standing, (False, True), (False, True)):
        case = Case(Account(1), outcome=outcome, proof=Proof(standing), sending=sending, pressed_again=again)
        letter = letter_of(case)

        assert (letter is not Letter.CLEAR) or (case.verdict is Verdict.CLEAR and not sending and not again)
        if PROVISIONAL[letter] is Verdict.CLEAR:
            assert worst.index(case.verdict) <= worst.index(PROVISIONAL[letter])


def test_the_worst_come_first_and_the_clear_not_at_all():
    """Up to a limit, and of one letter in the order of their places."""
    assert [3, 2, 5, 1] == worst_of(b"cokrck", 10)
    assert [3, 2] == worst_of(b"cokrck", 2)


def test_every_letter_has_its_words_on_the_page_and_in_the_docs():
    """The same ones."""
    script = (ROOT / "panic/service/web/words.js").read_text()
    states = re.findall(r'^  ([a-z]): \{ name: "([^"]+)", tells: "([^"]+)" \}', script, re.MULTILINE)
    docs = (ROOT / "docs/control-room.md").read_text()

    assert set(Letter) == {letter for letter, _, _ in states} == PROVISIONAL.keys()
    assert [] == [name for _, name, tells in states if f"| {name} | {tells} |" not in docs]
    assert set(Verdict) == OF_VERDICT.keys()


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_what_somebody_should_see_stands_out_from_all_that_is_normal():
    """Without any colour, on dark ground and on light: the light of a cell alone tells the one from the other."""
    style = (ROOT / "panic/service/web/room.css").read_text()
    found = re.findall(r"--s-(\w): (#\w{6});", style)
    assert 20 == len(found)
    for theme in (found[:10], found[10:]):
        light = {code: _luminance(colour) + 0.05 for code, colour in theme}
        loud, normal = [light[code] for code in "rkou"], [light[code] for code in "wstapc"]

        assert max(min(loud) / max(normal), min(normal) / max(loud)) > 2.5
