"""The service as a whole: it starts its parts in order, connects them, and ends them in order."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import Any, Final

import structlog
from aiohttp import web

from panic.config import Settings
from panic.kit.errors import ConfigurationError, Problem
from panic.kit.pool import Pool
from panic.kit.process import ENVIRONMENT
from panic.ledger.backlog import RewrittenError, Trouble
from panic.ledger.record import Kind
from panic.ledger.writer import Leg
from panic.service import descriptors, tls
from panic.service.app import RUNNER, make_app
from panic.service.audit import Audit
from panic.service.certificate import Certificate
from panic.service.desk import Desk
from panic.service.hooks.breaches import Breaches
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.replays import Replays, recorded
from panic.service.listener import Listener
from panic.service.metrics import Metrics
from panic.service.notify import Notice, Notifier
from panic.service.recovery import Recovery
from panic.service.room import board
from panic.service.schedule.clockwork import Clockwork
from panic.service.selftest.tester import SelfTester
from panic.service.standby import Standby
from panic.service.standby.health import Reloaded
from panic.service.vouching import Vouching

log = structlog.get_logger()

_END_S: Final = 2.0
_TOLD_MOST: Final = 5

_READERS: Final = 3
"""Processes that read the ledger: for whoever looks, for evidence, and for resets and the room."""


class Server:
    """One service. `await start()`, then `await end()`; `say` tells whoever runs it, one line at a time."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        env: Mapping[str, str] = ENVIRONMENT,
        *,
        drill: bool = False,
    ) -> None:
        self._settings, self._say, self._env, self._drill = settings, say, env, drill
        self.standby = Standby(settings, env)
        self.desk = Desk(self.standby, drill=drill)
        self.notifier = Notifier(settings.channels, env, scrub=self.standby.scrub, told=self._paged)
        self._audit = Audit(self._write, self.standby.scrub)
        self._metrics = Metrics()
        self._clockwork = Clockwork(self.desk, self.standby, self.notifier.tell, self._audit.record)
        self._self_test = SelfTester(
            lambda: self.standby.settings, self.standby.setup, self.desk, self.notifier.tell
        )
        self._pool = Pool(_READERS)
        self._vouching = Vouching(lambda: self.standby.settings.ledger, say)
        self._replays, self._keyring = Replays(lambda: recorded(self.standby.settings)), Keyring(env)
        self._leg: Leg | None = None
        self._before_runs, self._ending = AsyncExitStack(), AsyncExitStack()
        self._recovery: asyncio.Task[None] | None = None
        self._certificate: Certificate | None = None
        self.url = ""

    async def start(self) -> None:
        """Begin everything; a ConfigurationError says why it may not, or cannot, listen where it should."""
        self._certificate, callers_most = _certificate(self._settings, self._say), descriptors.take_all()
        self.standby.gone = self._ledger_gone
        await self.standby.start()
        self._ending.callback(self._pool.close)
        self._pool.start(partial(_import, board.__name__), "readers")  # the first look need not wait for it
        self._ending.push_async_callback(self.standby.close)
        self._ending.push_async_callback(self.notifier.close)
        ledger = self.standby.ledger
        self._leg = ledger.leg() if ledger else None
        self.desk.observers += [self.notifier.observe, self._vouching.observe]
        runner = web.AppRunner(self._app(), **RUNNER, shutdown_timeout=_END_S)
        await runner.setup()
        self._ending.push_async_callback(runner.cleanup)
        await asyncio.gather(self._replays.ready(), self._keyring.of(self._settings.hooks, ""))
        try:
            self.url = await _listen(runner, self._settings, self._certificate, callers_most)
        except ConfigurationError:
            await self._ending.aclose()
            raise
        following = asyncio.create_task(self._certificate.follow(), name="panic-certificate")
        self._before_runs.callback(following.cancel)
        await self._clockwork.start()
        self._before_runs.push_async_callback(self._clockwork.close)
        await self._self_test.start()
        self._before_runs.push_async_callback(self._self_test.close)
        recovery = Recovery(
            self._settings, ledger, self.desk, self.notifier, self._say, self._env, self._pool.start
        )
        self._recovery = asyncio.create_task(recovery.go(), name="panic-recovery")
        await self.standby.judged()
        for problem in self.standby.status()["problems"]:
            self._say(f"panic: {problem}")

    async def end(self) -> None:
        """Start no more runs, send every first DELETE that is owed, and close everything."""
        self.notifier.is_ending = True
        if self._recovery is not None:
            self._recovery.cancel()
        try:
            await self._before_runs.aclose()
        finally:
            await self.desk.close()
            await self._vouching.end()
            self._audit.flush()
            await self._ending.aclose()

    async def reload(self) -> None:
        """Reload settings, roster and keys, and tell people where they are refused.

        All of them take effect, or none; but rights that they take away are gone in any case.
        """
        if self._certificate is not None:
            await self._certificate.renew()
        found = await self.standby.reload()
        if found.fewer:
            self._say(f"panic: rights were taken away: {', '.join(found.fewer)}")
            self._audit.record("rights_taken_away", {"whose": found.fewer, "refused": bool(found.problems)})
        for problem in found.problems:
            self._say(f"panic: not reloaded: {problem}")
        self.notifier.tell(_told(found))
        if found.problems:
            self._say("panic: the settings stay as they were; run panic check, fix them, and reload again")
            log.error("reload_refused", problems=len(found.problems), rights_taken_away=found.fewer)
            return
        for note in found.notes:
            self._say(f"panic: {note}")
        self._say("panic: reloaded")
        log.info("reloaded")

    def _app(self) -> web.Application:
        breaches = Breaches(
            self.desk,
            lambda: self.standby.settings.hooks,
            self.notifier.tell,
            self._hook_called,
            replays=self._replays,
            keyring=self._keyring,
            scrub=lambda text: self._keyring.scrub(self.standby.scrub(text)),
            pressable=self.standby.pressable,
        )
        return make_app(
            self.desk,
            self.standby,
            self._audit,
            self.notifier,
            self._metrics,
            hooks_handler=breaches.handle,
            env=self._env,
            self_test=self._self_test,
            drill=self._drill,
            calendar=lambda: self._clockwork.almanac.calendar,
            reading=self._pool.start,
        )

    def _paged(self, page: Notice) -> None:
        """Record that people know about a run, so that the next start does not tell them again."""
        if page.run:
            self._audit.record("paged", {"run_id": page.run, "key": page.key})

    def _ledger_gone(self, trouble: Trouble) -> None:
        what = "somebody else changed what panic wrote" if trouble.code == RewrittenError.code else "it is gone"
        text = f"{trouble.text}. Compare the heads in earlier reports and log lines: docs/ledger.md"
        self.notifier.tell(Notice("page", "", f"THE LEDGER IS NOT TO BE TRUSTED  {what}", text, trouble.code))

    def _hook_called(self, kind: str, facts: dict[str, Any], is_repeatable: bool) -> None:
        self._metrics.recorded(kind, facts)
        (self._audit.record_some if is_repeatable else self._audit.record)(kind, facts)

    def _write(self, at: str, body: dict[str, Any]) -> None:
        if self._leg is not None:
            self._leg.append(Kind.AUDIT, at, body)


def _import(name: str) -> None:
    """Import a module in another process, which cannot hand it back."""
    import_module(name)


def _told(found: Reloaded) -> Notice:
    """Give what people are told of a reload: a page where it was refused, and the end of that page."""
    if not found.problems:
        return Notice("flag", "", "The settings were reloaded", "All of them count.", "reload", closes=True)
    rights = f"Fewer rights count all the same: {', '.join(found.fewer)}." if found.fewer else ""
    lines = [*map(str, found.problems[:_TOLD_MOST]), rights, "Run panic check, fix them, and reload again."]
    title = "The settings were NOT reloaded: they stay as they were"
    return Notice("page", "", title, "\n".join(filter(None, lines)), "reload")


def _certificate(settings: Settings, say: Callable[[str], None]) -> Certificate:
    if unprotected := list(tls.unprotected(settings)):
        raise ConfigurationError(unprotected)
    if why := tls.refusal_to_bind(settings.service):
        raise ConfigurationError([Problem(why, "See docs/service.md, Where it listens.", settings.file)])
    if not settings.tokens:
        say("panic: no [tokens.NAME] is set up: nobody can press through this service; see panic token")
    return Certificate(settings.service)


async def _listen(runner: web.AppRunner, settings: Settings, certificate: Certificate, callers_most: int) -> str:
    """Listen, and give where."""
    service = settings.service
    listener = Listener(runner, service.host, service.port, context=certificate.context, most=callers_most)
    certificate.renewed = listener.renew
    try:
        await listener.start()
    except OSError as error:
        remedy = "Name another port in [service], or end what listens there."
        what = f"cannot listen on {service.host}:{service.port}: {error.strerror or error}"
        raise ConfigurationError([Problem(what, remedy, settings.file)]) from None
    return listener.name
