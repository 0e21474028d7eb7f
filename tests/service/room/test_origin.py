"""Whether a request that comes with a cookie may do what it asks."""

import pytest

from panic.service.room.origin import cookie_name, cookies, csrf_of, is_csrf, origin_of, refusal

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
