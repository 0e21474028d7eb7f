"""One delivery through the library that knows Slack, PagerDuty, e-mail and the rest.

The library is an extra, and takes a tenth of a second to load: it is imported where it is used, on a thread.
Its words are never shown, for they may hold the address, which is a secret: only what is recognised is told.
"""

import importlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from panic.config import Credential, secret
from panic.kit.errors import Problem
from panic.service.notify.notice import Notice

_HTTP_STATUS = re.compile(r"\berror=(\d{3})\b")
_NO_CONNECTION = re.compile(r"connection error", re.IGNORECASE)
_NOT_INSTALLED = "the library apprise is not installed"
_INSTALL = "Install panic with its extra 'notify'."
_WRITE = "Put one address of the library apprise there, such as json://host/path; see docs/notifications.md."


class Undelivered(Exception):  # noqa: N818  (a state of affairs, as in "undelivered: why")
    """A notice did not get through; the text says why, in our words only."""


def examine(name: str, url: Credential, env: Mapping[str, str]) -> tuple[Problem, ...]:
    """Tell what is wrong with a channel, as far as that shows without sending anything. May wait for a file."""
    key, problems = secret.read(f"notify.{name}", url, env)
    try:
        if key is not None:
            _service(key)
    except Undelivered as error:
        remedy = _INSTALL if str(error) == _NOT_INSTALLED else _WRITE
        return (*problems, Problem(f"[notify.{name}] {error}", remedy, url.file))
    return problems


def deliver(name: str, url: Credential, env: Mapping[str, str], notice: Notice) -> None:
    """Send a notice to a channel, and wait until that is done.

    The address is read anew each time, so that a renewed one counts without a restart.

    Raises:
        Undelivered: It did not get through, or nobody knows whether it did.
    """
    key, problems = secret.read(f"notify.{name}", url, env)
    if key is None:
        raise Undelivered(problems[0].what)
    service = _service(key)
    _tie(service, notice)
    with silence() as heard:
        try:
            is_sent = service.notify(
                title=notice.title, body=notice.text, notify_type=_urgency(notice), body_format="text"
            )
        except BaseException as error:  # noqa: BLE001  (a plug-in of a library with a hundred of them)
            raise Undelivered(f"the library failed ({type(error).__name__})") from None
    if not is_sent:
        raise Undelivered(_reason(heard))


def _service(key: secret.Key) -> Any:
    """Make the library's object for an address: a new one each time, for an earlier one may still hang."""
    with silence():
        try:
            library = importlib.import_module("apprise")
        except ImportError:
            raise Undelivered(_NOT_INSTALLED) from None
        logging.getLogger("apprise").setLevel(logging.WARNING)  # so that we hear why it failed
        try:
            # Redirects would turn a POST into a GET, and carry the address elsewhere; nothing is kept on disk.
            asset = library.AppriseAsset(app_id="panic", app_desc="panic", http_redirects=False)
            service = library.Apprise.instantiate(key.reveal(), asset=asset)
        except Exception as error:  # noqa: BLE001  (its texts quote the address)
            raise Undelivered(f"url: the library cannot use it ({type(error).__name__})") from None
        if service is None:
            raise Undelivered("url: it is no address that the library apprise knows")
        if "overflow_mode" not in vars(service):
            service.overflow_mode = library.OverflowMode.TRUNCATE  # one message, and its first line says it all
    return service


def _tie(service: Any, notice: Notice) -> None:
    """Let PagerDuty and Opsgenie see one incident in what has one key, unless the address says otherwise."""
    settings = vars(service)
    if settings.get("dedup", "") is None and settings.get("action") == "trigger":
        service.dedup = notice.key
        service.action = "map"
    elif settings.get("alias", "") is None:
        service.alias = notice.key


def _urgency(notice: Notice) -> str:
    if notice.closes:
        return "success"
    return {"start": "info", "flag": "warning"}.get(notice.kind, "failure")


def _reason(heard: Iterable[str]) -> str:
    words = "\n".join(heard)
    if status := _HTTP_STATUS.search(words):
        return f"it answered HTTP {status[1]}"
    if _NO_CONNECTION.search(words):
        return "it could not be reached, or gave no answer in time"
    return "the library could not deliver it"


# What foreign libraries log while they deliver may hold an address.

_here = threading.local()
_make_record = logging.getLogRecordFactory()


@contextmanager
def silence() -> Iterator[list[str]]:
    """Keep from every handler what this thread logs through `logging`; the list holds the words meanwhile.

    The words are for recognising known phrases in them, and must not be shown.
    """
    _install()
    heard: list[str] = []
    _here.heard = heard
    try:
        yield heard
    finally:
        _here.heard = None


@cache
def _install() -> None:
    """Make records by way of `_record`: filters would have to be put on every logger of every plug-in."""
    logging.setLogRecordFactory(_record)


def _record(*args: object, **kwargs: object) -> logging.LogRecord:
    """Make a logger's record, and take the words out of those of a silenced thread."""
    record = _make_record(*args, **kwargs)
    heard = getattr(_here, "heard", None)
    if heard is not None:
        with suppress(Exception):
            heard.append(record.getMessage())
        record.msg, record.args = "(silenced)", ()
        record.exc_info = record.exc_text = record.stack_info = None
        record.levelno = -1  # below every handler
    return record
