"""The listener: nobody who only sits there keeps a press out; what is no HTTP is neither repeated nor logged."""

import asyncio
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from panic.service import descriptors, lines
from panic.service.app import RUNNER
from panic.service.auth import ROLE
from panic.service.caller import HEAD_MOST
from panic.service.lines import neighbourhood
from panic.service.listener import BURST, Listener
from tests.cli.support import account, sent, simulate, until
from tests.service.support import TOKEN, firm, serving
from tests.service.test_tls import a_certificate, the_context

ASK = b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"
WAIT = ASK.replace(b"quick", b"slow")
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Place:
    """A listener with a few routes behind it."""

    listener: Listener = field(init=False)
    runner: web.AppRunner = field(init=False)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0
    role: str = "presser"
    lines: list[asyncio.StreamWriter] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    async def call(self, words: bytes = b"", local: str = "") -> Line:
        """Connect, from another address if one is named, and say something."""
        source = (local, 0) if local else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port, local_addr=source)
        self.lines.append(writer)
        writer.write(words)
        return reader, writer

    async def quick(self, request: web.Request) -> web.Response:
        self.asked.append(request.remote)
        return web.Response(text="quick")

    async def slow(self, request: web.Request) -> web.Response:
        request[ROLE] = self.role
        self.inside += 1
        await self.go_on.wait()
        return web.Response(text="slow")

    async def large(self, _: web.Request) -> web.Response:
        self.inside += 1
        return web.Response(body=bytes(64 << 20))

    async def refuses(self, _: web.Request) -> web.Response:
        return web.Response(status=401, text="refused")

    async def takes(self, request: web.Request) -> web.Response:
        self.inside += 1
        return web.Response(text=str(len(await request.read())))


@asynccontextmanager
async def standing(
    most: int = 2, first_s: float = 30.0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Place]:
    """Open a listener on loopback."""
    app = web.Application()
    runner = web.AppRunner(app, **RUNNER, shutdown_timeout=0.1)
    place = Place()
    app.router.add_get("/quick", place.quick)
    app.router.add_get("/slow", place.slow)
    app.router.add_get("/large", place.large)
    app.router.add_post("/takes", place.takes)
    app.router.add_post("/refuses", place.refuses)
    await runner.setup()
    place.runner = runner
    place.listener = Listener(runner, "127.0.0.1", 0, context=context, most=most, first_s=first_s)
    await place.listener.start()
    try:
        yield place
    finally:
        place.go_on.set()
        for writer in place.lines:
            writer.close()
        await runner.cleanup()


async def answer(line: Line) -> bytes:
    """Give what comes back first; nothing if the line was cut."""
    try:
        async with asyncio.timeout(20):
            return await line[0].read(4096)
    except ConnectionError:
        return b""


async def test_whoever_comes_is_let_in_for_the_oldest_who_waits():
    """Be it one who asked before; the younger ones, who are about to ask, stay."""
    async with standing(most=2) as place:
        asked = await place.call(ASK)
        assert (await answer(asked)).endswith(b"quick")
        second = await place.call(ASK[:-2])
        await until(lambda: 2 == len({one for one in place.listener.lines._may_go() if one.caller}))
        new = await place.call(ASK)

        assert (await answer(new)).endswith(b"quick")
        assert b"" == await answer(asked)
        second[1].write(b"\r\n")
        assert (await answer(second)).endswith(b"quick")


async def test_whoever_only_looks_gives_way():
    """Looking never slows pressing, however many look."""
    async with standing(most=1) as place:
        place.role = "viewer"
        looking = await place.call(WAIT)
        await until(lambda: 1 == place.inside)

        assert (await answer(await place.call(ASK))).endswith(b"quick")
        assert b"" == await answer(looking)


async def test_the_address_that_holds_most_gives_way():
    """However long the one connection of another address is there already."""
    async with standing(most=3) as place:
        person = await place.call()
        await until(lambda: 1 == len(place.listener.lines))
        crowd = [await place.call(local="127.0.0.2") for _ in range(3)]

        assert b"" == await answer(crowd[0])
        person[1].write(ASK)
        assert (await answer(person)).endswith(b"quick")


async def test_each_address_has_its_turn():
    """Whoever comes last, behind a crowd, is answered among the first."""
    async with standing(most=100) as place:
        crowd = [await place.call(local="127.0.0.2") for _ in range(40)]
        person = await place.call()
        await until(lambda: 41 == len(place.listener.lines))
        for _, writer in [*crowd, person]:
            writer.write(ASK)

        assert (await answer(person)).endswith(b"quick")
        assert place.asked.index("127.0.0.1") < 5


async def test_of_ipv6_a_whole_network_is_one_address():
    """Everybody has one, and could come from another address each time."""
    ours = ("2001:db8::1", "2001:db8::ffff:1", "fe80::1%eth0", "::ffff:10.0.0.7", "10.0.0.7")
    found = [neighbourhood(one) for one in ours]

    assert found[0] == found[1] != found[2]
    assert "10.0.0.7" == found[3] == found[4]


async def test_a_head_without_end_is_cut():
    """A thousand of them, each held back before its last line, would fill the memory."""
    async with standing(most=2) as place:
        line = await place.call(ASK)
        assert (await answer(line)).endswith(b"quick")
        for n in range(HEAD_MOST // 1000 + 2):
            line[1].write(b"X-%d: %s\r\n" % (n, b"x" * 1000) if n else b"GET /quick HTTP/1.1\r\n")

        assert b"" == await answer(line)


async def test_what_a_stranger_goes_on_sending_is_not_read(monkeypatch: pytest.MonkeyPatch):
    """Reading it to throw it away would cost the loop more than the answer did."""
    monkeypatch.setattr(lines, "RUNNER", {**RUNNER, "lingering_time": 600.0})
    async with standing(most=2) as place:
        line = await place.call(b"POST /refuses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab")

        assert b"refused" in await answer(line)
        assert b"" == await answer(line)


async def test_who_comes_while_many_wait_at_the_door_is_let_in_at_once():
    """A whole burst is accepted in one turn of the loop."""
    async with standing(most=100) as place:
        async with asyncio.TaskGroup() as group:
            for _ in range(BURST):
                group.create_task(place.call())
        loops = 0
        while len(place.listener.lines) < BURST:
            loops += 1
            await asyncio.sleep(0)

        assert loops < BURST // 4


async def test_whoever_is_served_never_goes():
    """One more is turned away, and gets in once there is room again."""
    async with standing(most=1) as place:
        served = await place.call(WAIT)
        await until(lambda: 1 == place.inside)
        turned_away = await place.call(ASK)

        assert b"" == await answer(turned_away)
        place.go_on.set()
        assert (await answer(served)).endswith(b"slow")
        assert (await answer(await place.call(ASK))).endswith(b"quick")


@pytest.mark.parametrize(
    "words",
    [
        b"POST /takes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab",
        b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["promises a body", "takes no answer"],
)
async def test_whoever_keeps_a_line_busy_gives_way(words: bytes):
    """Nobody keeps a line by promising something, or by taking nothing."""
    async with standing(most=1) as place:
        await place.call(words)
        await until(lambda: 1 == place.inside)
        await until(lambda: any(place.listener.lines._may_go()))

        assert (await answer(await place.call(ASK))).endswith(b"quick")


@pytest.mark.parametrize("words", [b"", b"GET /quick HTTP/1.1\r\nHost: localhost\r\nX: "], ids=["nothing", "half"])
async def test_a_line_without_a_whole_request_is_cut(words: bytes):
    """One that asked in time is not."""
    async with standing(first_s=0.2) as place:
        asked = await place.call(ASK)
        await answer(asked)
        silent = await place.call(words)

        assert b"" == await answer(silent)
        asked[1].write(ASK)
        assert (await answer(asked)).endswith(b"quick")


async def test_a_handshake_that_does_not_come_gives_way_and_is_cut(tmp_path: Path):
    """With TLS it holds a descriptor before there is anything to answer."""
    made = a_certificate(tmp_path)
    trusting = ssl.create_default_context()
    made.ca.configure_trust(trusting)
    async with standing(most=1, first_s=1.0, context=the_context(made.service)) as place:
        silent = await place.call()
        await until(lambda: 1 == len(place.listener.lines))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", place.listener.port, ssl=trusting, server_hostname="panic.example.com"
        )
        place.lines.append(writer)
        writer.write(ASK)

        assert (await answer((reader, writer))).endswith(b"quick")
        assert b"" == await answer(silent)
        assert b"" == await answer(await place.call())
        assert b"" == await answer(await place.call(b"no handshake at all\r\n\r\n"))


def test_callers_get_a_quarter_of_what_there_is_at_most(monkeypatch: pytest.MonkeyPatch):
    """The broker's connections, and files, have the rest."""
    limits = [(100, 300)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    few = descriptors.take_all()
    limits.append((10, resource.RLIM_INFINITY))

    assert (75, descriptors.CALLERS_MOST) == (few, descriptors.take_all())


# ── the service behind it ───────────────────────────────────────────────────────────────────────────────────

_RUN = "runpy.run_module('panic', run_name='__main__', alter_sys=True)"
_FEW = ("-c", f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 160)); {_RUN}")


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_three_hundred_who_ask_for_nothing_do_not_keep_a_press_out(tmp_path: Path):
    """More than there are descriptors: the press is answered and sent, and the log stays short."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        async with serving(one, program=_FEW) as service:
            host, port = "127.0.0.1", int(service.url.rpartition(":")[2])
            lines = [await asyncio.open_connection(host, port) for _ in range(300)]
            pressed = await service.press(wait=15)
            kept = _descriptors(service.process.pid)
            for _, writer in lines:
                writer.close()
            service.process.signal(15)
            done = await service.process.finish()

        assert (200, "clear") == (pressed.status, pressed.body["verdict"])
        assert [1] == sent(simulator, "DELETE")
        assert kept < 140
        assert len(done.err) < 10_000


SECRET = TOKEN.encode()
_BEARER = b"Authorization: Bearer " + SECRET
_NO_HTTP = (
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\n" + _BEARER + b"\x00\r\n\r\n",
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer " + SECRET + b"\r\n\r\n",
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\n" + _BEARER + b"\r\nX\x01: y\r\n\r\n",
    b"GET /v1/runs?token=" + SECRET + b" x HTTP/1.1\r\n\r\n",
    SECRET + b"\x7f / HTTP/1.1\r\n\r\n",
    b"GET /" + SECRET * 1000 + b" HTTP/1.1\r\n\r\n",
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + SECRET + b"\r\n\r\n",
    b"\x16\x03\x01" + SECRET,
)


async def test_what_is_no_http_is_neither_repeated_nor_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """It is answered as every mistake is: with a problem and a remedy."""
    async with standing(most=20) as place:
        for words in _NO_HTTP:
            line = await place.call(words + b"\r\n\r\n")
            came = await line[0].read()

            assert came.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
            assert b"application/problem+json" in came
            assert b"Server: panic\r\n" in came
            assert SECRET not in came
    assert [] == caplog.records
    assert ("", "") == capfd.readouterr()
