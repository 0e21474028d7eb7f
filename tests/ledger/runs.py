"""The events of runs, made by hand."""

from dataclasses import replace
from typing import Any

from panic.accounts.plan import Plan, Scope, Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.kit.process import Process
from panic.ledger.events import Event, decode, encode
from panic.ledger.record import Finished, Joined, Kind, Pressed, Resumed, body, planned
from panic.report.document import RosterFacts, Timings, Trigger, scope_report
from tests.kit.builders import MIDNIGHT, wall

EPOCH = MIDNIGHT.timestamp()
FIRST, SECOND = Process("desk-1", 17, "boot", "400"), Process("desk-2", 18, "boot", "500")


def event(n: int, kind: str, words: Any, leg: str = "leg", at: float | None = None) -> Event:
    """The n-th event of a process, n seconds after midnight, as it is read back."""
    moment = wall(n if at is None else at).isoformat(timespec="microseconds")
    return decode(encode(Event("run", kind, f"{leg}-{n}", moment, words)))


def a_press(of: Scope | None = None, **changes: Any) -> Pressed:
    """What is recorded of a press."""
    as_usual = Pressed(
        schema="panic-run/1",
        version="0.1",
        drill=False,
        base_url="https://api.example.com",
        contact="the desk",
        settings_digest="sha256:00",
        roster=RosterFacts("sha256:00", 2, 3.0),
        trigger=Trigger("cli", "joe@desk", "a bad algo", MIDNIGHT),
        scope=scope_report(of or Scope(all=True), verify=True, watch_s=0.0),
        started_at=MIDNIGHT,
        deadline_s=120.0,
        concurrency=2,
        latch=False,
        process=FIRST,
    )
    return replace(as_usual, **changes)


def pressed(scope: Scope | None = None) -> Event:
    """Somebody pressed."""
    return event(1, Kind.PRESSED, body(a_press(scope)))


UNSENT = (Unsent("its key is gone", account=Account(9)),)


def plan_of(*ids: int, unsent: tuple[Unsent, ...] = UNSENT) -> Event:
    """What it was to do."""
    return event(2, Kind.PLANNED, planned(Plan(Scope(all=True), tuple(map(Account, ids)), unsent)))


def sending(n: int, *deletes: tuple[int, int], **more: Any) -> Event:
    """DELETEs were about to leave."""
    return event(n, Kind.ATTEMPT, {"deletes": deletes}, **more)


def told(n: int, *accounts: dict[str, Any], kind: Kind = Kind.OUTCOME, **more: Any) -> Event:
    """What became of accounts."""
    return event(n, kind, {"accounts": accounts}, **more)


def accepted(id_: int) -> dict[str, Any]:
    """The broker took the cancel."""
    attempt = ["DELETE", EPOCH + 4.0, 0.1, 200, "r-1", ""]
    return {"account": id_, "attempts": [attempt], "outcome": "accepted"}


def clear(id_: int) -> dict[str, Any]:
    """A read showed nothing open."""
    attempt = ["GET", EPOCH + 5.0, 0.1, 200, "r-2", ""]
    return {"account": id_, "attempts": [attempt], "standing": "clear", "as_of": wall(5).isoformat(), "looks": 1}


def resumed(n: int, leg: str = "later", at: float | None = None) -> Event:
    """Another process took it up."""
    return event(n, Kind.RESUMED, body(Resumed(wall(60), "the night shift", "0.1", SECOND)), leg, at)


def joined(n: int, *ids: int) -> Event:
    """Somebody pressed again, and these accounts are sent again for it."""
    scope = scope_report(Scope(accounts=ids), verify=True, watch_s=0.0)
    trigger = Trigger("room", "the second", "to be sure", wall(n))
    return event(n, Kind.JOINED, body(Joined(trigger, ids, 120.0, 0.0, scope, latch=False)))


def finished(n: int, verdict: Verdict = Verdict.CLEAR, leg: str = "leg", at: float | None = None) -> Event:
    """It came to its end."""
    end = Finished(
        "0.1", verdict, EXIT_CODES[verdict], wall(9), Timings(0.1, 5.0, 9.0, 120.0), True, (), {verdict: 1}
    )
    return event(n, Kind.FINISHED, body(end), leg, at)


def start(*ids: int) -> list[Event]:
    """The beginning of every record."""
    return [pressed(), plan_of(*ids)]
