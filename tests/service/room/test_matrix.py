"""Every way in which another page could make a browser act for us, against every route that acts: no press.

The requests are written byte by byte, so that they are what they say, and sent to a real service. Each is the
proper request of our own page but for one thing; and the proper one works, so that the table can fail.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.cli.support import sent
from tests.service.apart import apart
from tests.service.house import QUICK, House, house
from tests.service.room.browser import Browser, Raw, exchange

NAME = "20990101T000000Z-000000"


class Route(NamedTuple):
    """Something that acts, what it takes, and what the proper request comes to."""

    method: str
    path: str
    body: object
    proper: int


ROUTES: Final = {
    "press": Route("POST", "/v1/runs", QUICK, 202),
    "reset": Route("POST", "/v1/reset", {"reason": "over"}, 409),
    "resume": Route("POST", f"/v1/runs/{NAME}/resume", {"by": "Ann"}, 404),
    "check": Route("POST", "/v1/check", {}, 200),
    "seen": Route("POST", "/v1/session/seen", {}, 200),
    "sign-out": Route("DELETE", "/v1/session", {}, 204),
}


@dataclass(frozen=True)
class Site:
    """A service with somebody signed in, as a browser on the same machine finds it."""

    it: House
    address: tuple[str, int]
    cookie: str
    csrf: str
    others_csrf: str

    def fill(self, words: str) -> str:
        """Put what is only known now into words of the table."""
        host, port = self.address
        given = {"HOST": f"{host}:{port}", "NAME": host, "PORT": str(port), "COOKIE": self.cookie}
        for name, value in {**given, "CSRF": self.csrf, "OTHERS": self.others_csrf}.items():
            words = words.replace(f"<{name}>", value)
        return words


class Case(NamedTuple):
    """The proper request but for some headers, or for the type of its body; and the problem that it comes to.

    Attributes:
        headers: Name to every value that is sent; none leaves the header out.
        code: The problem's; several are any of them.
    """

    headers: Mapping[str, tuple[str, ...]]
    code: str
    query: str = ""
    body: bytes | None = None


_PROPER: Final = {
    "Host": ("<HOST>",),
    "Cookie": ("<COOKIE>",),
    "Origin": ("http://<HOST>",),
    "Sec-Fetch-Site": ("same-origin",),
    "X-CSRF-Token": ("<CSRF>",),
    "Content-Type": ("application/json",),
}
_ABSENT: Final = ()
UNREADABLE: Final = ""
"""No code, because it is no HTTP: it is refused before anything of ours reads it."""


def _each(name: str, code: str, **values: tuple[str, ...]) -> dict[str, Case]:
    return {f"{name}-{what.replace('_', '-')}": Case({name: sent}, code) for what, sent in values.items()}


def _form(kind: str, **more: tuple[str, ...]) -> Case:
    """What a form of another page can send, in this kind of body."""
    headers = {"Content-Type": (kind,), "X-CSRF-Token": _ABSENT, **more}
    return Case(headers, "not_same_origin csrf", body=b'{"scope": {"all": true}, "reason": "=x"}')


CASES: Final = {
    **_each(
        "Origin",
        "not_same_origin",
        absent=_ABSENT,
        null=("null",),
        empty=("",),
        other_scheme=("https://<HOST>",),
        other_port=("http://<NAME>:1",),
        no_port=("http://<NAME>",),
        other_host=("http://evil.example:<PORT>",),
        other_name_of_ours=("http://localhost:<PORT>",),
        our_host_as_suffix=("http://evil-<HOST>",),
        our_host_as_subdomain=("http://<NAME>.evil.example:<PORT>",),
        our_host_as_prefix=("http://<HOST>.evil.example",),
        our_host_as_userinfo=("http://<HOST>@evil.example",),
        userinfo_before_ours=("http://joe@<HOST>",),
        trailing_dot=("http://<NAME>.:<PORT>",),
        trailing_slash=("http://<HOST>/",),
        path=("http://<HOST>/room",),
        idn=("http://xn--pnic-5qa.example:<PORT>",),
        idn_bytes=("http://pänic.example:<PORT>",),
        upper_case=("HTTP://<HOST>",),
        decimal_address=("http://2130706433:<PORT>",),
        two_ours=("http://<HOST>", "http://<HOST>"),
        ours_then_evil=("http://<HOST>", "http://evil.example"),
        evil_then_ours=("http://evil.example", "http://<HOST>"),
        list_in_one=("http://<HOST>, http://evil.example",),
        websocket=("ws://<HOST>",),
        file=("file://",),
        extension=("chrome-extension://abcdefghijklmnop",),
    ),
    **_each(
        "Sec-Fetch-Site",
        "not_same_origin",
        cross_site=("cross-site",),
        same_site=("same-site",),
        none=("none",),
        empty=("",),
        unknown=("our-site",),
        two=("same-origin", "cross-site"),
    ),
    **_each(
        "Host",
        "wrong_host",
        foreign=("evil.example",),
        rebound=("evil.example:<PORT>",),
        other_address=("192.0.2.1:<PORT>",),
        userinfo=("joe@<HOST>",),
        ours_as_userinfo=("<HOST>@evil.example",),
        subdomain_of_ours=("<NAME>.evil.example:<PORT>",),
        empty=("",),
        list_in_one=("<HOST>, evil.example",),
        absolute=("http://<HOST>",),
    ),
    **_each("Host", UNREADABLE, missing=_ABSENT, two=("<HOST>", "evil.example"), two_ours=("<HOST>", "<HOST>")),
    **_each("Host", "not_same_origin", other_name_of_ours=("localhost:<PORT>",)),
    **_each("Host", "unauthenticated not_same_origin", other_port=("<NAME>:1",)),
    **_each(
        "X-CSRF-Token",
        "csrf",
        missing=_ABSENT,
        empty=("",),
        wrong=("0" * 64,),
        of_another_session=("<OTHERS>",),
        cut=("<CSRF>.",),
        twice=("<CSRF>", "<CSRF>"),
        the_cookie=("<COOKIE>",),
        bytes=("ÿ",),
    ),
    "X-CSRF-Token-in-the-query-only": Case({"X-CSRF-Token": _ABSENT}, "csrf", query="?csrf=<CSRF>"),
    "X-CSRF-Token-in-the-cookie-only": Case(
        {"X-CSRF-Token": _ABSENT, "Cookie": ("<COOKIE>; X-CSRF-Token=<CSRF>",)}, "csrf"
    ),
    **_each(
        "Cookie",
        "unauthenticated not_same_origin",
        absent=_ABSENT,
        empty=("",),
        twice_in_one=("<COOKIE>; <COOKIE>",),
        twice=("<COOKIE>", "<COOKIE>"),
        fixed_beside_ours=("panic-<PORT>=chosen; <COOKIE>",),
        of_another_name=("x<COOKIE>",),
        longer=("<COOKIE>x",),
    ),
    "Authorization-bad-beside-the-cookie": Case({"Authorization": ("Bearer nobody",)}, "unauthenticated"),
    "Authorization-empty-beside-the-cookie": Case({"Authorization": ("",)}, "unauthenticated"),
    "form-urlencoded": _form("application/x-www-form-urlencoded"),
    "form-text-plain": _form("text/plain"),
    "form-multipart": _form("multipart/form-data; boundary=x"),
    "form-cross-site": _form("text/plain", Origin=("http://evil.example",), **{"Sec-Fetch-Site": ("cross-site",)}),
    "form-of-a-sandbox": _form("text/plain", Origin=("null",)),
    "form-of-an-old-browser": _form("text/plain", Origin=_ABSENT, **{"Sec-Fetch-Site": _ABSENT}),
    "method-in-the-query": Case({"X-CSRF-Token": _ABSENT}, "csrf", query="?_method=POST"),
    "method-in-a-header": Case({"X-CSRF-Token": _ABSENT, "X-HTTP-Method-Override": ("GET",)}, "csrf"),
    "address-in-a-header": Case(
        {"Origin": ("http://evil.example",), "X-Forwarded-Host": ("evil.example",)}, "not_same_origin"
    ),
    "scheme-in-a-header": Case(
        {"Origin": ("https://<HOST>",), "X-Forwarded-Proto": ("https",)}, "not_same_origin"
    ),
}
"""One thing that is wrong; each against every route."""

TYPES: Final = {
    "urlencoded": "application/x-www-form-urlencoded",
    "text-plain": "text/plain",
    "multipart": "multipart/form-data; boundary=x",
    "json-as-text": "text/json",
    "json-lookalike": "application/jsonp",
    "problem": "application/problem+json",
    "none": "",
}

FRAMES: Final = {
    "two-lengths": "Content-Length: {length}\r\nContent-Length: 0\r\n",
    "length-and-chunked": "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n",
    "length-negative": "Content-Length: -1\r\n",
    "length-signed": "Content-Length: +{length}\r\n",
    "length-in-words": "Content-Length: many\r\n",
    "length-list": "Content-Length: {length}, {length}\r\n",
    "length-before-a-blank": "Content-Length : {length}\r\n",
    "chunked-not-last": "Transfer-Encoding: chunked, gzip\r\n",
    "chunked-twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked-unknown": "Transfer-Encoding: xchunked\r\n",
    "header-folded": "X-Folded: a\r\n b\r\nContent-Length: {length}\r\n",
    "header-with-a-zero": "X-Zero: a\0b\r\nContent-Length: {length}\r\n",
    "header-without-a-name": ": a\r\nContent-Length: {length}\r\n",
}


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Site]:
    """Serve, with two people signed in."""
    async with house(folder) as it:
        browser, other = Browser(it), Browser(it)
        await browser.sign_in("boss")
        await other.sign_in("joe")
        assert browser.session is not None and other.session is not None  # noqa: PT018
        address = (str(it.client.host), it.client.port or 0)
        yield Site(it, address, browser.cookie, browser.session["csrf"], other.session["csrf"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that must come out of all this without one DELETE, and without a session less."""
    with apart(_served(tmp_path_factory.mktemp("site"))) as one:
        yield one

        assert [] == sent(one.it.simulator, "DELETE")
        assert {} == one.it.desk.live
        assert {"sign_in", "refused"} >= set(one.it.kinds())
        assert 2 == len(one.it.parts.sessions)


def _ask(site: Site, route: Route, case: Case, *, frame: str | None = None) -> Raw:
    """Send the proper request but for what the case says."""
    body = json.dumps(route.body).encode() if case.body is None else case.body
    lines = [f"{route.method} {route.path}{site.fill(case.query)} HTTP/1.1"]
    for name, values in {**_PROPER, **case.headers}.items():
        lines += [f"{name}: {site.fill(value)}" for value in values]
    framed = "Content-Length: {length}\r\n" if frame is None else frame
    head = "\r\n".join(lines) + "\r\n" + framed.format(length=len(body)) + "\r\n"
    return exchange(site.address, head.encode("latin-1") + body)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", CASES)
def test_nothing_but_our_own_page_acts(site: Site, route: str, case: str):
    """It is refused, with the problem that is its own, and nothing has begun."""
    answer = _ask(site, ROUTES[route], CASES[case])

    assert answer.code in (CASES[case].code.split() or [UNREADABLE]), answer
    assert answer.status in ({401, 403, 421} if answer.code else {400})
    assert {} == site.it.desk.live


@pytest.mark.parametrize("route", [name for name, route in ROUTES.items() if name in {"press", "reset"}])
@pytest.mark.parametrize("kind", TYPES)
def test_only_json_is_a_body(site: Site, route: str, kind: str):
    """No form can send that without asking first, and nobody who asks is let in."""
    headers = {"Content-Type": (TYPES[kind],) if TYPES[kind] else _ABSENT}
    answer = _ask(site, ROUTES[route], Case(headers, ""))

    assert (415, "unsupported_type") == (answer.status, answer.code)
    assert {} == site.it.desk.live


@pytest.mark.parametrize("frame", FRAMES)
def test_what_two_readers_could_read_in_two_ways_is_no_request(site: Site, frame: str):
    """Something in front of us must not take for a body what we take for a press, or the reverse."""
    answer = _ask(site, ROUTES["press"], Case({}, ""), frame=FRAMES[frame])

    assert 400 <= answer.status < 500, answer
    assert {} == site.it.desk.live


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/reset", "/v1/check", "/v1/session", "/v1/session/seen"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://<HOST>"])
def test_nobody_is_told_that_they_may_ask_from_elsewhere(site: Site, path: str, origin: str):
    """A preflight is answered without one word of leave."""
    headers = {"Origin": (origin,), "Access-Control-Request-Method": ("POST",)}
    route = Route("OPTIONS", path, {}, 204)
    answer = _ask(site, route, Case({**headers, "Access-Control-Request-Headers": ("x-csrf-token",)}, ""))

    assert 204 == answer.status
    assert "access-control" not in answer.head.lower()


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/session", "/v1/status", f"/v1/runs/{NAME}/report"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": ("cross-site",)},
        {"Sec-Fetch-Site": ("same-site",)},
        {"Origin": ("http://evil.example",)},
        {"Origin": ("null",)},
        {"Origin": ("http://<HOST>", "http://<HOST>")},
    ],
    ids=["cross-site", "same-site", "origin-foreign", "origin-null", "origin-twice"],
)
def test_no_other_page_looks(site: Site, path: str, headers: dict[str, tuple[str, ...]]):
    """What it asks for is refused, so that not even the size of an answer is told."""
    plain = Case({"Origin": _ABSENT, "X-CSRF-Token": _ABSENT, "Content-Type": _ABSENT}, "", body=b"")
    ours = _ask(site, Route("GET", path, None, 200), plain)
    theirs = _ask(site, Route("GET", path, None, 200), plain._replace(headers={**plain.headers, **headers}))

    assert ours.status in {200, 404}, ours
    assert (403, "not_same_origin") == (theirs.status, theirs.code)


_SIGN_IN: Final = Route("POST", "/v1/session", {"token": "boss-secret-token"}, 200)


@pytest.mark.parametrize(
    "case",
    [name for name in CASES if name.startswith(("Origin", "Sec-Fetch", "Host", "form", "address", "scheme"))],
)
def test_no_other_page_signs_anybody_in(site: Site, case: str):
    """Not even with a right token: whoever is made to act as somebody else is on record as them."""
    answer = _ask(site, _SIGN_IN, CASES[case]._replace(body=None))

    assert answer.status in {400, 403, 415, 421}, answer
    assert "set-cookie" not in answer.head.lower()


@pytest.mark.parametrize("route", ROUTES)
def test_our_own_page_acts(tmp_path: Path, route: str):
    """The proper request is what the table says, so that every other line of it means something."""
    with apart(_served(tmp_path)) as site:
        answer = _ask(site, ROUTES[route], Case({}, ""))
        idle = replace(site, cookie=f"panic-{site.address[1]}={'x' * 43}")
        signed_in = _ask(idle, _SIGN_IN, Case({"X-CSRF-Token": _ABSENT}, ""))

    assert (ROUTES[route].proper, 200) == (answer.status, signed_in.status), answer
    assert (route == "press") == bool(sent(site.it.simulator, "DELETE"))
