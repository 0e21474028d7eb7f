"""Ends the engaged state: a person's deliberate act. It fails closed: in doubt everything stays engaged."""

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from panic import latch
from panic._version import VERSION
from panic.accounts.plan import Scope
from panic.config import Settings
from panic.config.loading import KNOWN
from panic.config.secret import read_all, scrub, without_tokens
from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.kit.process import ENVIRONMENT
from panic.kit.words import clip
from panic.latch import Hold, State
from panic.ledger import history
from panic.ledger.events import Event, encode
from panic.ledger.record import Kind
from panic.run.asked import WITHIN, Asked, Person
from panic.run.engagement import Engagement, recorded

WILL_NOT = (
    "Nothing is sent to the broker: no order is cancelled, none is restored. "
    "The latch never blocked anything there; it only stops strategies that read it."
)


@dataclass(frozen=True, slots=True)
class ResetView:
    """What a reset did, or would do.

    Attributes:
        asked_by: Who asked for it before, where it takes two people.
        awaits_another: Whether it only asks, and another person must ask for the same.
    """

    schema: Literal["panic-reset/1"]
    done: bool
    ends: tuple[dict[str, str], ...]
    by: str
    reason: str
    forced_because: str | None
    doubts: tuple[str, ...]
    engaged_now: bool | None
    will_not: str
    looked_in: tuple[str, ...]
    asked_by: str | None
    awaits_another: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset that may be carried out; of its holds the file lists `listed`, the ledger alone the others."""

    person: Person
    holds: tuple[Hold, ...]
    listed: tuple[Hold, ...]
    recreate: bool
    document: ResetView

    def __str__(self) -> str:
        scopes = {hold[:2]: hold for hold in self.holds}
        what = latch.listed(scopes.values()) if scopes else "everything"
        if self.document.awaits_another:
            within = f"{WITHIN.total_seconds() / 60:g} minutes"
            return f"asks another person to end the engaged state of {what}, within {within} and in the same way"
        return f"ends the engaged state of {what}: strategies that test the latch may trade again"

    def view(self, state: State | None) -> ResetView:
        """Give the document that the command line and the API print; `state` is None where nothing was done."""
        if state is None:
            return self.document
        return replace(self.document, done=not self.document.awaits_another, engaged_now=state.engaged)


def require_reason(reason: str) -> None:
    """Raise a UsageError where there is none."""
    if not reason.strip():
        raise UsageError("no reason: say --reason TEXT; the auditor will ask who ended it, and why")


def _require_certain(settings: Settings) -> None:
    """Raise where a mistake may hide how many people a reset takes; a misspelt [latch] is an unknown section."""
    doubtful = [one for one in settings.problems if one.section == "latch" or one.section not in {"", *KNOWN}]
    if doubtful:
        raise ConfigurationError(
            [replace(one, remedy=f"{one.remedy} Nothing is reset before that.") for one in doubtful]
        )


def prepare(
    settings: Settings,
    scope: Scope,
    found: Engagement,
    *,
    person: Person,
    by: str,
    reason: str,
    force: str = "",
    env: Mapping[str, str] = ENVIRONMENT,
) -> Reset:
    """Say what a reset would end, an empty scope everything; a UsageError where it may not end.

    `found` is what `look` found with a walk. Where it takes two people and nobody else has asked for the same, it
    only asks. A ConfigurationError where the settings do not say how many it takes.
    """
    require_reason(reason)
    _require_certain(settings)
    if not found.state.engaged and not found.lost:
        raise UsageError(f"nothing is engaged: {settings.latch.file} says disengaged")
    everything = not (scope.all or scope.groups or scope.accounts)
    if found.state.problem and not everything:
        raise UsageError(f"the latch is {found.state}: only all of it can be reset, so name no scope")
    holds = found.known if everything else _named(found, scope)
    doubted = [found.doubts[hold] for hold in holds if hold in found.doubts]
    if found.state.problem and not holds:
        doubted.append(f"the latch {found.state.problem}, and no press on record engaged it")
    # A damaged ledger is a doubt: the unreadable part may hold a press that is not clear.
    doubts = tuple(dict.fromkeys([*doubted, *found.damage]))
    looked_in = tuple(history.looked(settings.ledger))
    if doubts and not force.strip():
        raise UsageError(
            "\n".join(doubts)
            + '\nPress again until it is clear, or say why it may end all the same: --force "TEXT"'
            + f"\nLooked in {' and '.join(looked_in)}",
            [("latch", words) for words in doubts],
        )
    recreate = bool(found.state.problem)
    asks = partial(Asked.agrees, person=person, holds=holds, recreate=recreate, is_forced=bool(doubts))
    first = next(filter(asks, reversed(found.asked)), None)
    keys = read_all(settings.credentials, env)[0].values()

    def clean(text: str) -> str:  # what a person typed stays on record for ever
        return scrub(without_tokens(text.strip(), settings.token_digests), keys)

    document = ResetView(
        schema="panic-reset/1",
        done=False,
        ends=tuple(hold._asdict() for hold in holds),
        by=clip(clean(by)),
        reason=clip(clean(reason), 1000),
        forced_because=clip(clean(force), 1000) if doubts else None,
        doubts=doubts,
        engaged_now=None,
        will_not=WILL_NOT,
        looked_in=looked_in,
        asked_by=first.by if first else None,
        awaits_another=settings.latch.resets > 1 and first is None,
    )
    listed = tuple(hold for hold in holds if hold in found.state.holds)
    return Reset(person, holds, listed, recreate=recreate, document=document)


def carry_out(settings: Settings, reset: Reset) -> State:
    """Record the reset, end the engaged state, and say what the latch says now; an error says what failed.

    Where it awaits another person, it is recorded that this one asked, and nothing else happens.
    """
    assert settings.latch.file is not None  # noqa: S101  (it was read before)
    if reset.document.awaits_another:
        _put_on_record(settings, reset, "asked")
        return latch.read(settings.latch.file)
    _put_on_record(settings, reset, "intended")
    wrong: latch.LatchError | None = None
    try:
        if reset.listed or reset.recreate:
            latch.release(settings.latch.file, reset.listed, recreate=reset.recreate)
    except latch.LatchError as error:
        if not _is_ended(settings.latch.file, reset):
            raise
        wrong = error
    # A press that came in between found everything engaged, and did not write to the latch.
    if reset.recreate and (late := [hold for hold in recorded(settings) if hold not in reset.holds]):
        latch.engage(settings.latch.file, late)
    _put_on_record(settings, reset, "done")
    if wrong is not None:
        raise wrong
    return latch.read(settings.latch.file)


def _is_ended(file: Path, reset: Reset) -> bool:
    """Whether none of it is engaged, whatever failed later: what strategies read is what counts."""
    state = latch.read(file)
    return not state.problem and not any(state.includes([hold]) for hold in reset.holds)


def _named(found: Engagement, scope: Scope) -> tuple[Hold, ...]:
    wanted = [("all", "")] if scope.all else []
    wanted += [("group", group) for group in scope.groups] + [("account", str(id_)) for id_ in scope.accounts]
    engaged = {hold[:2]: hold for hold in found.known}
    if unknown := [name or what for what, name in wanted if (what, name) not in engaged]:
        listed = latch.listed(engaged.values())
        raise UsageError(f"{', '.join(unknown)}: not engaged by this name; engaged is {listed}")
    return tuple(hold for hold in found.known if hold[:2] in wanted)


def _put_on_record(settings: Settings, reset: Reset, state: str) -> None:
    from panic.ledger.store import SqliteStore  # noqa: PLC0415  (creates nothing until it is needed)

    file = settings.ledger.file
    if file is None:
        raise ConfigurationError([Problem("the settings name no [ledger] file", "A reset must be on record.")])
    body = {
        "state": state,
        "by": reset.document.by,
        "way": reset.person.way,
        "person": reset.person.name,
        "asked_by": reset.document.asked_by or "",
        "reason": reset.document.reason,
        "forced_because": reset.document.forced_because or "",
        "doubts": reset.document.doubts,
        "holds": reset.holds,
        "recreate": reset.recreate,
        "file": str(settings.latch.file),
        "version": VERSION,
    }
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    event = Event("", Kind.RESET, f"{secrets.token_hex(4)}-0", at, body)
    try:
        store = SqliteStore(file)
        try:
            store.append([(event.run, event.kind, encode(event))])
        finally:
            store.close()
    except (OSError, sqlite3.Error) as error:
        what = f"the reset could not be put on record ({clip(str(error))}), so that it was not carried out"
        if state == "done":
            what = f"the reset is {state}, and that could not be put on record ({clip(str(error))})"
        raise ConfigurationError([Problem(what, "Repair the ledger, then see: panic latch", file)]) from error
