"""Changes the latch: nothing engaged is ever lost, whichever process dies, stalls or writes at the same time.

Processes take turns by a lock file: create a temporary file, only then read the latch, write, rename. A press does
not wait for ever for its turn. Without one it spoils the latch, which engages everything, and then removes all
temporary files, so that the process whose turn it is cannot put back what it read before.

Call `engage` from a thread of its own: nothing here waits for long, but a dying disk may hang.
"""

import errno
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
from panic.kit.files import sync_folder
from panic.latch.text import LARGEST, OPEN_FLAGS, Hold, State, listed, look, merge, read, render, why, writable

PATIENCE_S = 0.5
"""How long a change waits for its turn, seconds."""

_RETRY_S = 0.005
_TRIES = 8  # whenever one fails, somebody else has succeeded
_SPOILT = b"engaged\nall\n"  # shorter than any latch, so that it needs no room on a full disk

Change = Callable[[State], Sequence[Hold] | None]
"""Maps what is engaged to what shall be; None leaves the latch as it is."""


class LatchError(PanicError):
    """The latch could not be set up or reset, or that could not be verified."""


def create(file: Path) -> None:
    """Set the latch up, disengaged, with the folders above it.

    A UsageError if it is there, or was, so that its absence means engaged; a LatchError if it cannot be verified.
    """

    def change(state: State) -> tuple[Hold, ...]:
        if os.path.lexists(path) or os.path.lexists(_lock(path)):
            raise UsageError(_words(path, f"the latch was set up before and is {state}", "Look at it."))
        return ()

    with _explained(file, "set up") as path:
        _make_folders(path.parent)
        _rewrite(path, change)  # without a turn: the lock file is the sign that it has been set up
        with _turn(path):
            sync_folder(path.parent)
        if look(path).engaged:
            raise LatchError(_words(path, "the latch was engaged while it was set up", "Look at it."))


def engage(file: Path, holds: Sequence[Hold]) -> str:
    """Engage scopes beside those that are engaged; give "", or in words what went wrong. Never raises.

    A latch that is missing or not whole is engaged for everything, and stays so. One that cannot be changed is
    spoilt where it lies, or removed: engaged for everything, too.
    """
    if not holds:
        return "no scope was named: the latch was left as it is"
    try:
        path, wrong = Path(os.path.realpath(file)), ""
        wanted = merge(map(writable, holds))
        try:
            _add(path, wanted)
        except Exception as error:  # noqa: BLE001  (whatever it is, the latch has to be engaged)
            wrong = why(error)
            _force(path)
        return _outcome(path, holds, wanted, wrong)
    except Exception as error:  # noqa: BLE001  (it must not end a press)
        return f"IT IS NOT CERTAIN THAT THE LATCH {file} IS ENGAGED: {why(error)}. Stop strategies by other means."


def _add(path: Path, wanted: tuple[Hold, ...]) -> None:
    with _turn(path):
        _rewrite(path, lambda state: None if state.problem else merge((*state.holds, *wanted)))
        if not look(path).includes(wanted):  # somebody was just setting the latch up
            raise _busy("changed")
        sync_folder(path.parent)


def release(file: Path, holds: Sequence[Hold], *, recreate: bool = False) -> None:
    """Reset exactly these holds, as a person read them; others stay.

    `recreate` puts a disengaged latch in the place of one that is missing or not whole, and of no other. After a
    LatchError it could not be written, or no longer says what the person saw.
    """
    with _explained(file, "reset") as path, _turn(path):
        _rewrite(path, lambda state: _without(path, state, holds, recreate=recreate))
        state = look(path)
        if state.problem or set(holds) & set(state.holds):
            what = f"another process changed the latch at the same time; it is {state}"
            raise LatchError(_words(path, what, "Look at it, and reset it again."))
        sync_folder(path.parent)


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


def _force(path: Path) -> None:
    """Engage everything without a turn and without a new file: spoil the latch, or remove it."""
    for way in (_spoil, Path.unlink) * _TRIES:
        for step in (way, _sweep):
            with suppress(Exception):
                step(path)
        with suppress(Exception):
            sync_folder(path.parent)
        with suppress(Exception):
            if look(path).problem:
                return


def _outcome(path: Path, holds: Sequence[Hold], wanted: Sequence[Hold], wrong: str) -> str:
    state, because = look(path), f" ({wrong})" if wrong else ""
    if not state.includes(wanted):
        return f"THE LATCH {path} IS NOT ENGAGED for {listed(holds)}{because}. Stop strategies by other means."
    if state.problem:
        return f"the latch {path} {state.problem}{because}: everything is engaged until a person resets it"
    if wrong:
        return f"the latch {path} is engaged, but it is not certain to stay so{because}"
    if {hold[:2] for hold in holds if hold.what != "all"} - {hold[:2] for hold in state.holds}:
        return f"the latch {path} is engaged for all accounts: it cannot hold {listed(holds)}"
    return ""


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────


def _rewrite(path: Path, change: Change) -> None:
    """Replace the latch with a changed one.

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
            except FileNotFoundError:  # somebody without a turn swept it away
                raise _busy("changed") from None
    finally:
        os.close(descriptor)
        with suppress(OSError):
            temporary.unlink()
    _sweep(path)  # what processes that were killed have left


def _fill(descriptor: int, data: bytes) -> None:
    if len(data) > LARGEST:
        raise OSError(errno.EFBIG, "it holds no more scopes")
    os.fchmod(descriptor, 0o644)  # strategies of other users read it, whatever the umask says
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _spoil(path: Path) -> None:
    """Make the latch unreadable where it lies, beginning with `engaged`."""
    if not stat.S_ISREG(path.stat().st_mode):  # merely opening a device may have effects
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


def _make_folders(folder: Path) -> None:
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)  # strategies of other users pass through, whatever the umask says


# ── turns and words ─────────────────────────────────────────────────────────────────────────────────────────


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait for our turn, but not for ever."""
    # For its owner only: who can open it can keep it.
    descriptor = os.open(_lock(path), os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
    try:
        give_up_at = time.monotonic() + PATIENCE_S
        while not _is_ours(descriptor):
            if time.monotonic() >= give_up_at:
                raise _busy("is changing")
            time.sleep(_RETRY_S)
        yield
    finally:
        os.close(descriptor)


def _busy(does: str) -> OSError:
    return OSError(errno.EBUSY, f"another process {does} the latch")


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _explained(file: Path, what: str) -> Iterator[Path]:
    """Give the latch's real path, and turn system errors into a message with a remedy."""
    try:
        yield Path(os.path.realpath(file))
    except (OSError, ValueError) as error:
        words = f"the latch could not be {what} ({why(error)}); it is {read(file)}"
        remedy = _REMEDIES.get(type(error), "Look at the latch, and try again.")
        path, folder = quote(str(file)), quote(str(file.parent))
        raise LatchError(_words(file, words, remedy.format(path=path, folder=folder))) from error


_REMEDIES: dict[type[Exception], str] = {
    FileNotFoundError: "Make its folder, look at the latch, and try again: mkdir -p {folder}",
    IsADirectoryError: "Move it out of the way, look at the latch, and try again: mv {path} {path}.aside",
    NotADirectoryError: "Something above it is no folder. Move that out of the way, and try again: namei {path}",
    PermissionError: "Find out whose it is, become that user, and try again: ls -ld {folder} {path}",
}


def _words(file: Path, what: str, remedy: str) -> str:
    return str(Problem(what, remedy, file))
