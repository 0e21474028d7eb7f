"""Sessions: as good as their token is now, and bounded in time."""

from pathlib import Path

import pytest

from panic import config
from panic.config import Settings
from panic.service.auth import identify
from panic.service.sessions import Sessions, digest_of
from tests.service.house import TOKENS, sections

NOW = 1_000_000.0


class World:
    """Sessions, and what they go by."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.now = settings, NOW
        self.sessions = Sessions(lambda: self.settings, lambda: self.now)

    def found(self, cookie: str) -> bool:
        """Whether a cookie stands for something."""
        return self.sessions.find(cookie) is not None


@pytest.fixture
def world(tmp_path: Path) -> World:
    """No sessions yet, and settings that have every token."""
    file = tmp_path / "panic.toml"
    file.write_text(f'[broker]\nbase_url = "http://127.0.0.1:1"\n{sections()}')
    return World(config.load(file, {}))


def test_a_session_is_worth_what_its_token_is_now(world: World):
    """Whoever signed in is whoever bears the token: roles, groups and person."""
    for name in TOKENS:
        _, one = world.sessions.begin(name)
        bearer = identify(world.settings.tokens, f"Bearer {name}-secret-token")

        assert bearer is not None
        assert bearer == world.sessions.identity_of(one)


@pytest.mark.parametrize(
    ("age", "idle", "left"),
    [
        (0, 0, 900),
        (1000, 100, 800),
        (1000, 900, 0),
        (43_100, 0, 100),
        (43_199, 1000, 0),
        (43_200, 0, None),
    ],
)
def test_a_session_lasts_one_shift_and_acts_for_so_long(world: World, age: float, idle: float, left: float | None):
    """It acts until nobody has for a quarter of an hour."""
    cookie, one = world.sessions.begin("joe")
    one.began, one.acted = NOW - age, NOW - idle
    found = world.sessions.find(cookie)

    assert left == (None if found is None else world.sessions.acts_for_s(found))


def test_a_cookie_stands_for_one_session_and_is_not_known(world: World):
    """It is random, and memory does not have it; whoever ends one ends no other."""
    cookies = [world.sessions.begin("joe")[0] for _ in range(3)]
    known = repr(vars(world.sessions))
    found = [world.found(one) for one in cookies]
    world.sessions.end(cookies[0])

    assert (3, {43}) == (len(set(cookies)), {len(one) for one in cookies})
    assert [True] * 3 == found
    assert not any(one in known for one in cookies)
    assert [False, True, True] == [world.found(one) for one in cookies]
    assert not world.found(digest_of(cookies[1]))


@pytest.mark.parametrize("digest", ["", "sha256:" + "0" * 64], ids=["removed", "replaced"])
def test_a_session_ends_with_its_token(world: World, digest: str):
    """At once, and for good: it does not come back with the token."""
    cookie, _ = world.sessions.begin("joe")
    whole = world.settings
    tokens = dict(whole.tokens)
    joe = tokens.pop("joe")
    if digest:
        tokens["joe"] = joe.model_copy(update={"digest": digest})
    world.settings = whole.model_copy(update={"tokens": tokens})
    gone = world.found(cookie)
    world.settings = whole

    assert not gone
    assert not world.found(cookie)


def test_what_has_expired_is_forgotten(world: World):
    """When the next one begins."""
    world.sessions.begin("joe")
    world.now += 43_200
    world.sessions.begin("boss")

    assert 1 == len(world.sessions)


def test_an_act_counts_the_time_anew_but_wakes_nobody(world: World):
    """Who is idle already gives the token again."""
    _, one = world.sessions.begin("joe")
    world.now += 899
    before = world.sessions.acts_for_s(one)
    world.sessions.act(one)
    after = world.sessions.acts_for_s(one)
    world.now += 900
    world.sessions.act(one)

    assert (1, 900, 0) == (before, after, world.sessions.acts_for_s(one))
