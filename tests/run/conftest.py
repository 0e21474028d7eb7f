"""What the tests of engaging and resetting share: a ledger and a latch, and what somebody does with them."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.accounts.plan import Plan, Scope, Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.config import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Settings, Token
from panic.kit.process import Process
from panic.latch import Hold, State
from panic.ledger import reader
from panic.ledger.events import Event, decode, encode
from panic.ledger.record import Finished, Kind, body, planned
from panic.ledger.store import SqliteStore
from panic.report.document import Timings, Trigger
from panic.run import engagement, reset
from panic.run.asked import Person
from panic.run.engagement import Engagement, look
from panic.run.latching import holds_of
from tests.ledger.runs import a_press

KEY = "keyid42.aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1"
BEGAN = datetime(2026, 3, 2, 10, tzinfo=UTC)
BROKER = "https://api.example.com"
ANN, BOB = Person("token", "Ann"), Person("token", "Bob")
GROUPS = {1: "arb", 2: "arb", 3: "fx", 7: "", 8: "", 70: "7", 77: "", 90: "a\tb"}
"""The roster: whose group is which."""


def at(second: float) -> datetime:
    """So many seconds after it began."""
    return BEGAN + timedelta(seconds=second)


def trigger(second: float) -> Trigger:
    """Joe presses."""
    return Trigger("cli", "joe", "a bad algo", at(second))


@dataclass
class Firm:
    """A firm that presses and resets."""

    settings: Settings
    file: Path
    ledger: Path
    events: Counter[str] = field(default_factory=Counter)
    plans: dict[str, Plan] = field(default_factory=dict)

    def put(self, kind: str, words: Any, run: str = "", second: float = 0) -> None:
        """Put an event on record."""
        self.events[run] += 1
        stamp = at(second).isoformat(timespec="microseconds")
        event = Event(run, kind, f"leg{run}-{self.events[run]}", stamp, words)
        with closing(SqliteStore(self.ledger)) as store:
            store.append([(run, str(kind), encode(event))])

    def press(
        self,
        run: str,
        scope: Scope = Scope(all=True),  # noqa: B008  (a frozen value)
        verdict: Verdict | None = Verdict.CLEAR,
        second: float = 0,
        *,
        latched: bool = True,
        engage: bool = True,
        groups: dict[int, str] = GROUPS,
        unsent: tuple[Unsent, ...] = (),
        is_planned: bool = True,
        **more: Any,
    ) -> list[Hold]:
        """Put a run on record that came to this end, or to none, and engage what it did."""
        dead = Process("elsewhere", 17)
        how: dict[str, Any] = {"trigger": trigger(second), "started_at": at(second), "deadline_s": 1.0, **more}
        pressed = a_press(scope, **{"process": dead, "latch": latched, **how})
        self.put(Kind.PRESSED, body(pressed), run, second)
        covered = [
            id_ for id_, name in groups.items() if scope.all or name in scope.groups or id_ in scope.accounts
        ]
        accounts = tuple(Account(id_, "", groups[id_], "", 100, "default") for id_ in covered)
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
        if verdict is Verdict.CLEAR:
            seen = {"standing": "clear", "as_of": at(second).isoformat()}
            accounts = [{"account": one.id, **seen} for one in self.plans[run].accounts]
            self.put(Kind.STANDING, {"accounts": accounts}, run)
        timings = Timings(0.1, 0.5, 1.0, 1.0)
        end = Finished("1", verdict, EXIT_CODES[verdict], at(second), timings, roster_checked=True, unlisted=())
        self.put(Kind.FINISHED, body(end), run, second)

    def asks(
        self, scope: Scope | None = None, reason: str = "all is well", force: str = "", person: Person = ANN
    ) -> reset.Reset:
        """Ask for a reset."""
        found = look(self.settings, walk=True)
        who: Any = {"person": person, "by": person.name}
        return reset.prepare(self.settings, scope or Scope(), found, **who, reason=reason, force=force)

    def ends(self, scope: Scope | None = None, force: str = "", person: Person = ANN) -> State:
        """Reset."""
        return reset.carry_out(self.settings, self.asks(scope, force=force, person=person))

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
        tokens={
            one.name: Token(digest=(f"sha256:{n:064}",), roles=("resetter",)) for n, one in enumerate((ANN, BOB))
        },
    )
    latch.create(file)
    return Firm(settings, file, ledger)
