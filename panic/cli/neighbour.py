"""The service that may run on this machine: does it keep the same ledger and latch as this command?"""

import json
import ssl
from functools import partial
from typing import Any, NamedTuple

from panic.config import Settings
from panic.config.own_files import fingerprints
from panic.kit import background

_ASK_S = 1.0
_MOST = 1 << 16


class Neighbour(NamedTuple):
    """A service that answers where the settings say, and which of ledger and latch it keeps elsewhere."""

    url: str
    others: tuple[str, ...]


def look(settings: Settings) -> Neighbour | None:
    """Ask it, for a second at most; None where nobody answers. Never raises."""
    try:
        return background.within(partial(_look, settings), _ASK_S, "neighbour")
    except Exception:  # noqa: BLE001  (whatever listens there may answer anything)
        return None


def _look(settings: Settings) -> Neighbour | None:
    ours = fingerprints(settings)
    if not settings.service.port:
        return None
    theirs = ready(settings, _ASK_S)["files"]
    return Neighbour(url_of(settings), tuple(what for what in ours if theirs.get(what, ours[what]) != ours[what]))


def url_of(settings: Settings) -> str:
    """Give where the service listens, as the settings say."""
    service = settings.service
    host = f"[{service.host}]" if ":" in service.host else service.host
    return f"http{'s' if service.tls_certificate else ''}://{host}:{service.port}"


def ready(settings: Settings, most_s: float) -> Any:
    """Give what its /readyz says, whether it is ready or not; raises whatever may be raised."""
    from urllib.error import HTTPError  # noqa: PLC0415  (no press waits for it)
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # any certificate: no secret is sent to it
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    try:
        answer = opener.open(f"{url_of(settings)}/readyz", timeout=most_s)
    except HTTPError as not_ready:
        answer = not_ready
    with answer:
        return json.loads(answer.read(_MOST))
