"""Sessions: as good as their token is now, and bounded in time."""

from pathlib import Path

import pytest

from panic import config
from panic.config import Settings
from panic.service.auth import identify
from panic.service.sessions import Sessions, Signed, digest_of
from tests.service.house import TOKENS, sections

NOW = 1_000_000.0


class World:
    """Sessions, and what they go by."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.now = settings, NOW
        self.sessions = Sessions(lambda: self.settings, lambda: self.now)

    def begin(self, name: str = "joe") -> Signed:
        identity = identify(self.settings.tokens, f"Bearer {name}-secret-token")
        assert identity is not None
        return self.sessions.begin(identity)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """No sessions yet, and settings that have every token."""
    file = tmp_path / "panic.toml"
    file.write_text(f'[broker]\nbase_url = "http://127.0.0.1:1"\n{sections()}')
    return World(config.load(file, {}))


@pytest.mark.parametrize("name", TOKENS)
def test_a_session_is_worth_what_its_token_is_now(world: World, name: str):
    """Whoever signed in is whoever bears the token: roles, groups and person."""
    signed = world.begin(name)

    assert signed == world.sessions.find(signed.cookie)


@pytest.mark.parametrize(
    ("age", "idle", "left"),
    [(0, 0, 900), (1000, 100, 800), (1000, 900, 0), (43_100, 0, 100), (43_199, 1000, 0), (43_200, 0, None)],
)
def test_a_session_lasts_one_shift_and_acts_for_so_long(world: World, age: float, idle: float, left: float | None):
    """It acts until nobody has for a quarter of an hour."""
    cookie, one, _ = world.begin()
    one.began, one.acted = NOW - age, NOW - idle
    found = world.sessions.find(cookie)

    assert left == (None if found is None else world.sessions.acts_for_s(found.session))


def test_a_cookie_stands_for_one_session_and_is_not_known(world: World):
    """It is random, and memory does not have it; whoever ends one ends no other."""
    cookies = [world.begin().cookie for _ in range(3)]
    known = repr(vars(world.sessions))
    world.sessions.end(cookies[0])

    assert (3, {43}) == (len(set(cookies)), {len(one) for one in cookies})
    assert not any(one in known for one in cookies)
    assert [False, True, True] == [world.sessions.find(one) is not None for one in cookies]
    assert world.sessions.find(digest_of(cookies[1])) is None


@pytest.mark.parametrize("digest", ["", "sha256:" + "0" * 64], ids=["removed", "replaced"])
def test_a_session_ends_with_its_token(world: World, digest: str):
    """At once, and for good: it does not come back with the token."""
    cookie, whole = world.begin().cookie, world.settings
    tokens = dict(whole.tokens)
    joe = tokens.pop("joe")
    if digest:
        tokens["joe"] = joe.model_copy(update={"digest": digest})
    world.settings = whole.model_copy(update={"tokens": tokens})
    gone = world.sessions.find(cookie)
    world.settings = whole

    assert (None, None) == (gone, world.sessions.find(cookie))


def test_what_has_expired_is_forgotten(world: World):
    """When the next one begins."""
    world.begin()
    world.now += 43_200
    world.begin("boss")

    assert 1 == len(world.sessions)


def test_an_act_counts_the_time_anew_but_wakes_nobody(world: World):
    """Who is idle already gives the token again."""
    one, left = world.begin().session, list[float]()
    for seconds in (899, 900):
        world.now += seconds
        world.sessions.act(one)
        left.append(world.sessions.acts_for_s(one))

    assert [900, 0] == left
