"""Ending the engaged state fails closed: in doubt everything stays engaged, and nothing ends off the record."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from panic import latch
from panic.accounts.plan import Scope
from panic.config import LedgerFiles
from panic.kit.errors import ConfigurationError, UsageError
from panic.latch import LatchError, State, change
from panic.ledger import store
from panic.run import reset
from panic.run.engagement import look
from tests.run.conftest import ANN, KEY, Firm
from tests.run.test_engagement import ALL, CLEAR, NOTHING, OPEN, SEVEN

DISENGAGED = b"disengaged\nend 94defd48\n"


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


def test_a_reset_is_on_record_before_and_after(firm: Firm):
    """Who, why, what, and that it was done; a second reason only where there was a doubt."""
    (hold,) = firm.press("r1")
    state = firm.ends(force="to be sure")
    before, after = firm.resets()
    intended = {"state": "intended", "holds": [list(hold)], "recreate": False, "file": str(firm.file)}

    assert State(()) == state
    assert {"state": "done"} == {name: after[name] for name in after if after[name] != before[name]}
    assert (
        intended | {"by": "Ann", "reason": "all is well", "forced_because": "", "doubts": []}
    ).items() <= before.items()


def test_a_reset_takes_a_reason_and_in_doubt_a_second_one(firm: Firm):
    """Both are on record, without the keys that somebody pasted into them."""
    firm.press("r1", ALL, OPEN)
    for reason in ("", "  \n"):
        with pytest.raises(UsageError, match="no reason: say --reason TEXT"):
            firm.asks(reason=reason)
    with pytest.raises(UsageError, match="ended open"):
        firm.asks(force=" \t")
    found = look(firm.settings, walk=True)
    by, reason, force = f"Ann {KEY}", f"why {KEY}", f"for {KEY}"
    prepared = reset.prepare(firm.settings, Scope(), found, person=ANN, by=by, reason=reason, force=force)
    state, done = reset.carry_out(firm.settings, prepared), firm.resets()[-1]

    assert not state.engaged
    assert ["Ann [key]", "why [key]", "for [key]"] == [done[name] for name in ("by", "reason", "forced_because")]
    assert ["all accounts: run r1 ended open"] == done["doubts"]
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


def test_what_is_not_engaged_is_not_reset(firm: Firm):
    """Nor is anything else instead."""
    firm.press("r1", Scope(groups=("arb",), accounts=(7,)))
    for scope, name in ((ALL, "all"), (Scope(groups=("arb", "fx")), "fx"), (Scope(accounts=(8,)), "8")):
        with pytest.raises(UsageError, match=f"{name}: not engaged by this name; engaged is group arb, account 7"):
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
    firm.press("r2", second=60, latched=False)
    assert State(()) == firm.ends()
    assert [True, True] == [one["recreate"] for one in firm.resets()]
    assert NOTHING == firm.looks()


def test_a_press_after_the_person_looked_stays_engaged(firm: Firm):
    """Nothing is reset: it is no longer what the person saw."""
    firm.press("r1")
    prepared = firm.asks()
    (hold,) = firm.press("r2", ALL, OPEN, second=60)

    with pytest.raises(LatchError, match="which is not what was to be reset; nothing was reset"):
        reset.carry_out(firm.settings, prepared)
    assert (hold,) == latch.read(firm.file).holds
    assert ["intended"] == firm.states()


def test_a_press_after_the_person_looked_at_a_missing_latch_is_engaged_again(firm: Firm):
    """It found everything engaged and wrote nothing, and nobody decided to end it."""
    firm.press("r1", SEVEN)
    firm.file.unlink()
    prepared = firm.asks()
    holds = tuple(firm.press("r2", ALL, OPEN, second=60))
    state = reset.carry_out(firm.settings, prepared)

    assert holds == state.holds == firm.looks().recorded
    assert ["intended", "done"] == firm.states()


@contextmanager
def changing(file: Path) -> Iterator[None]:
    """Somebody else has the turn to change the latch."""
    with change._lock(file).open("rb") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        yield


def test_what_cannot_be_put_on_record_is_not_done(firm: Firm, monkeypatch: pytest.MonkeyPatch):
    """Nothing has changed, and the words say so; nor without a ledger in the settings."""
    monkeypatch.setattr(store, "BUSY_S", 0.05)
    (hold,) = firm.press("r1")
    prepared = firm.asks()
    with closing(sqlite3.connect(firm.ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="so that it was not carried out") as refused:
            reset.carry_out(firm.settings, prepared)
    with pytest.raises(ConfigurationError, match="A reset must be on record"):
        reset.carry_out(firm.settings.model_copy(update={"ledger": LedgerFiles()}), prepared)

    assert 78 == refused.value.exit_code
    assert (hold,) == latch.read(firm.file).holds
    assert [] == firm.states()


def test_a_latch_that_cannot_be_changed_stays_engaged(firm: Firm, monkeypatch: pytest.MonkeyPatch):
    """The failure is on record as well."""
    monkeypatch.setattr(change, "PATIENCE_S", 0.0)
    (hold,) = firm.press("r1")
    with changing(firm.file), pytest.raises(LatchError, match="another process is changing the latch") as failed:
        firm.ends()

    assert 70 == failed.value.exit_code
    assert (hold,) == latch.read(firm.file).holds == firm.looks().recorded
    assert ["intended"] == firm.states()
