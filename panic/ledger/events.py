"""What a ledger is made of: events, and the one way to write them."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple


class Event(NamedTuple):
    """Something that happened, ISO 8601 in UTC, in a run, or in none where that is empty.

    Its id is unique for ever: "<leg>-<n>", a random token of one process's part of a run, and a number that counts
    up in it. Its body is JSON; a datetime becomes text.
    """

    run: str
    kind: str
    id: str
    at: str
    body: Any


class UnencodableError(ValueError):
    """An event cannot be written down. The message names the offending type, never a value."""


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise UnencodableError(type(value).__name__)


_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=_plain)
_FIELDS = list(Event._fields)


def encode(event: Event, scrub: Callable[[str], str] = str) -> bytes:
    """Write an event down, always in the same bytes; `scrub` takes secrets out of the text.

    Raises:
        UnencodableError: it holds something that JSON has no word for, or scrubbing broke it.
    """
    run, kind, name, at, body = event
    try:
        text = _encoder.encode({"run": run, "kind": kind, "id": name, "at": at, "body": body})
    except UnencodableError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # a key that is no text, a NaN, a circle, depth
        raise UnencodableError(type(error).__name__) from error
    scrubbed = scrub(text)
    if scrubbed == text:
        return text.encode("ascii")
    try:
        return encode(_parse(scrubbed))  # the placeholder for a secret may be non-ASCII
    except ValueError as error:
        raise UnencodableError("scrubbed") from error


def beginning(run: str, kind: str) -> bytes:
    """Give the beginning of every record of a run and a kind."""
    return _encoder.encode({"run": run, "kind": kind})[:-1].encode("ascii") + b","


def decode(record: bytes) -> Event:
    """Read what `encode` wrote; a ValueError where it is not exactly what `encode` would write."""
    event = _parse(record.decode("latin-1"))
    if encode(event) != record:
        raise ValueError("it is not written the one way in which events are")
    return event


def _parse(text: str) -> Event:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(value, dict) or list(value) != _FIELDS:
        raise ValueError(f"it is no object of {', '.join(_FIELDS)}")
    run, kind, name, at, body = value.values()
    if not all(isinstance(word, str) for word in (run, kind, name, at)):
        raise ValueError("its run, kind, id and at are not all text")
    return Event(run, kind, name, at, body)
