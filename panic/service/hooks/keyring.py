"""The secrets of all hooks, reread while the service runs: a new one takes effect without a restart."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from panic.config import Credential, Hook, secret
from panic.kit.background import begin
from panic.kit.errors import Problem
from panic.kit.process import ENVIRONMENT
from panic.service.hooks.signatures import STANDARD, Secrets, flaw, weakness

_REMEDY = "Put a secret of its scheme there, as docs/hooks.md tells, and nothing else."

Texts = dict[tuple[str, Credential], str]
"""The secrets that could be read, by hook and where they are."""

_Read = tuple[Texts, tuple[Problem, ...]]


class Keyring:
    """Keeps the secrets of the hooks, the last good ones where a file cannot be read any more.

    What was read is fresh for `every_s`; a call waits `patience_s` for a file system, then what is known must do.
    """

    def __init__(
        self, env: Mapping[str, str] = ENVIRONMENT, *, every_s: float = 1.0, patience_s: float = 0.2
    ) -> None:
        self._env, self._every_s, self._patience_s = env, every_s, patience_s
        self._hooks: Mapping[str, Hook] = {}
        self._texts: Texts = {}
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
        if (hook := hooks.get(name)) is None:
            return Secrets(STANDARD, ())
        known = (self._texts.get((name, place)) for place in hook.secrets)  # a place that is gone opens nothing
        return Secrets(hook.scheme, filter(None, known))

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
        self._hooks = hooks
        places = {(name, place) for name, hook in hooks.items() for place in hook.secrets}
        texts = {**self._texts, **done.result()[0]}
        self._texts = {place: text for place, text in texts.items() if place in places}


def read(hooks: Mapping[str, Hook], env: Mapping[str, str]) -> _Read:
    """Give the secrets of all hooks that can be used, and what is wrong with any. Blocks as files do."""
    texts: Texts = {}
    opens: dict[str, str] = {}
    problems: list[Problem] = []
    for name, hook in hooks.items():
        for index, place in enumerate(hook.secrets):
            key, found = secret.read(f"{index + 1} of hook {name}", place, env)
            problems += found
            if key is None:
                continue
            text = key.reveal()
            wrong = flaw(hook.scheme, text)
            if not wrong and (other := opens.setdefault(text, name)) != name:
                wrong = f"is one of hook {other} too, and opens that one alone"
            if not wrong:
                texts[name, place] = text
            if wrong := wrong or weakness(hook.scheme, text):
                problems.append(Problem(f"secret {index + 1} of hook {name} {wrong}", _REMEDY, place.file))
    return texts, tuple(problems)
