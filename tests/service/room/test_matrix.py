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

from tests.cli.inside import beside
from tests.cli.support import sent
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
        other_port=("http://<NAME>:1",),
        idn_bytes=("http://pänic.example:<PORT>",),
        evil_then_ours=("http://evil.example", "http://<HOST>"),
    ),
    **_each("Sec-Fetch-Site", "not_same_origin", cross_site=("cross-site",), two=("same-origin", "cross-site")),
    **_each("Host", "wrong_host", rebound=("evil.example:<PORT>",), empty=("",)),
    **_each("Host", UNREADABLE, missing=_ABSENT, two=("<HOST>", "evil.example")),
    **_each("Host", "not_same_origin", other_name_of_ours=("localhost:<PORT>",)),
    **_each(
        "X-CSRF-Token",
        "csrf",
        missing=_ABSENT,
        of_another_session=("<OTHERS>",),
        twice=("<CSRF>", "<CSRF>"),
        bytes=("ÿ",),
    ),
    "X-CSRF-Token-in-the-query-only": Case({"X-CSRF-Token": _ABSENT}, "csrf", query="?csrf=<CSRF>"),
    **_each(
        "Cookie",
        "unauthenticated not_same_origin",
        absent=_ABSENT,
        fixed_beside_ours=("panic-<PORT>=chosen; <COOKIE>",),
        longer=("<COOKIE>x",),
    ),
    "Authorization-empty-beside-the-cookie": Case({"Authorization": ("",)}, "unauthenticated"),
    "form-urlencoded": _form("application/x-www-form-urlencoded"),
    "form-of-a-sandbox": _form("multipart/form-data; boundary=x", Origin=("null",)),
    "form-of-an-old-browser": _form("text/plain", Origin=_ABSENT, **{"Sec-Fetch-Site": _ABSENT}),
    "method-in-a-header": Case({"X-CSRF-Token": _ABSENT, "X-HTTP-Method-Override": ("GET",)}, "csrf"),
    "address-in-a-header": Case(
        {"Origin": ("http://evil.example",), "X-Forwarded-Host": ("evil.example",)}, "not_same_origin"
    ),
}
"""One thing that is wrong; each against every route."""


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
    with beside(_served(tmp_path_factory.mktemp("site"))) as one:
        yield one

        assert [] == sent(one.it.simulator, "DELETE")
        assert {} == one.it.desk.live
        assert {"sign_in", "refused"} >= set(one.it.kinds())
        assert 2 == len(one.it.sessions)


def _ask(site: Site, route: Route, case: Case) -> Raw:
    """Send the proper request but for what the case says."""
    body = json.dumps(route.body).encode() if case.body is None else case.body
    lines = [f"{route.method} {route.path}{site.fill(case.query)} HTTP/1.1"]
    for name, values in {**_PROPER, **case.headers}.items():
        lines += [f"{name}: {site.fill(value)}" for value in values]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return exchange(site.address, head.encode("latin-1") + body)


def test_nothing_but_our_own_page_acts(site: Site):
    """It is refused by every route, with the problem that is its own, and nothing has begun."""
    for name, case in CASES.items():
        for route in ROUTES.values():
            answer = _ask(site, route, case)

            assert answer.code in (case.code.split() or [UNREADABLE]), (name, answer)
            assert answer.status in ({401, 403, 421} if answer.code else {400}), name
    assert {} == site.it.desk.live


def test_nobody_is_told_that_they_may_ask_from_elsewhere(site: Site):
    """A preflight is refused, and without one word of leave."""
    headers = {"Origin": ("http://evil.example",), "Access-Control-Request-Method": ("POST",)}
    for path in ("/v1/runs", "/v1/reset", "/v1/session"):
        route = Route("OPTIONS", path, {}, 405)
        answer = _ask(site, route, Case({**headers, "Access-Control-Request-Headers": ("x-csrf-token",)}, ""))

        assert 405 == answer.status
        assert "access-control" not in answer.head.lower()


def test_no_other_page_looks(site: Site):
    """What it asks for is refused, so that not even the size of an answer is told."""
    plain = Case({"Origin": _ABSENT, "X-CSRF-Token": _ABSENT, "Content-Type": _ABSENT}, "", body=b"")
    wrong = {
        "Sec-Fetch-Site": (("cross-site",), ("same-site",)),
        "Origin": (("http://evil.example",), ("null",), ("http://<HOST>", "http://<HOST>")),
    }
    for path in ("/v1/runs", "/v1/session", "/v1/status", f"/v1/runs/{NAME}/report"):
        ours = _ask(site, Route("GET", path, None, 200), plain)
        assert ours.status in {200, 404}, ours
        for name, values in ((name, one) for name, several in wrong.items() for one in several):
            theirs = _ask(
                site, Route("GET", path, None, 200), plain._replace(headers={**plain.headers, name: values})
            )

            assert (403, "not_same_origin") == (theirs.status, theirs.code), (path, name, values)


_SIGN_IN: Final = Route("POST", "/v1/session", {"token": "boss-secret-token"}, 200)


def test_no_other_page_signs_anybody_in(site: Site):
    """Not even with a right token: whoever is made to act as somebody else is on record as them."""
    wrong = ("Origin", "Sec-Fetch", "Host", "form", "address", "scheme")
    for name, case in CASES.items():
        if name.startswith(wrong):
            answer = _ask(site, _SIGN_IN, case._replace(body=None))

            assert answer.status in {400, 403, 415, 421}, name
            assert "set-cookie" not in answer.head.lower()


def test_our_own_page_acts(tmp_path_factory: pytest.TempPathFactory):
    """The proper request is what the table says, so that every other line of it means something."""
    with beside(_served(tmp_path_factory.mktemp("others"))) as site:
        idle = replace(site, cookie=f"panic-{site.address[1]}={'x' * 43}")
        signed_in = _ask(idle, _SIGN_IN, Case({"X-CSRF-Token": _ABSENT}, ""))
        others = {name: _ask(site, route, Case({}, "")) for name, route in ROUTES.items() if name != "press"}
        sent_by_others = sent(site.it.simulator, "DELETE")
    with beside(_served(tmp_path_factory.mktemp("press"))) as site:
        pressed = _ask(site, ROUTES["press"], Case({}, ""))
        statuses = {name: answer.status for name, answer in others.items()} | {"press": pressed.status}

    assert sent(site.it.simulator, "DELETE")
    assert 200 == signed_in.status
    assert [] == sent_by_others
    assert {name: route.proper for name, route in ROUTES.items()} == statuses
