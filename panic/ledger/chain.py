"""Each event is linked to all before it: with one saved head, any change to an earlier event can be detected."""

import re
from hashlib import sha256
from typing import NamedTuple

from panic.kit.words import clip

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
