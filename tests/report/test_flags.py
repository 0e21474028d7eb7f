"""What a reader must know about a run as a whole."""

from pathlib import Path

import pytest

from panic.broker.answers import Answer
from panic.kit.errors import Problem
from panic.orders import Filters, Order
from panic.report import flags
from panic.report.document import NEVER_CLEAR, Flag
from tests.kit.builders import a_case, a_pace, a_read, an_answer, an_order, look, no_answer

URL = "https://api.example.com"


def codes(*answers: Answer | None):
    """The flags of a run whose accounts were answered like this (None: not sent anything)."""
    cases = []
    for id_, answer in enumerate(answers, 1):
        case = a_case(id_)
        if answer is not None:
            case.cancelled(answer, a_pace())
        cases.append(case)
    return [flag.code for flag in flags.from_cases(cases, URL, stopped=False)]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], []),
        ([an_answer(200), an_answer(404)], []),
        ([an_answer(404), an_answer(404)], ["wrong_base_url"]),
        ([an_answer(404), an_answer(404, own_envelope=True)], []),
        ([an_answer(401), an_answer(401)], ["key_refused"]),
        ([an_answer(401), an_answer(403)], []),
        ([an_answer(None, sent=False)] * 2, ["unreachable"]),
        ([an_answer(None, sent=False), no_answer()], []),
        ([None, an_answer(200)], ["not_attempted"]),
    ],
)
def test_what_all_accounts_suggest_together_is_told(answers: list[Answer | None], expected: list[str]):
    """One account may be odd; all of them are the same mistake."""
    assert expected == codes(*answers)


def test_nobody_was_left_out_while_cancels_still_leave():
    """A run under way says nothing of what it has not sent yet."""
    assert [] == list(flags.from_cases([a_case(1)], URL, stopped=False, over=False))


def test_where_a_process_died_nobody_says_that_nothing_was_sent():
    """A cancel may have left before it was on record; no longer deadline helps there."""
    [flag] = flags.from_cases([a_case(1)], URL, over=False, died=True)

    assert ("not_attempted", "of 1 account no cancel is on record: panic resume sends it, or press again") == (
        flag.code,
        flag.text,
    )


def test_the_flags_name_the_host_and_the_remedy():
    """The reader has one look."""
    case, unsent = a_case(1), a_case(2)
    case.cancelled(an_answer(404), a_pace())
    found = {flag.code: flag.text for flag in flags.from_cases([case], URL, stopped=False)}
    one = {flag.code: flag.text for flag in flags.from_cases([unsent], URL, stopped=False)}
    waiting = a_case(3)
    waiting.cancelled(an_answer(429), a_pace())
    many = {flag.code: flag.text for flag in flags.from_cases([unsent] * 1200 + [waiting], URL, stopped=False)}

    assert f"is {URL} the broker's API?" in found["wrong_base_url"]
    assert one["not_attempted"].startswith("the run ended before 1 account was sent anything: press again")
    assert many["not_attempted"] == (
        "the run ended before 1,200 accounts were sent anything, and 1 more got no answer but a 429: "
        "press again, without --deadline: it then lasts as long as it must"
    )


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, 1), (10, 10), (11, 11), (5000, 11)])
def test_the_first_mistakes_of_a_file_are_spelled_out(count: int, told: int):
    """And the rest are counted: nobody reads five thousand of them in a report."""
    problems = [Problem(f"the id {n} is bad", "Correct it.", Path("a.csv"), n) for n in range(2, count + 2)]
    found = flags.from_problems("roster", problems)

    assert told == len(found)
    assert found[:1] == [Flag("roster", "a.csv:2: the id 2 is bad. Correct it.")][:count]
    assert count <= 10 or f"and {count - 10:,} more; panic check lists them all" == found[-1].text


def narrowed(filters: Filters, *shown: Order, clear: bool = True) -> list[str]:
    """The flags of a narrowed press on two accounts, of which one shows these orders."""
    cases = [a_case(1, filters), a_case(2, filters)]
    for case in cases:
        case.cancelled(an_answer(404), a_pace())
        if clear:
            look(case, a_read(*(shown if case is cases[0] else ())))
    return [flag.text for flag in flags.from_filters(cases)]


ORDER = an_order(status="CANCELED", symbol="AAPL", side="BUY")


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (Filters(), ""),
        (Filters(side="SELL", instrument_ids=("AAPL",)), ""),
        (Filters(side="BUY"), ""),
        (Filters(instrument_ids=("AAPL", "appl")), "no account shows an order that is 'appl'"),
        (Filters(side="SELL", type="STOP"), "no account shows an order that is SELL, STOP"),
    ],
)
def test_filters_that_name_nothing_are_told(filters: Filters, told: str):
    """What no account shows an order that is an example of may be a slip of the pen."""
    found = narrowed(filters, ORDER)

    assert [told] == [text.partition(":")[0] for text in found] or (not told and not found)


def test_filters_are_not_doubted_where_nothing_was_read():
    """Then nobody says clear anyway."""
    assert [] == narrowed(Filters(instrument_ids=("appl",)), clear=False)
    assert [] == list(flags.from_filters([]))


DAY_S = 86_400.0
CLOCKS = {None: None, 4.9: None, -4.9: None, 5.1: "clock_skew", -5.1: "clock_skew", 399 * DAY_S: "clock_skew"}
CLOCKS |= {401 * DAY_S: "clock_unexplained", -401 * DAY_S: "clock_unexplained"}


@pytest.mark.parametrize(("ahead_s", "code"), CLOCKS.items())
def test_a_clock_that_is_off_is_told_in_either_direction(ahead_s: float | None, code: str | None):
    """And one that is off by more than a look goes back forbids clear."""
    assert [code] * (code is not None) == [flag.code for flag in flags.from_clock(ahead_s)]
    assert (code == "clock_unexplained") is (code in NEVER_CLEAR)
