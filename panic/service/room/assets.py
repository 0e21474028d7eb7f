"""The page and its files, from memory: what is not in the table does not exist, and no name leads to a disk."""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from panic.service.problems import ProblemError

FOLDER: Final = Path(__file__).parent.parent / "web"
PAGE: Final = "index.html"

WORKER: Final = "worker.js"
"""What opens the page without the service; of all files it alone may speak for the whole of our addresses."""
JSON: Final = "application/json"

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types worker"
)
"""Of the page: its own files and its own service, nothing that is written into it, and no frame around it. The one
address of a script that a script may name is the worker's."""

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of the page and each of its files, beside those of every answer."""

FOREVER: Final = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
"""Of a file under the address of its release: another release has other addresses."""

_OF_WORKER: Final = {"Service-Worker-Allowed": "/"}

_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """What many may get, as a file of the page, plain and in gzip; `etag` is of its content, without quotes."""

    type: str
    body: bytes
    packed: bytes
    etag: str


class Release(NamedTuple):
    """The page with all its files, by name; `id` is of what is in them."""

    id: str
    files: Mapping[str, Asset]


def load(*, drill: bool = False) -> Release:
    """Read every file of the page, which names the others by their release; one of a drill says so at once."""
    bodies = {file.name: file.read_bytes() for file in sorted(FOLDER.iterdir()) if file.suffix in _TYPES}
    release = hashlib.sha256(b"\0".join(bodies.values())).hexdigest()[:12]
    bodies[PAGE] = bodies[PAGE].replace(b'="room/', f'="room/{release}/'.encode())
    if drill:
        bodies[PAGE] = bodies[PAGE].replace(b"<html ", b"<html data-drill ", 1)
    return Release(release, {name: pack(_TYPES[Path(name).suffix], body) for name, body in bodies.items()})


def pack(type_: str, body: bytes) -> Asset:
    """Make an answer ready that many may get."""
    packed = gzip.compress(body, compresslevel=6, mtime=0)
    return Asset(f"{type_}; charset=utf-8", body, packed, hashlib.sha256(body).hexdigest()[:32])


async def answer(release: Release, request: web.Request) -> web.Response:
    """Give the page, or the file of it that is named; they hold no data, and need no token.

    A page that was read right before a new release began gets the new one's files, and keeps none of them.
    """
    name = request.match_info.get("name", PAGE)
    asset = release.files.get(name)
    if asset is None:
        raise ProblemError("not_found")
    headers = FOREVER if request.match_info.get("release") == release.id else HEADERS
    return give(asset, request, headers | _OF_WORKER if name == WORKER else headers)


def takes_gzip(request: web.Request) -> bool:
    """Whether whoever asks can read gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def give(asset: Asset, request: web.Request, headers: Mapping[str, str]) -> web.Response:
    """Give it, in gzip to whom can read that; to whom has it already only say so."""
    is_packed = takes_gzip(request)
    etag = f"{asset.etag}{'-gzip' if is_packed else ''}"
    headers = {**headers, "Vary": "Accept-Encoding", "ETag": f'"{etag}"'}
    if any(one.value == etag for one in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = asset.type
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=asset.packed if is_packed else asset.body, headers=headers)
