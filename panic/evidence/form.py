"""How evidence is written down: lines of JSON, each in the one way in which it can be written.

header   what it is of, who exported it, when, and how many lines there are
volume   one ledger file that holds something of it, and what its first event here is linked to
event    in full; or by its digest only, so that the chain can be walked without telling what is none of it
report   what the events of one run come to
seal     the SHA-256 of every byte before it
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from panic.ledger.chain import Head, digest
from panic.ledger.events import Event, decode

SCHEMA = "panic-evidence/1"

LINE_MOST = 256 << 20
"""Bytes of a line: the report of fifty thousand accounts that were read thirty times each is shorter."""

_SEQ_MOST = 1 << 62
_WORD_MOST = 1000
_DIGEST = 32

_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def write(words: Mapping[str, Any]) -> bytes:
    """Write a line.

    Raises:
        ValueError, RecursionError: JSON has no words for it, or it is nested too deeply.
    """
    return _encoder.encode(words).encode("ascii") + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """Read what `write` wrote, and nothing else.

    Raises:
        ValueError: It is not exactly what `write` would write.
    """
    if len(line) > LINE_MOST:
        raise ValueError(f"it is longer than {LINE_MOST:,} bytes")
    if not line.endswith(b"\n"):
        raise ValueError("it breaks off")
    try:
        words = json.loads(line.decode("ascii"))
        is_canonical = isinstance(words, dict) and write(words) == line
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is no JSON in ASCII") from None
    if not is_canonical:
        raise ValueError("it is not written the one way in which evidence is")
    return words  # type: ignore[no-any-return]


# ── what was asked for ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Asked:
    """A run, or a period: from `since` on and before `until`, None where it has no such end."""

    run: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        if self.run:
            return f"run {self.run}"
        ends = [f"{word} {end:%Y-%m-%d %H:%M:%S} UTC" for word, end in self._ends() if end]
        return f"everything {' '.join(ends)}"

    def _ends(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("from", self.since), ("before", self.until)

    def holds(self, event: Event) -> bool:
        """Tell whether an event is part of it; one that tells no time is part of every period."""
        if self.run:
            return event.run == self.run or (not event.run and _names(event.body, self.run))
        at = moment(event.at)
        if at is None:
            return True
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def words(self) -> dict[str, str | None]:
        """Give it as JSON values."""
        if self.run:
            return {"run": self.run}
        return {
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
        }

    @classmethod
    def read(cls, words: Any) -> "Asked":
        """Read what `words` gave.

        Raises:
            ValueError: It did not.
        """
        match words:
            case {"run": str(run), **more} if run and not more:
                return cls(run)
            case {"from": None | str() as since, "to": None | str() as until, **more} if not more:
                asked = cls("", moment(since or ""), moment(until or ""))
                if asked.words() == words and (since or until):
                    return asked
        raise ValueError("it does not say what was asked for")


def moment(words: str) -> datetime | None:
    """Read a time, UTC where it does not say; None if it is none."""
    try:
        found = datetime.fromisoformat(words)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _names(body: Any, run: str) -> bool:
    if not isinstance(body, dict):
        return False
    runs = body.get("runs")
    return body.get("run") == run or (isinstance(runs, list) and run in runs)


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. It is sealed and not chained: whoever can write the file can write anything here."""

    version: str
    exported_at: str
    by: str
    asked: Asked
    lines: int

    def words(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "exported_at": self.exported_at,
            "by": self.by,
            "asked": self.asked.words(),
            "lines": self.lines,
        }

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> "Header":
        """Read what `words` gave.

        Raises:
            ValueError: It did not.
        """
        schema, version, exported_at, by, asked, lines = words.values()
        if schema != SCHEMA:
            raise ValueError(f"this panic reads {SCHEMA}, and this is something else")
        if not all(map(is_word, (version, exported_at, by))) or not _is_number(lines):
            raise ValueError("its values are not what a header has")
        return cls(version, exported_at, by, Asked.read(asked), lines)


class VolumeLine(NamedTuple):
    """A ledger file without its folder, what its first event here is linked to, and what could not be read."""

    name: str
    base: Head
    damage: str

    def words(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {"volume": self.name, "base": str(self.base), "damage": self.damage}

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> "VolumeLine":
        """Read what `words` gave.

        Raises:
            ValueError: It did not.
        """
        name, base, damage = words.values()
        if not all(map(is_word, (name, base, damage))):
            raise ValueError("its values are not what a volume has")
        return cls(name, Head.parse(base), damage)


class Entry(NamedTuple):
    """An event of a volume.

    Attributes:
        seq: Its number.
        hash: What it says that its hash is.
        digest: The SHA-256 of its record, or what it says that this is.
        record: Its bytes; None where only the digest is told.
        event: What they say; None where nobody can read them.
    """

    seq: int
    hash: str
    digest: bytes
    record: bytes | None = None
    event: Event | None = None

    def __str__(self) -> str:
        return f"event {self.seq}{f' ({self.event.kind})' if self.event else ''}"

    def words(self) -> dict[str, Any]:
        """Give it as JSON values."""
        words: dict[str, Any] = {"seq": self.seq, "hash": self.hash}
        if self.record is None:
            return {**words, "digest": self.digest.hex()}
        if self.event is None:
            return {**words, "raw": b64encode(self.record).decode()}
        return {**words, "record": self.event._asdict()}

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> "Entry":
        """Read what `words` gave.

        Raises:
            ValueError: It did not.
        """
        seq, hashed, told = words.values()
        if not _is_number(seq) or not is_word(hashed):
            raise ValueError("its number or its hash is none")
        if "record" in words:
            record = write(told)[:-1]
            return cls(seq, hashed, digest(record), record, decode(record))
        if "raw" in words:
            record = b64decode(str(told), validate=True)
            entry = cls(seq, hashed, digest(record), record)
        else:
            entry = cls(seq, hashed, bytes.fromhex(str(told)))
        if entry.words() != words or len(entry.digest) != _DIGEST:
            raise ValueError("it is not written the one way in which evidence is")
        return entry


def is_word(value: Any) -> bool:
    """Tell whether it is text of a bearable length."""
    return isinstance(value, str) and len(value) <= _WORD_MOST


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 < value < _SEQ_MOST
