"""What a press needs, ready before anybody presses: settings, roster, keys, connections and a ledger."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from panic.accounts.plan import Scope
from panic.accounts.roster import Roster
from panic.broker.client import Broker
from panic.config import Settings, secret
from panic.config.secret import Key
from panic.kit.background import begin, wait
from panic.kit.errors import ConfigurationError, by_cause
from panic.kit.process import ENVIRONMENT
from panic.ledger.backlog import Trouble
from panic.ledger.writer import Writer, open_ledger
from panic.report.document import Flag
from panic.run.check import Setup
from panic.run.pace import lanes_of, renewed
from panic.run.press import Prepared, Press
from panic.service.standby.files import EVERY_S, LOOK_S, READ_S, Files
from panic.service.standby.health import (
    Judgement,
    Reloaded,
    doubts,
    mistakes,
    read_files,
    read_settings,
    restart_notes,
    status,
    why_not_ready,
)
from panic.service.standby.rights import narrowed
from panic.service.standby.warm import Warm

log = structlog.get_logger()

START_S = 5.0
"""How long a start waits for the files; after that it starts without, and every press looks again."""

PROBE_S = 60.0
"""How often to check that the ledger still accepts events."""

CLOSE_S = 2.0
"""How long the end waits for events on their way to the ledger."""


class Standby:
    """Keeps ready what a press needs. Use it inside one running loop, between `start` and `close`.

    Attributes:
        settings: Those in force; they replace each other when they are loaded again.
        ledger: The one writer of the ledger; None where the settings name none.
        lanes: The pace of each credential, which all runs and self-tests share.
        gone: Called where the ledger is not what this process wrote any more, each time.
    """

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str] = ENVIRONMENT,
        *,
        every_s: float = EVERY_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.settings = settings
        self._env, self._every_s, self._look_s = env, every_s, look_s
        self._is_closed = False
        self._files = Files(settings, env, every_s=every_s)
        self.judgement = Judgement(env)
        self.ledger: Writer | None = None
        self.lanes = lanes_of(settings)
        self.gone: Callable[[Trouble], None] = lambda _: None
        self._probed_at, self._told = time.monotonic(), 0
        self._warm = _warm_of(self._files)
        self._tending: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self._refused: list[str] = []

    async def start(self) -> None:
        """Read the files, and begin to open the connections and the ledger; never fails for what is wrong."""
        files = self._files
        files.start()
        with suppress(RuntimeError):  # there is no thread for it
            await begin(lambda: files.look(START_S, START_S), "files-start")
        self._warm.start()
        self.judgement.look(self.settings, files.loaded)
        self.ledger = open_ledger(self.settings.ledger)
        self._tending = asyncio.create_task(self._tend(), name="panic-standby")

    async def close(self) -> None:
        """Let go of everything."""
        self._is_closed = True
        self._files.close()
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        await self._warm.close()
        if ledger := self.ledger:
            with suppress(TimeoutError, RuntimeError):
                await wait(lambda: ledger.close(CLOSE_S), CLOSE_S + 1, "ledger-close")

    # ── for a press ─────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, press: Press) -> Prepared:
        """Make a press ready from what is loaded; what changed since is read again, what cannot be is kept."""
        files = self._files
        in_time = files.look(READ_S if files.loaded.roster.value is None else self._look_s)
        prepared = files.loaded.prepared(self.settings, press, in_time=in_time)
        return replace(prepared, flags=(*self.doubts, *prepared.flags))

    def pressable(self, scope: Scope) -> Scope | None:
        """Give what `Loaded.pressable` gives."""
        return self._files.loaded.pressable(scope)

    @property
    def doubts(self) -> tuple[Flag, ...]:
        """Why the roster may lack accounts, though nothing is wrong with what it says."""
        return tuple(doubts(self._files.loaded, self.judgement))

    @property
    def roster(self) -> Roster | None:
        """The roster that counts now; None where none could ever be read."""
        return self._files.loaded.roster.value

    @property
    def keys(self) -> dict[str, Key]:
        """The keys that can be used now, by name."""
        return self._files.loaded.usable

    def scrub(self, text: str) -> str:
        """Take keys and tokens out of words from outside."""
        return self.without_keys(secret.without_tokens(text, self.settings.token_digests))

    def without_keys(self, text: str) -> str:
        """Take keys alone out of a text that may be long, and of which each word would have to be looked at."""
        return secret.scrub(text, self.keys.values())

    def take_broker(self) -> Broker | None:
        """Hand over an open Broker, with its connections; None if none is ready. The taker closes it."""
        return self._warm.take()

    # ── for whoever runs the service ────────────────────────────────────────────────────────────────────

    async def reload(self) -> Reloaded:
        """Reload settings, roster and keys; they replace the old ones only if nothing is wrong with them.

        What they take away from anybody is taken away first, and in any case.
        """
        async with self._reloading:
            old, old_files, old_warm = self.settings, self._files, self._warm
            fewer: tuple[str, ...] = ()
            try:
                survey = await read_settings(old, self._env)
                self.settings, fewer = narrowed(old, survey)
                found = await read_files(survey, self._env, self._every_s)
            except ConfigurationError as error:
                self._refused = [f"the settings could not be loaded again: {one}" for one in error.problems]
                return Reloaded(error.problems, fewer=fewer)
            self._refused = []
            if not self._is_closed:
                self.settings = found.settings.model_copy(update={"ledger": old.ledger})
                self.lanes = renewed(self.lanes, old.broker, self.settings.broker)
                self._files, self._warm = found, _warm_of(found)
                found.start()
                self._warm.start()
                self.judgement.look(self.settings, found.loaded)
                old_files.close()
                await old_warm.close()
            return Reloaded((), restart_notes(old, found.settings), fewer)

    async def judged(self) -> None:
        """Wait until everything that a press needs was looked at, but not for long."""
        await asyncio.wait([self.judgement.look(self.settings, self._files.loaded)], timeout=START_S)

    @property
    def not_ready(self) -> str:
        """Why a press by a person, a hook or the clock would not work, in a word; empty if each of them would."""
        return why_not_ready(self.settings, self._files.loaded, self.judgement)

    def setup(self) -> Setup:
        """Give what a press would go by now, with everything that is wrong with it."""
        loaded = self._files.loaded
        return Setup(loaded.roster.value, loaded.usable, tuple(mistakes(self.settings, loaded, self.judgement)))

    def status(self) -> dict[str, Any]:
        """Say what is ready, how old it is (seconds; null for never) and what is wrong."""
        doubted = (flag.text for flag in self.doubts)
        problems = (*doubted, *map(str, by_cause(self.setup().problems)), *self._refused)
        return status(self.settings, self._files.loaded, self._warm, problems, self.ledger)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                self.judgement.look(self.settings, self._files.loaded)
                if self.ledger and time.monotonic() - self._probed_at >= PROBE_S:
                    self._probed_at = time.monotonic()
                    self.ledger.probe()
                self._tell_gone()
            except Exception as error:  # noqa: BLE001  (what is not ready is made ready by the press itself)
                log.warning("standby_failed", error=type(error).__name__)

    def _tell_gone(self) -> None:
        gone = self.ledger.gone[self._told :] if self.ledger else ()
        for trouble in gone:
            self._told += 1
            log.error("ledger_trouble", code=trouble.code, text=trouble.text)
            self.gone(trouble)


def _warm_of(files: Files) -> Warm:
    """Make the connections for what was read from these files, and for no other broker."""
    settings = files.settings
    return Warm(settings.broker, settings.service.warm_connections, lambda: files.loaded.usable)
