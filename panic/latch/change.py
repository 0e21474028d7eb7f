"""Changing the latch: nothing that somebody engaged is lost, whoever dies, sleeps or writes at the same time.

Processes take turns by a lock file. A press does not wait for ever for its turn, and is right without it too,
because of the order in which each works: create a temporary file; only then read the latch; write; rename; remove
the temporary files of all others, because what they have read is old now; see that the own change is there.

Call `engage` from a thread of its own: nothing here waits for long, but a dying disk may.
"""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from shlex import quote

from panic.kit.errors import PanicError, Problem, UsageError
from panic.latch.text import LARGEST, OPEN_FLAGS, Hold, State, listed, look, merge, read, render, why, writable

PATIENCE_S = 0.5
"""So long a change waits for its turn. Then engaging goes ahead without one, and resetting gives up."""

ROOM_FOR_ALL = 2048
"""Bytes that narrower scopes leave free in a full latch."""

_RETRY_S = 0.005
_TRIES = 50  # whenever one fails, somebody else has succeeded
_SPOILT = b"engaged\nall\n"  # shorter than any latch, so that it needs no room on a full disk

Change = Callable[[State], Sequence[Hold] | None]
"""Gives what is to be engaged from what is; None leaves the latch as it is."""


class LatchError(PanicError):
    """The latch could not be set up or reset, or that could not be verified."""


def create(file: Path) -> None:
    """Set the latch up, disengaged, with the folders above it.

    Raises:
        UsageError: It is there already; or it was, so that its absence means engaged now, which takes a reset.
        LatchError: It cannot be written or verified.
    """

    def change(state: State) -> tuple[Hold, ...]:
        if os.path.lexists(path) or os.path.lexists(_lock(path)):
            raise UsageError(_words(path, f"the latch was set up before and is {state}", "Look at it."))
        return ()

    with _explained(file, "set up"):
        path = Path(os.path.realpath(file))
        _make_folders(path.parent)
        if not _rewrite(path, change) or look(path).engaged:
            raise LatchError(_words(path, "the latch was engaged while it was set up", "Look at it."))
        with _turn(path):  # this leaves the lock file, the sign that it has been set up
            _sync_folder(path)


def engage(file: Path, holds: Sequence[Hold]) -> str:
    """Engage scopes beside those that are engaged. Never raises.

    A latch that is missing or not whole is engaged for everything, and stays so. One that cannot be written is
    spoilt where it lies, or removed: engaged for everything, too.

    Returns:
        "", or in words what went wrong and what is engaged now.
    """
    if not holds:
        return "no scope was named: the latch was left as it is"
    try:
        path = Path(os.path.realpath(file))
        wanted = merge(map(writable, holds))
        with _turn(path):
            wrong = _add(path, wanted)
        return _outcome(path, holds, wanted, wrong)
    except Exception as error:  # noqa: BLE001  (no press ends here)
        return f"IT IS NOT CERTAIN THAT THE LATCH {file} IS ENGAGED: {why(error)}. Stop strategies by other means."


def release(file: Path, holds: Sequence[Hold], *, recreate: bool = False) -> None:
    """Reset exactly these holds, as they were read; others stay.

    Args:
        file: The latch.
        holds: What a person has seen and decided to end.
        recreate: Put a disengaged latch in the place of one that is missing or not whole; fails if it is whole.

    Raises:
        LatchError: It cannot be written or verified, or no longer says what the person saw.
    """
    with _explained(file, "reset"):
        path = Path(os.path.realpath(file))
        with _turn(path) as ours:
            if not ours:
                raise LatchError(_words(path, "another process is changing the latch", "Reset it again."))
            done = _rewrite(path, lambda state: _without(path, state, holds, recreate=recreate))
            state = look(path)
            if not done or state.problem or set(holds) & set(state.holds):
                what = f"another process changed the latch at the same time; it is {state}"
                raise LatchError(_words(path, what, "Look at it, and reset it again."))
            _sync_folder(path)


def _without(path: Path, state: State, holds: Sequence[Hold], *, recreate: bool) -> tuple[Hold, ...]:
    if state.problem and recreate:
        return ()
    if state.problem:
        raise LatchError(_words(path, f"the latch {state.problem}", "Recreate it to disengage everything."))
    if recreate:
        raise LatchError(_words(path, "the latch is whole, and not recreated", "Reset what it lists."))
    if gone := [hold for hold in holds if hold not in state.holds]:
        what = f"{gone[0]} is not engaged, or no longer by this press; nothing was reset"
        raise LatchError(_words(path, what, "Look at the latch, and reset what it lists."))
    return tuple(hold for hold in state.holds if hold not in holds)


def _add(path: Path, wanted: tuple[Hold, ...]) -> str:
    """Add holds, or else engage everything; give what went wrong."""

    def change(state: State) -> tuple[Hold, ...] | None:
        if state.problem:
            return None
        whole = merge((*state.holds, *wanted))
        if len(render(whole)) <= LARGEST - ROOM_FOR_ALL:
            return whole
        return merge((*state.holds, _everything(wanted)))

    try:
        for _ in range(_TRIES):
            if _rewrite(path, change) and _is_added(path, wanted):
                _sync_folder(path)
                return ""
        wrong = "other processes kept changing it"
    except Exception as error:  # noqa: BLE001  (whatever it is, the latch has to be engaged)
        wrong = why(error)
    _force(path, wanted)
    return wrong


def _force(path: Path, wanted: tuple[Hold, ...]) -> None:
    """Engage everything without a new file: spoil the one there is, or remove it."""
    for way in (_spoil, Path.unlink):
        for step in (way, _sweep, _sync_folder):
            with suppress(Exception):
                step(path)
        with suppress(Exception):
            if _is_added(path, wanted):
                return


def _everything(wanted: tuple[Hold, ...]) -> Hold:
    return wanted[-1]._replace(what="all", name="")


def _is_added(path: Path, wanted: tuple[Hold, ...]) -> bool:
    # The same scope by an older press is not enough: a person may have seen that one and be about to reset it.
    state = look(path)
    return bool(state.problem) or set(wanted) <= set(state.holds) or _everything(wanted) in state.holds


def _outcome(path: Path, holds: Sequence[Hold], wanted: tuple[Hold, ...], wrong: str) -> str:
    state, because = look(path), f" ({wrong})" if wrong else ""
    if not state.includes(wanted):
        return f"THE LATCH {path} IS NOT ENGAGED for {listed(holds)}{because}. Stop strategies by other means."
    if state.problem:
        return f"the latch {path} {state.problem}{because}: everything is engaged until a person resets it"
    if {hold[:2] for hold in holds if hold.what != "all"} - {hold[:2] for hold in state.holds}:
        return f"the latch {path} is engaged for all accounts: it cannot hold {listed(holds)}{because}"
    return f"the latch {path} is engaged, but it is not certain to stay so{because}" if wrong else ""


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────


def _rewrite(path: Path, change: Change) -> bool:
    """Put a changed latch in the place of the one there is; false when somebody else was faster.

    The path is no symbolic link: a rename would replace the link and leave the file.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o644)
    try:
        found = change(look(path))  # only now, see above
        if found is not None:
            _fill(descriptor, render(found))
            try:
                temporary.rename(path)
            except FileNotFoundError:  # somebody swept it away
                return False
    finally:
        os.close(descriptor)
        with suppress(OSError):
            temporary.unlink()
    _sweep(path)
    return True


def _fill(descriptor: int, data: bytes) -> None:
    os.fchmod(descriptor, 0o644)  # strategies of other users read it, whatever the umask says
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _spoil(path: Path) -> None:
    """Make the latch unreadable where it lies, beginning with `engaged`."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a device may do something already
        raise FileNotFoundError
    descriptor = os.open(path, os.O_WRONLY | OPEN_FLAGS)
    try:
        os.pwrite(descriptor, _SPOILT, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove all temporary files: those who read the latch before now must not write it."""
    for other in path.parent.glob(f"{escape(path.name)}.*.new"):
        other.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> None:
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)  # strategies of other users pass through, whatever the umask says


# ── turns and words ─────────────────────────────────────────────────────────────────────────────────────────


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _turn(path: Path) -> Iterator[bool]:
    """Wait for our turn; false when somebody else's does not end. Where there can be no lock it is our turn."""
    descriptor, ours = None, True
    try:
        with suppress(OSError):
            # For its owner only: who can open it can keep it.
            descriptor = os.open(_lock(path), os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
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
def _explained(file: Path, what: str) -> Iterator[None]:
    """Turn what the system refuses into words and a remedy."""
    try:
        yield
    except (OSError, ValueError) as error:
        words = f"the latch could not be {what} ({why(error)}); it is {read(file)}"
        raise LatchError(_words(file, words, _remedy(file, error))) from error


def _remedy(file: Path, error: Exception) -> str:
    """Name the command that mends what stands in the way."""
    again = "look at the latch, and try again"
    with suppress(OSError, ValueError):
        path = Path(os.path.realpath(file))
        folder = quote(str(path.parent))
        misplaced = [one for one in path.parents if one.exists() and not one.is_dir()]
        misplaced += [path] if path.exists() and not path.is_file() else []
        if misplaced:
            ours = quote(str(misplaced[0]))
            folders = "" if misplaced[0] == path else f" && mkdir -p {folder}"
            return f"Move it out of the way, {again}: mv {ours} {ours}.aside{folders}"
        if not path.parent.exists():
            return f"Make its folder, {again}: mkdir -p {folder}"
        if isinstance(error, PermissionError):
            return f"Find out whose it is, become that user, {again}: ls -ld {folder} {quote(str(path))}"
    return f"Mend that, {again}."


def _words(file: Path, what: str, remedy: str) -> str:
    return str(Problem(what, remedy, file))
