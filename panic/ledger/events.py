"""What a ledger is made of: events, the one way to write them, and the chain that links each to all before it.

With one saved head, any change to an earlier event can be detected.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from panic.kit.words import clip


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


_HEAD = re.compile(r"([0-9]{1,19}):([0-9a-f]{64})", re.ASCII)


class Head(NamedTuple):
    """The end of a chain: the number of events, and the hash (SHA-256, 64 hex digits) over all of them."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what `str` gave; a ValueError says what a head looks like."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{clip(text, 100)!r} is no head of a ledger: it is a number, a colon and 64 hexadecimal digits"
            )
        return cls(int(found[1]), found[2])


GENESIS = Head(0, "0" * 64)
"""What the very first event is linked to."""


def link(head: Head, record: bytes) -> Head:
    """Give the head after one more event."""
    seq = head.seq + 1
    linked = bytes.fromhex(head.hash) + seq.to_bytes(8, "big") + sha256(record).digest()
    return Head(seq, sha256(linked).hexdigest())
