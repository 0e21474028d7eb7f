"""GET /v1/events: how things stand, the run that a page asks for, and when it is told nothing more."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panic.report.document import to_json
from panic.service.auth import Identity
from panic.service.room import routes
from panic.service.room.mailbox import event
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import House, bearer, house
from tests.service.room.page import Browser, Page, accounts_of, codes, letters, opened, pressed

STUCK = Fault("stuck")
ENDS = ("run_id", "verdict", "exit_code", "finished", "totals", "coverage", "flags", "ledger_head")
"""What the last board and the report have alike."""

pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service whose first account is never done."""
    async with house(tmp_path, account(1, STUCK), account(2)) as made:
        yield made


# ── from the beginning to the end ───────────────────────────────────────────────────────────────────────────


async def test_a_page_is_told_of_a_run_from_its_press_to_its_end(it: House):
    """How things stand, then boards; the last one is the report, for everybody the same. Another hears of it."""
    async with opened(it) as other:
        run_id = await pressed(it, deadline_s=2)
        async with opened(it, run_id) as page, opened(it, run_id) as late:
            await until(lambda: "board" in page.kinds and "c" in page.latest("board")["codes"])
            under_way = page.latest("board")
            await until(lambda: [1] == [one["clear"] for one in other.latest("room")["live"]])
            lasts = [await one.ends() for one in (page, late)]
        report, who = await it.live(run_id).finished(), await accounts_of(it, run_id)
        told = json.loads(to_json(report))
        await until(lambda: (other.latest("room")["last"] or {}).get("verdict") is not None)

    assert {"room", "board"} == set(late.kinds)
    assert (True, None) == (under_way["live"], under_way["totals"])
    assert lasts[0] == lasts[1]
    assert [told[key] for key in ENDS] == [lasts[0][key] for key in ENDS]
    assert codes(report) == letters(lasts[0], who)
    assert {"room"} == set(other.kinds)
    assert (run_id, "open") == tuple(other.latest("room")["last"][key] for key in ("run_id", "verdict"))


async def test_with_the_last_page_gone_no_work_is_left(it: House):
    """Neither a beat nor a board; the run goes on, and is no page's at the end of the service either."""
    run_id = await pressed(it)

    def at_work() -> set[str]:
        names = {task.get_name() for task in asyncio.all_tasks()}
        return {name for name in names if name.startswith(("panic-room", "panic-board"))} - {"panic-room-read"}

    async with opened(it, run_id) as page:
        await page.has("board", "room")
        tasks = at_work()
    await until(lambda: not it.readers and not at_work())

    assert {"panic-room", f"panic-board-{run_id}"} == tasks
    assert {} == it.hub.watching
    async with opened(it, run_id) as page:
        await page.has("board")
        async with asyncio.timeout(20):
            await it.client.server.close()

        assert not it.readers
        assert not it.live(run_id).is_over


@pytest.mark.parametrize("is_here", [True, False])
async def test_a_page_of_a_run_that_is_over_is_told_its_end(it: House, is_here: bool):
    """At once and once, whether it is here still or on record; no later press changes that."""
    run_id = await pressed(it, deadline_s=1, wait=30)
    if not is_here:
        it.forget()
    async with opened(it, run_id if is_here else "last") as page:
        found = await page.ends()
        await pressed(it)
        await page.hears("room")
        await page.hears("room")

    assert (run_id, True) == (found["run_id"], found["finished"])
    assert ("room", 1) == (page.kinds[0], page.kinds.count("board"))


async def test_what_cannot_be_told_for_a_while_is_told_again(it: House, monkeypatch: pytest.MonkeyPatch):
    """Meanwhile a page hears nothing, and takes the service for lost."""
    async with opened(it) as page:
        monkeypatch.setattr(it.hub.overview, "ready", lambda: 1 / 0)
        await page.has("room")
        await asyncio.sleep(0.2)
        heard = len(page.told)
        monkeypatch.setattr(it.hub.overview, "ready", lambda: "keys")
        await until(lambda: "keys" == page.latest("room")["why"])

    assert heard <= 2


# ── who may, and for how long ───────────────────────────────────────────────────────────────────────────────


async def test_there_are_only_so_many_pages(it: House, monkeypatch: pytest.MonkeyPatch):
    """One more is told to come back later; those that are open go on. Of no run there is no stream."""
    (await it.ask("GET", "/v1/events?run=20990101T000000Z-000000")).problem("not_found")
    monkeypatch.setattr(routes, "STREAMS_MOST", 1)
    async with opened(it) as page:
        answer = await it.ask("GET", "/v1/events", token="viewer")
        await page.hears("room")

    assert answer.problem("throttled")
    assert "10" == answer.headers["Retry-After"]


VIEWERS = [Identity(f"viewer-{n}", frozenset({"viewer"})) for n in range(8)]
PRESSER = Identity("joe", frozenset({"viewer", "presser"}))


@pytest.mark.parametrize(
    ("readers", "one", "refusal"),
    [
        (VIEWERS[:1] * 2, VIEWERS[0], "the token viewer-0 listens 2 times already"),
        (VIEWERS[:1] * 2, VIEWERS[1], ""),
        (VIEWERS[:6], VIEWERS[6], "6 readers listen already who may not press"),
        (VIEWERS[:6], PRESSER, ""),
        ([*VIEWERS[:5], PRESSER], VIEWERS[6], ""),
        ([PRESSER] * 2, PRESSER, "the token joe listens 2 times already"),
        (VIEWERS, PRESSER, "8 readers listen already"),
    ],
)
def test_nobody_takes_the_places_of_all_and_some_are_kept_for_who_presses(
    readers: list[Identity], one: Identity, refusal: str
):
    """Of eight: one token has two, and who only looks six."""
    assert refusal == routes.refused(readers, one, 8)


async def ended(page: Page) -> int:
    """Wait for the end of a stream, and count what came after somebody was there no more."""
    seen = len(page.told)
    await until(lambda: page.is_over)
    return len(page.kinds[seen:])


@pytest.mark.parametrize("how", ["signs out", "token gone", "shift over"])
async def test_with_its_session_a_page_ends_and_with_each_of_its_tabs(it: House, how: str):
    """At once; another's page is told all the while."""
    browser = Browser(it)
    await browser.sign_in()
    run_id = await pressed(it)
    async with (
        opened(it, run_id, token="", Cookie=browser.cookie) as page,
        opened(it, run_id, token="", Cookie=browser.cookie) as tab,
        opened(it) as other,
    ):
        await asyncio.gather(page.has("room", "board"), tab.has("room", "board"), other.has("room"))
        if how == "signs out":
            assert 204 == (await browser.ask("DELETE", "/v1/session")).status
        elif how == "token gone":
            text = it.firm.settings.read_text()
            it.firm.settings.write_text(text[: text.index("[tokens.joe]")] + text[text.index("[tokens.risk]") :])
            assert () == (await it.standby.reload()).problems
        else:
            now = it.sessions._now
            it.sessions._now = lambda: now() + 43_201
        told = [await ended(page), await ended(tab)]
        await other.hears("room")

        assert max(told) <= 2  # what was on its way
        assert not other.is_over


async def test_who_takes_nothing_is_cut_off_and_holds_nobody_up(it: House, monkeypatch: pytest.MonkeyPatch):
    """What waits for it is one board and no more; another page is told all the while."""
    monkeypatch.setattr(routes, "STALLED_S", 0.3)
    run_id = await pressed(it)
    reader, writer = await asyncio.open_connection(it.client.host, it.client.port, limit=1)
    token = bearer("viewer")["Authorization"]
    writer.write(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
    await until(lambda: bool(it.hub.watching))
    (stalled,) = it.hub.watching
    async with opened(it, run_id) as page:
        await page.has("board")
        large, waiting = event("board", b"x" * 5_000_000), []
        for _ in range(200):
            if stalled in it.hub.watching:
                stalled.board(large)
                waiting.append(len(stalled._board.text))
            await asyncio.sleep(0.005)
        await until(lambda: stalled not in it.hub.watching)
        await page.hears("room")
        writer.close()

    assert 2 < len(waiting)
    assert max(waiting) == len(large.text)
    del reader
