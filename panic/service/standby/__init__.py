"""What a press needs, ready before anybody presses: settings, roster, keys, connections and a ledger."""

import asyncio
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog

from panic.accounts.plan import Scope, pressable
from panic.accounts.roster import Roster
from panic.broker.client import Broker
from panic.config import Settings, secret
from panic.config.secret import Key
from panic.kit.background import begin
from panic.kit.errors import ConfigurationError, Problem
from panic.ledger.writer import Writer
from panic.report import flags
from panic.report.document import Flag
from panic.run.press import Prepared, Press, prepared_of
from panic.service.standby.files import EVERY_S, LOOK_S, READ_S, Files, Loaded
from panic.service.standby.health import Ready, Reloaded, read_again, restart_notes
from panic.service.standby.ledgers import Ledgers
from panic.service.standby.warm import Warm

log = structlog.get_logger()

START_S = 5.0
"""How long a start waits for the files; after that it starts without, and every press looks again."""


class Standby:
    """Keeps ready what a press needs. Use it inside one running loop, between `start` and `close`."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str] = os.environ,
        *,
        every_s: float = EVERY_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.settings = settings
        self._env, self._every_s, self._look_s = env, every_s, look_s
        self._is_closed = False
        self._files = Files(settings, env, every_s=every_s)
        self._ready = Ready(env)
        self._ledgers = Ledgers()
        self._warm: Warm | None = None
        self._tending: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self._refused: tuple[Problem, ...] = ()

    async def start(self) -> None:
        """Read the files, and begin to open the connections and the ledger; never fails for what is wrong."""
        files = self._files
        files.start()
        with suppress(RuntimeError):  # there is no thread for it
            await begin(lambda: files.look(START_S, START_S), "files-start")
        self._ready.look(self.settings, files.loaded)
        self._open_connections()
        self._ledgers.tend(self.settings.ledger)
        self._tending = asyncio.create_task(self._tend(), name="panic-standby")

    async def close(self) -> None:
        """Let go of everything."""
        self._is_closed = True
        self._files.close()
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        if self._warm is not None:
            await self._warm.close()
        await self._ledgers.close()

    # ── for a press ─────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, press: Press) -> Prepared:
        """Make a press ready from what is loaded; what changed since is read again, what cannot be is kept.

        Raises:
            UsageError: No reason, or a scope that makes no sense.
            ConfigurationError: No roster could ever be read, or not one account of the scope can be fired.
        """
        settings, files = self.settings, self._files
        in_time = files.look(READ_S if files.loaded.roster.value is None else self._look_s)
        loaded, now = files.loaded, time.monotonic()
        raised = [*flags.from_problems("settings", settings.problems), *loaded.flags(now)]
        if not in_time:
            raised.append(_not_in_time(loaded, now))
        if loaded.roster.value is None:
            raise ConfigurationError(loaded.failures or [_unread(settings)])
        return prepared_of(settings, press, loaded.roster.value, loaded.usable, raised, loaded.broken)

    def pressable(self, scope: Scope) -> Scope | None:
        """Give the scope nearest to this one that a press by hand would take now; None where there is none."""
        loaded = self._files.loaded
        there = {name for name, found in loaded.keys.items() if found.value is not None and not found.failure}
        return None if loaded.roster.value is None else pressable(scope, loaded.roster.value, there)

    @property
    def roster(self) -> Roster | None:
        """The roster that counts now; None where none could ever be read."""
        return self._files.loaded.roster.value

    @property
    def keys(self) -> dict[str, Key]:
        """The keys that can be used now, by name."""
        return self._files.loaded.usable

    def scrub(self, text: str) -> str:
        """Take keys out of words from outside."""
        return secret.scrub(text, self.keys.values())

    def take_broker(self) -> Broker | None:
        """Hand over an open Broker, with its connections; None if none is ready. The taker closes it."""
        if self._warm is None:
            return None
        self._warm.use(self.keys)
        return self._warm.take()

    @property
    def ledger(self) -> Writer | None:
        """The one writer of the ledger that the settings name now; None where they name none."""
        return self._ledgers.of(self.settings.ledger)

    # ── for whoever runs the service ────────────────────────────────────────────────────────────────────

    async def reload(self) -> Reloaded:
        """Reload settings, roster and keys; they replace the old ones only if nothing is wrong with them."""
        async with self._reloading:
            old = self.settings
            found = await read_again(old, self._env, self._every_s)
            self._refused = found if isinstance(found, tuple) else ()
            if isinstance(found, tuple):
                return Reloaded(found)
            if not self._is_closed:
                await self._replace(found)
            return Reloaded(notes=restart_notes(old, self.settings))

    async def judged(self) -> None:
        """Wait until everything that a press needs was looked at, but not for long."""
        await asyncio.wait([self._ready.look(self.settings, self._files.loaded)], timeout=START_S)

    @property
    def not_ready(self) -> str:
        """Why a press by a person, a hook or the clock would not work, in a word; empty if each of them would."""
        loaded = self._files.loaded
        if loaded.roster.value is None:
            return "roster"
        if not loaded.usable:
            return "keys"
        if self._ready.problems is None:
            return "starting"
        return "configuration" if self._mistakes() else ""

    @property
    def files(self) -> dict[str, str]:
        """Fingerprints of ledger and latch, which name no path."""
        return self._ready.files

    def status(self) -> dict[str, Any]:
        """Say what is ready, how old it is (seconds; null for never) and what is wrong."""
        now, loaded, warm = time.monotonic(), self._files.loaded, self._warm
        health = warm.health if warm else None
        contact_at = health.contact_at if health else None
        ahead_s = health.ahead_s if health else None
        keys_at = min((one.seen_at for one in loaded.keys.values() if one.value), default=0.0)
        return {
            "roster_age_s": _age(loaded.roster.seen_at, now),
            "keys_age_s": _age(keys_at, now),
            "warm_connections": warm.idle if warm else 0,
            "warm_connections_wanted": self.settings.service.warm_connections,
            "last_contact_age_s": _age(contact_at, asyncio.get_running_loop().time()),
            "clock_ahead_s": None if ahead_s is None else round(ahead_s, 3),
            "problems": self._problems(),
        }

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _replace(self, files: Files) -> None:
        old_files, old_warm = self._files, self._warm
        self.settings, self._files = files.settings, files
        files.start()
        self._ready.look(files.settings, files.loaded)
        self._open_connections()
        old_files.close()
        if old_warm is not None:
            await old_warm.close()

    def _open_connections(self) -> None:
        wanted = self.settings.service.warm_connections
        self._warm = Warm(self.settings.broker, wanted) if wanted else None
        if self._warm is not None:
            self._warm.use(self.keys)
            self._warm.start()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                self._ready.look(self.settings, self._files.loaded)
                if self._warm is not None:
                    self._warm.use(self.keys)
                self._ledgers.tend(self.settings.ledger)
            except Exception as error:  # noqa: BLE001  (what is not ready is made ready by the press itself)
                log.warning("standby_failed", error=type(error).__name__)

    def _mistakes(self) -> list[Problem]:
        """Everything that `panic check` would refuse."""
        return [*self.settings.problems, *self._files.loaded.problems, *(self._ready.problems or ())]

    def _problems(self) -> list[str]:
        found = [str(problem) for problem in self._mistakes()]
        found += [f"the settings could not be loaded again: {problem}" for problem in self._refused]
        if self._warm is not None:
            health = self._warm.health
            refused = sorted(health.refused.items())
            found += [f"credential {name}: the broker answers {status} to its key" for name, status in refused]
            found += [f"connections to the broker: {health.trouble}"] if health.trouble else []
        ledger = self.ledger
        return found + ([f"ledger: {ledger.trouble}"] if ledger and ledger.trouble else [])


def _age(seen_at: float | None, now: float) -> float | None:
    return round(now - seen_at, 3) if seen_at else None


def _not_in_time(loaded: Loaded, now: float) -> Flag:
    seen_at = [found.seen_at for found in loaded.keys.values()]
    age = math.ceil(now - min(filter(None, (loaded.roster.seen_at, *seen_at)), default=now))
    text = f"roster and keys could not be looked at in time: they are used as they were {age} s ago"
    return Flag("stale_files", text)


def _unread(settings: Settings) -> Problem:
    what = "the roster could not be read in time"
    return Problem(what, "Put it on a file system that answers, and press again.", settings.roster.file)
