"""A drill by the clock: in a process of its own, so that no run of the service waits for it."""

import asyncio
import hashlib
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from panic.kit import background

DRILL_S: Final = 120.0
"""A drill that takes longer than that hangs."""

_DISK_S: Final = 5.0


class Rehearsal(NamedTuple):
    """What came of it.

    Attributes:
        report: Its report's file.
        digest: The SHA-256 of that.
    """

    passed: bool
    report: Path
    digest: str


async def rehearse(key: str, ledger: Path, *words: str) -> Rehearsal:
    """Run a drill, and keep its report in the folder `drills` beside the ledger.

    Raises:
        TimeoutError: It hung, and was killed.
        OSError: No process is to be had, or no folder.
    """
    folder = ledger.with_name("drills")
    report = folder / f"{key.replace('/', '-')}.json"
    await background.wait(lambda: folder.mkdir(mode=0o700, exist_ok=True), _DISK_S, "drill")
    command = ("drill", *words, "--format", "json", "--ledger", str(folder / "ledger.db"), "--output", str(report))
    code = await _run("-m", "panic", *command)
    data = await background.wait(lambda: report.read_bytes() if report.exists() else b"", _DISK_S, "drill")
    return Rehearsal(code == 0, report, hashlib.sha256(data).hexdigest())


async def _run(*words: str) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(DRILL_S):
            return await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
