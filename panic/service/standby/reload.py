"""Settings, roster and keys read again: all of them count, or none."""

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from panic import config
from panic.config import Settings
from panic.kit.background import begin
from panic.kit.errors import ConfigurationError, Problem
from panic.service import readiness
from panic.service.standby.files import Files

RELOAD_S: Final = 10.0
"""So long a reload may take before the old settings stay."""

_AT_START: Final = ("host", "port", "tls_certificate", "tls_key")
"""What of [service] counts only at the start."""


class Reloaded(NamedTuple):
    """Why the old settings stay, if they do; and what of the new ones counts only after a restart."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


async def read_again(old: Settings, env: Mapping[str, str], every_s: float) -> Files | tuple[Problem, ...]:
    """Read everything again; give it, or what is wrong with it."""
    try:
        async with asyncio.timeout(RELOAD_S):
            return await begin(lambda: _read(old, env, every_s), "reload")
    except ConfigurationError as error:
        return error.problems
    except (TimeoutError, RuntimeError):
        what = f"the files could not be read within {RELOAD_S:.0f} s"
        return (Problem(what, "Put them on a file system that answers.", old.file),)


def _read(old: Settings, env: Mapping[str, str], every_s: float) -> Files:
    if old.file is None:
        raise ConfigurationError([Problem("the settings were built in code", "Restart to change them.")])
    settings = config.load(old.file, env)
    files = Files(settings, env, every_s=every_s)
    loaded = files.loaded = files.read()
    needed = readiness.problems(settings, loaded.roster.value, loaded.usable, env)
    if problems := (*settings.problems, *loaded.failures, *needed):
        raise ConfigurationError(problems)
    return files


def restart_notes(old: Settings, new: Settings) -> tuple[str, ...]:
    """Say what of the new settings counts only after a restart."""
    changed = [key for key in _AT_START if getattr(old.service, key) != getattr(new.service, key)]
    return tuple(f"[service] {key} counts after a restart" for key in changed)
