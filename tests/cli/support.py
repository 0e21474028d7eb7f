"""A firm on disk, the command line as a real process beside an in-test broker, and what it left behind."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

import jsonschema

from panic.report.document import json_schema
from panic.run.press import whoami
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests import ROOT
from tests.cli import warm

KEY = "keyid42.aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1"
PATIENCE_S = 20.0
STARTING_S = 4.0
"""So long a process may need to start on a busy machine, beside what it was told to take."""

QUICK = "poll_first_s = 0.05\npoll_max_s = 0.2\nwatch_s = 0\n"
PANIC = ("-m", "panic")
PRESS = ("press", "--all", "--reason", "runaway algo")
_EARLY = ("PYTHON", "LANG", "LC_", "TZ")
_LEFT_OUT = ("PANIC_", "CLEAR_STREET_", "COLUMNS", "LINES", "NO_COLOR", "LC_", "LANG", "PYTHON")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what panic or a terminal would heed; panic is that of the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    own = {"XDG_CONFIG_HOME": "/nowhere", "LANG": "C.UTF-8", "TERM": "xterm", "PYTHONWARNINGS": "error"}
    return {**kept, "PYTHONPATH": str(ROOT), **own, **more}


def on_behalf_of(whom: str) -> str:
    """Who is on record where a process of the tests says this; none of them is told a user's name."""
    return f"{whoami()} on behalf of {whom}"


def account(id_: int, *faults: Fault, orders: int = 1, **more: Any) -> SimAccount:
    """An account with so many orders and these faults."""
    return SimAccount(id_, orders=(SimOrder(),) * orders, faults=faults, **more)


def simulate(*accounts: SimAccount, settle_s: float = 0.02, **options: Any) -> Simulator:
    """A broker that holds these accounts and knows the tests' key."""
    return Simulator(accounts, keys={KEY: None}, settle_s=settle_s, **options)


@dataclass
class Firm:
    """Settings, roster and key in a folder, as a person would have written them."""

    folder: Path
    base_url: str
    rows: Sequence[str | int] = ()
    columns: str = "id"
    broker: str = 'contact = "the desk, +1 555 0100"\n'
    credentials: str = '[credentials.default]\nfile = "panic.key"\n'
    run: str = QUICK
    more: str = ""
    settings: Path = field(init=False)
    roster: Path = field(init=False)
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        self.settings, self.roster = self.folder / "panic.toml", self.folder / "accounts.csv"
        self.key = self.folder / "panic.key"
        self.settings.write_text(
            f'[broker]\nbase_url = "{self.base_url}"\n{self.broker}{self.credentials}[run]\n{self.run}{self.more}'
        )
        self.roster.write_text("\n".join([self.columns, *map(str, self.rows), ""]))
        self.key.touch(mode=0o600)
        self.key.write_text(KEY + "\n")

    def lines(self, *words: str) -> tuple[str, ...]:
        """The arguments of a command in this firm."""
        return ("--config", str(self.settings), *words)


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    code: int
    out: str
    err: str
    took: float

    @property
    def report(self) -> dict[str, Any]:
        """The report on standard output, held against the published schema."""
        return valid(self.out)

    @property
    def last_line(self) -> str:
        """The last thing said on standard error."""
        return self.err.strip().splitlines()[-1]


@cache
def _schema() -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(json_schema(), format_checker=jsonschema.FormatChecker())


def valid(document: str) -> dict[str, Any]:
    """Read a report, which must be valid by its schema and name every account once."""
    report: dict[str, Any] = json.loads(document)
    _schema().validate(report)
    ids = [one["id"] for one in report["accounts"] if one["id"] is not None]
    assert len(ids) == len(set(ids))
    assert report["totals"]["accounts"] == len(report["accounts"])
    return report


class Process:
    """A panic process under way."""

    def __init__(self, process: asyncio.subprocess.Process | warm.Warm) -> None:
        self.process = process
        self.began = asyncio.get_running_loop().time()
        self._err: list[bytes] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def arguments(self) -> str:
        """What everybody on this machine can see of its command line."""
        return Path(f"/proc/{self.pid}/cmdline").read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def says(self, words: str) -> str:
        """Wait for a line on standard error that holds these words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self.process.stderr.readline():
                self._err.append(line)
                if words in line.decode():
                    return line.decode()
        raise AssertionError(f"{words!r} was never said, but: {b''.join(self._err).decode()}")

    async def finish(self, patience_s: float = PATIENCE_S) -> Finished:
        """Wait for its end."""
        async with asyncio.timeout(patience_s):
            out, err = await self.process.communicate()
        took = asyncio.get_running_loop().time() - self.began
        assert self.process.returncode is not None
        return Finished(
            self.process.returncode,
            (out or b"").decode(errors="replace"),
            (b"".join(self._err) + (err or b"")).decode(errors="replace"),
            took,
        )

    async def end(self) -> None:
        """Leave nothing behind, whatever the test made of it."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@asynccontextmanager
async def started(
    *words: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[Any] = asyncio.subprocess.PIPE,
    stderr: int | IO[Any] = asyncio.subprocess.PIPE,
    redirect: str = "",
    program: Sequence[str] = PANIC,
    cold: bool = False,
) -> AsyncIterator[Process]:
    """Start panic in a process; `redirect` is the shell's (`>&-`), `program` what Python is told to run.

    If only Python itself cannot tell, it is forked from one that has imported panic; unless it is to start `cold`.
    """
    environment = clean_environment(**(env or {}))
    code = "" if program == PANIC else program[1] if program[0] == "-c" else None
    streams = [stream if isinstance(stream, int) else stream.fileno() for stream in (stdout, stderr)]
    is_plain = code is not None and not redirect and all(s == asyncio.subprocess.PIPE or s >= 0 for s in streams)
    if is_plain and not cold and not any(name.startswith(_EARLY) for name in env or {}):
        process = Process(await warm.start(words, cwd=cwd, env=environment, code=code or "", streams=streams))
    else:
        command = [sys.executable, *program, *words]
        if redirect:
            command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *command]
        process = Process(
            await asyncio.create_subprocess_exec(
                *command,
                cwd=cwd,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                limit=1 << 24,
            )
        )
    try:
        yield process
    finally:
        await process.end()


async def panic(*words: str, cwd: Path, patience_s: float = PATIENCE_S, **how: Any) -> Finished:
    """Run panic in a process to its end."""
    async with started(*words, cwd=cwd, **how) as process:
        return await process.finish(patience_s)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  (the simulator has no event for what tests ask)
            await asyncio.sleep(0.005)


def sent(simulator: Simulator, method: str) -> list[int]:
    """The accounts that requests of this method named, in the order of their arrival."""
    return [one.account_id or 0 for one in simulator.requests if one.method == method]


def verdicts(report: Mapping[str, Any]) -> dict[int, str]:
    """What the report says of each account."""
    return {one["id"]: one["verdict"] for one in report["accounts"]}


def codes(report: Mapping[str, Any]) -> list[str]:
    """The codes of the report's flags, but for a disk that was slow: the tests keep it busy."""
    return [flag["code"] for flag in report["flags"] if flag["code"] != "ledger_late"]


def told(report: Mapping[str, Any], id_: int) -> dict[str, Any]:
    """What the report says of one account."""
    return next(one for one in report["accounts"] if one["id"] == id_)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, by its name from there."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def raw_server(answer: Callable[[str, str, str], bytes]) -> AsyncIterator[str]:
    """Serve `answer(method, path, bearer)`, whole answers as bytes, on loopback; gives the base URL."""
    lines: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *fields = head.decode().split("\r\n")
                method, path, _ = first.split()
                said = dict(field.split(": ", 1) for field in fields if field)
                writer.write(answer(method, path, said.get("Authorization", "")))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for line in lines:
            line.close()
        await asyncio.sleep(0.01)


def http(status: int, body: bytes, *headers: str) -> bytes:
    """One HTTP answer."""
    head = "\r\n".join([f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n".encode() + body
