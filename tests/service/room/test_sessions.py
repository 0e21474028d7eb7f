"""Sessions: as good as their token is now, bounded in number and time, and there again after a restart."""

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog

from panic import config
from panic.config import Service, Settings, Token
from panic.hooks.decisions import Earlier
from panic.hooks.replays import Replays
from panic.service.auth import Tokens
from panic.service.room import kept
from panic.service.room.kept import Session
from panic.service.room.sessions import (
    FAILURES_MOST,
    FAILURES_S,
    SESSIONS_MOST,
    Sessions,
    acts_for_s,
    digest_of,
    identity_of,
    is_over,
)
from tests.service.house import TOKENS, sections

NOW = 1_800_000_000.0
JOE = "sha256:" + digest_of("joe-secret-token")
ONE = Session("ab" * 32, "joe", JOE, NOW, NOW)
LIMITS = Service()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that have every token."""
    file = tmp_path / "panic.toml"
    file.write_text(f'[broker]\nbase_url = "http://127.0.0.1:1"\n{sections()}')
    return config.load(file, {})


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class World:
    """Sessions, and what they go by."""

    def __init__(self, settings: Settings, file: Path | None) -> None:
        self.settings, self.file, self.clock = settings, file, Clock()
        self.sessions = self.restarted()

    def restarted(self, **how: Any) -> Sessions:
        """The sessions of a service that was begun anew."""
        how = {"patience_s": 10.0, "later_s": 0.0, **how}
        self.sessions = Sessions(self.file, lambda: self.settings, now=self.clock, **how)
        return self.sessions

    async def found(self, cookie: str) -> bool:
        """Whether a cookie stands for something."""
        return await self.sessions.find(cookie) is not None

    def without(self, name: str) -> None:
        """Take a token out of the settings, as a reload does."""
        tokens = {one: token for one, token in self.settings.tokens.items() if one != name}
        self.settings = self.settings.model_copy(update={"tokens": tokens})


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> World:
    """Sessions that are kept in a file."""
    return World(settings, tmp_path / "service.db")


# ── what a session is ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", TOKENS)
def test_a_session_is_worth_what_its_token_is(settings: Settings, name: str):
    """Whoever signed in with a token is whoever bears it: roles, groups and whether a person does."""
    one = ONE._replace(token=name, token_digest=settings.tokens[name].digest)
    bearer = Tokens(settings.tokens).identify(f"Bearer {name}-secret-token")

    assert bearer is not None
    assert bearer == identity_of(one, settings.tokens)


def test_of_a_token_that_is_another_by_now_nothing_is_left():
    """Neither of one that has gone."""
    assert None is identity_of(ONE, {})
    assert None is identity_of(ONE, {"joe": Token(digest="sha256:" + "0" * 64, roles=("presser",))})


@pytest.mark.parametrize(
    ("began", "acted", "over"),
    [
        (0, 0, False),
        (-43_199, -1000, False),
        (-43_200, 0, True),
        (-50_000, 0, True),
        (0, 4, False),
        (0, 6, True),
        (6, 6, True),
    ],
)
def test_a_session_lasts_one_shift_and_does_not_come_from_the_future(began: float, acted: float, over: bool):
    """However often somebody acts; a clock that was set a little does no harm."""
    assert over == is_over(ONE._replace(began=NOW + began, acted=NOW + acted), LIMITS, NOW)


@pytest.mark.parametrize(
    ("began", "acted", "left"),
    [(0, 0, 900), (-1000, -100, 800), (-1000, -900, 0), (-5000, -5000, 0), (-43_100, 0, 100), (0, 4, 900)],
)
def test_how_long_it_may_act_counts_from_the_last_act(began: float, acted: float, left: float):
    """And ends with the session itself."""
    assert left == acts_for_s(ONE._replace(began=NOW + began, acted=NOW + acted), LIMITS, NOW)


# ── sessions in memory ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_cookie_stands_for_one_session_and_is_not_known(world: World):
    """It is random, and neither memory nor file has it."""
    cookies = {world.sessions.begin("joe") for _ in range(3)}
    kept_all = await world.sessions.kept()

    assert (3, 3, True) == (len(cookies), len(world.sessions), kept_all)
    assert {43} == {len(one) for one in cookies}
    assert world.file is not None
    for one in cookies:
        assert await world.found(one)
        assert one not in repr(vars(world.sessions))
        assert one.encode() not in world.file.read_bytes()
    assert not await world.found("nobody's")
    assert not await world.found(digest_of(next(iter(cookies))))


async def test_a_session_ends_with_its_token(world: World):
    """At once, and for good: it does not come back with the token."""
    cookie = world.sessions.begin("joe")
    whole = world.settings
    world.without("joe")
    gone = await world.found(cookie)
    world.settings = whole

    assert not gone
    assert not await world.found(cookie)


async def test_of_too_many_of_one_token_the_oldest_goes(world: World):
    """Nobody else's does."""
    boss = world.sessions.begin("boss")
    cookies = []
    for _ in range(SESSIONS_MOST + 1):
        world.clock.now += 1
        cookies.append(world.sessions.begin("joe"))

    assert SESSIONS_MOST + 1 == len(world.sessions)
    assert [False, True, True] == [await world.found(one) for one in (cookies[0], cookies[1], boss)]


async def test_what_is_over_is_forgotten(world: World):
    """When the next one begins at the latest."""
    world.sessions.begin("joe")
    world.clock.now += LIMITS.session_max_s
    world.sessions.begin("boss")

    assert 1 == len(world.sessions)


async def test_an_act_counts_the_time_anew_but_wakes_nobody(world: World):
    """Who is idle already gives the token again."""
    one = await world.sessions.find(world.sessions.begin("joe"))
    assert one is not None
    world.clock.now += 899
    before = world.sessions.acts_for_s(one)
    world.sessions.act(one)
    after = world.sessions.acts_for_s(one)
    world.clock.now += 900
    world.sessions.act(one)

    assert (1, 900, 0) == (before, after, world.sessions.acts_for_s(one))


async def test_a_clock_that_is_set_back_a_little_ends_nothing(world: World):
    """Nor does it lengthen anything."""
    cookie = world.sessions.begin("joe")
    world.clock.now -= 2
    one = await world.sessions.find(cookie)
    assert one is not None
    world.sessions.act(one)

    assert 900 == world.sessions.acts_for_s(one)
    assert NOW == world.sessions._known[one.digest].acted


async def test_tokens_that_are_nobodys_are_counted(world: World):
    """Ten a minute are; then one is told how long to wait."""
    found = [world.sessions.failed() for _ in range(FAILURES_MOST + 1)]
    world.clock.now += FAILURES_S
    later = world.sessions.failed()

    assert [0.0] * FAILURES_MOST + [FAILURES_S] == found
    assert 0.0 == later


# ── on disk ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_survives_the_service(world: World):
    """With the time of its last act, beside what the hooks remember in the same file."""
    assert world.file is not None
    replays = Replays(world.file, now=world.clock)
    replays.take("risk", "id-1", Earlier("digest", int(NOW), "run-1"), 300)
    await replays.kept()
    cookie = world.sessions.begin("joe")
    one = await world.sessions.find(cookie)
    assert one is not None
    world.clock.now += 60
    world.sessions.act(one)
    await world.sessions.close()
    world.clock.now += 800
    again = await world.restarted().find(cookie)

    assert again is not None
    assert (one._replace(acted=NOW + 60), 100.0) == (again, world.sessions.acts_for_s(again))
    assert "" == await replays.kept()
    assert 0o600 == stat.S_IMODE(world.file.stat().st_mode)


async def test_who_signed_out_is_out_after_a_restart(world: World):
    """And whose token has gone meanwhile, too."""
    out, gone, there = (world.sessions.begin(name) for name in ("joe", "boss", "viewer"))
    world.sessions.end(out)
    await world.sessions.close()
    world.without("boss")
    world.restarted()

    assert [False, False, True] == [await world.found(one) for one in (out, gone, there)]


async def test_who_signs_out_while_the_file_is_read_stays_out(world: World):
    """What is read later does not bring them back, there or in the file."""
    cookie = world.sessions.begin("joe")
    await world.sessions.close()
    sessions = world.restarted()
    sessions.start()
    sessions.end(cookie)
    found = await world.found(cookie)
    await sessions.kept()
    world.restarted()

    assert not found
    assert not await world.found(cookie)


async def test_who_signs_in_while_the_file_is_read_throws_nobody_out(world: World):
    """The file is read before it is written."""
    earlier = world.sessions.begin("joe")
    await world.sessions.close()
    later = world.restarted().begin("boss")
    await world.sessions.kept()
    world.restarted()

    assert await world.found(earlier)
    assert await world.found(later)


@pytest.mark.parametrize(
    "row",
    [
        ("nonsense", "joe", JOE, NOW, NOW),
        ("AB" * 32, "joe", JOE, NOW, NOW),
        ("cd" * 32, "../joe", JOE, NOW, NOW),
        ("cd" * 32, "joe", "md5:1", NOW, NOW),
        ("cd" * 32, b"\xff\xfe", JOE, NOW, NOW),
        ("cd" * 32, "joe", JOE, "yesterday", NOW),
        ("cd" * 32, "joe", JOE, float("inf"), NOW),
        ("cd" * 32, "joe", JOE, NOW, NOW - 1),
        ("cd" * 32, "joe", JOE, NOW - 100, NOW + 60),
        ("cd" * 32, "joe", JOE, NOW - 50_000, NOW),
    ],
)
async def test_an_unreadable_row_is_no_session_and_hides_no_other(world: World, row: tuple[Any, ...]):
    """Nor is one from the future, or of yesterday."""
    assert world.file is not None
    await asyncio.to_thread(kept.write, world.file, [ONE])
    with closing(sqlite3.connect(world.file)) as connection, connection:
        connection.execute("INSERT INTO room_sessions VALUES (?, ?, ?, ?, ?)", row)
    await world.sessions.find("nobody's")

    assert [ONE] == list(world.sessions._known.values())


async def test_a_file_that_was_removed_is_begun_again(world: World):
    """With everything that is known."""
    assert world.file is not None
    first = world.sessions.begin("joe")
    await world.sessions.kept()
    world.file.unlink()
    second = world.sessions.begin("joe")
    await world.sessions.kept()
    world.restarted()

    assert await world.found(first)
    assert await world.found(second)


def _a_folder(file: Path) -> None:
    file.mkdir()


def _no_database(file: Path) -> None:
    file.write_bytes(b"no database" * 100)


def _a_pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize("spoil", [_a_folder, _no_database, _a_pipe])
async def test_a_file_that_cannot_be_used_costs_the_memory_nothing(
    world: World, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
):
    """Everybody who signs in is in, and the log says once, loudly, that it will not last."""
    assert world.file is not None
    spoil(world.file)
    monkeypatch.setattr(structlog, "is_configured", lambda: True)
    with structlog.testing.capture_logs() as logs:
        cookie = world.sessions.begin("joe")
        for _ in range(3):
            await world.sessions.kept()
        found = await world.found(cookie)
        unknown = await world.found("nobody's")

    assert (True, False) == (found, unknown)
    assert "cannot be used" in world.sessions.wrong
    assert [("error", "sessions_not_kept")] == [(one["log_level"], one["event"]) for one in logs]


async def test_a_disk_that_hangs_is_waited_for_by_nobody_who_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Signing in and being found go on; one whose cookie is not known is told so soon."""
    over = threading.Event()
    monkeypatch.setattr(kept, "load", lambda _: over.wait(20) and [])
    try:
        sessions = world.restarted(patience_s=0.01)
        sessions.start()
        cookie = sessions.begin("joe")
        async with asyncio.timeout(20):
            found = [await world.found(one) for one in (cookie, "nobody's", "nobody's")]
            is_kept = await sessions.kept()
    finally:
        over.set()

    assert ([True, False, False], False) == (found, is_kept)
    assert "does not answer" in sessions.wrong


async def test_without_a_file_memory_is_all_there_is(settings: Settings):
    """And nothing is wrong with that."""
    world = World(settings, None)
    cookie = world.sessions.begin("joe")
    is_kept = await world.sessions.kept()

    assert (True, "") == (is_kept, world.sessions.wrong)
    assert await world.found(cookie)


async def test_an_act_is_kept_later_than_it_is_done(world: World, monkeypatch: pytest.MonkeyPatch):
    """A press has the disk for itself; then one write keeps whatever was done meanwhile."""
    writes, write = list[int](), kept.write

    def count(file: Path, sessions: Sequence[Session]) -> None:
        writes.append(len(sessions))
        write(file, sessions)

    monkeypatch.setattr(kept, "write", count)
    sessions = world.restarted(later_s=3600.0)
    one = await sessions.find(sessions.begin("joe"))
    await sessions.kept()
    assert one is not None
    for _ in range(5):
        world.clock.now += 1
        sessions.act(one)
    await asyncio.sleep(0)
    before = list(writes)
    await sessions.close()
    world.restarted()
    await world.sessions.find("nobody's")

    assert ([1], [1, 1]) == (before, writes)
    assert [NOW + 5] == [known.acted for known in world.sessions._known.values()]
