"""Letters: of each account its own, and never clear where the run would not say so."""

import re
from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.case import Case, Proof
from panic.service.room.letters import OF_VERDICT, PROVISIONAL, WORST_FIRST, Letter, Letters, letter_of
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


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Letter))))
def test_letters_are_counted_and_their_changes_told_once(puts: list[tuple[int, Letter]]):
    """A page that takes every change has the same row; the worst are all but those that are clear, in order."""
    letters, shown = Letters(4, 2), list("wwwwkk")
    for n, (place, letter) in enumerate(puts):
        letters.put(place, letter)
        if n % 2:
            for code, places in letters.take_changes().items():
                for one in places:
                    shown[one] = code
    for code, places in letters.take_changes().items():
        for one in places:
            shown[one] = code
    worst = [shown[place] for place in letters.worst(10)]

    assert letters.row.decode() == "".join(shown)
    assert Counter(shown) == letters.counts
    assert {} == letters.take_changes()
    assert worst == sorted((one for one in shown if one != "c"), key=[str(one) for one in WORST_FIRST].index)


def test_every_letter_has_its_words_on_the_page_and_in_the_docs():
    """The same ones; and every letter but clear has its place among the worst."""
    root = ROOT
    script = (root / "panic/service/web/words.js").read_text()
    states = re.findall(r'^  ([a-z]): \{ name: "([^"]+)", tells: "([^"]+)" \}', script, re.MULTILINE)
    docs = (root / "docs/control-room.md").read_text()

    assert set(Letter) == {letter for letter, _, _ in states} == {*WORST_FIRST, Letter.CLEAR} == PROVISIONAL.keys()
    assert [] == [name for _, name, tells in states if f"| {name} | {tells} |" not in docs]
    assert set(Verdict) == OF_VERDICT.keys()
