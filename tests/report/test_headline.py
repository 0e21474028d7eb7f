"""The words of the verdict line, wherever it is shown: one sentence that claims no more than the report."""

from dataclasses import replace
from typing import Any

import pytest

from panic.accounts.plan import Scope
from panic.broker.outcomes import Standing, Verdict
from panic.orders import Filters
from panic.report.document import RECORD_DAMAGED, Flag, Report
from panic.report.headline import headline, scope_words
from tests.kit.builders import an_answer
from tests.report.test_report import a_report, a_worked_case

CLEAR = "every one of 1 account was read and shows no open order"
SPARED = "no order that these filters name is open in 1 account"
ALL = Filters("BUY", "LIMIT", "OPTION", ("A", "B"))
NAMED = "only side BUY, type LIMIT, instrument_type OPTION, instrument_ids A,B"
UNLISTED = "all accounts of the roster are clear, and the broker shows others that the roster lacks"
UNFINISHED = "every account was read clear, and the run has not come to its end"


def all_clear(**facts: Any) -> Report:
    """One account, clear."""
    return a_report(a_worked_case(1, an_answer(), standing=Standing.CLEAR), **facts)


def of(*counts: tuple[int, Verdict], **facts: Any) -> Report:
    """A report of so many accounts of each verdict."""
    report = all_clear(**facts)
    verdicts = {verdict: count for count, verdict in counts}
    totals = replace(report.totals, accounts=sum(verdicts.values()), verdicts=verdicts)
    worst = next(verdict for verdict in reversed(Verdict) if verdict in verdicts)
    return replace(report, totals=totals, verdict=worst)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([(1, Verdict.UNKNOWN)], "nobody knows what became of the cancel in 1 of 1 account"),
        (
            [(1234, Verdict.REFUSED), (2000, Verdict.OPEN), (56_789, Verdict.CLEAR)],
            "the broker refused to cancel in 1,234 of 60,023 accounts; 3,234 are not clear",
        ),
        ([(1, Verdict.REFUSED), (1, Verdict.CLEAR)], "the broker refused to cancel in 1 of 2 accounts"),
    ],
)
def test_the_worst_are_counted_and_all_that_are_not_clear(counts: list[tuple[int, Verdict]], words: str):
    """Where these are more, so that five thousand can be read at a glance; no two verdicts say the same."""
    assert words == headline(of(*counts))
    assert len(Verdict) == len({headline(of((2, verdict))) for verdict in Verdict})


@pytest.mark.parametrize(("facts", "words"), [({"finished": False}, UNFINISHED), ({"unlisted": (7,)}, UNLISTED)])
def test_where_all_are_clear_and_the_run_is_not_it_says_why(facts: dict[str, Any], words: str):
    """Nobody is told that nobody saw it."""
    report = all_clear(**facts)

    assert Verdict.UNVERIFIED is report.verdict
    assert words == headline(report)


def test_filters_that_name_nothing_stand_in_the_first_line():
    """A misspelt symbol is no all-clear, whatever was read."""
    flag = Flag("filter_names_nothing", "no account shows an order that is 'appl': check the spelling")
    done = a_worked_case(1, an_answer(404), standing=Standing.CLEAR)
    clear, refused = a_report(done, flags=[flag]), a_report(done, a_worked_case(2, an_answer(403)), flags=[flag])

    assert (Verdict.UNVERIFIED, 10) == (clear.verdict, clear.exit_code)
    assert "no account shows an order that is 'appl'" == headline(clear)
    assert Verdict.REFUSED is refused.verdict
    assert headline(refused).endswith("in 1 of 2 accounts; no account shows an order that is 'appl'")


def test_a_record_that_was_altered_proves_nothing():
    """Though every account in it is clear."""
    report = replace(all_clear(flags=[Flag(RECORD_DAMAGED, "x")]), verdict=Verdict.UNVERIFIED)
    words = "the record was edited or is damaged; every account was read clear, and nothing proves it any more"

    assert words == headline(report)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters(), CLEAR),
        (Filters(side="BUY"), f"(only side BUY; other orders were left alone)  {SPARED}"),
        (ALL, f"({NAMED}; other orders were left alone)  {SPARED}"),
    ],
)
def test_what_was_spared_stands_before_all_else(filters: Filters, words: str):
    """So that nobody takes a part for the whole."""
    assert words == headline(all_clear(scope=Scope(all=True, filters=filters)))


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(all=True), "all accounts"),
        (Scope(groups=("mm", "algo")), "mm, algo"),
        (Scope(accounts=(4, 7)), "4, 7"),
        (Scope(groups=("mm",), accounts=(4,), filters=Filters(side="SELL")), "mm, 4, only side SELL"),
        (Scope(all=True, filters=ALL), f"all accounts, {NAMED}"),
    ],
)
def test_a_scope_is_told_in_words(scope: Scope, words: str):
    """Groups before accounts, and what of them."""
    assert words == scope_words(all_clear(scope=scope).scope)
