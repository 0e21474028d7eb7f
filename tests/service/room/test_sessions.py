"""Sessions: as good as their token is now, and bounded in number and time."""

from pathlib import Path

import pytest

from panic import config
from panic.config import Service, Settings
from panic.service.auth import identify
from panic.service.sessions import (
    FAILURES_MOST,
    FAILURES_S,
    SESSIONS_MOST,
    Sessions,
    digest_of,
)
from tests.service.house import TOKENS, sections

NOW = 1_800_000_000.0
LIMITS = Service()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that have every token."""
    file = tmp_path / "panic.toml"
    file.write_text(f'[broker]\nbase_url = "http://127.0.0.1:1"\n{sections()}')
    return config.load(file, {})


class World:
    """Sessions, and what they go by."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.now = settings, NOW
        self.sessions = Sessions(lambda: self.settings, lambda: self.now)

    def found(self, cookie: str) -> bool:
        """Whether a cookie stands for something."""
        return self.sessions.find(cookie) is not None

    def without(self, name: str) -> None:
        """Take a token out of the settings, as a reload does."""
        tokens = {one: token for one, token in self.settings.tokens.items() if one != name}
        self.settings = self.settings.model_copy(update={"tokens": tokens})


@pytest.fixture
def world(settings: Settings) -> World:
    """No sessions yet."""
    return World(settings)


def test_a_session_is_worth_what_its_token_is_now(world: World):
    """Whoever signed in is whoever bears the token: roles, groups and person; of another token nothing is left."""
    for name in TOKENS:
        one = world.sessions.find(world.sessions.begin(name))
        assert one is not None
        bearer = identify(world.settings.tokens, f"Bearer {name}-secret-token")

        assert bearer is not None
        assert bearer == world.sessions.identity_of(one)
        assert None is world.sessions.identity_of(one._replace(token_digest="sha256:" + "0" * 64))


@pytest.mark.parametrize(
    ("age", "idle", "left"),
    [
        (0, 0, 900),
        (1000, 100, 800),
        (1000, 900, 0),
        (43_100, 0, 100),
        (43_199, 1000, 0),
        (43_200, 0, None),
        (-4, -4, 900),
        (-6, -6, None),
    ],
)
def test_a_session_lasts_one_shift_and_acts_for_so_long(world: World, age: float, idle: float, left: float | None):
    """It acts until nobody has for a quarter of an hour; a clock that was set a little does no harm."""
    cookie = world.sessions.begin("joe")
    digest = digest_of(cookie)
    world.sessions._known[digest] = world.sessions._known[digest]._replace(began=NOW - age, acted=NOW - idle)
    found = world.sessions.find(cookie)

    assert left == (None if found is None else world.sessions.acts_for_s(found))


def test_a_cookie_stands_for_one_session_and_is_not_known(world: World):
    """It is random, and memory does not have it; whoever ends one ends no other."""
    cookies = [world.sessions.begin("joe") for _ in range(3)]
    known = repr(vars(world.sessions))
    found = [world.found(one) for one in cookies]
    world.sessions.end(cookies[0])

    assert (3, {43}) == (len(set(cookies)), {len(one) for one in cookies})
    assert [True] * 3 == found
    assert not any(one in known for one in cookies)
    assert [False, True, True] == [world.found(one) for one in cookies]
    assert not world.found(digest_of(cookies[1]))


def test_a_session_ends_with_its_token(world: World):
    """At once, and for good: it does not come back with the token."""
    cookie = world.sessions.begin("joe")
    whole = world.settings
    world.without("joe")
    gone = world.found(cookie)
    world.settings = whole

    assert not gone
    assert not world.found(cookie)


def test_of_too_many_of_one_token_the_oldest_goes(world: World):
    """Nobody else's does."""
    boss = world.sessions.begin("boss")
    cookies = []
    for _ in range(SESSIONS_MOST + 1):
        world.now += 1
        cookies.append(world.sessions.begin("joe"))

    assert SESSIONS_MOST + 1 == len(world.sessions)
    assert [False, True, True] == [world.found(one) for one in (cookies[0], cookies[1], boss)]


def test_an_act_counts_the_time_anew_but_wakes_nobody(world: World):
    """Who is idle already gives the token again."""
    one = world.sessions.find(world.sessions.begin("joe"))
    assert one is not None
    world.now += 899
    before = world.sessions.acts_for_s(one)
    world.sessions.act(one)
    after = world.sessions.acts_for_s(one)
    world.now += 900
    world.sessions.act(one)

    assert (1, 900, 0) == (before, after, world.sessions.acts_for_s(one))


def test_tokens_that_are_nobodys_are_counted(world: World):
    """Ten a minute are; then one is told how long to wait."""
    found = [world.sessions.failed() for _ in range(FAILURES_MOST + 1)]
    world.now += FAILURES_S
    later = world.sessions.failed()

    assert [0.0] * FAILURES_MOST + [FAILURES_S] == found
    assert 0.0 == later
