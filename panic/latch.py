r"""The latch: the durable word that a press with `--latch` leaves behind, for strategies to look at.

It is a small local file. Missing, unreadable or not whole means engaged, for everything. It is UTF-8 text:

    engaged
    all<TAB>RUN<TAB>TIME
    group<TAB>NAME<TAB>RUN<TAB>TIME
    account<TAB>ID<TAB>RUN<TAB>TIME
    end CRC

The first line is `engaged` or `disengaged`. One line follows for each scope that is engaged, with the run that
engaged it and the ISO time of the press. The last line is the word `end` and the CRC-32 (as zlib and gzip have
it, eight lower-case hexadecimal digits) of all the bytes before it. Every line ends with a line feed, names hold
no control characters, and no file is longer than 1 MiB. A disengaged latch is therefore always the same 24 bytes:

    printf 'disengaged\nend 1d2d85c7\n' | cmp -s - /var/lib/panic/latch || stop_trading

That is the least test a strategy should make, in any language: read 25 bytes, compare 24, go on only if there
are no others. The first byte alone is one flipped bit away from saying the opposite, `d` being 0x64 and `e` 0x65.
A strategy that may go on while others are stopped reads all lines, stops unless the CRC is right, and stops if
`all`, its group or its account is listed. Open the file anew for each test, and give a container its folder,
never the file alone: each change is a new file under the old name. Whoever still holds a file that has been
replaced finds `engaged` and `all` written over its beginning; so whoever finds a file not whole looks once more.

Any number of processes may change it at once. They take turns by a lock file, and need not: each creates its
temporary file, then reads, then renames; after that it removes the temporary files of all others, whose
knowledge is old now and who begin again, and makes sure that its own change is there. So nothing that somebody
engaged is ever lost, whoever dies or sleeps in between. Call `engage` from a thread: a dying disk keeps a caller.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from panic.errors import PanicError, Problem, UsageError
from panic.words import clip

PATIENCE_S = 0.5
"""So long a change waits for its turn. Then engaging goes on without, and resetting gives up."""

LARGEST = 1 << 20
"""Bytes: room for some fifteen thousand scopes. What does not fit is engaged as `all`."""

_ROOM_FOR_ALL = 2048  # bytes that narrower scopes leave free
_RETRY_S = 0.005
_TRIES = 50  # each time somebody else has succeeded
_BITS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPOILT = b"engaged\nall\n"  # shorter than any latch, so that it needs no room on a full disk
_ACCOUNT = re.compile("[1-9][0-9]{0,18}")
_SAME_FOR_ALL = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}


class LatchError(PanicError):
    """The latch could not be set up or reset, or that could not be verified."""


class Hold(NamedTuple):
    """One scope that is engaged.

    Attributes:
        what: "all", "group" or "account".
        name: "" for all; the group's name; the account's id in digits.
        run: The run that engaged it.
        at: When it was pressed, ISO, UTC.
    """

    what: str
    name: str
    run: str
    at: str

    def __str__(self) -> str:
        return "all accounts" if self.what == "all" else clip(f"{self.what} {self.name}")


@dataclass(frozen=True, slots=True)
class State:
    """What the latch says.

    Attributes:
        holds: The scopes that are engaged.
        problem: Why it cannot be believed, to go after "the latch"; anything but "" means engaged for everything.
    """

    holds: tuple[Hold, ...]
    problem: str = ""

    @property
    def engaged(self) -> bool:
        """Whether anything is engaged."""
        return bool(self.problem or self.holds)

    def covers(self, account: int, group: str | None = None) -> bool:
        """Whether an account must stop; `group` is its group, "" if it has none. Without it any group's hold counts.

        Raises:
            ValueError: `account` is no whole number.
        """
        id_ = f"{account:d}"
        return bool(self.problem) or any(
            what == "all"
            or (what == "account" and name == id_)
            or (what == "group" and (group is None or name == group))
            for what, name, _, _ in self.holds
        )

    def __str__(self) -> str:
        if self.problem:
            return f"engaged for everything, because it {self.problem}"
        return f"engaged for {', '.join(map(str, self.holds[:10]))}" if self.holds else "disengaged"


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────


def read(file: Path) -> State:
    """Say what the latch says. Never raises, never waits."""
    try:
        return _look(file)
    except Exception as error:  # noqa: BLE001  (whatever it is, it means engaged)
        return State((), f"cannot be read: {_why(error)}")


def holds(file: Path, account: int, group: str | None = None) -> bool:
    """Whether a strategy must not trade an account now: microseconds, and true in doubt.

    Args:
        file: The latch.
        account: The account's id.
        group: Its group, "" if it has none; without it any group that is engaged counts.
    """
    try:
        return _glance(file)[0] != _DISENGAGED and _look(file).covers(account, group)
    except Exception:  # noqa: BLE001  (whatever it is, it means engaged)
        return True


def _look(file: Path) -> State:
    """Say what the latch says to everybody.

    Raises:
        OSError: We cannot read it, and somebody else perhaps can: no descriptors left, no permission.
    """
    for _ in range(_TRIES):
        try:
            data, found = _glance(file)
        except OSError as error:
            if error.errno not in _SAME_FOR_ALL:
                raise
            return State((), "is missing" if error.errno == errno.ENOENT else f"cannot be read: {_why(error)}")
        state = _parse(data) if stat.S_ISREG(found.st_mode) else State((), "is no regular file")
        with suppress(FileNotFoundError):
            if not state.problem or os.path.samestat(found, file.stat()):
                return state  # else it was replaced while we read it
    raise OSError(errno.EAGAIN, "It keeps changing")


def _glance(file: Path) -> tuple[bytes, os.stat_result]:
    descriptor = os.open(file, os.O_RDONLY | _BITS)
    try:
        found = os.fstat(descriptor)
        regular = stat.S_ISREG(found.st_mode)
        return os.read(descriptor, min(found.st_size, LARGEST) + 1) if regular else b"", found
    finally:
        os.close(descriptor)


@lru_cache(4)
def _parse(data: bytes) -> State:
    try:
        found = [_hold(line.split("\t")) for line in data.decode().split("\n")[1:-2]]
    except ValueError:  # this includes what is not UTF-8
        found = []
    if len(data) <= LARGEST and _render(_merge(map(_writable, found))) == data:
        return State(tuple(found))
    return State((), "is not whole: it was cut off, damaged or edited")


def _hold(fields: list[str]) -> Hold:
    return Hold(fields[0], "", *fields[1:]) if len(fields) == 3 else Hold(*fields)  # noqa: PLR2004


def _render(found: Sequence[Hold]) -> bytes:
    lines = ["engaged" if found else "disengaged"]
    lines += [
        "\t".join((what, run, at) if what == "all" else (what, name, run, at)) for what, name, run, at in found
    ]
    body = "".join(f"{line}\n" for line in lines).encode()
    return body + b"end %08x\n" % zlib.crc32(body)


def _writable(hold: Hold) -> Hold:
    """Give a hold as the file can have it: `all` instead of a name that it cannot."""
    what, name = hold.what, str(hold.name)
    by_name = (what == "group" and name != "" and name.isprintable()) or (
        what == "account" and bool(_ACCOUNT.fullmatch(name))
    )
    run, at = clip(str(hold.run)) or "-", clip(str(hold.at)) or "-"
    return Hold(what, name, run, at) if by_name else Hold("all", "", run, at)


def _merge(found: Iterable[Hold]) -> tuple[Hold, ...]:
    """Leave one hold for each scope, the last."""
    return tuple({hold[:2]: hold for hold in found}.values())


_DISENGAGED = _render(())


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────


def create(file: Path) -> None:
    """Set the latch up, disengaged, and the folders above it.

    Raises:
        UsageError: It is there already; or was, and its absence means engaged now: that takes a reset.
        LatchError: It cannot be written or verified.
    """
    path = Path(os.path.realpath(file))

    def change(state: State) -> tuple[Hold, ...]:
        if os.path.lexists(path) or os.path.lexists(_lock(path)):
            remedy = "Nothing is left to be set up; reset it to disengage it."
            raise UsageError(str(Problem(f"the latch was set up before and is {state}", remedy, path)))
        return ()

    with _told(path, "set up"):
        _make_folders(path.parent)
        if not _rewrite(path, change) or _look(path) != State(()):
            raise LatchError(str(Problem("the latch was changed while it was set up", "Look at it.", path)))
        with _turn(path):
            _sync_folder(path)


def engage(file: Path, holds: Sequence[Hold]) -> str:
    """Engage scopes, beside those that are engaged. Never raises; waits half a second for its turn at most.

    A latch that is missing or not whole is engaged for everything and stays so. One that cannot be written is
    spoilt or removed, which means the same.

    Returns:
        "", or what went wrong, and what is engaged now.
    """
    try:
        path = Path(os.path.realpath(file))
        wanted = _merge(map(_writable, holds))
        with _turn(path):
            wrong = _add(path, wanted)
        return _story(path, holds, wanted, wrong)
    except Exception as error:  # noqa: BLE001  (a press must not end here)
        return (
            f"IT IS NOT CERTAIN THAT THE LATCH {file} IS ENGAGED ({error!r}). Stop the strategies by other means."
        )


def release(file: Path, holds: Sequence[Hold], *, recreate: bool = False) -> None:
    """Reset exactly these holds, as they were read; others stay.

    Args:
        file: The latch.
        holds: What a person has seen and decided to end.
        recreate: Write a disengaged latch in the place of one that is missing or not whole, and only then.

    Raises:
        LatchError: It cannot be written or verified, or does not say any more what the person saw.
    """
    path = Path(os.path.realpath(file))
    with _told(path, "reset"), _turn(path) as ours:
        if not ours:
            raise LatchError(str(Problem("another process is changing the latch", "Reset it again.", path)))
        done = _rewrite(path, lambda state: _left(path, state, holds, recreate=recreate))
        state = _look(path)
        if not done or state.problem or set(holds) & set(state.holds):
            what = f"the latch was changed by another process at the same time and is {state}"
            raise LatchError(str(Problem(what, "Look at it, and reset it again.", path)))
        _sync_folder(path)


def _left(path: Path, state: State, holds: Sequence[Hold], *, recreate: bool) -> tuple[Hold, ...]:
    gone = [hold for hold in holds if hold not in state.holds]
    if bool(state.problem) != recreate:
        what = f"the latch {state.problem}" if state.problem else "the latch is whole and does not need recreating"
        remedy = "Recreate it to disengage everything." if state.problem else "Reset what it lists."
    elif gone and not recreate:
        what = f"{gone[0]} is not engaged by run {clip(gone[0].run)} (any more)"
        remedy = "Nothing was reset; look at the latch, and reset what it lists."
    else:
        return tuple(hold for hold in state.holds if hold not in holds)
    raise LatchError(str(Problem(what, remedy, path)))


def _add(path: Path, wanted: tuple[Hold, ...]) -> str:
    """Add holds; give what went wrong, if anything, after having done the utmost."""

    def change(state: State) -> tuple[Hold, ...] | None:
        if state.problem:
            return None
        whole = _merge((*state.holds, *wanted))
        if len(_render(whole)) <= LARGEST - _ROOM_FOR_ALL:
            return whole
        return _merge((*state.holds, Hold("all", "", wanted[-1].run, wanted[-1].at)))

    try:
        for _ in range(_TRIES):
            if _rewrite(path, change) and _stops(_look(path), wanted):
                _sync_folder(path)
                return ""
        wrong = "other processes kept changing it"
    except Exception as error:  # noqa: BLE001  (whatever it is, the latch has to be engaged)
        wrong = _why(error)
    _force(path, wanted)
    return wrong


def _stops(state: State, wanted: Iterable[Hold]) -> bool:
    scopes = {hold[:2] for hold in state.holds}
    return bool(state.problem) or ("all", "") in scopes or {hold[:2] for hold in wanted} <= scopes


def _force(path: Path, wanted: Iterable[Hold]) -> None:
    """Engage everything without writing a file: spoil the one there is, or remove it."""
    for step in (lambda _: None, _spoil, Path.unlink, _spoil, Path.unlink):
        for act in (step, _sweep, _sync_folder):
            with suppress(Exception):
                act(path)
        with suppress(Exception):
            if _stops(_look(path), wanted):
                return


def _story(path: Path, holds: Sequence[Hold], wanted: Iterable[Hold], wrong: str) -> str:
    state, asked = _look(path), clip(", ".join(map(str, holds)))
    because = f" ({wrong})" if wrong else ""
    if not _stops(state, wanted):
        return f"THE LATCH {path} IS NOT ENGAGED for {asked}{because}. Stop the strategies by other means."
    if state.problem:
        return f"the latch {path} {state.problem}{because}: everything is engaged until a person resets it"
    missing = {hold[:2] for hold in holds} - {hold[:2] for hold in state.holds}
    if missing:
        return f"the latch {path} is engaged for all accounts: {asked} could not be written into it{because}"
    return f"the latch {path} is engaged, but it is not certain to stay so{because}" if wrong else ""


def _rewrite(path: Path, change: Callable[[State], Sequence[Hold] | None]) -> bool:
    """Put a changed latch in the place of the one there is; false when somebody else was faster.

    The order is what keeps it right (see above): the temporary file has to be there before the latch is read.

    Args:
        path: The latch, no symbolic link: a rename would replace the link.
        change: Gives what is to be engaged; None to leave a latch that is not whole as it is.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BITS, 0o644)
    try:
        found = change(_look(path))
        if found is None:
            with suppress(OSError):
                _spoil(path)  # for those who look at the first line only
        else:
            _fill(descriptor, _render(found))
            if not _replace(path, temporary):
                return False
    finally:
        os.close(descriptor)
        with suppress(OSError):
            temporary.unlink()
    _sweep(path)
    return True


def _fill(descriptor: int, data: bytes) -> None:
    os.fchmod(descriptor, 0o644)  # whatever the umask says, strategies of other users have to read it
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _replace(path: Path, temporary: Path) -> bool:
    """Rename, and spoil the old file for whoever still holds it: an open descriptor, a mount of the file alone."""
    old = None
    with suppress(OSError):
        old = _open_to_spoil(path)
    try:
        temporary.rename(path)
        if old is not None:
            with suppress(OSError):
                os.pwrite(old, _SPOILT, 0)
    except FileNotFoundError:  # it was swept
        return False
    finally:
        if old is not None:
            os.close(old)
    return True


def _open_to_spoil(path: Path) -> int | None:
    if not stat.S_ISREG(path.stat().st_mode):
        return None  # to open a device may already do something
    descriptor = os.open(path, os.O_WRONLY | _BITS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _spoil(path: Path) -> None:
    """Make the latch unreadable where it lies, beginning with `engaged`."""
    descriptor = _open_to_spoil(path)
    if descriptor is not None:
        try:
            os.pwrite(descriptor, _SPOILT, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove all temporary files: those who read the latch before now must not write it."""
    temporary = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.new")
    for name in os.listdir(path.parent):
        if temporary.fullmatch(name):
            path.with_name(name).unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> None:
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)  # strategies of other users have to get through, whatever the umask says
        _sync_folder(missing)


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _turn(path: Path) -> Iterator[bool]:
    """Wait for our turn; false when somebody else's did not end. Where there can be no lock, it is our turn."""
    descriptor, ours = None, True
    try:
        with suppress(OSError):
            descriptor = os.open(_lock(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | _BITS, 0o600)
            ours = _flock(descriptor)
        yield ours
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _flock(descriptor: int) -> bool:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                return False
            time.sleep(_RETRY_S)
        else:
            return True


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Turn what the system refuses into words and a remedy."""
    try:
        yield
    except OSError as error:
        told = f"the latch could not be {what} ({_why(error)}) and is {read(path)}"
        raise LatchError(str(Problem(told, "Mend that, look at the latch, and try again.", path))) from error


def _why(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else "") or repr(error)
    return text[:1].lower() + text[1:]
