"""The page and its files: what is there, as whom, and with which fences around it."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panic.service.room.assets import FOLDER, PAGE, WORKER, load
from tests.service.house import Answer, House, house
from tests.service.room.page import exchange

PLAIN = "identity"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        made.client.session._auto_decompress = False
        yield made


async def fetch(it: House, path: str, method: str = "GET", **headers: str) -> Answer:
    return await it.ask(method, path, token="", **headers)


def test_what_is_shipped_is_whole() -> None:
    """There is a page, and every file that it names is there."""
    release, found = load()
    named = set(re.findall(rf'(?:src|href)="room/{release}/([^"]+)"', found[PAGE].body.decode()))

    assert "text/html; charset=utf-8" == found[PAGE].type
    assert {PAGE, WORKER} == found.keys() - named
    assert set() == named - found.keys()
    assert set() == {one.name for one in FOLDER.iterdir()} - found.keys()
    assert 100_000 > sum(len(one.packed) for one in found.values())  # a slow link is quick enough


def test_no_line_of_the_page_is_too_long_to_read() -> None:
    """What is served is what an auditor reads: no line is over 120 characters."""
    lines = [
        (one.name, line)
        for one in FOLDER.iterdir()
        for line in one.read_text().splitlines()
        if one.suffix != ".svg"
    ]

    assert [] == [(name, line) for name, line in lines if len(line) > 120]


async def test_the_page_is_there_for_anybody_with_its_fences(it: House) -> None:
    """It holds no data; nothing is written into it, framed around it, or taken from elsewhere."""
    answer = await fetch(it, "/", Accept_Encoding=PLAIN)

    assert (200, "text/html") == (answer.status, answer.response.content_type)
    assert load().files[PAGE].body == answer.body
    policy = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))
    assert "'none'" == policy["default-src"] == policy["frame-ancestors"]
    assert "worker" == policy["trusted-types"]
    assert "'self'" == policy["script-src"] == policy["style-src"] == policy["connect-src"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    names = "Cache-Control", "Cross-Origin-Opener-Policy", "Vary", "X-Content-Type-Options", "X-Frame-Options"
    assert ("no-cache", "same-origin", "Accept-Encoding", "nosniff", "DENY") == tuple(
        answer.headers[name] for name in names
    )
    assert "Set-Cookie" not in answer.headers


async def test_every_file_is_there_by_its_name(it: House) -> None:
    """Packed for whoever can unpack, plain for the others; HEAD says the same without the body."""
    release, files = load()
    for name, asset in files.items():
        path = "/" if name == PAGE else f"/room/{name}" if name == WORKER else f"/room/{release}/{name}"
        plain = await fetch(it, path, Accept_Encoding=PLAIN)
        packed = await fetch(it, path, Accept_Encoding="br, gzip")
        head = await fetch(it, path, "HEAD", Accept_Encoding=PLAIN)

        assert (asset.body, asset.type) == (plain.body, plain.headers["Content-Type"])
        assert ("gzip", asset.body) == (packed.headers["Content-Encoding"], gzip.decompress(packed.body))
        assert plain.headers["ETag"] != packed.headers["ETag"]
        assert (200, b"", str(len(asset.body))) == (head.status, head.body, head.headers["Content-Length"])
        assert plain.headers["ETag"] == head.headers["ETag"]


async def test_a_file_is_kept_for_good_under_its_release_alone(it: House) -> None:
    """Whatever else names it is asked again each time, and gets what is there now."""
    release, files = load()
    names = f"{release}/room.js", "0123456789ab/room.js", "room.js"
    found = [await fetch(it, f"/room/{name}", Accept_Encoding=PLAIN) for name in names]

    assert {files["room.js"].body} == {one.body for one in found}
    assert ["public, max-age=31536000, immutable", "no-cache", "no-cache"] == [
        one.headers["Cache-Control"] for one in found
    ]


async def test_what_a_browser_has_is_not_sent_again(it: House) -> None:
    """304 by the tag of what it has, and by no other."""
    tag = (await fetch(it, "/", Accept_Encoding="gzip")).headers["ETag"]
    answers = [
        await fetch(it, "/", Accept_Encoding="gzip", If_None_Match=given)
        for given in (tag, f"W/{tag}", f'"x", {tag}', '"x"', "", tag.strip('"'))
    ]
    other = await fetch(it, "/", Accept_Encoding=PLAIN, If_None_Match=tag)

    assert [304, 304, 304, 200, 200, 200] == [one.status for one in answers]
    assert 200 == other.status
    assert (b"", tag) == (answers[0].body, answers[0].headers["ETag"])
    assert "Content-Security-Policy" in answers[0].headers


NAMES = "..%2fapp.py %2e%2e%2fapp.py ../app.py ../room/../../app.py index.html%00 ROOM.JS %2fetc%2fpasswd"


async def test_the_page_is_only_looked_at_under_our_names_and_no_name_leads_to_a_disk(it: House) -> None:
    """What is not in the table does not exist; a page of ours under a rebound name could be driven."""
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
