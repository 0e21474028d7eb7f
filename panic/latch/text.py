"""The latch's text, and reading it: text that is not exactly what would be written now is not whole."""

import errno
import os
import re
import stat
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from panic.kit.files import why
from panic.kit.words import clip

LARGEST = 1 << 20  # bytes: room for some fifteen thousand scopes
OPEN_FLAGS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""So that a pipe or a device in the latch's place cannot block us."""

_ACCOUNT = re.compile("[1-9][0-9]{0,18}")
_SAME_FOR_ALL = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}


class Hold(NamedTuple):
    """One scope that is engaged, by which run, and when it was pressed (ISO, UTC)."""

    what: str  # all, group or account
    name: str  # "" for all; the group's name; the account's id in digits
    run: str
    at: str

    def __str__(self) -> str:
        return "all accounts" if self.what == "all" else clip(f"{self.what} {self.name}")


@dataclass(frozen=True, slots=True)
class State:
    """Which scopes the latch says are engaged; or why it cannot be trusted, which means everything."""

    holds: tuple[Hold, ...]
    problem: str = ""  # a verb's phrase about the latch

    def __str__(self) -> str:
        if self.problem:
            return f"engaged for everything, because it {self.problem}"
        return f"engaged for {listed(self.holds)}" if self.holds else "disengaged"

    @property
    def engaged(self) -> bool:
        """Whether anything is engaged."""
        return bool(self.problem or self.holds)

    def covers(self, account: int, group: str | None = None) -> bool:
        """Tell whether an account must stop; `group` is "" if it has none, and without it every group counts."""
        named = {("all", ""), ("account", f"{account:d}"), ("group", group)}
        return bool(self.problem) or any(
            hold[:2] in named or (group is None and hold.what == "group") for hold in self.holds
        )

    def includes(self, wanted: Iterable[Hold]) -> bool:
        """Tell whether these scopes are engaged, by whichever run."""
        scopes = {hold[:2] for hold in self.holds}
        return bool(self.problem) or ("all", "") in scopes or {hold[:2] for hold in wanted} <= scopes


def listed(found: Iterable[Hold]) -> str:
    """Give scopes in one clipped line."""
    return clip(", ".join(map(str, found)))


def read(file: Path) -> State:
    """Say what the latch says. Never raises, never waits."""
    try:
        return look(file)
    except Exception as error:  # noqa: BLE001  (whatever it is, it means engaged)
        return State((), f"cannot be read: {why(error)}")


def holds(file: Path, account: int, group: str | None = None) -> bool:
    """Tell a strategy whether it must not trade an account now: within microseconds, and True in doubt.

    `group` is "" if it has none; without it every group that is engaged counts.
    """
    try:
        return look(file).covers(account, group)
    except Exception:  # noqa: BLE001  (whatever it is, it means engaged)
        return True


def look(file: Path) -> State:
    """Say what the latch says to everybody; an OSError where only we cannot read it, such as no permission."""
    try:
        return parse(_bytes(file))
    except OSError as error:
        if error.errno not in _SAME_FOR_ALL:
            raise
        return State((), "is missing" if error.errno == errno.ENOENT else f"cannot be read: {why(error)}")


def _bytes(file: Path) -> bytes | None:
    """Read the file; None if it is no regular one."""
    descriptor = os.open(file, os.O_RDONLY | OPEN_FLAGS)
    try:
        found = os.fstat(descriptor)
        return os.read(descriptor, min(found.st_size, LARGEST) + 1) if stat.S_ISREG(found.st_mode) else None
    finally:
        os.close(descriptor)


@lru_cache(4)
def parse(data: bytes | None) -> State:
    """Say what a latch of these bytes says; None stands for what is no regular file."""
    if data is None:
        return State((), "is no regular file")
    try:
        lines = [line.split("\t") for line in data.decode().split("\n")[1:-2]]
        found = tuple(Hold("all", "", *line[1:]) if line[0] == "all" else Hold(*line) for line in lines)
    except (ValueError, TypeError):  # no UTF-8; another number of fields
        found = ()
    if render(merge(map(writable, found))) == data:
        return State(found)
    return State((), "is not whole: it was cut off, damaged or edited")


def render(found: Sequence[Hold]) -> bytes:
    """Give the bytes of a latch."""
    lines = ["engaged" if found else "disengaged", *("\t".join(filter(None, hold)) for hold in found)]
    body = "".join(f"{line}\n" for line in lines).encode()
    return body + b"end %08x\n" % zlib.crc32(body)


def writable(hold: Hold) -> Hold:
    """Give a hold in a form that the file can hold: `all` if it cannot hold the name."""
    what, name = hold.what, str(hold.name)
    named = (what == "group" and name and name.isprintable()) or (what == "account" and _ACCOUNT.fullmatch(name))
    run, at = clip(str(hold.run)) or "-", clip(str(hold.at)) or "-"
    return Hold(what, name, run, at) if named else Hold("all", "", run, at)


def merge(found: Iterable[Hold]) -> tuple[Hold, ...]:
    """Leave one hold for each scope, the last."""
    return tuple({hold[:2]: hold for hold in found}.values())
