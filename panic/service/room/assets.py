"""The page and its files, from memory: what is not in the table does not exist, and no name leads to a disk."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from panic.kit.errors import ConfigurationError, Problem
from panic.service.problems import ProblemError

FOLDER: Final = Path(__file__).parent.parent / "web"
PAGE: Final = "index.html"

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Of the page: its own files and its own service, nothing that is written into it, and no frame around it."""

_OFF: Final = (
    "accelerometer autoplay browsing-topics camera clipboard-read compute-pressure cross-origin-isolated "
    "display-capture encrypted-media fullscreen gamepad geolocation gyroscope hid identity-credentials-get "
    "idle-detection keyboard-map local-fonts magnetometer microphone midi otp-credentials payment "
    "picture-in-picture publickey-credentials-create publickey-credentials-get screen-wake-lock serial "
    "storage-access sync-xhr unload usb window-management xr-spatial-tracking"
)
"""What browsers offer to pages, and ours has no use for."""

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _OFF.split()),
    "Vary": "Accept-Encoding",
}
"""Of the page and each of its files, beside those of every answer."""

_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file of the page.

    Attributes:
        packed: It in gzip; None where that saves nothing.
        etag: Of its content, without quotes.
    """

    type: str
    body: bytes
    packed: bytes | None
    etag: str


def load(folder: Path = FOLDER, *, drill: bool = False) -> dict[str, Asset]:
    """Read every file of the page, by name; files of other kinds, such as an editor's, are none.

    Args:
        folder: Where they are.
        drill: Whether the page says that it is one, before anybody signs in.

    Raises:
        ConfigurationError: There is no page: what is installed is not whole.
    """
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix in _TYPES and one.is_file())
        found = {one.name: _asset(one, drill=drill) for one in files if not one.name.startswith(".")}
    except OSError as error:
        raise _broken(folder, f"cannot be read: {error.strerror or error}") from None
    if PAGE not in found:
        raise _broken(folder, f"has no {PAGE}")
    return found


def _broken(folder: Path, why: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"the page of the service, {folder}, {why}", "Install panic again.")])


def _asset(file: Path, *, drill: bool) -> Asset:
    body = file.read_bytes()
    if drill and file.name == PAGE:
        body = body.replace(b"<html ", b"<html data-drill ", 1)
    packed = gzip.compress(body, mtime=0)
    return Asset(
        f"{_TYPES[file.suffix]}; charset=utf-8",
        body,
        packed if len(packed) < len(body) else None,
        hashlib.sha256(body).hexdigest()[:32],
    )


class Assets:
    """Answers with the page and its files; they hold no data, and need no token."""

    def __init__(self, files: Mapping[str, Asset]) -> None:
        self._files = files

    async def answer(self, request: web.Request) -> web.Response:
        """Give the page, or the file of it that is named."""
        asset = self._files.get(request.match_info.get("name", PAGE))
        if asset is None:
            raise ProblemError("not_found")
        return _answer(request, asset)


def _answer(request: web.Request, asset: Asset) -> web.Response:
    is_packed = asset.packed is not None and takes_gzip(request.headers.getall("Accept-Encoding", []))
    etag = f"{asset.etag}{'-gzip' if is_packed else ''}"
    headers = {**HEADERS, "ETag": f'"{etag}"'}
    if any(one.value == etag for one in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = asset.type
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=asset.packed if is_packed else asset.body, headers=headers)


def takes_gzip(accept_encoding: Iterable[str]) -> bool:
    """Whether a caller says that it can unpack."""
    offers = (one.lower().replace(" ", "") for one in ",".join(accept_encoding).split(","))
    return any(one.partition(";")[0] == "gzip" and not one.endswith(("q=0", "q=0.0")) for one in offers)
