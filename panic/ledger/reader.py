"""Read ledgers back, damaged ones too, and say what is wrong with them. Nothing here changes a ledger."""

import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import NamedTuple

from panic.files import why
from panic.ledger.chain import GENESIS, Head, digest, link
from panic.ledger.events import decode
from panic.ledger.store import BUSY_S, address, check_regular


class Row(NamedTuple):
    """An event as it stands in a ledger."""

    seq: int
    run: str
    kind: str
    record: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class Volume:
    """What one ledger file holds.

    Attributes:
        file: The file.
        base: What its first event is linked to.
        rows: The events that were asked for, in order.
        head: The last event of the whole file, whatever was asked for.
        damage: What is wrong with reading it, in words; "" when nothing is.
    """

    file: Path
    base: Head = GENESIS
    rows: tuple[Row, ...] = ()
    head: Head = GENESIS
    damage: str = ""


def files(main: Path, fallback: Path) -> tuple[Path, ...]:
    """List the ledgers that exist: the main one, damaged ones that stood there before, and the same of the other."""
    found: dict[Path, None] = {}
    for file in (main, fallback):
        if os.path.lexists(file):
            found[file] = None
        for sibling in sorted(file.parent.glob(f"{escape(file.name)}.damaged-*")):
            if not sibling.name.endswith(("-wal", "-shm")):
                found[sibling] = None
    return tuple(found)


def read(file: Path, *, run: str = "", kinds: Collection[str] = (), whole: bool = False) -> Volume:
    """Read a ledger, as much of it as can be read."""
    try:
        check_regular(file)
        connection = sqlite3.connect(address(file, "mode=ro"), uri=True, timeout=BUSY_S, isolation_level=None)
    except OSError as error:
        return Volume(file, damage=why(error))
    try:
        base = Head(*connection.execute("SELECT seq, lower(hex(hash)) FROM base").fetchone())
        where, values = ["1"], list[str]()
        if run and not whole:
            where.append("run = ?")
            values.append(run)
        if kinds and not whole:
            where.append(f"kind IN ({','.join('?' * len(kinds))})")
            values += kinds
        rows = tuple(
            Row(*row)
            for row in connection.execute(
                f"SELECT seq, run, kind, record, lower(hex(hash)) FROM events WHERE {' AND '.join(where)} ORDER BY seq",
                values,
            )
        )
        last = connection.execute("SELECT seq, lower(hex(hash)) FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return Volume(file, base, rows, Head(*last) if last else base)
    except sqlite3.Error as error:
        return Volume(file, damage=str(error))
    finally:
        connection.close()


def faults(volume: Volume) -> tuple[str, ...]:
    """Walk the chain of a volume that was read whole and name each event that is not what was written."""
    found: list[str] = []
    head = volume.base
    for row in volume.rows:
        name = f"event {row.seq} ({row.kind})"
        if row.seq != head.seq + 1:
            found.append(f"{name}: it follows event {head.seq}")
        elif link(head, digest(row.record)).hash != row.hash:
            found.append(f"{name}: its record does not match its hash")
        try:
            event = decode(row.record)
        except ValueError as error:
            found.append(f"{name}: its record is broken: {error}")
        else:
            if (event.run, event.kind) != (row.run, row.kind):
                found.append(f"{name}: its record is of another run or kind")
        head = Head(row.seq, row.hash)
    return tuple(found)
