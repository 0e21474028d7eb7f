"""Read what can be read of a damaged ledger: all rows on pages that SQLite still finds its way to."""

import sqlite3
from collections import deque
from contextlib import suppress
from typing import Any

SELECT = "SELECT seq, run, kind, record, lower(hex(hash)) FROM events NOT INDEXED"
"""By the table alone: a damaged index would hide events, and a million take a tenth of a second."""

_PROBES_MOST = 20_000
"""So many times the file is asked for rows behind the damage: a second or two."""

_SMALLEST_ROW = 96
"""Bytes: an event's hash and its record take more."""

Found = tuple[Any, ...]
"""A row as `SELECT` gives it; in a damaged file a column can hold anything."""


Unreadable = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the latter when SQLite's own message quotes what it met."""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, rather than locked, full or out of reach."""
    if isinstance(error, UnicodeDecodeError):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def salvage(connection: sqlite3.Connection, base_seq: int, size: int) -> list[Found]:
    """Give the rows that can be read, in order.

    Args:
        connection: The damaged ledger.
        base_seq: The number of the event before its first one.
        size: Bytes in the file and its log; they bound the number of events.

    Raises:
        sqlite3.Error: nothing can be read.
    """
    low = _ask(connection, "SELECT min(seq) FROM events")
    low = base_seq + 1 if low is None else low
    high = _ask(connection, "SELECT max(seq) FROM events")
    high = low + size // _SMALLEST_ROW if high is None else high
    found: dict[Found, None] = {}
    known: set[int] = set()
    ranges = deque([(low, high)])
    for _ in range(_PROBES_MOST):
        if not ranges:
            break
        low, high = ranges.popleft()
        for order in ("ASC", "DESC"):
            while low <= high and low in known:
                low += 1
            while low <= high and high in known:
                high -= 1
            if low > high or _read(connection, low if order == "ASC" else high, order, found, known):
                break
        else:
            if low < high:  # a hole: there may be several, with rows between them
                middle = (low + high) // 2
                ranges += (low, middle), (middle + 1, high)
    return sorted(found, key=lambda row: row[0])


def _ask(connection: sqlite3.Connection, query: str) -> int | None:
    with suppress(*Unreadable):
        (seq,) = connection.execute(query).fetchone()
        return seq if isinstance(seq, int) else None
    return None


def _read(
    connection: sqlite3.Connection, start: int, order: str, found: dict[Found, None], known: set[int]
) -> bool:
    """Collect rows until one cannot be read or is known already; tell whether there was none such.

    No bound is put on the other side: a number that decayed would end the search there.
    """
    try:
        for row in connection.execute(
            f"{SELECT} WHERE seq {'>=' if order == 'ASC' else '<='} ? ORDER BY seq {order}", [start]
        ):
            if row in found:
                return False
            if isinstance(row[0], int) and row[3] is not None:  # zeros look like a row of nothing
                found[row] = None
                known.add(row[0])
    except Unreadable as error:
        if not is_damage(error):
            raise
        return False
    return True
