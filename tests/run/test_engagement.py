"""What is engaged, by file and ledger, and whether it is known to be clear: in doubt it is not."""

from collections.abc import Callable
from typing import Any

import pytest

from panic import latch
from panic.accounts.plan import Plan, Scope, Unsent
from panic.broker.outcomes import Verdict
from panic.kit.errors import UsageError
from panic.kit.process import Process, here
from panic.latch import State
from panic.ledger.events import Event
from panic.ledger.record import Joined, Kind, Resumed, body
from panic.orders import Filters
from panic.report.document import scope_report
from panic.run.engagement import Engagement
from panic.run.latching import holds_of
from tests.ledger.support import rewrite, tamper
from tests.run.conftest import BEGAN, GROUPS, Firm, at, trigger

OTHER_BROKER = "https://sandbox.example.com"
ALL, ARB, FX, ONE, SEVEN = (
    Scope(all=True),
    *(Scope(groups=(name,)) for name in ("arb", "fx")),
    *(Scope(accounts=(id_,)) for id_ in (1, 7)),
)
BUYS = Scope(all=True, filters=Filters(side="BUY"))
CLEAR, OPEN, UNKNOWN = Verdict.CLEAR, Verdict.OPEN, Verdict.UNKNOWN
MOVED = GROUPS | {2: "fx"}
NOTHING = Engagement(State(()), (), {}, ())
UNKNOWABLE = "nobody knows whether it is clear"
NOT_ALL = "no run since r1 shows all of it clear"


def test_nothing_is_engaged_at_first(firm: Firm):
    """And there is nothing to reset; a press that does not latch engages nothing either."""
    assert NOTHING == firm.looks()
    with pytest.raises(UsageError, match=r"nothing is engaged: .*panic.latch says disengaged"):
        firm.asks()
    assert not firm.ledger.exists()
    firm.press("r1", latched=False)
    assert NOTHING == firm.looks()


def test_file_and_ledger_agree_and_the_last_press_of_a_scope_counts(firm: Firm):
    """Run and time, too; a press that became a part of a run engages as well."""
    firm.press("r1", Scope(groups=("arb", "fx"), accounts=(7, 8)), second=0.7)
    firm.press("r2", ARB, second=60)
    joined = holds_of(ONE, "r2", at(61))
    facts = scope_report(ONE, verify=True, watch_s=0.0)
    firm.put(Kind.JOINED, body(Joined(trigger(61), (), 1.0, 0.0, facts, latch=True)), "r2")
    latch.engage(firm.file, joined)
    found = firm.looks()

    assert ["r2", "r1", "r1", "r1", "r2"] == [hold.run for hold in found.state.holds]
    assert set(found.recorded) == set(found.holds) == set(found.state.holds) > set(joined)
    assert ((), ()) == (found.lost, found.warnings)


def test_what_happens_after_a_reset_engages_again(firm: Firm):
    """A resume of the same run, and a press, though the clock was set back: the ledger's order counts."""
    (first,) = firm.press("r1", SEVEN)
    firm.ends()
    firm.put(Kind.RESUMED, body(Resumed(at(5), "joe", "1", Process("elsewhere", 17))), "r1")
    (second,) = firm.press("r2", second=-60, engage=False)

    assert (first, second) == firm.looks().recorded


NO_RESET = {"state": "done", "holds": [[["all"], "", "r1"]]}


@pytest.mark.parametrize(("kind", "words"), [(Kind.PRESSED, {"unencodable": "TypeError"}), (Kind.RESET, NO_RESET)])
def test_events_that_say_nothing_are_reported(firm: Firm, kind: str, words: Any):
    """And nothing ends by them."""
    holds = tuple(firm.press("r1"))
    firm.put(kind, words, "r2")
    found = firm.looks()

    assert holds == found.recorded
    assert any(f"event legr2-1 ({kind}) cannot be read" in warning for warning in found.warnings)


def test_a_ledger_that_cannot_be_read_is_reported(firm: Firm):
    """What is engaged is known from the file alone, and is not known to be clear."""
    firm.ledger.mkdir(parents=True)
    latch.engage(firm.file, holds_of(ALL, "r1", BEGAN))
    found = firm.looks()

    assert (f"{firm.ledger}: it is a directory",) == found.warnings
    assert [True] == [doubt.endswith(UNKNOWABLE) for doubt in found.doubts.values()]


Did = Callable[[Firm], object]


def run(scope: Scope = ALL, verdict: Verdict | None = CLEAR, second: float = 60, **more: Any) -> Did:
    """Somebody pressed later."""
    return lambda firm: firm.press("r2", scope, verdict, second, latched=False, **more)


WITHOUT_77 = {id_: group for id_, group in GROUPS.items() if id_ != 77}
NO_ROW = (Unsent("a row that nobody can read"),)
LATER = [
    # a clear run shows what it covers clear, wider or the same, whatever the clock said
    (OPEN, ALL, run(), ""),
    (OPEN, ALL, run(second=-3600), ""),
    (OPEN, ARB, run(Scope(groups=("fx", "arb"))), ""),
    (OPEN, SEVEN, run(), ""),
    (OPEN, ONE, run(ARB), ""),
    # others show nothing: narrower, filtered, a drill, elsewhere, without an account of it, without a plan
    (OPEN, ALL, run(ARB), "run r1 ended open"),
    (OPEN, ARB, run(Scope(accounts=(1, 2))), "run r1 ended open"),
    (OPEN, Scope(groups=("7",)), run(SEVEN), "run r1 ended open"),
    (OPEN, ALL, run(BUYS), "run r1 ended open"),
    (OPEN, ALL, run(drill=True), "run r1 ended open"),
    (OPEN, ALL, run(base_url=OTHER_BROKER), "run r1 ended open"),
    (OPEN, ARB, run(ARB, groups=MOVED), "run r1 ended open"),
    (OPEN, ALL, run(groups=WITHOUT_77), "run r1 ended open"),
    (OPEN, ARB, run(ARB, is_planned=False), "run r2 ended clear, and its record comes to nothing"),
    # one that is not clear takes a proof away, by whatever name; in doubt the accounts are the same
    (CLEAR, ALL, run(verdict=OPEN), "all accounts: run r2 ended open"),
    (CLEAR, ALL, run(BUYS, OPEN), "all accounts: run r2 ended open"),
    (CLEAR, ALL, run(verdict=Verdict.UNVERIFIED), "all accounts: run r2 ended unverified"),
    (CLEAR, ALL, run(verdict=None), "all accounts: run r2 did not come to its end"),
    (CLEAR, ARB, run(verdict=None, process=here()), "group arb: run r2 is under way"),
    (CLEAR, ONE, run(ARB, UNKNOWN), "run r2 ended unknown"),
    (CLEAR, ARB, run(Scope(accounts=(3,)), UNKNOWN, groups=GROUPS | {3: "arb"}), "run r2 ended unknown"),
    (CLEAR, ARB, run(SEVEN, UNKNOWN, unsent=NO_ROW), "run r2 ended unknown"),
    (CLEAR, ARB, run(SEVEN, UNKNOWN, is_planned=False), "run r2 ended unknown"),
    # but not one of other accounts or another broker, or that was clear as far as it looked
    (CLEAR, ARB, run(FX, OPEN), ""),
    (CLEAR, SEVEN, run(Scope(accounts=(8,)), OPEN), ""),
    (CLEAR, ALL, run(verdict=OPEN, drill=True), ""),
    (CLEAR, ALL, run(verdict=OPEN, base_url=OTHER_BROKER), ""),
    (CLEAR, ALL, run(BUYS), ""),
]


@pytest.mark.parametrize(("own", "scope", "later", "doubt"), LATER)
def test_a_later_run_shows_what_it_covers_clear_or_not(
    firm: Firm, own: Verdict, scope: Scope, later: Did, doubt: str
):
    """The run that engaged a scope came to an end; somebody pressed later."""
    firm.press("r1", scope, own)
    later(firm)
    (found,) = [*firm.looks().doubts.values()] or [""]

    assert bool(doubt) is bool(found)
    assert doubt in found


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({"verdict": None}, "run r1 did not come to its end"),
        ({"verdict": None, "process": here()}, "run r1 is under way"),
        ({"scope": BUYS}, f"{NOT_ALL}, whatever its accounts and its orders"),
        ({"base_url": OTHER_BROKER}, f"run r1 is not on record at this broker, so that {UNKNOWABLE}"),
    ],
)
def test_the_run_that_engaged_it_says_whether_it_is_clear(firm: Firm, more: dict[str, Any], doubt: str):
    """The latch stops strategies whatever their orders, so that the filters of a press prove too little."""
    firm.press("r1", **more)

    with pytest.raises(UsageError) as refused:
        firm.asks()
    assert (
        f"all accounts: {doubt}\nPress again until it is clear, "
        f'or say why it may end all the same: --force "TEXT"\nLooked in {firm.ledger}'
    ) == str(refused.value)


def test_runs_before_it_show_nothing_even_if_they_end_later(firm: Firm):
    """They may have read an account before the press that was to stop it."""
    firm.press("r0", verdict=None, latched=False)
    firm.press("r1", BUYS, second=60)
    firm.finish("r0", CLEAR, 100)
    with pytest.raises(UsageError, match=NOT_ALL):
        firm.asks()

    firm.press("r2", second=120, latched=False)
    assert () == firm.asks().document.doubts


def test_a_run_that_outlasts_another_takes_its_proof_away(firm: Firm):
    """The last word is that orders were open."""
    firm.press("r1", ALL, None)
    firm.press("r2", second=1, latched=False)
    assert () == firm.asks().document.doubts
    firm.finish("r1", OPEN, 100)

    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()


@pytest.mark.parametrize(
    ("statement", "doubt"),
    [
        ("UPDATE events SET record = x'7b7d' WHERE seq = 7", r"event 7 \(finished\): it does not match its hash"),
        ("DELETE FROM events WHERE run = 'r2'", r"event 8 \(pressed\): the event before it is missing"),
    ],
)
def test_a_ledger_that_was_edited_shows_nothing_clear(firm: Firm, statement: str, doubt: str):
    """Its whole chain is checked. In doubt everything stays engaged; a person may know better."""
    firm.press("r1")
    firm.press("r2", ALL, UNKNOWN, second=60, latched=False)
    firm.press("r3", SEVEN, second=120, latched=False)
    tamper(firm.ledger, statement)
    with pytest.raises(UsageError, match=doubt):
        firm.asks()

    assert not firm.ends(force="the auditor has the ledger").engaged


def test_what_is_clear_by_its_word_and_not_by_its_record_shows_nothing(firm: Firm):
    """Its end says clear, and what was seen does not."""
    firm.press("r1", SEVEN, None)
    firm.plans["r1"] = Plan(SEVEN, ())
    firm.finish("r1", CLEAR, 1)

    with pytest.raises(UsageError, match="run r1 ended clear, and its record comes to unknown"):
        firm.asks()


def test_a_later_run_that_was_made_clear_afterwards_is_still_a_doubt(firm: Firm):
    """Whoever can write the file wrote another end, and all hashes fit: what was seen does not come to it."""

    def cleared(event: Event) -> Event:
        end = {"verdict": "clear", "exit_code": 0}
        return event._replace(body={**event.body, **end}) if event.kind == Kind.FINISHED else event

    firm.press("r1")
    firm.press("r2", ALL, OPEN, second=60, latched=False)
    rewrite(firm.ledger, cleared)

    with pytest.raises(UsageError, match="run r2"):
        firm.asks()
