"""Whether everything that a press needs is in order: kept known, and the condition of a reload.

Whoever asks is told at once. Of settings, roster and keys that are read again all count, or none.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from panic import config
from panic.config import Settings, Survey
from panic.config.own_files import fingerprints
from panic.kit.background import begin, wait
from panic.kit.errors import ConfigurationError, Problem
from panic.ledger.writer import Writer
from panic.report import flags
from panic.report.document import Flag
from panic.run import roster_size
from panic.service import readiness
from panic.service.standby.files import Files, Loaded, age, settled, stamp_of
from panic.service.standby.warm import Warm

RELOAD_S: Final = 10.0
"""How long a reload may take before it is abandoned."""

_T = TypeVar("_T")

_AT_START: Final = ("host", "port", "tls_certificate", "tls_key", "tls_client_ca")
"""What of [service] counts only at the start."""


class Judgement:
    """Keeps what `panic.service.readiness` says of what is loaded; None until it was looked at once.

    `good_rows` is how many rows the roster had when it was last good, 0 where nobody knows.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.problems: tuple[Problem, ...] | None = None
        self.files: dict[str, str] = {}
        self.good_rows = 0
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
        if roster is not None:
            with suppress(OSError):
                self.good_rows = roster_size.look(settings, roster)
        places = [place for hook in settings.hooks.values() for place in hook.secrets]
        places += [channel.url for channel in settings.channels.values()]
        places += (
            [settings.identity.client_secret] if settings.identity and settings.identity.client_secret else []
        )
        service = settings.service
        files = [service.tls_certificate, service.tls_key, service.tls_client_ca]
        files += [place.file for place in places]
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


def doubts(loaded: Loaded, judgement: Judgement) -> Iterable[Flag]:
    """Say that the roster has lost many rows: it is no mistake to refuse, since only the broker can tell."""
    roster = loaded.roster.value
    return flags.from_roster(judgement.good_rows, roster_size.rows_of(roster)) if roster else ()


def mistakes(settings: Settings, loaded: Loaded, judgement: Judgement) -> list[Problem]:
    """Give everything that `panic check` would refuse."""
    return [*settings.problems, *loaded.problems, *(judgement.problems or ())]


def why_not_ready(settings: Settings, loaded: Loaded, judgement: Judgement) -> str:
    """Say why a press by a person, a hook or the clock would not work, in a word; empty if each of them would."""
    if loaded.roster.value is None or list(doubts(loaded, judgement)):
        return "roster"
    if not loaded.usable:
        return "keys"
    if judgement.problems is None:
        return "starting"
    return "configuration" if mistakes(settings, loaded, judgement) else ""


def status(
    settings: Settings, loaded: Loaded, warm: Warm, problems: Iterable[str], ledger: Writer | None
) -> dict[str, Any]:
    """Say what is ready, how old it is (seconds; null for never) and what is wrong beside these problems."""
    health = warm.health
    refused = {name: code for name, code in health.refused.items() if name in loaded.usable}
    unheard = [f"credential {name}: the broker answers {code} to its key" for name, code in refused.items()]
    unheard += [f"connections to the broker: {health.trouble}"] if health.trouble else []
    unwritten = [f"ledger: {ledger.trouble}"] if ledger and ledger.trouble else []
    unwritten += [f"ledger: {one.text}" for one in ledger.gone] if ledger else []
    return {
        **loaded.ages(),
        "warm_connections": warm.idle,
        "warm_connections_wanted": settings.service.warm_connections,
        "last_contact_age_s": age(health.contact_at, asyncio.get_running_loop().time()),
        "clock_ahead_s": None if health.ahead_s is None else round(health.ahead_s, 3),
        "problems": [*problems, *unheard, *unwritten],
    }


class Reloaded(NamedTuple):
    """Why the old settings stay, if they do; what of the new ones counts only after a restart.

    Attributes:
        fewer: Who has fewer rights now, in either case.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()


async def read_settings(old: Settings, env: Mapping[str, str]) -> Survey:
    """Read the settings again, whatever is wrong with them, or raise a ConfigurationError."""
    if old.file is None:
        raise ConfigurationError([Problem("the settings were built in code", "Restart to change them.")])
    return await _in_time(lambda: config.survey(old.file, env), old)


async def read_files(survey: Survey, env: Mapping[str, str], every_s: float) -> Files:
    """Read the rest again, or raise a ConfigurationError with everything that is wrong with any of it."""
    return await _in_time(lambda: _read(survey, env, every_s), survey.settings)


async def _in_time(work: Callable[[], _T], settings: Settings) -> _T:
    try:
        return await wait(work, RELOAD_S, "reload")
    except (TimeoutError, RuntimeError):
        what = f"the files could not be read within {RELOAD_S:.0f} s"
        place = settings.file
        raise ConfigurationError([Problem(what, "Put them on a file system that answers.", place)]) from None


def _read(survey: Survey, env: Mapping[str, str], every_s: float) -> Files:
    settings = survey.settings
    if not survey.is_usable:
        raise ConfigurationError(settings.problems)
    files = Files(settings, env, every_s=every_s)
    loaded = files.loaded = files.read()
    needed = readiness.problems(settings, loaded.roster.value, loaded.usable, env)
    if problems := (*settings.problems, *loaded.failures, *needed):
        raise ConfigurationError(problems)
    return files


def restart_notes(old: Settings, new: Settings) -> tuple[str, ...]:
    """Say what of the new settings counts only after a restart."""
    changed = [f"[service] {key}" for key in _AT_START if getattr(old.service, key) != getattr(new.service, key)]
    changed += ["[ledger] file"] if old.ledger != new.ledger else []
    return tuple(f"{key} counts after a restart" for key in changed)
