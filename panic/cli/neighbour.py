"""The service that may run on this machine: does it keep the same ledger and latch as this command?"""

import json
import ssl
from functools import partial
from typing import Any, NamedTuple

from panic.config import Service, Settings
from panic.config.own_files import fingerprints
from panic.kit import background

_ASK_S = 1.0
_MOST = 1 << 16


class Neighbour(NamedTuple):
    """A service that answers where the settings say.

    Attributes:
        url: Where it answers.
        others: Which of ledger and latch it keeps elsewhere.
    """

    url: str
    others: tuple[str, ...]


def look(settings: Settings) -> Neighbour | None:
    """Ask it, for a second at most; None where nobody answers. Never raises."""
    try:
        return background.within(partial(_look, settings), _ASK_S, "neighbour")
    except Exception:  # noqa: BLE001  (whatever listens there may answer anything)
        return None


def _look(settings: Settings) -> Neighbour | None:
    service, ours = settings.service, fingerprints(settings)
    if not service.port:
        return None
    theirs = _ask(service)
    host = f"[{service.host}]" if ":" in service.host else service.host
    url = f"http{'s' if service.tls_certificate else ''}://{host}:{service.port}"
    return Neighbour(url, tuple(what for what in ours if theirs.get(what, ours[what]) != ours[what]))


def _ask(service: Service) -> dict[str, Any]:
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415  (no press waits for it)

    itself = (service.host, 0)  # fails for an address that is not of this machine
    line: HTTPConnection
    if service.tls_certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # any certificate: no secret is sent to it
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        line = HTTPSConnection(service.host, service.port, timeout=_ASK_S, source_address=itself, context=context)
    else:
        line = HTTPConnection(service.host, service.port, timeout=_ASK_S, source_address=itself)
    try:
        line.request("GET", "/readyz")
        found: dict[str, Any] = json.loads(line.getresponse().read(_MOST))["files"]
    finally:
        line.close()
    return found
