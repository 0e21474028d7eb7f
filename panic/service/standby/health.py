"""Whether everything that a press needs is in order: kept known, so that whoever asks is told at once."""

import asyncio
from collections.abc import Mapping

from panic.config import Settings
from panic.config.own import fingerprints
from panic.kit.background import begin
from panic.kit.errors import Problem
from panic.service import readiness
from panic.service.standby.files import Loaded, settled, stamp_of


class Ready:
    """Keeps what `panic.service.readiness` says of what is loaded. Use it inside one running loop.

    Attributes:
        problems: What was found last; None until everything was looked at once.
        files: Fingerprints of ledger and latch; empty until then.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.problems: tuple[Problem, ...] | None = None
        self.files: dict[str, str] = {}
        self._env = env
        self._seen: object = None
        self._looking: asyncio.Future[None] | None = None

    def look(self, settings: Settings, loaded: Loaded) -> "asyncio.Future[None]":
        """Look again if any of it changed, on a thread: while a file system hangs, what is known stays known."""
        if self._looking is None or self._looking.done():
            self._looking = begin(lambda: self._look(settings, loaded), "readiness")
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._looking

    def _look(self, settings: Settings, loaded: Loaded) -> None:
        self.files = fingerprints(settings)
        roster, usable = loaded.roster.value, frozenset(loaded.usable)
        places = [place for hook in settings.hooks.values() for place in hook.secrets]
        places += [channel.url for channel in settings.channels.values()]
        files = [settings.service.tls_certificate, settings.service.tls_key, *(place.file for place in places)]
        stamps = [stamp_of(file) for file in files if file is not None]
        if self._seen == (settings, roster, usable, stamps):
            return
        try:
            found = tuple(readiness.problems(settings, roster, usable, self._env))
        except Exception as error:  # noqa: BLE001  (whatever it is, nobody may take it for readiness)
            what = f"readiness could not be judged: {type(error).__name__}"
            self.problems, self._seen = (Problem(what, "Type panic check."),), None  # look again in a second
            return
        self.problems, self._seen = found, (settings, roster, usable, [settled(one) for one in stamps])
