"""Bodies of strangers: all of them together hold little, and the oldest is the first that is not waited for."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from panic.service import body
from panic.service.auth import ROLE
from panic.service.problems import ProblemError

ONE = b"x" * 1000


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch) -> body.Budget:
    """Room for two and a half of them."""
    budget = body.Budget(2500)
    monkeypatch.setattr(body, "STRANGERS", budget)
    return budget


def arriving() -> tuple[web.Request, StreamReader]:
    """A request, and its body that is on its way."""
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = asyncio.Transport()
    content = StreamReader(protocol, 1 << 16, loop=loop)
    content.feed_data(ONE)
    return make_mocked_request("POST", "/", payload=content), content


async def test_the_oldest_body_of_a_stranger_gives_way(strangers: body.Budget):
    """The younger ones arrive whole; then nothing is held any more."""
    bodies = [arriving() for _ in range(3)]
    reading = [asyncio.create_task(body.read(request)) for request, _ in bodies]
    with pytest.raises(ProblemError) as refused:
        await reading[0]
    held = strangers.held
    for _, content in bodies:
        content.feed_eof()

    assert ("too_slow_a_request", 2000) == (refused.value.code, held)
    assert [ONE, ONE] == [await one for one in reading[1:]]
    assert 0 == strangers.held


async def test_a_known_callers_body_does_not_count(strangers: body.Budget):
    """Strangers cannot push it out."""
    known, content = arriving()
    known[ROLE] = "presser"
    reading = asyncio.create_task(body.read(known))
    pushing = [asyncio.create_task(body.read(arriving()[0])) for _ in range(5)]
    await asyncio.wait(pushing, return_when=asyncio.FIRST_COMPLETED)
    content.feed_eof()

    assert ONE == await reading
    assert 2000 == strangers.held
    for one in pushing:
        one.cancel()
    await asyncio.gather(*pushing, return_exceptions=True)
    assert 0 == strangers.held
