"""Whether a request that comes with a cookie may do what it asks."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.service.room.origin import (
    Asked,
    asked_for,
    cookie_name,
    cookies,
    csrf_of,
    is_csrf,
    origin_of,
    refusal,
)

HOST = "panic.example:8787"
OURS = f"https://{HOST}"


def asked(method: str = "POST", host: str = HOST, *, secure: bool = True, **more: list[str]) -> Asked:
    """What our own page sends, unless told otherwise."""
    return Asked(method, host, secure, **{"origins": [OURS], "sites": ["same-origin"], **more})


@pytest.mark.parametrize(
    ("host", "secure", "origin"),
    [
        ("panic.example:8787", True, "https://panic.example:8787"),
        ("panic.example", True, "https://panic.example"),
        ("panic.example", True, "https://panic.example:443"),
        ("127.0.0.1:8787", False, "http://127.0.0.1:8787"),
        ("localhost", False, "http://localhost:80"),
        ("[::1]:8787", False, "http://[::1]:8787"),
        ("PANIC.example:8787", True, "https://panic.example:8787"),
    ],
)
def test_our_own_page_is_let_in(host: str, secure: bool, origin: str):
    """Scheme, host and port are those by which it was asked for; a usual port may be left out."""
    assert "" == refusal(asked(host=host, secure=secure, origins=[origin]))


@pytest.mark.parametrize(
    "origin",
    [
        "http://panic.example:8787",
        "https://panic.example",
        "https://panic.example:8787.evil.example",
        "https://evil.panic.example:8787",
        "https://panic.example:8787@evil.example",
        "https://panic.example:8787/",
        "https://panic.example:8787 https://evil.example",
        "https://panic.example:8787\n",
        "https://panic.example:08787",
        "https://pänic.example:8787",
        "https://panic.example:\uff18\uff17\uff18\uff17",
        "HTTPS://PANIC.EXAMPLE:8787",
        "//panic.example:8787",
        "null",
        "",
    ],
)
def test_whatever_is_not_exactly_ours_is_refused(origin: str):
    """By every method: where a browser names an origin, it must be ours."""
    assert "Origin" in refusal(asked(origins=[origin]))
    assert "Origin" in refusal(asked("GET", origins=[origin]))


def test_what_changes_something_names_one_origin():
    """Browsers do so by themselves, and whatever is no known way to look may change something."""
    for method in ("POST", "DELETE", "PUT", "PATCH", "get", "PRESS"):
        assert "no Origin" in refusal(asked(method, origins=[]))
    for method in ("GET", "HEAD"):
        assert "" == refusal(asked(method, origins=[]))
    for method in ("GET", "POST"):
        assert "several" in refusal(asked(method, origins=[OURS, OURS]))


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
    assert looks == (not refusal(asked("GET", origins=[], sites=sites)))
    assert acts == (not refusal(asked("POST", sites=sites)))


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        ("https://panic.example", False),
        ("https://[fd00::1]", False),
        ("http://panic.example", True),
        ("https://panic.example:8443", True),
        ("https://evil.example", True),
    ],
)
def test_behind_a_proxy_its_names_count_too(origin: str, refused: bool):
    """It may call us by another name than the browser calls it; with TLS, always."""
    one = asked(host="10.0.0.7:8787", origins=[origin])

    assert refused == bool(refusal(one, in_front=("PANIC.example", "fd00::1")))


@pytest.mark.parametrize("host", ["", "a b", "joe@panic.example", "panic.example:", "panic.example:0", "[::1"])
def test_a_host_that_no_page_can_have_lets_nothing_in(host: str):
    """Not even an origin that is as odd."""
    assert None is asked_for(host, secure=True)
    assert refusal(asked(host=host, origins=[f"https://{host}"]))


@given(st.text(st.sampled_from(string.printable + "äı。\uff0e\uff20"), max_size=30))
def test_an_origin_that_is_read_is_written_in_one_way_only(words: str):
    """So that no two parsers see two hosts in it."""
    for text in (words, f"http://{words}", f"https://{words}"):
        found = origin_of(text)
        if found is not None:
            scheme, host, port = found

            assert text in {f"{scheme}://{host}", f"{scheme}://{host}:{port}"}
            assert not set(host) & set("@/\\?# \t%_")


# ── cookies and words ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "secure", "name"),
    [
        ("127.0.0.1:8787", False, "panic-8787"),
        ("localhost", False, "panic-80"),
        ("panic.example:8443", True, "__Host-panic-8443"),
        ("panic.example", True, "__Host-panic-443"),
    ],
)
def test_the_cookie_of_each_port_has_a_name_of_its_own(host: str, secure: bool, name: str):
    """Browsers send a cookie to every port of a host, and keep one of each name."""
    assert name == cookie_name(host, secure=secure)


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

    assert 64 == len(word)
    assert is_csrf([word], "a")
    for told in ([], [""], [csrf_of("b")], [word[:-1]], [word.upper()], ["a"], ["ä"], ["\udcff"], [word, word]):
        assert not is_csrf(told, "a")
