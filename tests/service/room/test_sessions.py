"""Sessions, as good as their token is now and bounded in time; and whether what comes with a cookie may act."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from panic import config
from panic.config import Settings
from panic.service.auth import identify
from panic.service.sessions import (
    Sessions,
    Signed,
    cookie_name,
    cookies,
    csrf_of,
    digest_of,
    is_csrf,
    origin_of,
    refusal,
)
from tests.service.house import TOKENS, sections

NOW = 1_000_000.0


class World:
    """Sessions, and what they go by."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.now = settings, NOW
        self.sessions = Sessions(lambda: self.settings, lambda: self.now)

    def begin(self, name: str = "joe") -> Signed:
        identity = identify(self.settings.tokens, f"Bearer {name}-secret-token", datetime.now(UTC))
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


# ── what comes with a cookie ────────────────────────────────────────────────────────────────────────────────

OURS = "https://panic.example:8787"


def refused(method: str = "POST", origins: tuple[str, ...] = (OURS,)) -> str:
    """What is said to our own page, unless told otherwise."""
    return refusal(method, {OURS}, origins, ["same-origin"])


@pytest.mark.parametrize(
    ("host", "secure", "origin", "cookie"),
    [
        ("panic.example:8787", True, "https://panic.example:8787", "__Host-panic-8787"),
        ("panic.example", True, "https://panic.example", "__Host-panic-443"),
        ("panic.example:443", True, "https://panic.example", "__Host-panic-443"),
        ("panic.example:80", True, "https://panic.example:80", "__Host-panic-80"),
        ("127.0.0.1:8787", False, "http://127.0.0.1:8787", "panic-8787"),
        ("localhost:80", False, "http://localhost", "panic-80"),
        ("[::1]:8787", False, "http://[::1]:8787", "panic-8787"),
        ("[::1]", True, "https://[::1]", "__Host-panic-443"),
        ("PANIC.example:8787", True, "https://panic.example:8787", "__Host-panic-8787"),
    ],
)
def test_our_own_page_is_let_in(host: str, secure: bool, origin: str, cookie: str):
    """Its origin is as browsers write it; browsers send a cookie to every port of a host, so each has its own."""
    assert origin == origin_of(host, secure=secure)
    assert cookie == cookie_name(host, secure=secure)
    assert "" == refusal("POST", {origin_of(host, secure=secure)}, [origin], ["same-origin"])


OTHERS = [
    *("http://panic.example:8787", "https://panic.example", "https://panic.example:8787.evil.example", "null", ""),
    *("https://evil.panic.example:8787", "https://panic.example:8787@evil.example", "HTTPS://PANIC.EXAMPLE:8787"),
    *(f"{OURS}/", f"{OURS} https://evil.example", f"{OURS}\n"),
]


@pytest.mark.parametrize("origin", OTHERS)
def test_whatever_is_not_exactly_ours_is_refused(origin: str):
    """By every method: where a browser names an origin, it must be ours."""
    assert "Origin" in refused(origins=(origin,))
    assert "Origin" in refused("GET", (origin,))


def test_what_changes_something_names_one_origin():
    """Browsers do so by themselves, and whatever is no known way to look may change something."""
    assert [] == [one for one in ("POST", "DELETE", "PUT", "get", "PRESS") if "no Origin" not in refused(one, ())]
    assert ["", ""] == [refused(one, ()) for one in ("GET", "HEAD")]
    assert [] == [one for one in ("GET", "POST") if "several" not in refused(one, (OURS, OURS))]


@pytest.mark.parametrize(
    ("sites", "looks", "acts"),
    [
        ([], True, True),
        (["same-origin"], True, True),
        (["none"], True, False),
        (["same-site"], False, False),
        (["cross-site"], False, False),
        (["same-origin", "cross-site"], False, False),
    ],
)
def test_what_a_browser_says_of_the_site_counts(sites: list[str], looks: bool, acts: bool):
    """Typed into the address bar is good for a look only; an old browser says nothing."""
    assert looks == (not refusal("GET", {OURS}, (), sites))
    assert acts == (not refusal("POST", {OURS}, (OURS,), sites))


@pytest.mark.parametrize(
    ("headers", "values"),
    [
        ([], []),
        (["panic-1=a"], ["a"]),
        (["x=y; panic-1=a; z"], ["a"]),
        (["panic-1=a; panic-1=b"], ["a", "b"]),
        (["panic-1 = a ;panic-1\t=\tb"], ["a", "b"]),
        (["PANIC-1=a; xpanic-1=b; panic-11=c; panic-1"], [""]),
        (['x="; panic-1=a; "'], ["a"]),
    ],
)
def test_every_cookie_of_a_name_is_seen(headers: list[str], values: list[str]):
    """One that another page of the host has set beside ours is not hidden by a parser."""
    assert values == cookies(headers, "panic-1")


def test_the_word_of_a_session_is_no_others_and_no_cookie():
    """It is made of the cookie, does not give it away, and comes once."""
    word = csrf_of("a")
    wrong = [[], [""], [csrf_of("b")], [word[:-1]], [word.upper()], ["a"], ["ä"], ["\udcff"], [word, word]]

    assert 64 == len(word)
    assert is_csrf([word], "a")
    assert [] == [told for told in wrong if is_csrf(told, "a")]
