"""Two people for a reset, where the settings want them: who has asked for one, by the ledger, and who that was.

The second asks for the same, in the same way, as the first: a token and a user of the machine may be one person,
and so may a token and a sign-in.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from panic.config import Settings
from panic.kit.process import login
from panic.latch import Hold
from panic.ledger.events import Event
from panic.ledger.record import Kind, read

WITHIN: Final = timedelta(minutes=15)
"""How long one person's word waits for the other's."""

USER: Final = "user"
BEARER: Final = "token"
"""How somebody is known, beside the address of an identity provider."""


class Person(NamedTuple):
    """Who somebody is, for good; `way` is how that is known: by a user id, a token or an identity provider."""

    way: str
    name: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is on record of somebody who asked for a reset, and awaits another person.

    Attributes:
        forced_because: Why it may end in spite of doubts; empty where there were none.
        recreate: Whether the latch was missing or not whole, so that everything was engaged.
    """

    state: str
    by: str
    reason: str
    way: str
    person: str
    holds: tuple[tuple[str, str, str, str], ...]
    forced_because: str
    recreate: bool
    at: str = ""

    def agrees(self, person: Person, holds: Sequence[Hold], *, recreate: bool, is_forced: bool) -> bool:
        """Whether another person asks for exactly this; a doubt that came up since is for both of them."""
        is_other = self.way == person.way and self.person != person.name
        is_same = {tuple(hold) for hold in holds} == set(self.holds) and recreate == self.recreate
        return is_other and is_same and (bool(self.forced_because) or not is_forced)


def pending(events: Iterable[Event], now: datetime) -> tuple[Asked, ...]:
    """Give what was asked for lately and not yet done, oldest first; what cannot be read was not asked."""
    found: list[Asked] = []
    for event in (one for one in events if one.kind == Kind.RESET):
        state = event.body.get("state") if isinstance(event.body, dict) else None
        if state == "done":
            found.clear()
        elif state == "asked":
            with suppress(ValueError, TypeError):
                if timedelta() <= now - datetime.fromisoformat(event.at) <= WITHIN:
                    found.append(read(Asked, {**event.body, "at": event.at}))
    return tuple(found)


def may_still(one: Asked, settings: Settings, now: datetime) -> bool:
    """Whether who asked by a token may still reset by it; a user of the machine may whatever the settings say.

    Of the identity provider's people it is only known whether anybody may.
    """
    token, provider = settings.tokens.get(one.person), settings.identity
    if one.way == BEARER:
        return token is not None and "resetter" in token.roles and not token.refusal(now)
    if one.way == USER:
        return True
    grants = provider.grants.values() if provider is not None and provider.issuer == one.way else ()
    return any("resetter" in grant.roles for grant in grants)


def user() -> Person:
    """Give the user of this machine; where it does not say who logged in, who becomes one user is one person."""
    return Person(USER, str(login()))
