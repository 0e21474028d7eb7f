"""What every attack stands in: a service in a process of its own, a person who presses it, and the attacker.

The attacker is a process, too. Each press comes on a connection of its own, as from curl; it is lost if it is not
answered within ten seconds, or refused. Told is the time to the answer, without the attack and under it.
"""

import asyncio
import hashlib
import math
import os
import resource
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import trustme

from tests.cli.ledgers import SETTINGS
from tests.cli.support import Firm, Process, account, sent, simulate, started
from tests.service.support import QUICK, TOKEN

VIEWER: Final = "token-of-a-viewer-4711"
PROGRAM: Final = "token-of-a-program-4711"
SECRET: Final = "whsec_bm90LWEtcmVhbC1rZXktb25seS1mb3ItdGVzdHM="

PRESSES: Final = 15
ACCOUNTS: Final = 20
LOST_S: Final = 10.0
GOAL_S: Final = 1.0
_BETWEEN_S = 0.3
"""Identical presses within 250 ms would be one."""

_ROLES = {
    "desk": (TOKEN, 'roles = ["presser", "resetter"]'),
    "watcher": (VIEWER, 'roles = ["viewer"]'),
    "engine": (PROGRAM, 'roles = ["presser"]\nperson = false'),
}


@dataclass(frozen=True)
class Target:
    """The service under attack; `ca` is the file of who vouches for its certificate, empty without TLS."""

    url: str
    ca: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Its address and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    @property
    def context(self) -> ssl.SSLContext | None:
        """What to connect with."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    async def connect(self, local: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, from another address of this machine if one is named."""
        source = (local, 0) if local else None
        return await asyncio.open_connection(*self.place, ssl=self.context, local_addr=source)

    def under_way(self) -> None:
        """Say that the attack is at its full force: now the presses begin."""
        print("under way", flush=True)

    async def crowd(self, callers: Iterable[Coroutine[object, object, None]], force_s: float) -> None:
        """Let them all call at once until this is cancelled; after so long the attack is at its full force."""
        tasks = [asyncio.create_task(one) for one in callers]
        try:
            await asyncio.sleep(force_s)
            self.under_way()
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()


@dataclass(frozen=True)
class Attack:
    """An attack, which goes on until it is cancelled.

    Attributes:
        name: The name of its module.
        what: In a few words.
        go: Carries it out, in a process of its own; calls `Target.under_way` once, or `Target.crowd`.
        settings: More sections of the service's settings; a hook `limits` with SECRET is there.
        service: More lines of their [service].
        program: What Python runs as the service, such as one with few descriptors.
        tls: Whether the service speaks TLS.
        round_trip_s: How far away the person is who presses.
        prepare: Puts what the service is to find into its folder.
    """

    name: str
    what: str
    go: Callable[[Target], Awaitable[None]]
    settings: str = ""
    service: str = ""
    program: Sequence[str] = ("-m", "panic")
    tls: bool = False
    round_trip_s: float = 0.0
    prepare: Callable[[Path], None] = lambda _: None


@dataclass(frozen=True)
class Figures:
    """What became of the presses: seconds to each answer, infinite for those that were lost."""

    took: Sequence[float]
    memory_mb: float
    busy: float

    @property
    def lost(self) -> int:
        """How many were not answered, or refused."""
        return sum(math.isinf(one) for one in self.took)

    @property
    def p99(self) -> float:
        """The time of the slowest, seconds: of fifteen it is the 99th percentile."""
        return max(self.took)

    def __str__(self) -> str:
        median = statistics.median(self.took)
        return (
            f"p50 {median * 1000:7.0f} ms  p99 {self.p99 * 1000:7.0f} ms  lost {self.lost:2} of {len(self.took)}"
            f"  service: {self.memory_mb:4.0f} MB at most, {self.busy:4.0%} of a core"
        )


async def measure(attack: Attack) -> bool:
    """Print the figures without and under an attack; give whether the door held."""
    print(f"{attack.name}: {attack.what}", flush=True)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = await stack.enter_async_context(simulate(*map(account, range(1, ACCOUNTS + 1))))
        settings, ca = _settings(folder, attack)
        firm = Firm(folder, simulator.base_url, range(1, ACCOUNTS + 1), run=QUICK, more=settings)
        (folder / "hook.secret").write_text(SECRET)
        (folder / "hook.secret").chmod(0o600)
        attack.prepare(folder)
        how = {"cwd": folder, "program": attack.program, "cold": True, "stderr": asyncio.subprocess.PIPE}
        process = await stack.enter_async_context(started(*firm.lines("serve"), **how))  # type: ignore[arg-type]
        said = await process.says("serving on")
        target = Target(next(word for word in said.split() if word.startswith("http")).rstrip(";"), ca)
        stack.push_async_callback(_ended, asyncio.create_task(_heard(process)))
        port = await stack.enter_async_context(_far_away(target, attack.round_trip_s))
        person = Target(f"{urlsplit(target.url).scheme}://127.0.0.1:{port}", ca)
        await _presses(person, process, 2)  # the first one imports what was not needed before
        alone = await _presses(person, process)
        print(f"  alone   {alone}", flush=True)
        async with _attacked(attack, target) as attacker:
            attacked = await _presses(person, process)
            print(f"  under   {attacked}", flush=True)
            more = (await attacker.communicate(b""))[0].decode().strip()
        print(*(f"  it says {line}" for line in more.splitlines()), sep="\n", end="\n" if more else "")
        answered = len(alone.took) + len(attacked.took) - alone.lost - attacked.lost
        reached = len(sent(simulator, "DELETE")) >= answered * ACCOUNTS
    holds = not attacked.lost and attacked.p99 < GOAL_S and reached
    print(f"  {'it holds' if holds else 'THE DOOR GIVES WAY'}{'' if reached else ': presses without DELETEs'}")
    return holds


def alone(attack: Attack) -> None:
    """Carry out one attack: what a module does that is run alone, or that the frame starts as the attacker."""
    if len(sys.argv) > 1:
        sys.exit(asyncio.run(_until_told(attack, Target(*sys.argv[1:]))))
    sys.exit(not asyncio.run(measure(attack)))


# ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────


def _settings(folder: Path, attack: Attack) -> tuple[str, str]:
    """Write what the service needs beside its firm; give its sections, and who vouches for it."""
    parts = [f"{SETTINGS}\n[self_test]\nevery_s = 0\n[service]\nport = 0\n{attack.service}"]
    ca = folder / "ca.pem"
    if attack.tls:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(ca))
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
        (folder / "tls.pem").chmod(0o600)
        parts.append('tls_certificate = "tls.pem"\ntls_key = "tls.pem"')
    for name, (token, roles) in _ROLES.items():
        digest = hashlib.sha256(token.encode()).hexdigest()
        parts.append(f'[tokens.{name}]\ndigest = "sha256:{digest}"\n{roles}')
    parts += ['[hooks.limits]\nsecrets = [{ file = "hook.secret" }]\nall = true', attack.settings]
    return "\n".join([*parts, ""]), str(ca) if attack.tls else ""


async def _presses(target: Target, service: Process, times: int = PRESSES) -> Figures:
    took, most = [], 0.0
    began, worked = time.monotonic(), _worked_s(service.pid)
    for n in range(times):
        took.append(await _press(target, n))
        most = max(most, _memory_mb(service.pid))
        await asyncio.sleep(_BETWEEN_S)
    return Figures(took, most, (_worked_s(service.pid) - worked) / (time.monotonic() - began))


async def _press(target: Target, n: int) -> float:
    began = time.monotonic()
    words = {"scope": {"all": True}, "reason": f"press {n}"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        connector = aiohttp.TCPConnector(ssl=target.context or True)
        timeout = aiohttp.ClientTimeout(total=LOST_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.post(f"{target.url}/v1/runs", json=words) as answer,
        ):
            await answer.read()
            if answer.ok:
                return time.monotonic() - began
    return math.inf


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _worked_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def _attacked(attack: Attack, target: Target) -> AsyncIterator[asyncio.subprocess.Process]:
    words = ("-m", f"tests.attack.{attack.name}", target.url, *filter(None, [target.ca]))
    pipe = asyncio.subprocess.PIPE
    attacker = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    try:
        assert attacker.stdout is not None
        async with asyncio.timeout(30):
            assert b"under way\n" == await attacker.stdout.readline()
        yield attacker
    finally:
        if attacker.returncode is None:
            attacker.kill()
        await attacker.wait()


async def _until_told(attack: Attack, target: Target) -> None:
    """Attack until the standard input is closed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    going = asyncio.ensure_future(attack.go(target))
    reading = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([going, reading], return_when=asyncio.FIRST_COMPLETED)
    await _ended(going)


async def _heard(process: Process) -> None:
    """Read what the service says: it must not wait for a reader."""
    assert process.process.stderr is not None
    while await process.process.stderr.readline():
        pass


async def _ended(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def _far_away(target: Target, round_trip_s: float) -> AsyncIterator[int]:
    """Give a port that leads to the service over a line of such a length."""
    if not round_trip_s:
        yield target.place[1]
        return

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(1 << 16):
                await asyncio.sleep(round_trip_s / 2)
                writer.write(some)
        with suppress(OSError):
            writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            their_reader, their_writer = await asyncio.open_connection(*target.place)
            await asyncio.gather(carry(reader, their_writer), carry(their_reader, writer))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
