"""The page and its files: what is there, as whom, and with which fences around it."""

import asyncio
import gzip
import re
from pathlib import Path

import pytest

from panic.kit.errors import ConfigurationError
from panic.service.room.assets import FOLDER, PAGE, load, takes_gzip
from tests.service.house import Answer, House, house
from tests.service.room.browser import exchange

PLAIN = "identity"


async def fetch(it: House, path: str, method: str = "GET", **headers: str) -> Answer:
    """Fetch, and get what was really sent: the client would unpack it."""
    it.client.session._auto_decompress = False
    return await it.ask(method, path, token="", **headers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page of a few files."""
    made = tmp_path / "web"
    made.mkdir()
    (made / PAGE).write_text("<!doctype html>")
    (made / "room.js").write_text("let x = 1;\n" * 100)
    return made


def test_what_is_shipped_is_whole() -> None:
    """There is a page, and every file that it names is there."""
    found = load()
    named = set(re.findall(r'(?:src|href)="/?room/([^"]+)"', found[PAGE].body.decode()))

    assert "text/html; charset=utf-8" == found[PAGE].type
    assert set() == named - found.keys()
    assert set() == {one.name for one in FOLDER.iterdir()} - found.keys()


def test_a_page_that_is_not_there_is_told_at_the_start(folder: Path) -> None:
    """What is installed is broken, and which folder is meant."""
    (folder / PAGE).unlink()
    for where in (folder, folder / "nowhere"):
        with pytest.raises(ConfigurationError, match=re.escape(str(where))):
            load(where)


def test_what_an_editor_leaves_is_no_file_of_the_page(folder: Path) -> None:
    """Neither are folders and what is hidden; browsers are told the kind of what is, and need not guess."""
    (folder / "room.js~").write_text("x")
    (folder / ".room.js").write_text("x")
    (folder / "notes.txt").write_text("x")
    (folder / "old.js").mkdir()

    found = load(folder)

    assert {PAGE: "text/html; charset=utf-8", "room.js": "text/javascript; charset=utf-8"} == {
        name: one.type for name, one in found.items()
    }


async def test_the_page_is_there_for_anybody_with_its_fences(tmp_path: Path) -> None:
    """It holds no data; nothing is written into it, framed around it, or taken from elsewhere."""
    async with house(tmp_path) as it:
        answer = await fetch(it, "/", Accept_Encoding=PLAIN)

        assert (200, "text/html") == (answer.status, answer.response.content_type)
        assert load()[PAGE].body == answer.body
        policy = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))
        assert "'none'" == policy["default-src"] == policy["frame-ancestors"] == policy["trusted-types"]
        assert "'self'" == policy["script-src"] == policy["style-src"] == policy["connect-src"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert ("no-cache", "same-origin", "Accept-Encoding", "nosniff", "DENY") == tuple(
            answer.headers[name]
            for name in (
                "Cache-Control",
                "Cross-Origin-Opener-Policy",
                "Vary",
                "X-Content-Type-Options",
                "X-Frame-Options",
            )
        )
        assert re.fullmatch(r"[a-z-]+=\(\)(, [a-z-]+=\(\))+", answer.headers["Permissions-Policy"])
        assert "Set-Cookie" not in answer.headers


async def test_every_file_is_there_by_its_name(tmp_path: Path) -> None:
    """Packed for whoever can unpack, plain for the others; HEAD says the same without the body."""
    async with house(tmp_path) as it:
        for name, asset in load().items():
            path = "/" if name == PAGE else f"/room/{name}"
            plain = await fetch(it, path, Accept_Encoding=PLAIN)
            packed = await fetch(it, path, Accept_Encoding="br, gzip")
            head = await fetch(it, path, "HEAD", Accept_Encoding=PLAIN)

            assert (asset.body, asset.type) == (plain.body, plain.headers["Content-Type"])
            is_packed = packed.headers.get("Content-Encoding") == "gzip"
            assert (asset.packed is not None) == is_packed
            assert asset.body == (gzip.decompress(packed.body) if is_packed else packed.body)
            assert (plain.headers["ETag"] != packed.headers["ETag"]) == is_packed
            assert (200, b"", str(len(asset.body))) == (head.status, head.body, head.headers["Content-Length"])
            assert plain.headers["ETag"] == head.headers["ETag"]


async def test_what_a_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    """304 by the tag of what it has, and by no other."""
    async with house(tmp_path) as it:
        first = await fetch(it, "/", Accept_Encoding="gzip")
        tag = first.headers["ETag"]
        statuses = [
            (await fetch(it, "/", Accept_Encoding="gzip", If_None_Match=given)).status
            for given in (tag, f"W/{tag}", f'"x", {tag}', '"x"', "", tag.strip('"'))
        ]
        other = await fetch(it, "/", Accept_Encoding=PLAIN, If_None_Match=tag)
        same = await fetch(it, "/", Accept_Encoding="gzip", If_None_Match=tag)

        assert [304, 304, 304, 200, 200, 200] == statuses
        assert 200 == other.status
        assert (b"", tag, "no-cache") == (same.body, same.headers["ETag"], same.headers["Cache-Control"])
        assert first.headers["Content-Security-Policy"] == same.headers["Content-Security-Policy"]


NAMES = "..%2fapp.py %2e%2e%2fapp.py ../app.py ../room/../../app.py index.html%00 ROOM.JS %2fetc%2fpasswd"


async def test_the_page_is_only_looked_at_under_our_names_and_no_name_leads_to_a_disk(tmp_path: Path) -> None:
    """What is not in the table does not exist; a page of ours under a rebound name could be driven."""
    async with house(tmp_path) as it:
        url = it.client.make_url("/")
        for name in ("", *NAMES.split()):
            request = f"GET /room/{name} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n\r\n"
            answer = await asyncio.to_thread(exchange, (str(url.host), url.port or 0), request.encode())

            assert (404, "not_found") == (answer.status, answer.code), name
        for path in ("/", f"/room/{PAGE}"):
            (await it.ask("GET", path, token="", Host="evil.example")).problem("wrong_host")
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                refused = await it.ask(method, path)
                assert "GET" in refused.problem("method_not_allowed")["detail"]


def test_who_can_unpack_says_so() -> None:
    """As browsers write it."""
    for said in (["gzip"], ["br, GZIP ; q=0.5"], ["deflate", "gzip"]):
        assert takes_gzip(said)
    for said in ([], ["gzip;q=0"], ["identity"], ["xgzip, br"]):
        assert not takes_gzip(said)
