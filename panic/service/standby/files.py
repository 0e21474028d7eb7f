"""Roster and keys, read before anybody presses, and read again whenever their files change.

One thread looks at the files: every second, and at once when somebody presses. A press waits for a look of its
own, but not for long: on a dead file system even a stat hangs, and then what was read last is what counts.
"""

import math
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from panic.accounts import roster as rosters
from panic.accounts.plan import Scope, pressable
from panic.accounts.roster import Roster
from panic.config import Settings, secret
from panic.config.secret import Key
from panic.kit.errors import ConfigurationError, Problem
from panic.report import flags
from panic.report.document import Flag
from panic.run.press import Prepared, Press, prepared_of

LOOK_S = 0.005
"""How long a press waits to learn whether the files have changed."""

READ_S = 0.5
"""How long it waits for a file that has changed: a newly added account is worth that long, but no longer."""

EVERY_S = 1.0

STALE_S = 10.0
"""Files that were not looked at for so long are on a file system that hangs."""

_SETTLED_NS = 2_000_000_000
"""A file that changed so shortly before it was read may change again without its times showing it."""

T = TypeVar("T")

Stamp = tuple[int, ...]
"""What a stat says of a file when nobody has written to it; the error's number where there is none."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One file or variable, as it was found last.

    Attributes:
        value: The last good reading, in spite of `problems`; None if there never was one.
        failure: Why what is there now is not used, or not alone; empty if it is.
        seen_at: When `value` was what is there, monotonic seconds.
        stamp: What a stat said before the last reading; None if it has to be read again.
    """

    value: T | None = None
    problems: tuple[Problem, ...] = ()
    failure: tuple[Problem, ...] = ()
    seen_at: float = 0.0
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a press goes by; `whole` is the last roster without a row that could not be read."""

    roster: Found[Roster]
    keys: Mapping[str, Found[Key]]
    whole: Roster | None = None

    @property
    def usable(self) -> dict[str, Key]:
        """The keys that there are."""
        return {name: found.value for name, found in self.keys.items() if found.value is not None}

    @property
    def broken(self) -> list[Problem]:
        """What is wrong with the credentials that have no key, not even an older one."""
        return [problem for found in self.keys.values() if found.value is None for problem in found.failure]

    @property
    def failures(self) -> list[Problem]:
        """Everything that cannot be used as it is now."""
        roster = self.roster.failure or self.roster.problems
        if self.roster.value is not None and not roster and time.monotonic() - self.roster.seen_at > STALE_S:
            what = f"roster and keys could not be read for {STALE_S:.0f} s"
            roster = (Problem(what, "Put them on a file system that answers."),)
        return [*(problem for found in self.keys.values() for problem in found.failure), *roster]

    @property
    def problems(self) -> list[Problem]:
        """The same, and what is wrong with keys that can be used."""
        return [*(problem for found in self.keys.values() for problem in found.problems), *self.failures]

    def pressable(self, scope: Scope) -> Scope | None:
        """Give the scope nearest to this one that a press by hand would take now; None where there is none."""
        there = {name for name, found in self.keys.items() if found.value is not None and not found.failure}
        return None if self.roster.value is None else pressable(scope, self.roster.value, there)

    def prepared(self, settings: Settings, press: Press, *, in_time: bool) -> Prepared:
        """Make a press ready; `in_time` says whether the files were looked at just now.

        UsageError: no reason, or a scope that makes no sense. ConfigurationError: no account of it can be fired.
        """
        raised = [*flags.from_problems("settings", settings.problems), *self.flags(in_time=in_time)]
        if self.roster.value is None:
            what = "the roster could not be read in time"
            unread = Problem(what, "Put it on a file system that answers, and press again.", settings.roster.file)
            raise ConfigurationError(self.failures or [unread])
        return prepared_of(settings, press, self.roster.value, self.usable, raised, self.broken)

    def ages(self) -> dict[str, float | None]:
        """Say how old roster and keys are, seconds; None for never."""
        now = time.monotonic()
        keys_at = min((found.seen_at for found in self.keys.values() if found.value), default=0.0)
        return {"roster_age_s": age(self.roster.seen_at, now), "keys_age_s": age(keys_at, now)}

    def flags(self, *, in_time: bool) -> list[Flag]:
        """Say what a press at this moment must know about what it goes by."""
        raised, now = list[Flag](), time.monotonic()
        for found in self.keys.values():
            older = f"; the key of {now - found.seen_at:.0f} s ago is used" if found.value else ""
            raised += flags.from_problems("credential", [*found.problems, *_aged(found.failure, older)])
        older = f"; what the roster said {now - self.roster.seen_at:.0f} s ago counts"
        raised += flags.from_problems("roster", [*_aged(self.roster.failure, older), *self.roster.problems])
        if not in_time:
            times = [self.roster.seen_at, *(found.seen_at for found in self.keys.values())]
            seconds = math.ceil(now - min(filter(None, times), default=now))
            text = f"roster and keys could not be looked at in time: they are used as they were {seconds} s ago"
            raised.append(Flag("stale_files", text))
        return raised


def age(seen_at: float | None, now: float) -> float | None:
    """Give the seconds since a moment; None for never."""
    return round(now - seen_at, 3) if seen_at else None


def _aged(problems: Iterable[Problem], older: str) -> list[Problem]:
    return [replace(one, what=f"{one.what}{older}") for one in problems]


class Files:
    """Keeps roster and keys loaded. Its thread is a daemon: one that hangs holds nobody up."""

    def __init__(self, settings: Settings, env: Mapping[str, str], *, every_s: float = EVERY_S) -> None:
        self.settings = settings
        self._env, self._every_s = env, every_s
        self._changed = threading.Condition()
        self._asked = self._begun = self._done = 0
        self._reading_since: float | None = None
        self._failed = False
        self._closing = False
        self.loaded = Loaded(Found(), {name: Found() for name in settings.credentials})

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._work, name="panic-files", daemon=True).start()

    def close(self) -> None:
        """Let the thread end, without waiting for it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def look(self, look_s: float = LOOK_S, read_s: float = READ_S) -> bool:
        """Have the files looked at now; False if that was not done in time."""
        with self._changed:
            self._asked = number = self._begun + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done >= number or self._reading_since is not None, look_s)
            if self._done < number and self._reading_since is not None:
                until = self._reading_since + read_s
                self._changed.wait_for(lambda: self._done >= number, max(until - time.monotonic(), 0.0))
            return self._done >= number and not self._failed

    # ── the thread ──────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._asked > self._begun, self._every_s)
                if self._closing:
                    return
                self._begun += 1
            failed = False
            try:
                self.loaded = self.read()
            except Exception:  # noqa: BLE001  (too little memory, say: what was read before still counts)
                failed = True
            with self._changed:
                self._done, self._failed = self._begun, failed
                self._reading_since = None
                self._changed.notify_all()

    def read(self) -> Loaded:
        """Look at every file, and read again what has changed."""
        old, credentials = self.loaded, self.settings.credentials
        stamps = {name: stamp_of(one.file) if one.file else None for name, one in credentials.items()}
        stamp = stamp_of(self.settings.roster.file)
        keys = {name: self._key(name, found, stamps[name]) for name, found in old.keys.items()}
        return self._roster(replace(old, keys=keys), stamp)

    def _key(self, name: str, old: Found[Key], stamp: Stamp | None) -> Found[Key]:
        if stamp is not None and stamp == old.stamp:
            return replace(old, seen_at=time.monotonic())
        credential = self.settings.credentials[name]
        if credential.file is not None:
            self._begin_to_read()
        key, problems = secret.read(name, credential, self._env)
        if key is None:
            return replace(old, failure=problems, stamp=None)
        if old.value is not None and old.value.reveal() == key.reveal():
            key = old.value
        return _good(key, problems, stamp)

    def _roster(self, old: Loaded, stamp: Stamp) -> Loaded:
        found = old.roster
        if stamp == found.stamp:
            return old if found.failure else replace(old, roster=replace(found, seen_at=time.monotonic()))
        self._begin_to_read()
        try:
            roster = rosters.load(self.settings.roster.file, self.settings.credentials)
        except ConfigurationError as error:
            return replace(old, roster=replace(found, failure=error.problems, stamp=None))
        if not roster.bad_rows:
            return replace(old, roster=_good(roster, roster.problems, stamp), whole=roster)
        return replace(old, roster=_mended(roster, old, stamp))

    def _begin_to_read(self) -> None:
        with self._changed:
            if self._reading_since is None:
                self._reading_since = time.monotonic()
                self._changed.notify_all()


def _good(value: T, problems: tuple[Problem, ...], stamp: Stamp | None) -> Found[T]:
    return Found(value, problems, (), time.monotonic(), settled(stamp))


def _mended(roster: Roster, old: Loaded, stamp: Stamp) -> Found[Roster]:
    """Fire every row that can be read, and the accounts that stood where rows cannot be read now.

    A bad row that names no account may have stood for any account of the last whole roster that is missing.
    """
    bad = {row.id for row in roster.bad_rows}
    read = {account.id for account in roster.accounts}
    before = old.whole.accounts if old.whole is not None else ()
    missing = [one for one in before if one.id not in read and (one.id in bad or None in bad)]
    if not missing:
        return _good(roster, roster.problems, stamp)
    mended = replace(roster, accounts=(*roster.accounts, *missing))
    failure = tuple(row.problem for row in roster.bad_rows)
    rest = tuple(problem for problem in roster.problems if problem not in failure)
    return Found(mended, rest, failure, old.roster.seen_at, settled(stamp))


def stamp_of(file: Path) -> Stamp:
    """Say what a file is like now."""
    try:
        status = os.stat(file)  # noqa: PTH116  (a test lets exactly this hang)
    except OSError as error:
        return (error.errno or 0,)
    except ValueError:  # a NUL in the name
        return (0,)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def settled(stamp: Stamp | None) -> Stamp | None:
    """Give a stamp that may be relied on, or None."""
    if stamp is None or len(stamp) == 1:
        return stamp
    return stamp if abs(time.time_ns() - max(stamp[:2])) > _SETTLED_NS else None
