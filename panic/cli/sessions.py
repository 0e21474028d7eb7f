"""`panic sessions`: who is signed in at the service that runs, and the end of a session. A token says who asks."""

import argparse
import json
import os
import re
import ssl
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from rich.console import RenderableType

from panic.cli import neighbour, output
from panic.cli.tables.drawing import LISTED_MOST, Text, indented, line
from panic.config import Credential, Service
from panic.config.secret import Key, read
from panic.kit import background, terminal
from panic.kit.errors import ConfigurationError, PanicError, UsageError
from panic.kit.words import clip
from panic.service.room.session_list import SESSIONS, SessionRow, SessionRows

_ASK_S: Final = 5.0
_MOST_S: Final = 30.0
_MOST: Final = 1 << 24
_VARIABLE: Final = "PANIC_TOKEN"
_FIRST: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ROWS: Final = TypeAdapter(SessionRows)
_GONE: Final = 404

Ask = Callable[[str, str, Any], bytes]
"""Asks the service: method, path and body; gives what it answers."""


class RefusedError(Exception):
    """The service refuses, or is not the one that a token may be told; says why."""


def do_sessions(options: argparse.Namespace) -> int:
    """List the open sessions, once those that are named have been ended; 1 where the service does not do so."""
    settings = output.load(options)
    url, token = neighbour.url_of(settings), _token(options.token)
    ask = partial(_ask, settings.service, token, options.certificate)
    try:
        found = background.within(partial(_look, ask, frozenset(options.end)), _MOST_S, "sessions")
    except PanicError:
        raise
    except RefusedError as refused:
        terminal.say(f"panic: {url} {refused}")
        return 1
    except Exception as error:  # noqa: BLE001  (whatever listens there may answer anything)
        terminal.say(f"panic: no service of panic answers at {url} ({type(error).__name__})")
        return 1
    output.show(_ROWS.dump_json(found, indent=2).decode(), sessions_table(found.sessions), options)
    return 0


def _look(ask: Ask, names: frozenset[str]) -> SessionRows:
    """End the sessions of these names and ids, all or none where one is unknown, and list what is open then."""
    rows = _ROWS.validate_json(ask("GET", SESSIONS, None))
    if unknown := names - {word for one in rows.sessions for word in (one.id, one.name)}:
        named = ", ".join(sorted(map(clip, unknown)))
        raise UsageError(f"no session of {named} is open that this token may end")
    ended = [one for one in rows.sessions if not names.isdisjoint((one.id, one.name))]
    for one in ended:
        ask("POST", f"{SESSIONS}/end", {"id": one.id})
        terminal.say(f"panic: ended {clip(one.name)}, {one.id}")
    return _ROWS.validate_json(ask("GET", SESSIONS, None)) if ended else rows


def _token(file: Path | None) -> Key:
    if file is None and _VARIABLE not in os.environ:
        raise UsageError(f"say who asks: name the file of your token with --token, or set {_VARIABLE}")
    place = Credential(env=_VARIABLE) if file is None else Credential(file=file)
    key, problems = read("token", place, os.environ)
    if key is None:
        raise ConfigurationError(problems)
    for one in problems:
        terminal.say(f"panic: {one}")
    return key


def _ask(service: Service, token: Key, certificate: Path | None, method: str, path: str, body: Any) -> bytes:
    """Ask it, over a connection of its own; a RefusedError says why it refuses."""
    with closing(_connected(service, certificate)) as connection:
        headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        found = answer.read(_MOST)
    if answer.status in range(200, 300) or (answer.status == _GONE and body):  # it ended by itself meanwhile
        return found
    problem = json.loads(found)
    raise RefusedError(clip(token.scrub(f"refuses: {problem['detail']}. {problem['remedy']}"), 500))


def _connected(service: Service, certificate: Path | None) -> HTTPConnection:
    """Connect to whom a token may be told: this machine where there is no TLS, else who has the certificate."""
    if service.tls_certificate is None:
        plain = HTTPConnection(service.host, service.port, _ASK_S, source_address=(service.host, 0))
        plain.connect()
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared as a whole below
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, password="")  # else OpenSSL asks at the terminal, and waits
        except OSError as error:
            raise UsageError(f"the certificate {certificate} cannot be used: {error}") from error
    secure = HTTPSConnection(service.host, service.port, timeout=_ASK_S, context=context)
    secure.connect()
    ours = _FIRST.search(service.tls_certificate.read_text())
    if ours is None or secure.sock.getpeercert(binary_form=True) != ssl.PEM_cert_to_DER_cert(ours[0]):
        secure.close()
        what = f"has another certificate than {service.tls_certificate}"
        raise RefusedError(f"{what}: it was not told the token")
    return secure


def sessions_table(sessions: Iterable[SessionRow]) -> Iterable[RenderableType]:
    """Give the open sessions, newest first."""
    rows = list(sessions)
    if not rows:
        yield Text("no session is open that this token may see")
    for one in rows[:LISTED_MOST]:
        reach = "every account" if one.groups is None else f"only {', '.join(one.groups)}"
        looks = "" if one.may_act else " · idle: only looks"
        yield line((one.name, "bold"), f"  {', '.join(one.roles)} · {reach}{looks}")
        when = f"since {one.began_at:%F %T} until {one.ends_at:%F %T} UTC at the latest"
        yield indented(f"{one.id} · {when} · from {one.address}")
    if len(rows) > LISTED_MOST:
        yield Text(f"and {len(rows) - LISTED_MOST} more: see --format json")
