"""What the routes of the service work with, and what they count on from it."""

import asyncio
import resource
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from aiohttp import web

from panic.background import Aside
from panic.config import Settings, Token
from panic.ledger.writer import Writer
from panic.roster import Roster
from panic.run.press import Prepared, Press
from panic.secret import Key, scrub
from panic.service.auth import Identity, Tokens
from panic.service.desk import Desk
from panic.service.metrics import Metrics
from panic.service.proving import Proving
from panic.service.repeats import Keys
from panic.service.room.sessions import Sessions
from panic.words import clip

if TYPE_CHECKING:
    from panic.service.room.hub import Hub

log = structlog.get_logger()

REFUSALS_MOST: Final = 3
"""Refusals put on record in a second; more are counted, so that a flood of them does not fill the ledger."""

STREAMS_MOST: Final = 200
"""Readers of events at once, where there are descriptors for them."""

WAITING_MOST: Final = 100
"""Callers at once that are let wait for a report; the others are told where it will be."""


def fitting(most: int) -> int:
    """Give how many connections may be held for long: a press must find one, whoever waits."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(soft // 8, 1))


Audit = Callable[[str, dict[str, Any]], None]
"""Told of presses, refusals and resets, with who; must not block."""


class Standby(Protocol):
    """What the service keeps ready."""

    @property
    def settings(self) -> Settings:
        """Those in force."""

    def prepare(self, press: Press) -> Prepared:
        """Make a press ready from what is loaded."""

    @property
    def ledger(self) -> Writer | None:
        """The writer of the ledger; None where there is none."""

    @property
    def not_ready(self) -> str:
        """Why a press by a person, a hook or the clock would not work, in a word; empty if each of them would."""

    @property
    def files(self) -> dict[str, str]:
        """Fingerprints of ledger, latch and store, which name no path."""

    def status(self) -> Mapping[str, Any]:
        """Tell how old all that is."""

    @property
    def keys(self) -> Mapping[str, Key]:
        """The keys that can be used now."""

    @property
    def roster(self) -> Roster | None:
        """The roster that counts now; None where none could ever be read."""


class Notifier(Protocol):
    """Who tells people."""

    @property
    def failures(self) -> Mapping[str, int]:
        """How many deliveries to each channel failed."""


class Record:
    """Puts on record who did what; of refusals only so many."""

    def __init__(self, audit: Audit, now: Callable[[], float] = monotonic) -> None:
        self._audit, self._now = audit, now
        self._lately: deque[float] = deque(maxlen=REFUSALS_MOST)
        self.unrecorded = 0

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Put something on record; a record that fails never stops anything."""
        try:
            self._audit(kind, body)
        except Exception:
            if structlog.is_configured():
                log.exception("audit_failed", kind=kind)

    def refusal(self, body: dict[str, Any]) -> None:
        """Put a refusal on record, or count it."""
        now = self._now()
        if len(self._lately) == REFUSALS_MOST and self._lately[0] > now - 1.0:
            self.unrecorded += 1
            return
        self._lately.append(now)
        self.tell("refused", {**body, "unrecorded_before": self.unrecorded})
        self.unrecorded = 0


@dataclass
class Parts:
    """Everything that a route may need.

    Attributes:
        bound: The addresses that the service listens at, for the host allow-list.
        ready: Why a press would not work, in one word; empty if it would.
        sessions: Who is signed in from a browser.
        proving: The self-test; None where there is none.
        drill: Whether the broker is the embedded simulator, and every run a drill.
        hub: Tells the pages of the control room.
        streams: The tasks of those who follow events.
        waiting: How many callers wait for a report.
        checking: Held by the check that is under way: one at a time.
        exporting: Likewise by the evidence that is written.
    """

    desk: Desk
    standby: Standby
    notifier: Notifier
    record: Record
    metrics: Metrics
    env: Mapping[str, str]
    bound: tuple[str, ...]
    ready: Callable[[], str]
    aside: Aside
    keys: Keys
    sessions: Sessions
    proving: Proving | None = None
    drill: bool = False
    hub: "Hub" = field(init=False)
    waiting: int = 0
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    exporting: asyncio.Lock = field(default_factory=asyncio.Lock)
    streams: set["asyncio.Task[Any]"] = field(default_factory=set)
    reports: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    _tokens: tuple[Mapping[str, Token], Tokens] | None = None

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.standby.settings

    def identify(self, authorization: str) -> Identity | None:
        """Say whose token it is, by the settings in force."""
        known = self.settings.tokens
        if self._tokens is None or self._tokens[0] is not known:
            self._tokens = known, Tokens(known)
        return self._tokens[1].identify(authorization)

    def scrub(self, text: str) -> str:
        """Take keys out of words from outside."""
        return scrub(text, self.standby.keys.values())


def scrubbed(said: Any, scrub: Callable[[str], str]) -> Any:
    """Take keys out of every text in a document, before anything else sees it."""
    match said:
        case str():
            return scrub(said)
        case Mapping():
            return {name: scrubbed(value, scrub) for name, value in said.items()}
        case list() | tuple():
            return [scrubbed(value, scrub) for value in said]
    return said


def name_of(identity: Identity, on_behalf_of: str = "") -> str:
    """Say who does something: the token, and for whom."""
    whom = clip(on_behalf_of.strip(), 100)
    return f"{identity.name} on behalf of {whom}" if whom else identity.name


def end_streams(parts: Parts) -> None:
    """Let those who follow events go, so that nobody waits for them at the end."""
    for task in list(parts.streams):
        with suppress(RuntimeError):
            task.cancel()


PARTS: Final = web.AppKey("parts", Parts)
