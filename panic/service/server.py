"""The service as a whole: its parts begun in order, joined, and ended in order."""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from panic import background, tls
from panic.clock import time_of_day
from panic.config import Settings
from panic.errors import ConfigurationError, PanicError, Problem
from panic.hooks.keyring import Keyring
from panic.hooks.taken import Taken
from panic.ledger.writer import Leg
from panic.notify import Notice, Notifier, notices_of
from panic.record import Kind
from panic.report import AUTOMATED
from panic.secret import scrub
from panic.service.app import RUNNER, make_app
from panic.service.breaches import Breaches
from panic.service.clockwork import Clockwork
from panic.service.desk import Desk, Live
from panic.service.door import Door, room
from panic.service.metrics import Metrics
from panic.service.parts import scrubbed
from panic.service.proving import Proving
from panic.service.recovery import Left, hook_calls, look_back, take_up
from panic.service.standby import Standby

log = structlog.get_logger()

BY = "panic serve"
"""Who takes up a run that an earlier process left."""

_LOOK_BACK_S = 30.0
"""So long the ledger may take to tell what an earlier process left; presses do not wait for that."""

_END_S = 2.0

_AUDIT_LATER_S = 0.25
"""Who did what goes on record a moment later: a run's own record must not wait for another writer of its file."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]+")
_KEY_MOST = 64

Say = Callable[[str], None]
"""Tells whoever runs the service, one line at a time."""


class Server:
    """One service. `await start()`, then `await end()`.

    Args:
        settings: As they were loaded.
        say: Where lines for whoever runs it go.
        env: Where keys, and a reload's settings, are looked for.
        drill: Whether the broker is the embedded simulator, and every run a drill.
    """

    def __init__(
        self, settings: Settings, say: Say, env: Mapping[str, str] = os.environ, *, drill: bool = False
    ) -> None:
        self._settings, self._say, self._env = settings, say, env
        self.standby = Standby(settings, env)
        self.desk = Desk(self.standby, drill=drill)
        self.notifier = Notifier(settings.channels, env, told=self._paged)
        self._metrics, self._drill = Metrics(), drill
        self._clockwork = Clockwork(self.desk, self.standby, self.tell, self._audit)
        self._proving = Proving(self.standby, self.desk, self, env)
        self._taken, self._keyring = Taken(lambda: hook_calls(self.standby.settings)), Keyring(env)
        self._audits: Leg | None = None
        self._runner: web.AppRunner | None = None
        self._before_runs, self._ending = AsyncExitStack(), AsyncExitStack()
        self._looking_back: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._unrecorded: deque[tuple[str, dict[str, Any]]] = deque()
        self._is_ending = False
        self.url = ""

    async def start(self) -> None:
        """Begin everything; afterwards it takes presses.

        Raises:
            ConfigurationError: It may not or cannot listen where the settings say.
        """
        context, most = self._may_listen(), room()
        await self.standby.start()
        self._ending.push_async_callback(self.standby.close)
        self.notifier.start()
        self._ending.push_async_callback(self.notifier.close)
        if (ledger := self.standby.ledger) is not None:
            self._audits = ledger.leg()
        self.desk.observers.append(self._tell_people)
        self._runner = web.AppRunner(self._app(), **RUNNER, shutdown_timeout=_END_S)
        await self._runner.setup()
        self._ending.push_async_callback(self._runner.cleanup)
        await asyncio.gather(self._taken.ready(), self._keyring.refresh(self._settings.hooks))
        await self._listen(context, most)
        await self._clockwork.start()
        self._before_runs.push_async_callback(self._clockwork.close)
        await self._proving.start()
        self._before_runs.push_async_callback(self._proving.close)
        self._looking_back = asyncio.create_task(self._look_back(), name="panic-look-back")
        await self.standby.judged()
        for problem in dict.fromkeys((*self.standby.status()["problems"], *map(str, self.notifier.problems))):
            self._say(f"panic: {problem}")

    async def end(self) -> None:
        """Start no run any more, send every first DELETE that is owed, and let go of everything."""
        self._is_ending = True
        if self._looking_back is not None:
            self._looking_back.cancel()
        try:
            await self._before_runs.aclose()
        finally:
            await self.desk.close()
            await asyncio.gather(*self._telling, return_exceptions=True)
            self._put_on_record()
            await self._ending.aclose()

    async def reload(self) -> None:
        """Read settings, roster and keys anew, and say what came of it: all of them count, or none."""
        found = await self.standby.reload()
        for problem in found.problems:
            self._say(f"panic: not reloaded: {problem}")
        if found.problems:
            self._say("panic: the settings stay as they were; run panic check, mend them, and reload again")
            log.error("reload_refused", problems=len(found.problems))
            return
        for note in found.notes:
            self._say(f"panic: {note}")
        self._say("panic: reloaded")
        log.info("reloaded")

    # ── beginning ───────────────────────────────────────────────────────────────────────────────────────

    def _may_listen(self) -> Any:
        service = self._settings.service
        if why := tls.refusal_to_bind(service):
            raise ConfigurationError([Problem(why, "See docs/service.md, Where it listens.", self._settings.file)])
        if not self._settings.tokens:
            self._say("panic: no [tokens.NAME] is set up: nobody can press through this service; see panic token")
        return tls.server_context(service)

    def _app(self) -> web.Application:
        return make_app(
            self._settings,
            self.desk,
            self.standby,
            self.notifier,
            audit=self._audit,
            hooks_handler=self._breaches().handle,
            metrics=self._metrics,
            env=self._env,
            proving=self._proving,
            drill=self._drill,
            calendar=lambda: self._clockwork.almanac.calendar,
        )

    def _breaches(self) -> Breaches:
        found = Breaches(
            self.desk,
            lambda: self.standby.settings.hooks,
            self.tell,
            self._hook_called,
            taken=self._taken,
            keyring=self._keyring,
            scrub=self._scrub,
            pressable=self.standby.pressable,
        )
        self.desk.observers.append(found.observe)
        return found

    async def _listen(self, context: Any, most: int) -> None:
        service = self._settings.service
        assert self._runner is not None  # noqa: S101  (start made it)
        door = Door(self._runner, service.host, service.port, context=context, most=most)
        try:
            await door.start()
        except OSError as error:
            await self._ending.aclose()
            remedy = "Name another port in [service], or end what listens there."
            what = f"cannot listen on {service.host}:{service.port}: {error.strerror or error}"
            raise ConfigurationError([Problem(what, remedy, self._settings.file)]) from None
        host = f"[{service.host}]" if ":" in service.host else service.host
        self.url = f"{'http' if context is None else 'https'}://{host}:{door.port}"

    # ── what an earlier process left ────────────────────────────────────────────────────────────────────

    async def _look_back(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_BACK_S):
                found = await background.begin(lambda: look_back(self._settings), "look-back")
        except (TimeoutError, PanicError, OSError, RuntimeError, ValueError) as error:
            text = f"what earlier processes left could not be read: {type(error).__name__}. Run: panic runs"
            self.tell(Notice("page", "", "panic serve: the ledger does not answer", text, "look-back"))
            log.exception("look_back_failed")
            return
        for left in found:
            try:
                await self._deal_with(left)
            except Exception as error:  # the others are looked after all the same
                log.exception("look_back_failed", run_id=left.run)
                text = f"{type(error).__name__}. Run: panic resume {left.run}, or press again"
                self.tell(Notice("page", left.run, f"run {left.run} could not be taken up", text, left.run))

    async def _deal_with(self, left: Left) -> None:
        if not left.is_finished:
            run = left.run
            ledger = self.standby.ledger
            left = await background.begin(lambda: take_up(self._settings, ledger, run, BY, self._env), "take-up")
        if left.prepared is not None:
            live = self.desk.start(left.prepared, automated=left.prepared.press.source in AUTOMATED)
            self.notifier.remember(left.run)
            log.warning("run_taken_up", run_id=live.run.id)
            self._say(f"panic: run {left.run} goes on: the process that had it died")
            return
        if left.why:
            log.error("run_interrupted", run_id=left.run, why=left.why)
            self._say(f"panic: run {left.run} was interrupted and does not go on: {left.why}")
        if left.report is not None:
            for notice in notices_of("interrupted" if left.why else "finished", left.report):
                if notice.kind == "page":
                    self.tell(notice)

    # ── while it serves ─────────────────────────────────────────────────────────────────────────────────

    def tell(self, notice: Notice) -> None:
        """Tell people; a key that somebody put into a call is none of their business."""
        title, text = self._scrub(notice.title), self._scrub(notice.text)
        key = _NOT_PLAIN.sub("-", self._scrub(notice.key))[:_KEY_MOST]  # it may stand in an address
        self.notifier.tell(replace(notice, title=title, text=text, key=key))

    def _scrub(self, text: str) -> str:
        return scrub(text, self.standby.keys.values())

    def _tell_people(self, what: str, live: Live) -> None:
        if self._settings.channels and what in {"started", "finished"}:
            work = self._tell_start(live) if what == "started" else self._tell_verdict(live)
            task = asyncio.create_task(work)
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell_start(self, live: Live) -> None:
        await live.run.engine.swept.wait()  # a report takes time, and no first DELETE waits for it
        if not live.is_over:
            for notice in notices_of("started", live.run.report()):
                self.tell(notice)

    async def _tell_verdict(self, live: Live) -> None:
        try:
            report = await live.finished()
        except Exception:  # noqa: BLE001  (panic itself failed: what is known is all there is)
            report = live.run.report()
        event = "finished" if report.finished else "left" if self._is_ending else "interrupted"
        for notice in notices_of(event, report):
            self.tell(notice)

    def _paged(self, page: Notice) -> None:
        """Put on record that people know of a run, so that the next start does not tell them again."""
        if page.run:
            self._audit("paged", {"run_id": page.run, "key": page.key})

    def _hook_called(self, kind: str, facts: dict[str, Any]) -> None:
        self._metrics.recorded(kind, facts)
        self._audit(kind, facts)

    def _audit(self, what: str, body: dict[str, Any]) -> None:
        body = scrubbed(body, self._scrub)
        log.info(
            "audit", what=what, **{name: value for name, value in body.items() if name not in {"event", "what"}}
        )
        at = time_of_day(datetime.now(UTC).timestamp()).isoformat(timespec="microseconds")
        self._unrecorded.append((at, {**body, "what": what}))
        if len(self._unrecorded) == 1:
            asyncio.get_running_loop().call_later(_AUDIT_LATER_S, self._put_on_record)

    def _put_on_record(self) -> None:
        while self._unrecorded:
            at, body = self._unrecorded.popleft()
            if self._audits is not None:
                self._audits.append(Kind.AUDIT, at, body)
