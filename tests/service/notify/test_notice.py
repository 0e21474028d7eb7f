"""The words of a notice: the verdict and the counts first, what to type last, nothing that is too long."""

from dataclasses import replace
from typing import Any

import pytest

from panic.accounts.plan import Scope, Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import Standing
from panic.orders import Filters
from panic.report.document import Flag, LatchReport, Report
from panic.service.notify.notice import TEXT_MOST, notices_of
from tests.kit.builders import an_answer, no_answer
from tests.report.test_report import a_report, a_worked_case

RUN = "20260302T000000Z-abc123"
TYPE_IT = f"What to do, account by account: panic show {RUN}"


def clear(**facts: Any) -> Report:
    """One account, clear."""
    return a_report(a_worked_case(1, an_answer(), standing=Standing.CLEAR), **facts)


def not_clear(**facts: Any) -> Report:
    """One account clear, one open, one refused."""
    return a_report(
        a_worked_case(1, an_answer(), standing=Standing.CLEAR),
        a_worked_case(2, an_answer(request_id="r2"), standing=Standing.OPEN, name="Two"),
        a_worked_case(3, an_answer(403)),
        **facts,
    )


def test_a_start_tells_who_pressed_what_and_where_to_look():
    """Before anything is known of how it goes."""
    (notice,) = notices_of("started", not_clear())

    assert ("start", RUN, RUN, False) == (notice.kind, notice.run, notice.key, notice.closes)
    assert "STARTED  cancelling in 3 accounts" == notice.title
    assert notice.text.splitlines() == [
        "https://api.example.com · all accounts",
        "pressed 2026-03-02 00:00:00 UTC by joe@desk: a bad algo",
        f"run {RUN}",
        f"Follow it: panic show {RUN}",
    ]


def test_a_run_that_is_not_clear_pages_with_what_to_do():
    """The page first, and in it the worst account first."""
    page, verdict = notices_of("finished", not_clear())

    assert ("page", "verdict") == (page.kind, verdict.kind)
    assert page.title == verdict.title
    assert (
        "REFUSED  the broker refused to cancel in 1 of 3 accounts; 2 are not clear; "
        "1 order not seen ended; 1 account unread (1 refused, 1 open, 1 clear)" == page.title
    )
    assert [
        (
            "REFUSED 3: The key may not cancel in this account. Use a key that may, and press again. "
            "Call the desk, +1 555 0100."
        ),
        (
            "OPEN 2 Two: Orders are still open. Stop what is trading, and press again. "
            "Call the desk, +1 555 0100, quoting r2. Not seen ended: order o2."
        ),
        "Broker: the desk, +1 555 0100",
    ] == page.text.splitlines()[:3]
    assert TYPE_IT == page.text.splitlines()[-1]
    assert (False, frozenset({2, 3})) == (page.closes, page.about)
    assert not verdict.closes


def test_what_is_told_of_an_end_holds_the_ledgers_head():
    """Whoever keeps it can prove later what was on record by then; without one nothing is said of it."""
    head = f"7:{'ab' * 32}"
    with_head = notices_of("finished", replace(not_clear(), ledger_head=head))

    assert [True, True] == [f"ledger head {head}" in notice.text.splitlines() for notice in with_head]
    assert not any("ledger head" in notice.text for notice in notices_of("finished", not_clear()))


@pytest.mark.parametrize(
    ("event", "report", "expected"),
    [
        ("finished", clear(flags=[Flag("roster", "odd")]), ["flag", "verdict"]),
        ("finished", not_clear(flags=[Flag("roster", "odd")]), ["page", "verdict", "flag"]),
        ("finished", not_clear(drill=True), ["verdict"]),
        ("interrupted", not_clear(), ["page"]),
        ("joined", not_clear(), []),
    ],
)
def test_the_worst_comes_first(event: str, report: Report, expected: list[str]):
    """Nobody gets up for a rehearsal; an interrupted run pages whatever it knew."""
    assert expected == [notice.kind for notice in notices_of(event, report)]


@pytest.mark.parametrize(
    ("facts", "title", "closes", "about"),
    [
        ({}, "CLEAR  every one of 1 account was read and shows no open order (1 clear)", True, {1, None}),
        ({"drill": True}, "DRILL · CLEAR  every one", False, {1, None}),
        ({"scope": Scope(groups=("mm", "arb"), accounts=(7,))}, "CLEAR  every one", True, {1}),
        (
            {"scope": Scope(all=True, filters=Filters(side="BUY"))},
            "CLEAR  (only side BUY; other orders",
            True,
            set(),
        ),
    ],
    ids=["all", "drill", "some accounts", "some orders"],
)
def test_a_clear_run_closes_pages_about_what_it_read(
    facts: dict[str, Any], title: str, closes: bool, about: set[int | None]
):
    """A drill proves nothing about a broker, and a run with filters nothing about the other orders."""
    (verdict,) = notices_of("finished", clear(**facts))

    assert verdict.title.startswith(title)
    assert ("verdict", RUN) == (verdict.kind, verdict.key)
    assert (closes, about) == (verdict.closes, set(verdict.about))
    assert TYPE_IT == verdict.text.splitlines()[-1]


@pytest.mark.parametrize(
    ("event", "means"),
    [
        ("interrupted", "panic ended before this run did, and nobody resumes it."),
        ("left", "The service ended before this run did. Its next start resumes it."),
    ],
)
def test_a_run_that_did_not_end_says_what_that_means(event: str, means: str):
    """It may look better than it is."""
    (page,) = notices_of(event, clear())

    assert page.title.startswith(f"{event.upper()}  CLEAR  ")
    assert page.text.startswith(means)
    assert {None} == page.about


def test_flags_are_one_notice_of_their_own():
    """The latch that did not engage before all others; eight in words, the rest counted."""
    latch = LatchReport(engaged=False, text="it could not be written", as_asked=False)
    flags = [Flag("roster", f"odd {n}") for n in range(20)]
    notice, _ = notices_of("finished", clear(flags=flags, latch=latch))

    assert "FLAGGED  21 flags on a run that is clear (1 clear)" == notice.title
    assert f"{RUN}:flags" == notice.key
    assert ["! latch: it could not be written", "! odd 0"] == notice.text.splitlines()[:2]
    assert ["! odd 6", "and 13 more in the report", TYPE_IT] == notice.text.splitlines()[-3:]


@pytest.mark.parametrize("event", ["started", "finished", "interrupted"])
def test_no_notice_is_too_long_or_has_lost_its_end(event: str):
    """However much there is to tell; and no line in it was made by somebody else."""
    long = "a name\nthat \x1b[31m goes on and on " * 40
    unsent = tuple(Unsent(long, account=Account(10_000 + n, long)) for n in range(50))
    cases = [a_worked_case(n, no_answer(), name=long) for n in range(1, 50)]
    scope = Scope(groups=tuple(f"group {n}" for n in range(2000)))
    report = a_report(
        *cases,
        unsent=unsent,
        flags=[Flag("roster", long)] * 30,
        contact=long,
        scope=scope,
        base_url="https://x/" + long,
    )
    found = notices_of(event, report)

    assert found
    for notice in found:
        assert len(notice.title) + 1 + len(notice.text) <= TEXT_MOST
        assert notice.text.endswith(f"panic show {RUN}")
        assert "\x1b" not in notice.title + notice.text
        assert "\n" not in notice.title
        assert "\nthat" not in notice.text
