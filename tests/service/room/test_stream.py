"""GET /v1/events: which run a page is told of, how things stand, and when it is told nothing more."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panic.accounts.plan import Scope
from panic.report.document import Source, to_json
from panic.run.press import Press
from panic.service.room import hub, stream
from panic.service.room.mailbox import event
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import QUICK, House, bearer, house
from tests.service.room.browser import Browser
from tests.service.room.page import Page, board_tasks, codes, letters, opened, pressed

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service whose first account is never done."""
    async with house(tmp_path, account(1, STUCK), account(2)) as made:
        yield made


def scheduled(it: House, scope: Scope = Scope(all=True)) -> str:  # noqa: B008  (it is frozen)
    """Press as a schedule does, and give the run."""
    press = Press(scope, "the close", "schedule cleanup", Source.SCHEDULE)
    return it.desk.press(press, automated=True).live.run.id


async def beats(page: Page) -> None:
    """Wait for as long as anything would have come by."""
    for _ in range(3):
        await page.hears("beat")


# ── from the beginning to the end ───────────────────────────────────────────────────────────────────────────


async def test_a_page_is_told_of_a_run_from_its_press_to_its_end(tmp_path: Path):
    """How things stand, then a board, letters and beats; the last board is the report, for everybody the same."""
    accounts = account(1, Fault("latency", seconds=0.6), STUCK), account(2)
    async with house(tmp_path, *accounts) as it, opened(it) as page:
        await page.has("room", "beat")
        before = set(page.kinds)
        run_id = await pressed(it, deadline_s=2)
        await page.has("cells")
        async with opened(it, run_id) as late:
            lasts = [await one.ends() for one in (page, late)]
        report = await it.live(run_id).finished()
        told = json.loads(to_json(report))
        await until(lambda: (page.latest("room")["last"] or {}).get("verdict") is not None)

    assert {"room", "beat"} == before
    assert "room" == page.kinds[0]
    assert page.kinds.index("board") < page.kinds.index("cells")
    assert ["room", "board"] == late.kinds[:2]
    assert lasts[0] == lasts[1]
    assert (run_id, told["verdict"], told["totals"]) == tuple(
        lasts[0][key] for key in ("run_id", "verdict", "totals")
    )
    assert codes(report) == letters(lasts[0])
    assert (run_id, "open") == tuple(page.latest("room")["last"][key] for key in ("run_id", "verdict"))


async def test_with_the_last_page_gone_no_work_is_left(it: House):
    """Neither a beat nor a board; the run goes on."""
    run_id = await pressed(it)

    def at_work() -> set[str]:
        names = {task.get_name() for task in asyncio.all_tasks()}
        return {name for name in names if name.startswith(("panic-room", "panic-board"))} - {"panic-room-read"}

    async with opened(it) as page:
        await page.has("board", "beat")
        tasks = at_work()
    await until(lambda: not it.readers and not at_work())

    assert {"panic-room", f"panic-board-{run_id}"} == tasks
    assert {} == it.hub.watching
    assert not it.live(run_id).is_over


# ── which run ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_press_turns_pages_to_it_but_for_those_that_stay(it: House):
    """Also one that joins a run: that is what is under way now. Who asked for one run sees that one."""
    first = await pressed(it, reason="the first")
    async with opened(it) as page, opened(it, first) as stays:
        await until(lambda: first == page.follows == stays.follows)
        second = await pressed(it, scope={"groups": ["West"]}, filters={"side": "BUY"}, watch_s=30)
        await until(lambda: second == page.follows)
        await beats(stays)
        stayed, live = stays.follows, {one["run_id"] for one in page.latest("room")["live"]}
        joined = (await it.press({**QUICK, "reason": "again"})).json
        await until(lambda: first == page.follows)

    assert (first, {first, second}) == (stayed, live)
    assert (first, True) == (joined["run_id"], joined["joined"])


async def test_a_scheduled_run_takes_no_page_from_a_persons(it: House):
    """Neither from one that is open nor from one that comes; where there is no other, pages follow it."""
    async with opened(it) as page:
        await page.has("room")
        other = scheduled(it)
        await until(lambda: other == page.follows)
        run_id = await pressed(it)
        await until(lambda: run_id == page.follows)
        again = it.desk.press(
            Press(Scope(groups=("West",)), "the close", "s", Source.SCHEDULE), automated=True
        ).live.run.id
        await until(lambda: again in {one["run_id"] for one in page.latest("room")["live"]})
        async with opened(it) as late:
            await until(lambda: bool(late.follows))
            await beats(page)

            assert run_id == page.follows == late.follows


@pytest.mark.parametrize("is_here", [True, False])
async def test_a_page_that_stays_with_a_run_that_is_over_is_told_its_end(it: House, is_here: bool):
    """At once and once, whether it is here still or on record; no later press changes that."""
    run_id = await pressed(it, deadline_s=1, wait=30)
    if not is_here:
        it.forget()
    async with opened(it, run_id if is_here else "last") as page:
        found = await page.ends()
        await pressed(it)
        await beats(page)

    assert (run_id, True) == (found["run_id"], found["finished"])
    assert ("room", 1) == (page.kinds[0], page.kinds.count("board"))


async def test_how_things_stand_is_told_when_it_changes_and_now_and_then(
    it: House, monkeypatch: pytest.MonkeyPatch
):
    """Time alone is no news; and what cannot be told for a while does not stop the beat."""
    async with opened(it) as page:
        await page.has("room")
        await until(lambda: page.latest("room")["latch"]["known"] and not page.latest("room")["last_problem"])
        quiet = page.kinds.count("room")
        await beats(page)
        still = page.kinds.count("room")
        run_id = await pressed(it)
        await until(lambda: [run_id] == [one["run_id"] for one in page.latest("room")["live"]])
        monkeypatch.setattr(it.hub.overview, "ready", lambda: 1 / 0)
        await beats(page)
        monkeypatch.setattr(it.hub.overview, "ready", lambda: "keys")
        await until(lambda: "keys" == page.latest("room")["why"])
        monkeypatch.setattr(hub, "ROOM_S", 0.05)
        await page.hears("room")
        await page.hears("room")

    assert quiet == still


# ── who may, and for how long ───────────────────────────────────────────────────────────────────────────────


async def test_there_are_only_so_many_pages(it: House, monkeypatch: pytest.MonkeyPatch):
    """One more is told to come back later; those that are open go on. Of no run there is no stream."""
    (await it.ask("GET", "/v1/events?run=20990101T000000Z-000000")).problem("not_found")
    monkeypatch.setattr(stream, "STREAMS_MOST", 1)
    async with opened(it) as page:
        answer = await it.ask("GET", "/v1/events", token="viewer")
        await page.hears("beat")

    assert answer.problem("throttled")
    assert "10" == answer.headers["Retry-After"]


async def signed_in(it: House) -> Browser:
    """Joe's browser."""
    browser = Browser(it)
    await browser.sign_in()
    return browser


async def ended(page: Page) -> int:
    """Wait for the end of a stream, and count what came after somebody was there no more."""
    seen = len(page.told)
    await until(lambda: page.is_over)
    return len(page.kinds[seen:])


@pytest.mark.parametrize("how", ["signs out", "token gone", "shift over"])
async def test_with_its_session_a_page_ends_and_with_each_of_its_tabs(it: House, how: str):
    """At once; another's page is told all the while."""
    browser = await signed_in(it)
    await pressed(it)
    async with (
        opened(it, token="", Cookie=browser.cookie) as page,
        opened(it, token="", Cookie=browser.cookie) as tab,
        opened(it) as other,
    ):
        await asyncio.gather(*(one.has("room", "board", "beat") for one in (page, tab, other)))
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
        await other.hears("beat")

        assert max(told) <= 2  # what was on its way
        assert not other.is_over
    await until(lambda: not board_tasks())


async def test_who_takes_nothing_is_cut_off_and_holds_nobody_up(it: House, monkeypatch: pytest.MonkeyPatch):
    """What waits for it is one board and no more; another page is told all the while."""
    monkeypatch.setattr(stream, "STALLED_S", 0.3)
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
                stalled.room(event("room", b"x" * 5_000))
                waiting.append(sum(map(len, stalled._board)))
            await asyncio.sleep(0.005)
        await until(lambda: stalled not in it.hub.watching)
        await page.hears("beat")
        writer.close()

    assert 2 < len(waiting)
    assert max(waiting) < 2 * len(large)
    del reader


async def test_the_end_of_the_service_waits_for_no_page(it: House):
    """Its streams end at once; the run is not ended by that."""
    run_id = await pressed(it)
    async with opened(it) as page:
        await page.has("board")
        async with asyncio.timeout(20):
            await it.client.server.close()

        assert not it.readers
        assert not it.live(run_id).is_over
