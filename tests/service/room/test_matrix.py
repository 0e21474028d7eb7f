"""Every way in which another page could make a browser act for us, against every route that acts: no press.

The requests are written byte by byte, so that they are what they say, and sent to a real service. Each is the
proper request of our own page but for one thing; and the proper one works, so that the table can fail.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.cli.inside import beside
from tests.cli.support import sent
from tests.service.house import QUICK, House, house
from tests.service.room.page import Browser, Raw, exchange

NAME = "20990101T000000Z-000000"


class Route(NamedTuple):
    """Something that can be asked, what it takes, and what the proper request comes to."""

    method: str
    path: str
    body: object
    proper: int = 200


ROUTES: Final = (
    Route("POST", "/v1/reset", {"reason": "over"}, 409),
    Route("POST", f"/v1/runs/{NAME}/resume", {"by": "Ann"}, 404),
    Route("POST", "/v1/check", {}),
    Route("POST", "/v1/session/seen", {}),
    Route("POST", "/v1/sessions/end", {"id": "0" * 16}, 404),
    Route("POST", "/v1/runs", QUICK, 202),
    Route("DELETE", "/v1/session", {}, 204),
)
SIGN_IN: Final = Route("POST", "/v1/session", {"token": "boss-secret-token"})

PROPER: Final = {
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


class Case(NamedTuple):
    """The proper request but for some headers, or its body; and the problem, or one of the problems, it comes to.

    Attributes:
        headers: Name to every value that is sent; none leaves the header out.
    """

    code: str
    headers: Mapping[str, tuple[str, ...]]
    query: str = ""
    body: bytes | None = None


def _each(code: str, name: str, *values: tuple[str, ...]) -> list[Case]:
    return [Case(code, {name: sent}) for sent in values]


def _form(kind: str, **more: tuple[str, ...]) -> Case:
    """What a form of another page can send, in this kind of body."""
    headers = {"Content-Type": (kind,), "X-CSRF-Token": _ABSENT, **more}
    return Case("not_same_origin csrf", headers, body=b'{"scope": {"all": true}, "reason": "=x"}')


IDN, TWICE = ("http://pänic.example:<PORT>",), ("http://evil.example", "http://<HOST>")
CASES: Final = (
    *_each("not_same_origin", "Origin", _ABSENT, ("null",), ("http://<NAME>:1",), IDN, TWICE),
    *_each("not_same_origin", "Sec-Fetch-Site", ("cross-site",), ("same-origin", "cross-site")),
    *_each("wrong_host", "Host", ("evil.example:<PORT>",), ("",)),
    *_each(UNREADABLE, "Host", _ABSENT, ("<HOST>", "evil.example")),
    *_each("not_same_origin", "Host", ("localhost:<PORT>",)),
    *_each("csrf", "X-CSRF-Token", _ABSENT, ("<OTHERS>",), ("<CSRF>", "<CSRF>"), ("ÿ",)),
    Case("csrf", {"X-CSRF-Token": _ABSENT}, "?csrf=<CSRF>"),
    *_each("unauthenticated", "Cookie", _ABSENT, ("<COOKIE>x",)),
    *_each("not_same_origin", "Cookie", ("panic-<PORT>=x; <COOKIE>",), ("<COOKIE>; panic-<PORT>=x",)),
    Case("unauthenticated", {"Authorization": ("",)}),
    _form("application/x-www-form-urlencoded"),
    _form("multipart/form-data; boundary=x", Origin=("null",)),  # of a sandbox
    _form("text/plain", Origin=_ABSENT, **{"Sec-Fetch-Site": _ABSENT}),  # of an old browser
    Case("csrf", {"X-CSRF-Token": _ABSENT, "X-HTTP-Method-Override": ("GET",)}),
    Case("not_same_origin", {"Origin": ("http://evil.example",), "X-Forwarded-Host": ("evil.example",)}),
)
"""One thing that is wrong; each against every route."""


@dataclass(frozen=True)
class Site:
    """A service with two people signed in, as a browser on the same machine finds it."""

    it: House
    cookie: str
    csrf: str
    others: str

    def ask(self, route: Route, case: Case) -> Raw:
        """Send the proper request but for what the case says."""
        host, port = str(self.it.client.host), self.it.client.port or 0
        names = {"HOST": f"{host}:{port}", "NAME": host, "PORT": str(port)}
        names |= {"COOKIE": self.cookie, "CSRF": self.csrf, "OTHERS": self.others}
        body = json.dumps(route.body).encode() if case.body is None else case.body
        lines = [f"{route.method} {route.path}{case.query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, values in {**PROPER, **case.headers}.items() for value in values]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        for name, value in names.items():
            head = head.replace(f"<{name}>", value)
        return exchange((host, port), head.encode("latin-1") + body)


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Site]:
    async with house(folder) as it:
        browser, other = Browser(it), Browser(it)
        words = [(await one.sign_in(name)).json["csrf"] for one, name in ((browser, "boss"), (other, "joe"))]
        yield Site(it, browser.cookie, *words)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that must come out of all this without one DELETE, and without a session less."""
    with beside(_served(tmp_path_factory.mktemp("site"))) as one:
        yield one

        assert [] == sent(one.it.simulator, "DELETE")
        assert {} == one.it.desk.live
        assert {"sign_in", "refused"} >= set(one.it.kinds())
        assert 2 == len(one.it.sessions)


def test_nothing_but_our_own_page_acts(site: Site):
    """It is refused by every route, with the problem that is its own, and nothing has begun."""
    for case in CASES:
        for route in ROUTES:
            answer = site.ask(route, case)

            assert answer.code in (case.code.split() or [UNREADABLE]), (case, answer)
            assert answer.status in ({401, 403, 421} if answer.code else {400}), case
    assert {} == site.it.desk.live


def test_nobody_is_told_that_they_may_ask_from_elsewhere(site: Site):
    """A preflight is refused, and without one word of leave."""
    headers = {"Origin": ("http://evil.example",), "Access-Control-Request-Method": ("POST",)}
    for path in ("/v1/runs", "/v1/reset", "/v1/session"):
        case = Case("", {**headers, "Access-Control-Request-Headers": ("x-csrf-token",)})
        answer = site.ask(Route("OPTIONS", path, {}), case)

        assert 405 == answer.status
        assert "access-control" not in answer.head.lower()


WRONG: Final = (
    *_each("", "Sec-Fetch-Site", ("cross-site",), ("same-site",)),
    *_each("", "Origin", ("http://evil.example",), ("null",), ("http://<HOST>", "http://<HOST>")),
)


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/session", "/v1/status", f"/v1/runs/{NAME}/report"])
def test_no_other_page_looks(site: Site, path: str):
    """What it asks for is refused, so that not even the size of an answer is told."""
    route, plain = Route("GET", path, None), {"Origin": _ABSENT, "X-CSRF-Token": _ABSENT, "Content-Type": _ABSENT}
    ours = site.ask(route, Case("", plain, body=b""))
    theirs = [site.ask(route, Case("", {**plain, **case.headers}, body=b"")) for case in WRONG]

    assert ours.status in {200, 404}
    assert {(403, "not_same_origin")} == {(one.status, one.code) for one in theirs}


def test_no_other_page_signs_anybody_in(site: Site):
    """Not even with a right token: whoever is made to act as somebody else is on record as them."""
    for case in CASES:
        if case.headers.keys() & {"Origin", "Sec-Fetch-Site", "Host", "Content-Type"}:
            answer = site.ask(SIGN_IN, case._replace(body=None))

            assert answer.status in {400, 403, 415, 421}, case
            assert "set-cookie" not in answer.head.lower()


def test_our_own_page_acts(tmp_path: Path):
    """The proper request is what the table says, so that every other line of it means something."""
    with beside(_served(tmp_path)) as site:
        signed_in = site.ask(SIGN_IN, Case("", {"X-CSRF-Token": _ABSENT, "Cookie": _ABSENT}))
        statuses = {route.path: site.ask(route, Case("", {})).status for route in ROUTES}

    assert sent(site.it.simulator, "DELETE")
    assert 200 == signed_in.status
    assert {route.path: route.proper for route in ROUTES} == statuses
