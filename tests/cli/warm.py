"""A process of panic without the second in which Python imports everything: it is forked from one that has.

It is a process like any other: its streams, environment, folder, signals and exit code are its own. What only a
cold start can show (its command line as others see it, an import that is missing, how the interpreter ends) is for
the tests that start cold.
"""

import asyncio
import multiprocessing
import os
import pkgutil
import signal
import sys
import warnings
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import panic
from panic.cli import run


@cache
def _importer() -> ForkServerContext:
    """Have a process that imports all of panic and waits, for as long as this one lives."""
    modules = {one.name for one in pkgutil.walk_packages(panic.__path__, "panic.")}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*sorted(modules - {"panic.__main__"}), __name__])  # which is run, not imported
    return context


class Warm:
    """The process; it offers what `asyncio.subprocess.Process` does."""

    def __init__(
        self, process: ForkServerProcess, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        assert process.pid is not None
        self.pid, self.stdout, self.stderr = process.pid, stdout, stderr
        self.returncode: int | None = None
        self._process, self._ended = process, asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self.returncode = self._process.exitcode
        self._process.close()
        self._ended.set()

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and this loop was not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; give its exit code, or the signal that ended it, negative."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for its end; give what it wrote."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err


@dataclass(frozen=True)
class _Panic:
    """What a fresh process does: it takes these streams, this folder and this environment, and is panic.

    Attributes:
        streams: Standard output and standard error; descriptors here, and on their way things that become them.
        code: What it runs instead of panic's own entry point, if anything.
    """

    words: tuple[str, ...]
    code: str
    cwd: Path
    env: Mapping[str, str]
    streams: Sequence[Any]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "streams": [DupFd(stream) for stream in self.streams]}

    def __call__(self) -> None:
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for number, stream in enumerate(self.streams, 1):
            descriptor = stream.detach()
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(self.cwd)
        os.environ.clear()
        os.environ.update(self.env)
        warnings.simplefilter("error")
        sys.argv = ["panic", *self.words]
        multiprocessing.current_process().daemon = False  # which must not have processes of its own
        if self.code:
            exec(self.code, {"__name__": "__main__"})  # noqa: S102  (a test's own)
        sys.exit(run(self.words))


async def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    code: str = "",
    streams: Sequence[int] = (PIPE, PIPE),
) -> Warm:
    """Start panic with these words, or code that becomes panic; `streams` are descriptors, or pipes to read."""
    pipes = [os.pipe() if stream == PIPE else None for stream in streams]
    theirs = [pipe[1] if pipe else stream for pipe, stream in zip(pipes, streams, strict=True)]
    process = _importer().Process(target=_Panic(tuple(words), code, cwd, env, theirs), daemon=True)
    try:
        process.start()
    finally:
        for pipe in filter(None, pipes):
            os.close(pipe[1])
    stdout, stderr = [await _reader(pipe and pipe[0]) for pipe in pipes]
    return Warm(process, stdout, stderr)


async def _reader(descriptor: int | None) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 24)
    if descriptor is None:  # somebody else reads it
        reader.feed_eof()
        return reader
    pipe = open(descriptor, "rb", buffering=0)  # noqa: ASYNC230, PTH123, SIM115  (a pipe: the loop reads it to its end)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
