"""Ending the engaged state fails closed: in doubt everything stays engaged, and nothing ends off the record."""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.accounts.plan import Plan, Scope, Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.config import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Settings
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.process import Process, here
from panic.latch import Hold, LatchError, State, change
from panic.ledger import reader
from panic.ledger.events import Event, decode, encode
from panic.ledger.record import Finished, Joined, Kind, Pressed, Resumed, body, planned
from panic.ledger.store import SqliteStore
from panic.orders import Filters
from panic.report.document import RosterFacts, Timings, Trigger, scope_report
from panic.run import engagement, reset
from panic.run.engagement import Engagement
from panic.run.latching import holds_of

BEGAN = datetime(2026, 3, 2, 10, tzinfo=UTC)
BROKER, OTHER_BROKER = "https://api.example.com", "https://sandbox.example.com"
DEAD = Process("elsewhere", 17)
KEY = "keyid42.aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1"
ALL, ARB, FX, ONE, SEVEN = (
    Scope(all=True),
    *(Scope(groups=(name,)) for name in ("arb", "fx")),
    *(Scope(accounts=(id_,)) for id_ in (1, 7)),
)
BUYS = Scope(all=True, filters=Filters(side="BUY"))
CLEAR, OPEN, UNKNOWN = Verdict.CLEAR, Verdict.OPEN, Verdict.UNKNOWN
GROUPS = {1: "arb", 2: "arb", 3: "fx", 7: "", 8: "", 70: "7", 77: "", 90: "a\tb"}
"""The roster: whose group is which."""
MOVED = GROUPS | {2: "fx"}
DISENGAGED = b"disengaged\nend 94defd48\n"
NOTHING = Engagement(State(()), (), {}, ())
NOT_ALL = "no run since r1 shows all of it clear"


def at(second: float) -> datetime:
    """So many seconds after it began."""
    return BEGAN + timedelta(seconds=second)


def trigger(second: float) -> Trigger:
    """Joe presses."""
    return Trigger("cli", "joe", "a bad algo", at(second))


@dataclass
class Firm:
    """A ledger and a latch, and what somebody does with them."""

    settings: Settings
    file: Path
    ledger: Path
    events: Counter[str] = field(default_factory=Counter)
    plans: dict[str, Plan] = field(default_factory=dict)

    def put(self, kind: str, words: Any, run: str = "", second: float = 0) -> None:
        """Put an event on record."""
        self.events[run] += 1
        event = Event(
            run, kind, f"leg{run}-{self.events[run]}", at(second).isoformat(timespec="microseconds"), words
        )
        self.put_raw(kind, encode(event), run)

    def put_raw(self, kind: str, record: bytes, run: str = "") -> None:
        """Put bytes on record."""
        with closing(SqliteStore(self.ledger)) as store:
            store.append([(run, str(kind), record)])

    def press(
        self,
        run: str,
        scope: Scope = ALL,
        verdict: Verdict | None = CLEAR,
        second: float = 0,
        *,
        latched: bool = True,
        engage: bool = True,
        groups: dict[int, str] | None = None,
        unsent: tuple[Unsent, ...] = (),
        is_planned: bool = True,
        **more: Any,
    ) -> list[Hold]:
        """Put a run on record that came to this end, or to none, and engage what it did."""
        how: dict[str, Any] = {
            "schema": "panic-run/1",
            "version": "1",
            "drill": False,
            "base_url": BROKER,
            "contact": "",
            "settings_digest": "",
            "roster": RosterFacts("sha256:00", 1, 3.0),
            "trigger": trigger(second),
            "scope": scope_report(scope, verify=True, watch_s=0.0),
            "started_at": at(second),
            "deadline_s": 1.0,
            "concurrency": 1,
            "latch": latched,
            "process": DEAD,
        }
        self.put(Kind.PRESSED, body(Pressed(**how | more)), run, second)
        its = groups or GROUPS
        covered = [id_ for id_ in its if scope.all or its[id_] in scope.groups or id_ in scope.accounts]
        accounts = tuple(Account(id_, "", its[id_], "", 100, "default") for id_ in covered)
        self.plans[run] = Plan(scope, accounts, unsent)
        if is_planned:
            self.put(Kind.PLANNED, planned(self.plans[run]), run, second)
        if verdict is not None:
            self.finish(run, verdict, second + 1)
        holds = holds_of(scope, run, at(second)) if latched else []
        if latched and engage:
            latch.engage(self.file, holds)
        return holds

    def finish(self, run: str, verdict: Verdict, second: float) -> None:
        """Put the end of a run on record."""
        if verdict is CLEAR:
            seen = {"standing": "clear", "as_of": at(second).isoformat()}
            self.put(
                Kind.STANDING, {"accounts": [{"account": one.id, **seen} for one in self.plans[run].accounts]}, run
            )
        timings = Timings(0.1, 0.5, 1.0, 1.0)
        end = Finished("1", verdict, EXIT_CODES[verdict], at(second), timings, roster_checked=True, unlisted=())
        self.put(Kind.FINISHED, body(end), run, second)

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
    ledger, file = tmp_path / "records" / "ledger.db", tmp_path / "latch" / "panic.latch"
    settings = Settings(
        broker=Broker(base_url=BROKER),
        credentials={"default": Credential(env="DESK_KEY"), "gone": Credential(env="NO_SUCH_KEY")},
        roster=RosterFile(file=tmp_path / "accounts.csv"),
        ledger=LedgerFiles(file=ledger),
        latch=LatchFile(file=file),
    )
    latch.create(file)
    return Firm(settings, file, ledger)


# ── what is engaged ─────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_engaged_at_first(firm: Firm):
    """And there is nothing to reset; a press that does not latch engages nothing either."""
    assert NOTHING == firm.looks()
    with pytest.raises(UsageError, match=r"nothing is engaged: .*panic.latch says disengaged"):
        firm.asks()
    assert not firm.ledger.exists()
    firm.press("r1", latched=False)
    assert NOTHING == firm.looks()


@pytest.mark.parametrize("missing", ["latch", "ledger"])
def test_settings_without_a_latch_or_a_ledger(firm: Firm, missing: str):
    """As a library may have them."""
    kind = {"latch": LatchFile, "ledger": LedgerFiles}[missing]

    with pytest.raises(UsageError, match=rf"the settings name no \[{missing}\] file"):
        engagement.look(firm.settings.model_copy(update={missing: kind()}))


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
    assert NOTHING == firm.looks()


def test_a_latch_that_somebody_edited_is_reported_and_ends_by_a_reset_like_the_rest(firm: Firm):
    """It takes the same evidence, and nothing has to be changed in the file."""
    firm.press("r1", ALL, OPEN)
    firm.file.write_bytes(DISENGAGED)
    before, found = firm.file.stat(), firm.looks()
    (warning,) = found.warnings

    assert (False, (), 1) == (found.state.engaged, found.holds, len(found.lost))
    assert "the ledger says that all accounts is engaged (run r1), and the latch does not" in warning
    assert "changed by something other than panic reset" in warning
    with pytest.raises(UsageError, match="all accounts: run r1 ended open"):
        firm.asks()
    assert not firm.ends(force="it was edited by hand").engaged
    assert ["intended", "done"] == firm.states()
    assert (before.st_ino, before.st_mtime_ns) == (firm.file.stat().st_ino, firm.file.stat().st_mtime_ns)
    assert NOTHING == firm.looks()


def test_what_happens_after_a_reset_engages_again(firm: Firm):
    """A resume of the same run, and a press, though the clock was set back: the ledger's order counts."""
    (first,) = firm.press("r1")
    firm.ends()
    firm.put(Kind.RESUMED, body(Resumed(at(5), "joe", "1", DEAD)), "r1")
    (second,) = firm.press("r2", second=-60, engage=False)

    assert at(60) < datetime.now(UTC)
    assert (first.run, (second,)) == ("r1", firm.looks().recorded)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.PRESSED, {"unencodable": "TypeError"}),
        (Kind.RESET, {"state": "done"}),
        (Kind.RESET, {"state": "done", "holds": [[["all"], "", "r1"]]}),
        (Kind.RESET, "done"),
    ],
)
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
    assert [
        "all accounts: run r1 is not on record at this broker, so that nobody knows whether it is clear"
    ] == list(found.doubts.values())


# ── is it clear? ────────────────────────────────────────────────────────────────────────────────────────────

Did = Callable[[Firm], object]


def run(scope: Scope = ALL, verdict: Verdict | None = CLEAR, second: float = 60, **more: Any) -> Did:
    """Somebody pressed later."""
    return lambda firm: firm.press("r2", scope, verdict, second, latched=False, **more)


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ALL, run()),
        (ALL, run(second=-3600)),
        (ARB, run()),
        (ARB, run(Scope(groups=("fx", "arb")))),
        (SEVEN, run()),
        (ONE, run(ARB)),
    ],
)
def test_a_later_press_that_is_clear_shows_what_it_covers_clear(firm: Firm, scope: Scope, later: Did):
    """Wider or the same, whatever the clock said."""
    firm.press("r1", scope, OPEN)
    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()
    later(firm)

    assert () == firm.asks().document.doubts
    assert not firm.ends().engaged


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ALL, run(ARB)),
        (ARB, run(SEVEN)),
        (ARB, run(Scope(accounts=(1, 2)))),
        (Scope(groups=("7",)), run(SEVEN)),
        (ALL, run(BUYS)),
        (ALL, run(drill=True)),
        (ALL, run(base_url=OTHER_BROKER)),
        (ARB, run(ARB, groups=MOVED)),
        (ALL, run(groups={id_: group for id_, group in GROUPS.items() if id_ != 77})),
        (ARB, run(ARB, is_planned=False)),
    ],
)
def test_other_runs_that_are_clear_show_nothing(firm: Firm, scope: Scope, later: Did):
    """Narrower, filtered, a drill, at another broker, without an account that moved or left, without a plan."""
    firm.press("r1", scope, OPEN)
    later(firm)

    with pytest.raises(UsageError, match="run r1 ended open"):
        firm.asks()
    assert [] == firm.states()


@pytest.mark.parametrize(
    ("scope", "later", "doubt"),
    [
        (ALL, run(verdict=OPEN), "all accounts: run r2 ended open"),
        (ALL, run(verdict=OPEN, second=-3600), "run r2 ended open"),
        (ALL, run(BUYS, OPEN), "all accounts: run r2 ended open"),
        (ALL, run(verdict=Verdict.UNVERIFIED), "all accounts: run r2 ended unverified"),
        (ALL, run(verdict=None), "all accounts: run r2 did not come to its end"),
        (ARB, run(verdict=None, process=here()), "group arb: run r2 is under way"),
        (SEVEN, run(SEVEN, OPEN), "account 7: run r2 ended open"),
        (ONE, run(ARB, UNKNOWN), "run r2 ended unknown"),
        (ARB, run(Scope(accounts=(3,)), UNKNOWN, groups=GROUPS | {3: "arb"}), "run r2 ended unknown"),
        (ARB, run(SEVEN, UNKNOWN, unsent=(Unsent("a row that nobody can read"),)), "run r2 ended unknown"),
        (ARB, run(SEVEN, UNKNOWN, is_planned=False), "run r2 ended unknown"),
    ],
)
def test_a_later_run_that_is_not_clear_counts(firm: Firm, scope: Scope, later: Did, doubt: str):
    """By whatever name the same accounts were pressed; in doubt they are the same."""
    firm.press("r1", scope)
    later(firm)

    with pytest.raises(UsageError, match=doubt):
        firm.asks()


@pytest.mark.parametrize(
    ("scope", "later"),
    [
        (ARB, run(FX, OPEN)),
        (SEVEN, run(Scope(accounts=(8,)), OPEN)),
        (ALL, run(verdict=OPEN, drill=True)),
        (ALL, run(verdict=OPEN, base_url=OTHER_BROKER)),
        (ALL, run(BUYS)),
    ],
)
def test_runs_of_others_take_no_proof_away(firm: Firm, scope: Scope, later: Did):
    """Of other accounts, at another broker; or clear as far as they looked."""
    firm.press("r1", scope)
    later(firm)

    assert () == firm.asks().document.doubts


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({"verdict": None}, "run r1 did not come to its end"),
        ({"verdict": None, "process": here()}, "run r1 is under way"),
        ({"verdict": OPEN}, "run r1 ended open"),
        ({"scope": BUYS}, f"{NOT_ALL}, whatever its accounts and its orders"),
        (
            {"base_url": OTHER_BROKER},
            "run r1 is not on record at this broker, so that nobody knows whether it is clear",
        ),
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


# ── a ledger that is not what was written ───────────────────────────────────────────────────────────────────


def edit(file: Path, *statements: str) -> None:
    """Somebody who knows SQL has been at it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in ("DROP TRIGGER events_stay", "DROP TRIGGER events_keep", *statements):
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "doubt"),
    [
        ("UPDATE events SET record = x'00ff' WHERE run = 'r2' AND kind = 'pressed'", "does not match its hash"),
        (
            "UPDATE events SET record = CAST(replace(record, 'unknown', 'clear') AS BLOB) WHERE kind = 'finished'",
            r"event 7 \(finished\): it does not match its hash",
        ),
        ("DELETE FROM events WHERE run = 'r2'", r"event 8 \(pressed\): it follows event 4"),
        ("UPDATE events SET kind = 'flag' WHERE run = 'r2'", "its record is of another run or kind"),
    ],
)
def test_a_ledger_that_was_edited_shows_nothing_clear(firm: Firm, statement: str, doubt: str):
    """Its whole chain is checked. In doubt everything stays engaged; a person may know better."""
    firm.press("r1")
    firm.press("r2", ALL, UNKNOWN, second=60, latched=False)
    firm.press("r3", SEVEN, second=120, latched=False)
    edit(firm.ledger, statement)
    with pytest.raises(UsageError, match=doubt):
        firm.asks()

    assert not firm.ends(force="the auditor has the ledger").engaged


def test_what_is_clear_by_its_word_and_not_by_its_record_shows_nothing(firm: Firm):
    """Its end says clear, and what was seen does not."""
    firm.press("r1", SEVEN, None)
    firm.plans["r1"] = Plan(SEVEN, ())
    firm.finish("r1", CLEAR, 1)

    with pytest.raises(UsageError, match=NOT_ALL):
        firm.asks()


# ── the reset ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reset_is_on_record_before_and_after(firm: Firm):
    """Who, why, what, and that it was done; a second reason only where there was a doubt."""
    (hold,) = firm.press("r1")
    state = firm.ends(force="to be sure")
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


def test_a_reset_takes_a_reason_and_in_doubt_a_second_one(firm: Firm):
    """Both are on record, without the keys that somebody pasted into them."""
    firm.press("r1", ALL, OPEN)
    for reason in ("", "  \n"):
        with pytest.raises(UsageError, match="no reason: say --reason TEXT"):
            firm.asks(reason=reason)
    with pytest.raises(UsageError, match="ended open"):
        firm.asks(force=" \t")
    prepared = reset.prepare(firm.settings, Scope(), by=f"Ann {KEY}", reason=f"why {KEY}", force=f"for {KEY}")
    state, done = reset.carry_out(firm.settings, prepared), firm.resets()[-1]

    assert not state.engaged
    assert ("Ann [key]", "why [key]", "for [key]", ["all accounts: run r1 ended open"]) == (
        done["by"],
        done["reason"],
        done["forced_because"],
        done["doubts"],
    )
    secret = KEY.partition(".")[2].encode()
    for folder in (firm.ledger.parent, firm.file.parent):
        assert all(secret not in path.read_bytes() for path in folder.iterdir())


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


def test_a_latch_whose_folder_could_not_be_made_durable_is_ended_on_record(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
):
    """The person is told; what strategies read is disengaged, and the ledger says the same."""
    firm.press("r1")

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(change, "sync_folder", fail)
    with pytest.raises(LatchError, match=r"could not be reset \(input/output error\); it is disengaged"):
        firm.ends()

    assert ["intended", "done"] == firm.states()
    assert NOTHING == firm.looks()


# ── a latch that is missing or not whole ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"engaged\n")])
def test_a_reset_puts_a_whole_latch_in_the_place_of_one_that_is_not(firm: Firm, spoil: Callable[[Path], object]):
    """It is engaged for everything until then; what for, the ledger says, and it takes its proof."""
    firm.press("r1", SEVEN, OPEN)
    spoil(firm.file)
    found = firm.looks()

    assert (True, ["7"], ()) == (found.state.engaged, [hold.name for hold in found.holds], found.lost)
    with pytest.raises(UsageError, match="account 7: run r1 ended open"):
        firm.asks()
    with pytest.raises(UsageError, match=r"engaged for everything, because it .*: only all of it"):
        firm.asks(SEVEN)
    run()(firm)
    assert State(()) == firm.ends()
    assert [True, True] == [one["recreate"] for one in firm.resets()]
    assert NOTHING == firm.looks()


def test_a_missing_latch_that_nobody_engaged(firm: Firm):
    """Somebody may have, off the record."""
    firm.file.unlink()
    with pytest.raises(UsageError, match="the latch is missing, and no press on record engaged it"):
        firm.asks()
    prepared = firm.asks(force="a new machine")

    assert str(prepared).startswith("ends the engaged state of everything")
    assert not reset.carry_out(firm.settings, prepared).engaged


# ── at the same time ────────────────────────────────────────────────────────────────────────────────────────


def test_a_press_after_the_person_looked_stays_engaged(firm: Firm):
    """Nothing is reset: it is no longer what the person saw."""
    firm.press("r1")
    prepared = firm.asks()
    (hold,) = firm.press("r2", ALL, OPEN, second=60)

    with pytest.raises(LatchError, match="which is not what was to be reset; nothing was reset"):
        reset.carry_out(firm.settings, prepared)
    assert (hold,) == latch.read(firm.file).holds
    assert ["intended"] == firm.states()


@pytest.mark.parametrize("scope", [ALL, SEVEN])
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
    """Nothing has changed, and the words say so; nor without a ledger in the settings."""
    (hold,) = firm.press("r1")
    prepared = firm.asks()
    with (
        writing(firm.ledger),
        pytest.raises(ConfigurationError, match="so that it was not carried out") as refused,
    ):
        reset.carry_out(firm.settings, prepared)
    with pytest.raises(ConfigurationError, match="A reset must be on record"):
        reset.carry_out(firm.settings.model_copy(update={"ledger": LedgerFiles()}), prepared)

    assert 78 == refused.value.exit_code
    assert (hold,) == latch.read(firm.file).holds
    assert [] == firm.states()


def test_a_latch_that_cannot_be_changed_stays_engaged(firm: Firm):
    """The failure is on record as well."""
    (hold,) = firm.press("r1")
    with changing(firm.file), pytest.raises(LatchError, match="another process is changing the latch") as failed:
        firm.ends()

    assert 70 == failed.value.exit_code
    assert (hold,) == latch.read(firm.file).holds == firm.looks().recorded
    assert ["intended"] == firm.states()
