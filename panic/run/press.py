"""Prepares a press: who asks for what. Everything is read and validated here; nothing is sent."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from panic.accounts.plan import Plan, Scope, plan
from panic.accounts.roster import Roster
from panic.accounts.roster import load as load_roster
from panic.config import Settings
from panic.config.secret import Key, read_all, without_tokens
from panic.kit.collector import Pause
from panic.kit.errors import Problem, UsageError
from panic.kit.process import ENVIRONMENT, login
from panic.kit.words import on_behalf
from panic.ledger.record import Resumed
from panic.ledger.replay import Replay
from panic.report import flags
from panic.report.document import Flag, Source


@dataclass(frozen=True, slots=True)
class Press:
    """The act: which accounts, why, and how this run differs from the settings (None: it does not).

    `key` is what it is known by on record: a schedule's name and day, a hook's signed call, or a digest of an
    Idempotency-Key and its owner; `program` is the name of the program that presses by the API, empty for a
    person.
    """

    scope: Scope
    reason: str
    by: str = ""
    source: str = Source.LIBRARY
    deadline_s: float | None = None
    concurrency: int | None = None
    watch_s: float | None = None
    verify: bool = True
    latch: bool = False
    key: str = ""
    program: str = ""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that a process left unfinished, who resumes it, and whether the ledger knows already that they do."""

    record: Replay
    resumed: Resumed
    is_on_record: bool = False
    leg: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs, read and validated; nothing has been sent."""

    press: Press
    settings: Settings
    roster: Roster
    keys: Mapping[str, Key]
    plan: Plan
    flags: tuple[Flag, ...] = ()
    unfinished: Unfinished | None = None

    @property
    def longest_s(self) -> float:
        """How long it may take where the broker is slow, seconds; a deadline of its press bounds it."""
        is_bounded = self.press.deadline_s is not None and self.unfinished is None
        return self.deadline_s if is_bounded else max(self.deadline_s, self.settings.run.longest_s)

    @property
    def deadline_s(self) -> float:
        """When the run ends at the latest, seconds: as the press says, else the settings."""
        return self.press.deadline_s or self.settings.run.deadline_s

    @property
    def concurrency(self) -> int:
        """Requests in flight at most: as the press says, else the settings."""
        return self.press.concurrency or self.settings.run.concurrency

    @property
    def watch_s(self) -> float:
        """How long it keeps reading after the first clear, seconds: as the press says, else the settings."""
        return self.settings.run.watch_s if self.press.watch_s is None else self.press.watch_s


def prepare(settings: Settings, press: Press, env: Mapping[str, str] = ENVIRONMENT) -> Prepared:
    """Read roster and keys and make the plan; an error where nothing could be sent, or nothing should."""
    _check(press)
    keys, raised, broken = read_keys(settings, env)
    with Pause():  # as for the report: a hundred thousand small values, and no garbage
        roster = load_roster(settings.roster.file, settings.credentials)
    raised += flags.from_problems("roster", roster.problems)
    return prepared_of(settings, press, roster, keys, raised, broken)


def prepared_of(
    settings: Settings,
    press: Press,
    roster: Roster,
    keys: Mapping[str, Key],
    raised: Sequence[Flag],
    broken: Sequence[Problem],
) -> Prepared:
    """Make the plan from what was read before; raises as `prepare` does."""
    _check(press)
    digests = settings.token_digests
    by, reason = without_tokens(press.by, digests), without_tokens(press.reason, digests)
    press = replace(press, by=by, reason=reason)
    return Prepared(press, settings, roster, keys, plan(roster, press.scope, keys, broken), tuple(raised))


def read_keys(settings: Settings, env: Mapping[str, str]) -> tuple[dict[str, Key], list[Flag], list[Problem]]:
    """Give the usable keys by name, what is wrong with settings and keys as flags, and what is wrong with keys."""
    keys, broken = read_all(settings.credentials, env)
    raised = flags.from_problems("settings", settings.problems) + flags.from_problems("credential", broken)
    return keys, raised, broken


def _check(press: Press) -> None:
    if not press.reason.strip():
        raise UsageError("no reason: say --reason TEXT; the report and the auditor will ask for it")
    for name, value in (("--deadline", press.deadline_s), ("--watch", press.watch_s)):
        if value is not None and not 0 <= value <= 86_400:  # noqa: PLR2004  (a day; also refuses NaN)
            raise UsageError(f"{name} {value}: give seconds between 0 and 86400")
    if press.deadline_s == 0:
        raise UsageError("--deadline 0 leaves no time to send anything: give seconds, or leave it out")
    if press.concurrency is not None and not 1 <= press.concurrency <= 1000:  # noqa: PLR2004
        raise UsageError(f"--concurrency {press.concurrency}: give a number between 1 and 1000")


def whoami(said: str = "") -> str:
    """Give user@host of this process and the id of who logged in, and on whose behalf that is, as they said.

    The environment tells the name, which anybody may set; the id is the system's. A directory service may hang.
    """
    env = os.environ
    user = env.get("SUDO_USER") or env.get("LOGNAME") or env.get("USER") or "somebody"
    return on_behalf(f"{user}@{socket.gethostname()} (uid {login()})", said)
