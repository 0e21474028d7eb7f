"""The secrets of all hooks, reread while the service runs: a new one takes effect without a restart."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from panic.config import Hook, secret
from panic.kit.background import begin
from panic.kit.errors import Problem
from panic.service.hooks.signatures import STANDARD, Secrets, flaw, weakness

_REMEDY = "Put a secret of its scheme there, as docs/hooks.md tells, and nothing else."

Texts = dict[tuple[str, int], str]
"""The secrets that could be read, by hook and place in its list."""

_Read = tuple[Texts, tuple[Problem, ...]]
_NOBODY = Secrets(STANDARD, ())


class Keyring:
    """Keeps the secrets of the hooks, the last good ones where a file cannot be read any more.

    What was read is fresh for `every_s`; a call waits `patience_s` for a file system, then what is known must do.
    """

    def __init__(
        self, env: Mapping[str, str] = os.environ, *, every_s: float = 1.0, patience_s: float = 0.2
    ) -> None:
        self._env, self._every_s, self._patience_s = env, every_s, patience_s
        self._hooks: Mapping[str, Hook] = {}
        self._texts: Texts = {}
        self._secrets: dict[str, Secrets] = {}
        self._read_at = -float("inf")
        self._reading: asyncio.Future[_Read] | None = None

    async def of(self, hooks: Mapping[str, Hook], name: str) -> Secrets:
        """Give the secrets of a hook; those of nobody if there is no such hook, or none of its is usable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                # one thread at a time; what it reads may be for settings that were replaced since: then once more
                for _ in range(2):
                    if hooks == self._hooks and time.monotonic() - self._read_at < self._every_s:
                        break
                    await asyncio.wait([self._reading or self._begin(dict(hooks))])
        return self._secrets.get(name, _NOBODY)

    def scrub(self, text: str) -> str:
        """Take the secrets out of words from outside."""
        return secret.scrub(text, map(secret.Key, self._texts.values()))

    def _begin(self, hooks: Mapping[str, Hook]) -> asyncio.Future[_Read]:
        self._reading = reading = begin(lambda: read(hooks, self._env), "hook-secrets")
        reading.add_done_callback(lambda done: self._keep(hooks, done))
        return reading

    def _keep(self, hooks: Mapping[str, Hook], done: asyncio.Future[_Read]) -> None:
        self._reading, self._read_at = None, time.monotonic()
        if done.cancelled() or done.exception() is not None:  # no thread can be started: use what is known
            return
        older = self._texts if hooks == self._hooks else {}  # settings are replaced only where all can be read
        self._hooks, self._texts = hooks, {**older, **done.result()[0]}
        usable: defaultdict[str, list[str]] = defaultdict(list)
        for (name, _), text in self._texts.items():
            usable[name].append(text)
        self._secrets = {name: Secrets(hooks[name].scheme, texts) for name, texts in usable.items()}


def read(hooks: Mapping[str, Hook], env: Mapping[str, str]) -> _Read:
    """Give the secrets of all hooks that can be used, and what is wrong with any. Blocks as files do."""
    texts: Texts = {}
    problems: list[Problem] = []
    for name, hook in hooks.items():
        for index, place in enumerate(hook.secrets):
            key, found = secret.read(f"{index + 1} of hook {name}", place, env)
            problems += found
            if key is None:
                continue
            wrong = flaw(hook.scheme, key.reveal())
            if not wrong:
                texts[name, index] = key.reveal()
            if wrong := wrong or weakness(hook.scheme, key.reveal()):
                problems.append(Problem(f"secret {index + 1} of hook {name} {wrong}", _REMEDY, place.file))
    return texts, tuple(problems)
