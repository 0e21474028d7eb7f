"""When a page is told nothing more: who may not, who signs out, who takes nothing, and what fails."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panic.service import stream
from panic.service.room.mailbox import event
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import House, bearer, house
from tests.service.room.browser import Browser
from tests.service.room.page import Page, board_tasks, opened, pressed

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service whose first account is never done."""
    async with house(tmp_path, account(1, STUCK), account(2)) as made:
        yield made


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "token", "code"),
    [
        ("", "", "unauthenticated"),
        ("", "nobody", "unauthenticated"),
        ("?run=nobody", "viewer", "not_found"),
        ("?run=20990101T000000Z-000000", "viewer", "not_found"),
        ("?run=a/b", "viewer", "malformed"),
        ("?run=a&run=b", "viewer", "malformed"),
        ("?walk=1", "viewer", "malformed"),
    ],
)
async def test_who_may_not_or_asks_for_nothing_gets_no_stream(it: House, path: str, token: str, code: str):
    """But a problem, at once."""
    (await it.ask("GET", f"/v1/room/events{path}", token=token)).problem(code)

    assert not it.parts.streams


async def test_there_are_only_so_many_pages(it: House, monkeypatch: pytest.MonkeyPatch):
    """One more is told to come back later; those that are open go on."""
    monkeypatch.setattr(stream, "STREAMS_MOST", 1)
    async with opened(it) as page:
        answer = await it.ask("GET", "/v1/room/events", token="viewer")
        await page.hears("beat")

    assert answer.problem("throttled")
    assert "10" == answer.headers["Retry-After"]


async def signed_in(it: House) -> Browser:
    """Joe's browser."""
    browser = Browser(it)
    await browser.sign_in()
    return browser


async def ended(page: Page) -> list[str]:
    """Wait for the end of a stream, and give what came after somebody was there no more."""
    seen = len(page.told)
    await until(lambda: page.is_over)
    return page.kinds[seen:]


async def test_who_signs_out_is_told_nothing_more(it: House):
    """The stream ends with the session, in each of its tabs; another's goes on."""
    browser, other = await signed_in(it), await signed_in(it)
    await pressed(it)
    async with (
        opened(it, token="", Cookie=browser.cookie) as page,
        opened(it, token="", Cookie=browser.cookie) as tab,
        opened(it, token="", Cookie=other.cookie) as goes_on,
    ):
        await asyncio.gather(*(one.has("room", "board", "beat") for one in (page, tab, goes_on)))
        assert 204 == (await browser.ask("DELETE", "/v1/session")).status
        told = [await ended(page), await ended(tab)]
        await goes_on.hears("beat")

        assert [[], []] == told
        assert not goes_on.is_over
    await until(lambda: not board_tasks())


@pytest.mark.parametrize("change", ["gone", "replaced"])
async def test_with_its_token_a_page_goes_too(it: House, change: str):
    """At the reload, not at the end of the shift; who has another token is told all the while."""
    browser = await signed_in(it)
    async with opened(it, token="", Cookie=browser.cookie) as page, opened(it) as other:
        await asyncio.gather(page.has("beat"), other.has("beat"))
        text = it.firm.settings.read_text()
        joe, risk = text.index("[tokens.joe]"), text.index("[tokens.risk]")
        section = "" if change == "gone" else re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, text[joe:risk])
        it.firm.settings.write_text(text[:joe] + section + text[risk:])
        assert () == (await it.standby.reload()).problems
        told = await ended(page)
        await other.hears("beat")

        assert set(told) <= {"beat"}  # what was on its way when the file was read
        assert not other.is_over


async def test_a_shift_that_ends_ends_the_page(it: House):
    """However often it was told before."""
    browser = await signed_in(it)
    async with opened(it, token="", Cookie=browser.cookie) as page:
        await page.hears("beat")
        now = it.parts.sessions._now
        it.parts.sessions._now = lambda: now() + 43_201

        assert [] == await ended(page)


# ── what does not go well ───────────────────────────────────────────────────────────────────────────────────


async def test_who_takes_nothing_is_cut_off_and_holds_nobody_up(it: House, monkeypatch: pytest.MonkeyPatch):
    """What waits for it is one board and no more; another page is told all the while."""
    monkeypatch.setattr(stream, "STALLED_S", 0.3)
    run_id = await pressed(it)
    reader, writer = await asyncio.open_connection(it.client.host, it.client.port, limit=1)
    token = bearer("viewer")["Authorization"]
    writer.write(f"GET /v1/room/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
    await until(lambda: bool(it.parts.hub._watching))
    (stalled,) = it.parts.hub._watching
    async with opened(it, run_id) as page:
        await page.has("board")
        large, waiting = event("board", b"x" * 5_000_000), []
        for _ in range(200):
            if stalled in it.parts.hub._watching:
                stalled.board(large)
                stalled.room(event("room", b"x" * 5_000))
                waiting.append(sum(map(len, stalled._board)))
            await asyncio.sleep(0.005)
        await until(lambda: stalled not in it.parts.hub._watching)
        await page.hears("beat")
        writer.close()

    assert 2 < len(waiting)
    assert max(waiting) < 2 * len(large)
    del reader


async def test_how_things_stand_may_fail_and_the_beat_goes_on(it: House, monkeypatch: pytest.MonkeyPatch):
    """And what comes later is told."""
    async with opened(it) as page:
        await page.has("room")
        monkeypatch.setattr(it.parts, "ready", lambda: 1 / 0)
        for _ in range(3):
            await page.hears("beat")
        monkeypatch.setattr(it.parts, "ready", lambda: "keys")
        await until(lambda: "keys" == page.latest("room")["why"])

    assert not page.latest("room")["ready"]


async def test_the_end_of_the_service_waits_for_no_page(it: House):
    """Its streams end at once; the run is not ended by that."""
    run_id = await pressed(it)
    async with opened(it) as page:
        await page.has("board")
        async with asyncio.timeout(20):
            await it.client.server.close()

        assert not it.parts.streams
        assert not it.live(run_id).is_over
