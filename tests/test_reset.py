"""Ending the engaged state fails closed: in doubt everything stays engaged, and nothing ends off the record."""

import fcntl
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import engagement, latch, reset
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.config import (
    Broker,
    Credential,
    LatchFile,
    LedgerFiles,
    RosterFile,
    Settings,
)
from panic.engagement import Engagement
from panic.errors import ConfigurationError, UsageError
from panic.latch import Hold, LatchError, State, change
from panic.latching import holds_of
from panic.ledger import reader
from panic.ledger.events import Event, decode, encode
from panic.ledger.store import SqliteStore
from panic.orders import Filters
from panic.plan import Plan, Scope, Unsent
from panic.process import Process, here
from panic.record import Finished, Kind, Pressed, Resumed, body, planned
from panic.report import RosterFacts, Timings, Trigger, scope_report
from panic.roster import Account
from tests.ledger.support import until

BEGAN = datetime(2026, 3, 2, 10, tzinfo=UTC)
BROKER, OTHER_BROKER = "https://api.example.com", "https://sandbox.example.com"
DEAD = Process("elsewhere", 17)
KEY = "keyid42.aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1"
ALL, ARB, SEVEN = Scope(all=True), Scope(groups=("arb",)), Scope(accounts=(7,))
BUYS = Filters(side="BUY")
CLEAR, OPEN, UNKNOWN = Verdict.CLEAR, Verdict.OPEN, Verdict.UNKNOWN
GROUPS = {1: "arb", 2: "arb", 3: "fx", 7: "", 8: "", 70: "7", 77: "", 90: "a\tb"}
"""The roster: whose group is which."""


def plan(scope: Scope, groups: dict[int, str], unsent: tuple[Unsent, ...] = ()) -> Plan:
    """The plan of a press over this scope of a roster."""
    covered = [id_ for id_, group in groups.items() if scope.all or group in scope.groups or id_ in scope.accounts]
    return Plan(scope, tuple(Account(id_, "", groups[id_], "", 100, "default") for id_ in covered), unsent)


def at(second: float) -> datetime:
    """So many seconds after it began."""
    return BEGAN + timedelta(seconds=second)


@dataclass
class Firm:
    """A ledger and a latch, and what somebody does with them."""

    settings: Settings
    events: Counter[str] = field(default_factory=Counter)
    plans: dict[str, Plan] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        assert self.settings.latch.file is not None
        return self.settings.latch.file

    @property
    def ledger(self) -> Path:
        assert self.settings.ledger.file is not None
        return self.settings.ledger.file

    def put(self, kind: str, words: Any, run: str = "", when: datetime = BEGAN, file: Path | None = None) -> bytes:
        """Put an event on record."""
        self.events[run] += 1
        moment = when.isoformat(timespec="microseconds")
        return self.put_raw(
            kind, encode(Event(run, kind, f"leg{run}-{self.events[run]}", moment, words)), run, file
        )

    def put_raw(self, kind: str, record: bytes, run: str = "", file: Path | None = None) -> bytes:
        """Put bytes on record."""
        with closing(SqliteStore(file or self.ledger)) as store:
            store.append([(run, str(kind), record)])
        return record

    def press(
        self,
        run: str,
        scope: Scope = ALL,
        verdict: Verdict | None = CLEAR,
        second: float = 0,
        *,
        latched: bool = True,
        engage: bool = True,
        file: Path | None = None,
        groups: dict[int, str] | None = None,
        unsent: tuple[Unsent, ...] = (),
        is_planned: bool = True,
        **more: Any,
    ) -> list[Hold]:
        """Put a run on record that came to this end, or to none, and engage what it did."""
        pressed = Pressed(
            **{
                "schema": "panic-run/1",
                "version": "1",
                "drill": False,
                "base_url": BROKER,
                "contact": "",
                "settings_digest": "",
                "roster": RosterFacts("sha256:00", 1, 3.0),
                "trigger": Trigger("cli", "joe", "a bad algo", at(second)),
                "scope": scope_report(scope, verify=True, watch_s=0.0),
                "started_at": at(second),
                "deadline_s": 1.0,
                "concurrency": 1,
                "latch": latched,
                "process": DEAD,
                **more,
            }
        )
        self.put(Kind.PRESSED, body(pressed), run, at(second), file)
        self.plans[run] = plan(scope, groups or GROUPS, unsent)
        if is_planned:
            self.put(Kind.PLANNED, planned(self.plans[run]), run, at(second), file)
        if verdict is not None:
            self.finish(run, verdict, second + 1, file)
        holds = holds_of(scope, run, at(second)) if latched else []
        if latched and engage:
            latch.engage(self.file, holds)
        return holds

    def finish(self, run: str, verdict: Verdict, second: float, file: Path | None = None) -> None:
        """Put the end of a run on record."""
        if verdict is CLEAR:
            seen = {"standing": "clear", "as_of": at(second).isoformat()}
            told = [{"account": account.id, **seen} for account in self.plans[run].accounts]
            self.put(Kind.STANDING, {"accounts": told}, run, at(second), file)
        timings = Timings(0.1, 0.5, 1.0, 1.0)
        end = Finished("1", verdict, EXIT_CODES[verdict], at(second), timings, roster_checked=True, unlisted=())
        self.put(Kind.FINISHED, body(end), run, at(second), file)

    def asks(self, scope: Scope | None = None, reason: str = "all is well", force: str = "") -> reset.Reset:
        """Ask for a reset."""
        return reset.prepare(self.settings, scope or Scope(), by="Ann", reason=reason, force=force)

    def ends(self, scope: Scope | None = None, force: str = "") -> State:
        """Reset."""
        return reset.carry_out(self.settings, self.asks(scope, force=force))

    def looks(self) -> Engagement:
        """Look at what is engaged."""
        return engagement.look(self.settings)

    def resets(self) -> list[dict[str, Any]]:
        """What is on record of resets."""
        return [decode(row.record).body for row in reader.read(self.ledger, kinds=[Kind.RESET]).rows]

    def states(self) -> list[str]:
        """How far the resets on record got."""
        return [one["state"] for one in self.resets()]


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firm:
    """Nothing is engaged, and nobody has pressed."""
    monkeypatch.setenv("DESK_KEY", KEY)
    ledger = LedgerFiles(file=tmp_path / "records" / "ledger.db")
    found = Firm(
        Settings(
            broker=Broker(base_url=BROKER),
            credentials={"default": Credential(env="DESK_KEY"), "gone": Credential(env="NO_SUCH_KEY")},
            roster=RosterFile(file=tmp_path / "accounts.csv"),
            ledger=ledger,
            latch=LatchFile(file=tmp_path / "latch" / "panic.latch"),
        )
    )
    latch.create(found.file)
    return found


# ── what is engaged ─────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_engaged_at_first(firm: Firm):
    """And there is nothing to reset."""
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()
    with pytest.raises(UsageError, match=r"nothing is engaged: .*panic.latch says disengaged"):
        firm.asks()
    assert not firm.ledger.exists()


def test_a_press_that_does_not_latch_engages_nothing(firm: Firm):
    """Most do not."""
    firm.press("r1", latched=False)

    assert () == firm.looks().recorded


@pytest.mark.parametrize("scope", [ALL, Scope(groups=("arb", "fx"), accounts=(7, 8))])
def test_file_and_ledger_tell_the_same(firm: Firm, scope: Scope):
    """Run and time, too."""
    holds = tuple(firm.press("r1", scope, second=0.7))
    found = firm.looks()

    assert holds == found.holds == found.recorded == found.state.holds
    assert ((), {}, ()) == (found.lost, found.doubts, found.warnings)


def test_the_last_press_of_a_scope_is_the_one_that_counts(firm: Firm):
    """For the ledger as for the file."""
    firm.press("r1")
    (hold,) = firm.press("r2", second=60)

    assert (hold,) == firm.looks().recorded == firm.looks().holds


@pytest.mark.parametrize("scope", [Scope(), ALL])
def test_two_presses_at_once_end_together(firm: Firm, scope: Scope):
    """The file may name the one and the ledger the other, and what either of them left counts."""
    (first,) = firm.press("r1", engage=False)
    (second,) = firm.press("r2", ALL, OPEN, engage=False)
    latch.engage(firm.file, [first])

    assert ((first,), (second,), ()) == (firm.looks().holds, firm.looks().recorded, firm.looks().lost)
    with pytest.raises(UsageError, match="run r2 ended open"):
        firm.asks(scope)
    firm.finish("r2", CLEAR, 100)
    prepared = firm.asks(scope)
    reset.carry_out(firm.settings, prepared)

    assert "ends the engaged state of all accounts: " in str(prepared)
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()


def test_a_latch_that_somebody_edited_is_told_of(firm: Firm):
    """The file says disengaged, and only a reset may make it say so."""
    firm.press("r1")
    firm.file.write_bytes(b"disengaged\nend 94defd48\n")
    found = firm.looks()
    (warning,) = found.warnings

    assert (False, (), 1) == (found.state.engaged, found.holds, len(found.lost))
    assert "the ledger says that all accounts is engaged (run r1), and the latch does not" in warning
    assert "changed by something other than panic reset" in warning


def test_what_was_lost_ends_by_a_reset_like_the_rest(firm: Firm):
    """Else its warning would never end; and it takes the same evidence."""
    firm.press("r1", ALL, OPEN)
    firm.press("r2", SEVEN, second=60)
    latch.release(firm.file, [hold for hold in latch.read(firm.file).holds if hold.what == "all"])
    with pytest.raises(UsageError, match="all accounts: run r1 ended open"):
        firm.asks()
    state = firm.ends(force="it was edited by hand")

    assert not state.engaged
    assert [["all", "", "r1"], ["account", "7", "r2"]] == sorted(
        (hold[:3] for hold in firm.resets()[-1]["holds"]), reverse=True
    )
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()


def test_what_stands_in_the_ledger_only_needs_no_file(firm: Firm):
    """There is nothing to change in it."""
    firm.press("r1")
    firm.file.write_bytes(b"disengaged\nend 94defd48\n")
    before = firm.file.stat()
    firm.ends()

    assert ["intended", "done"] == firm.states()
    assert (before.st_ino, before.st_mtime_ns) == (firm.file.stat().st_ino, firm.file.stat().st_mtime_ns)


@pytest.mark.parametrize("first", [Scope(), ALL])
def test_a_scope_that_the_file_cannot_name_is_not_lost(firm: Firm, first: Scope):
    """It stands for everything there; that its run was clear does not show, and it ends with the rest."""
    firm.press("r1", Scope(groups=("a\tb",), accounts=(7,)))
    found = firm.looks()

    assert [("all", ""), ("account", "7")] == [hold[:2] for hold in found.state.holds]
    assert () == found.lost
    with pytest.raises(UsageError, match="r1 was clear of what its scope and filters name, which is not all"):
        firm.asks()
    firm.ends(first, force="we know its accounts")
    assert (first.all, first.all) == (firm.looks().state.engaged, bool(firm.looks().lost))
    if first.all:
        firm.ends()
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()


def test_a_run_that_was_taken_up_again_engages_again(firm: Firm):
    """Though its scope was reset in the meantime."""
    (hold,) = firm.press("r1")
    firm.ends()
    firm.put(Kind.RESUMED, body(Resumed(at(5), "joe", "1", DEAD)), "r1", datetime.now(UTC))

    assert (hold,) == firm.looks().recorded


def test_the_order_of_a_file_counts_and_not_its_clock(firm: Firm):
    """A press after a reset is not ended by it, though the clock was set back in between."""
    firm.press("r1")
    firm.ends()
    (hold,) = firm.press("r2", second=60)

    assert at(60) < datetime.now(UTC)
    assert (hold,) == firm.looks().recorded


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.PRESSED, {"unencodable": "TypeError"}),
        (Kind.PRESSED, None),
        (Kind.RESET, {"state": "done"}),
        (Kind.RESET, {"state": "done", "holds": [5]}),
        (Kind.RESET, {"holds": []}),
        (Kind.RESET, {"state": "done", "holds": {"all": ""}}),
        (Kind.RESET, {"state": "done", "holds": [[["all"], "", "r1"]]}),
        (Kind.RESET, "done"),
    ],
)
def test_events_that_tell_nothing_are_told_of(firm: Firm, kind: str, words: Any):
    """And nothing ends by them."""
    holds = tuple(firm.press("r1"))
    firm.put(kind, words, "r2")
    found = firm.looks()

    assert holds == found.recorded
    assert any(f"event legr2-1 ({kind}) cannot be read" in warning for warning in found.warnings)


def test_records_that_cannot_be_read_are_told_of(firm: Firm):
    """Which file and which event."""
    holds = tuple(firm.press("r1"))
    firm.put_raw(Kind.RESET, b"{}")
    found = firm.looks()

    assert holds == found.recorded
    assert (f"{firm.ledger}: event 5 (reset): its record cannot be read",) == tuple(
        warning.rpartition(": ")[0] for warning in found.warnings
    )
    assert found.warnings == found.unsure


def test_a_ledger_that_cannot_be_read_is_told_of(firm: Firm):
    """What is engaged is told from the file alone, and is not known to be clear."""
    firm.ledger.mkdir(parents=True)
    latch.engage(firm.file, holds_of(ALL, "r1", BEGAN))
    found = firm.looks()

    assert (f"{firm.ledger}: it is a directory",) == found.warnings
    assert ["all accounts: run r1 is not on record, so that nobody knows whether it is clear"] == list(
        found.doubts.values()
    )


@pytest.mark.parametrize("missing", ["latch", "ledger"])
def test_settings_without_a_latch_or_a_ledger(firm: Firm, missing: str):
    """As a library may have them."""
    kind = {"latch": LatchFile, "ledger": LedgerFiles}[missing]
    settings = firm.settings.model_copy(update={missing: kind()})

    with pytest.raises(UsageError, match=rf"the settings name no \[{missing}\] file"):
        engagement.look(settings)


# ── is it clear? ────────────────────────────────────────────────────────────────────────────────────────────

Did = Callable[[Firm], object]


def run(scope: Scope = ALL, verdict: Verdict | None = CLEAR, second: float = 60, **more: Any) -> Did:
    """Somebody pressed later."""
    return lambda firm: firm.press("r2", scope, verdict, second, latched=False, **more)


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ALL, run()),
        (ARB, run()),
        (ARB, run(Scope(groups=("fx", "arb")))),
        (SEVEN, run()),
        (SEVEN, run(Scope(groups=("fx",), accounts=(8, 7)))),
        (ARB, run(second=1)),
    ],
)
def test_a_later_press_that_is_clear_shows_what_it_covers_clear(firm: Firm, scope: Scope, later: Did):
    """Wider or the same."""
    firm.press("r1", scope, OPEN)
    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()
    later(firm)

    assert not firm.ends().engaged


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ALL, run(ARB)),
        (ALL, run(SEVEN)),
        (ARB, run(Scope(groups=("fx",)))),
        (ARB, run(SEVEN)),
        (SEVEN, run(ARB)),
        (SEVEN, run(Scope(accounts=(77,)))),
        (SEVEN, run(Scope(groups=("7",)))),
        (Scope(groups=("7",)), run(SEVEN)),
        (ALL, run(Scope(all=True, filters=BUYS))),
        (ARB, run(Scope(groups=("arb",), filters=Filters(instrument_ids=("AAPL",))))),
        (ALL, run(drill=True)),
        (ALL, run(base_url=OTHER_BROKER)),
    ],
)
def test_other_runs_that_are_clear_show_nothing(firm: Firm, scope: Scope, later: Did):
    """Narrower, filtered, a drill, or at another broker."""
    firm.press("r1", scope, OPEN)
    later(firm)

    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()
    assert [] == firm.states()


@pytest.mark.parametrize(
    ("scope", "later", "doubt"),
    [
        (ALL, run(verdict=OPEN), "all accounts: run r2 ended open"),
        (ALL, run(SEVEN, Verdict.UNKNOWN), "all accounts: run r2 ended unknown"),
        (ALL, run(ARB, Verdict.REFUSED), "all accounts: run r2 ended refused"),
        (ALL, run(Scope(all=True, filters=BUYS), OPEN), "all accounts: run r2 ended open"),
        (ALL, run(verdict=Verdict.UNVERIFIED), "all accounts: run r2 ended unverified"),
        (ALL, run(verdict=None), "all accounts: run r2 did not come to its end"),
        (ARB, run(verdict=None, process=here()), "group arb: run r2 is under way"),
        (ARB, run(ARB, OPEN), "group arb: run r2 ended open"),
        (SEVEN, run(SEVEN, OPEN), "account 7: run r2 ended open"),
    ],
)
def test_a_later_run_that_is_not_clear_counts(firm: Firm, scope: Scope, later: Did, doubt: str):
    """What was clear may not be any more."""
    firm.press("r1", scope)
    later(firm)

    with pytest.raises(UsageError, match=doubt):
        firm.asks()


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ARB, run(Scope(groups=("fx",)), OPEN)),
        (SEVEN, run(Scope(accounts=(8,)), OPEN)),
        (ALL, run(verdict=OPEN, drill=True)),
        (ALL, run(verdict=OPEN, base_url=OTHER_BROKER)),
        (ALL, run(Scope(all=True, filters=BUYS))),
    ],
)
def test_runs_of_others_take_no_proof_away(firm: Firm, scope: Scope, later: Did):
    """Of other accounts, at another broker; or clear as far as they looked."""
    firm.press("r1", scope)
    later(firm)

    assert () == firm.asks().doubts


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({"verdict": None}, "all accounts: run r1 did not come to its end"),
        ({"verdict": None, "process": here()}, "all accounts: run r1 is under way"),
        ({"verdict": OPEN}, "all accounts: run r1 ended open"),
        (
            {"scope": Scope(all=True, filters=BUYS)},
            "all accounts: run r1 was clear of what its scope and filters name, which is not all of it",
        ),
        ({"base_url": OTHER_BROKER}, f"all accounts: run r1 was pressed against {OTHER_BROKER}"),
    ],
)
def test_the_run_that_engaged_it_says_whether_it_is_clear(firm: Firm, more: dict[str, Any], doubt: str):
    """The latch stops strategies whatever their orders, so that the filters of a press prove too little."""
    firm.press("r1", **more)

    with pytest.raises(UsageError) as refused:
        firm.asks()
    assert (
        f'{doubt}\nPress again until it is clear, or say why it may end all the same: --force "TEXT"\n'
        f"Looked in {firm.ledger}"
    ) == str(refused.value)


@pytest.mark.parametrize("verdict", [CLEAR, OPEN])
def test_runs_before_it_say_nothing(firm: Firm, verdict: Verdict):
    """Neither that it is clear nor that it is not."""
    firm.press("r0", ALL, verdict, latched=False)
    firm.press("r1", ALL, OPEN, second=60)
    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()
    firm.press("r2", ALL, CLEAR, second=120, latched=False)

    assert () == firm.asks().doubts


def test_an_older_run_that_ended_later_shows_nothing(firm: Firm):
    """It may have read an account before the press that was to stop it."""
    firm.press("r0", verdict=None, latched=False)
    firm.press("r1", Scope(all=True, filters=BUYS), second=60)
    firm.finish("r0", CLEAR, 100)

    with pytest.raises(UsageError, match="run r1 was clear of what its scope and filters name, which is not all"):
        firm.asks()


def test_a_run_that_began_before_a_press_that_is_not_on_record_shows_nothing(firm: Firm):
    """The times are all there is; for a single account its own plan need not be known."""
    latch.engage(firm.file, holds_of(SEVEN, "lost", at(60)))
    firm.press("r0", verdict=None, latched=False)
    firm.finish("r0", CLEAR, 100)
    with pytest.raises(UsageError, match="run lost is not on record"):
        firm.asks()
    firm.press("r2", second=200, latched=False)

    assert () == firm.asks().doubts


@pytest.mark.parametrize(
    ("verdict", "doubt"), [(UNKNOWN, "all accounts: run r2 ended unknown"), (None, "run r2 did not come")]
)
def test_a_clock_that_was_set_back_hides_no_run(firm: Firm, verdict: Verdict | None, doubt: str):
    """What came later in a file was later, whatever it was stamped."""
    firm.press("r1")
    firm.press("r2", ALL, verdict, second=-3600, latched=False)

    with pytest.raises(UsageError, match=doubt):
        firm.asks()


def test_a_press_after_the_clock_was_set_back_shows_it_clear(firm: Firm):
    """Else nobody could end it for an hour."""
    firm.press("r1", ALL, OPEN)
    firm.press("r2", second=-3600, latched=False)

    assert () == firm.asks().doubts


def test_a_run_that_another_outlasted_does_not_show_it_clear(firm: Firm):
    """The last word is that orders were open."""
    firm.press("r1", ALL, None)
    firm.press("r2", second=1, latched=False)
    firm.finish("r1", OPEN, 100)

    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()


# ── which accounts they are ─────────────────────────────────────────────────────────────────────────────────

MOVED = GROUPS | {2: "fx"}
ARB_BY_NAME = Scope(accounts=(1, 2))


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ARB, run(Scope(accounts=(1,)), UNKNOWN)),
        (Scope(accounts=(1,)), run(ARB, UNKNOWN)),
        (ARB, run(Scope(groups=("fx",)), UNKNOWN, groups=MOVED)),
        (ARB, run(Scope(accounts=(3,)), UNKNOWN, groups=GROUPS | {3: "arb"})),
        (ARB, run(SEVEN, UNKNOWN, unsent=(Unsent("a row that nobody can read"),))),
        (SEVEN, run(Scope(groups=("fx",)), UNKNOWN, unsent=(Unsent("no key", Account(7)),))),
        (ARB, run(SEVEN, UNKNOWN, is_planned=False)),
        (SEVEN, run(Scope(accounts=(8,)), UNKNOWN, is_planned=False)),
    ],
    ids=["in it", "around it", "moved", "joined it", "no id", "not reached", "no plan", "no plan, another"],
)
def test_a_run_over_the_same_accounts_by_another_name_takes_the_proof_away(firm: Firm, scope: Scope, later: Did):
    """What counts is which accounts were planned, and in doubt they are the same."""
    firm.press("r1", scope)
    later(firm)

    with pytest.raises(UsageError, match="run r2 ended unknown"):
        firm.asks()


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ARB, run(ARB, groups=MOVED)),
        (ALL, run(ALL, groups={id_: group for id_, group in GROUPS.items() if id_ != 77})),
        (ARB, run(ARB_BY_NAME)),
        (ARB, run(ARB, is_planned=False)),
        (SEVEN, run(ALL, is_planned=False)),
    ],
    ids=["moved", "left the roster", "another name", "no plan", "no plan for all"],
)
def test_a_run_that_was_not_about_every_account_shows_nothing(firm: Firm, scope: Scope, later: Did):
    """Though it was called the same."""
    firm.press("r1", scope, UNKNOWN)
    later(firm)

    with pytest.raises(UsageError, match=r"run r1 ended unknown|run r2 ended unverified"):
        firm.asks()


def test_a_run_of_which_nobody_knows_the_accounts_is_shown_clear_by_no_other(firm: Firm):
    """Its plan is not on record."""
    firm.press("r1", ARB, UNKNOWN, is_planned=False)
    firm.press("r2", second=60, latched=False)

    with pytest.raises(UsageError, match="run r1 ended unknown"):
        firm.asks()


def test_an_account_is_shown_clear_by_its_group(firm: Firm):
    """It was one of those that were read."""
    firm.press("r1", Scope(accounts=(1,)), UNKNOWN)
    firm.press("r2", ARB, second=60, latched=False)

    assert () == firm.asks().doubts


# ── a ledger that is not what was written ───────────────────────────────────────────────────────────────────


def edit(file: Path, *statements: str) -> None:
    """Somebody who knows SQL has been at it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for trigger in ("events_stay", "events_keep"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "doubt"),
    [
        ("UPDATE events SET record = x'00ff' WHERE run = 'r2' AND kind = 'pressed'", "does not match its hash"),
        (
            (
                "UPDATE events SET record = CAST(replace(CAST(record AS TEXT), 'unknown', 'clear') AS BLOB)"
                " WHERE run = 'r2' AND kind = 'finished'"
            ),
            r"event 7 \(finished\): it does not match its hash",
        ),
        ("DELETE FROM events WHERE run = 'r2'", r"event 8 \(pressed\): it follows event 4"),
        ("UPDATE events SET kind = 'flag' WHERE run = 'r2'", "its record is of another run or kind"),
    ],
)
def test_a_ledger_that_was_edited_shows_nothing_clear(firm: Firm, statement: str, doubt: str):
    """In doubt everything stays engaged; a person may know better."""
    firm.press("r1")
    firm.press("r2", ALL, UNKNOWN, second=60, latched=False)
    firm.press("r3", SEVEN, second=120, latched=False)
    edit(firm.ledger, statement)
    with pytest.raises(UsageError, match=doubt):
        firm.asks()

    assert not firm.ends(force="the auditor has the ledger").engaged


def test_an_event_that_is_no_heading_counts_as_well(firm: Firm):
    """The whole chain is walked."""
    firm.press("r1")
    firm.put(Kind.FLAG, {"code": "x", "text": "y"}, "r2")
    firm.put(Kind.FLAG, {"code": "x", "text": "y"}, "r2")
    edit(firm.ledger, "DELETE FROM events WHERE seq = 5")

    assert () == firm.looks().warnings
    with pytest.raises(UsageError, match=r"event 6 \(flag\): it follows event 4"):
        firm.asks()


# ── second files of others ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", ["-", "yesterday", "2026-03-02T10:00:00"])
def test_a_hold_without_a_time_is_shown_clear_by_no_other_run(firm: Firm, when: str):
    """Any run might be from before it."""
    latch.engage(firm.file, [Hold("all", "", "r1", when)])
    run()(firm)

    with pytest.raises(UsageError, match="run r1 is not on record"):
        firm.asks()


def test_every_doubt_is_told_once(firm: Firm):
    """Scope by scope."""
    firm.press("r1", Scope(groups=("arb",), accounts=(7,)), OPEN)

    with pytest.raises(UsageError, match=r"^group arb: run r1 ended open\naccount 7: run r1 ended open\nPress"):
        firm.asks()


# ── the reset ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reset_is_on_record_before_and_after(firm: Firm):
    """Who, why, what, and that it was done."""
    (hold,) = firm.press("r1")
    state = firm.ends()
    before, after = firm.resets()

    assert State(()) == state
    assert {"state": "done"} == {name: after[name] for name in after if after[name] != before[name]}
    assert {
        "state": "intended",
        "by": "Ann",
        "reason": "all is well",
        "forced_because": "",
        "doubts": [],
        "holds": [list(hold)],
        "recreate": False,
        "file": str(firm.file),
    }.items() <= before.items()


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_nobody_resets_without_a_reason(firm: Firm, reason: str):
    """The auditor will ask."""
    firm.press("r1")

    with pytest.raises(UsageError, match="no reason: say --reason TEXT"):
        firm.asks(reason=reason)


def test_a_doubt_takes_a_second_reason(firm: Firm):
    """Both are on record."""
    firm.press("r1", ALL, OPEN)
    with pytest.raises(UsageError, match="ended open"):
        firm.asks(force=" \t")
    state = firm.ends(force="the broker confirmed by phone")
    done = firm.resets()[-1]

    assert not state.engaged
    assert ("all is well", "the broker confirmed by phone", ["all accounts: run r1 ended open"]) == (
        done["reason"],
        done["forced_because"],
        done["doubts"],
    )


def test_a_second_reason_that_nobody_needed_is_not_on_record(firm: Firm):
    """It would look as if there had been a doubt."""
    firm.press("r1")
    firm.ends(force="to be sure")

    assert ["", ""] == [one["forced_because"] for one in firm.resets()]


def test_only_what_is_named_ends(firm: Firm):
    """The rest stays as it is, whoever engaged it."""
    firm.press("r2", ALL, OPEN, second=-60)
    firm.press("r1", Scope(groups=("arb", "fx"), accounts=(7, 8)))
    prepared = firm.asks(Scope(groups=("fx",), accounts=(8, 8)))
    state = reset.carry_out(firm.settings, prepared)

    assert "ends the engaged state of group fx, account 8" in str(prepared)
    assert {("group", "arb"), ("account", "7"), ("all", "")} == {hold[:2] for hold in state.holds}
    assert {("group", "arb"), ("account", "7"), ("all", "")} == {hold[:2] for hold in firm.looks().recorded}


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (ALL, "all: not engaged by this name; engaged is group arb, account 7"),
        (Scope(groups=("arb", "fx")), "fx: not engaged by this name"),
        (Scope(accounts=(8,)), "8: not engaged by this name"),
    ],
)
def test_what_is_not_engaged_is_not_reset(firm: Firm, scope: Scope, words: str):
    """Nor is anything else instead."""
    firm.press("r1", Scope(groups=("arb",), accounts=(7,)))

    with pytest.raises(UsageError, match=words):
        firm.asks(scope)


def test_a_key_in_a_reason_is_not_on_record(firm: Firm):
    """Somebody will paste it into the wrong window."""
    firm.press("r1", ALL, OPEN)
    prepared = reset.prepare(firm.settings, Scope(), by=f"Ann {KEY}", reason=f"why {KEY}", force=f"for {KEY}")
    reset.carry_out(firm.settings, prepared)
    secret = KEY.partition(".")[2].encode()

    assert ("Ann [key]", "why [key]", "for [key]") == (prepared.by, prepared.reason, prepared.forced_because)
    for folder in (firm.ledger.parent, firm.file.parent):
        assert all(secret not in path.read_bytes() for path in folder.iterdir())


def test_a_latch_whose_folder_could_not_be_made_durable_is_ended_on_record(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
):
    """The person is told; what strategies read is disengaged, and the ledger says the same."""
    firm.press("r1")

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(change, "_sync_folder", fail)
    with pytest.raises(LatchError, match=r"could not be reset \(input/output error\); it is disengaged"):
        firm.ends()

    assert ["intended", "done"] == firm.states()
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (lambda file: (file.unlink(), file.mkdir()), "mv {0} {0}.aside"),
        (lambda file: file.parent.rename(file.parent.with_name("gone")), "mkdir -p {1}"),
        (
            lambda file: (file.parent.rename(file.parent.with_name("gone")), file.parent.touch()),
            "mv {1} {1}.aside && mkdir -p {1}",
        ),
    ],
)
def test_what_stands_in_the_way_of_a_latch_is_told_with_its_command(
    firm: Firm, spoil: Callable[[Path], object], remedy: str
):
    """Somebody is tired."""
    firm.press("r1")
    spoil(firm.file)

    with pytest.raises(LatchError) as failed:
        firm.ends()
    assert str(failed.value).endswith(f": {remedy.format(firm.file, firm.file.parent)}")


# ── a latch that is missing or not whole ────────────────────────────────────────────────────────────────────

SPOIL: list[Callable[[Path], object]] = [Path.unlink, lambda file: file.write_bytes(b"engaged\n")]


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_reset_puts_a_whole_latch_in_the_place_of_one_that_is_not(firm: Firm, spoil: Callable[[Path], object]):
    """It is engaged for everything until then; what it was engaged for, the ledger says."""
    firm.press("r1", SEVEN)
    spoil(firm.file)
    found = firm.looks()

    assert (True, ["7"], ()) == (found.state.engaged, [hold.name for hold in found.holds], found.lost)
    assert State(()) == firm.ends()
    assert [True, True] == [one["recreate"] for one in firm.resets()]
    assert Engagement(State(()), (), (), {}, ()) == firm.looks()


def test_a_missing_latch_is_reset_as_a_whole(firm: Firm):
    """Nobody can read what else it was engaged for."""
    firm.press("r1", SEVEN)
    firm.file.unlink()

    with pytest.raises(UsageError, match=r"engaged for everything, because it is missing: only all of it"):
        firm.asks(SEVEN)


def test_a_missing_latch_that_was_engaged_for_what_is_not_clear(firm: Firm):
    """It takes a second reason, as if it were there."""
    firm.press("r1", SEVEN, OPEN)
    firm.file.unlink()

    with pytest.raises(UsageError, match="account 7: run r1 ended open"):
        firm.asks()
    assert not firm.ends(force="the broker confirmed").engaged


def test_a_missing_latch_that_nobody_engaged(firm: Firm):
    """Somebody may have, off the record."""
    firm.file.unlink()
    with pytest.raises(UsageError, match="the latch is missing, and no press on record engaged it"):
        firm.asks()
    prepared = firm.asks(force="a new machine")

    assert str(prepared).startswith("ends the engaged state of everything")
    assert not reset.carry_out(firm.settings, prepared).engaged


def test_a_missing_latch_and_a_ledger_that_cannot_be_read_as_a_whole(firm: Firm):
    """What else was engaged may have stood there."""
    firm.press("r1", SEVEN)
    firm.put_raw(Kind.PRESSED, b"{}", "r2")
    firm.file.unlink()

    with pytest.raises(UsageError, match=r"event 5 \(pressed\): its record cannot be read"):
        firm.asks()


# ── at the same time ────────────────────────────────────────────────────────────────────────────────────────


def test_a_press_after_the_person_looked_stays_engaged(firm: Firm):
    """Nothing is reset: it is no longer what the person saw."""
    firm.press("r1")
    prepared = firm.asks()
    (hold,) = firm.press("r2", ALL, OPEN, second=60)

    with pytest.raises(LatchError, match="no longer by this press; nothing was reset"):
        reset.carry_out(firm.settings, prepared)
    assert (hold,) == latch.read(firm.file).holds
    assert ["intended", "failed"] == firm.states()


@pytest.mark.parametrize("scope", [ALL, SEVEN, ARB])
def test_a_press_after_the_person_looked_at_a_missing_latch_is_engaged_again(firm: Firm, scope: Scope):
    """It found everything engaged and wrote nothing, and nobody decided to end it."""
    firm.press("r1", SEVEN)
    firm.file.unlink()
    prepared = firm.asks()
    holds = tuple(firm.press("r2", scope, OPEN, second=60))
    state = reset.carry_out(firm.settings, prepared)

    assert holds == state.holds == firm.looks().recorded
    assert ["intended", "done"] == firm.states()


# ── what cannot be written ──────────────────────────────────────────────────────────────────────────────────


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Somebody else writes the ledger, for as long as it takes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def changing(file: Path) -> Iterator[int]:
    """Somebody else has the turn to change the latch."""
    descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def test_what_cannot_be_put_on_record_is_not_done(firm: Firm):
    """Nothing has changed, and the words say so."""
    (hold,) = firm.press("r1")
    with (
        writing(firm.ledger),
        pytest.raises(ConfigurationError, match="so that it was not carried out") as refused,
    ):
        firm.ends()

    assert 78 == refused.value.exit_code
    assert (hold,) == latch.read(firm.file).holds
    assert [] == firm.states()


def test_a_ledger_that_is_none_takes_no_reset(firm: Firm):
    """Neither is a new one begun beside it."""
    latch.engage(firm.file, holds_of(ALL, "r1", BEGAN))
    firm.ledger.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="not carried out"):
        firm.ends(force="we know better")

    assert latch.read(firm.file).engaged
    assert [firm.ledger] == list(firm.ledger.parent.iterdir())


def test_settings_without_a_ledger_take_no_reset(firm: Firm):
    """It could not be on record."""
    firm.press("r1")
    prepared = firm.asks()

    with pytest.raises(ConfigurationError, match="A reset must be on record"):
        reset.carry_out(firm.settings.model_copy(update={"ledger": LedgerFiles()}), prepared)
    assert latch.read(firm.file).engaged


def test_a_latch_that_cannot_be_changed_stays_engaged(firm: Firm):
    """The failure is on record as well."""
    (hold,) = firm.press("r1")
    with changing(firm.file), pytest.raises(LatchError, match="another process is changing the latch") as failed:
        firm.ends()

    assert 70 == failed.value.exit_code
    assert (hold,) == latch.read(firm.file).holds == firm.looks().recorded
    assert ["intended", "failed"] == firm.states()


def test_a_latch_that_could_not_be_changed_is_told_before_a_ledger_that_could_not_be_written(firm: Firm):
    """That it is still engaged is what the person has to know."""
    firm.press("r1")
    with changing(firm.file):
        meanwhile = Meanwhile(firm)
        with pytest.raises(LatchError, match="another process is changing the latch"):
            firm.ends()
        meanwhile.end()

    assert ["intended"] == firm.states()


def test_a_reset_whose_end_could_not_be_put_on_record_is_told(firm: Firm):
    """It is done, and the ledger does not know."""
    firm.press("r1")
    with changing(firm.file) as turn:
        meanwhile = Meanwhile(firm, lambda: fcntl.flock(turn, fcntl.LOCK_UN))
        with pytest.raises(ConfigurationError, match="the reset is done, and that could not be put on record"):
            firm.ends()
        meanwhile.end()

    assert not latch.read(firm.file).engaged
    assert ["intended"] == firm.states()
    assert "the ledger says that all accounts is engaged" in firm.looks().warnings[0]


class Meanwhile(threading.Thread):
    """Once a reset is intended, somebody else writes the ledger, and then something happens."""

    def __init__(self, firm: Firm, act: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._firm, self._act, self._over = firm, act, threading.Event()
        self.start()

    def run(self) -> None:
        until(self._firm.states)
        with writing(self._firm.ledger):
            self._act()
            self._over.wait(30)

    def end(self) -> None:
        """Let go of the ledger."""
        self._over.set()
        self.join(30)
