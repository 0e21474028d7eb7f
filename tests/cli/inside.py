"""The command line in this process, beside a broker on a thread of its own: no Python has to start."""

import asyncio
import io
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, redirect_stderr, redirect_stdout
from time import monotonic
from typing import TypeVar
from unittest.mock import patch

import structlog

from panic import cli
from tests.cli.support import Finished, clean_environment
from tests.kit.virtual import connections_close

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def beside(served: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Let a broker, or a service, answer on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        one = asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result()
        try:
            yield one
        finally:
            asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(connections_close())
        loop.close()


def typed(*words: str, env: Mapping[str, str] | None = None) -> Finished:
    """Type a command, and give what it left behind."""
    out, err, began = io.StringIO(), io.StringIO(), monotonic()
    environment = patch.dict(os.environ, clean_environment(**{"COLUMNS": "300", **(env or {})}), clear=True)
    obeyed = {number: signal.getsignal(number) for number in SIGNALS}
    with environment, redirect_stdout(out), redirect_stderr(err):
        code = cli.run(list(words))
    if threading.current_thread() is threading.main_thread():  # a command that is done ignores them
        for number, handler in obeyed.items():
            signal.signal(number, handler)
    structlog.reset_defaults()
    return Finished(code, out.getvalue(), err.getvalue(), monotonic() - began)
