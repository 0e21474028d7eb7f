"""Changes the latch: nothing engaged is ever lost, whichever process dies, stalls or writes at the same time.

Processes take turns by a lock file: create a temporary file, only then read the latch, write, rename. A press does
not wait for ever for its turn. Without one it removes the latch, which engages everything, and then all temporary
files, so that the process whose turn it is cannot put back what it read before.

Call `engage` from a thread of its own: nothing here waits for long, but a dying disk may hang.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from shlex import quote

from panic.kit.errors import PanicError, Problem, UsageError
from panic.kit.files import sync_folder, why
from panic.latch.text import LARGEST, OPEN_FLAGS, Hold, State, listed, look, merge, read, render, writable

PATIENCE_S = 0.5
"""How long a change waits for its turn, seconds."""

_TRIES = 8  # whenever one fails, somebody else has succeeded


class LatchError(PanicError):
    """The latch could not be set up or reset, or that could not be verified."""


def create(file: Path) -> None:
    """Set the latch up, disengaged, with the folders above it.

    A UsageError if it is there, or was, so that its absence means engaged; a LatchError if it cannot be verified.
    """

    def change(state: State) -> tuple[Hold, ...]:
        if os.path.lexists(path) or os.path.lexists(_lock(path)):
            raise UsageError(str(Problem(f"the latch was set up before and is {state}", "Look at it.", path)))
        return ()

    with _explained(file, "set up") as path:
        path.parent.mkdir(parents=True, exist_ok=True)
        _rewrite(path, change)  # without a turn: the lock file is the sign that it has been set up
        with _turn(path):
            sync_folder(path.parent)
        if look(path).engaged:
            raise LatchError(str(Problem("the latch was engaged while it was set up", "Look at it.", path)))


def engage(file: Path, holds: Sequence[Hold]) -> str:
    """Engage scopes beside those that are engaged; give "", or in words what went wrong. Never raises.

    A latch that is missing or not whole is engaged for everything, and stays so. One that cannot be changed is
    removed: engaged for everything, too.
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
            _remove(path)
        return _outcome(path, holds, wanted, wrong)
    except Exception as error:  # noqa: BLE001  (it must not end a press)
        return f"IT IS NOT CERTAIN THAT THE LATCH {file} IS ENGAGED: {why(error)}. Stop strategies by other means."


def release(file: Path, holds: Sequence[Hold], *, recreate: bool = False) -> None:
    """Reset exactly these holds, as a person read them; others stay.

    `recreate` puts a disengaged latch in the place of one that is missing or not whole, and of no other.
    """
    with _explained(file, "reset") as path, _turn(path):
        _rewrite(path, lambda state: _without(path, state, holds, recreate=recreate))
        state = look(path)
        if state.problem or set(holds) & set(state.holds):
            what = f"another process changed the latch at the same time; it is {state}"
            raise LatchError(str(Problem(what, "Look at it, and reset it again.", path)))
        sync_folder(path.parent)


def _add(path: Path, wanted: tuple[Hold, ...]) -> None:
    with _turn(path):
        _rewrite(path, lambda state: None if state.problem else merge((*state.holds, *wanted)))
        if not look(path).includes(wanted):  # somebody was just setting the latch up
            raise _busy("changed")
        sync_folder(path.parent)


def _without(path: Path, state: State, holds: Sequence[Hold], *, recreate: bool) -> tuple[Hold, ...]:
    if recreate and state.problem:
        return ()
    if recreate or state.problem or not set(holds) <= set(state.holds):
        what = f"it is {state}, which is not what was to be reset; nothing was reset"
        raise LatchError(str(Problem(what, "Look at the latch, and reset it again.", path)))
    return tuple(hold for hold in state.holds if hold not in holds)


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


def _rewrite(path: Path, change: Callable[[State], Sequence[Hold] | None]) -> None:
    """Replace the latch with what `change` makes of it; `path` is no link, which a rename would replace."""
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


def _remove(path: Path) -> None:
    """Engage everything without a turn and without room on the disk: no latch means engaged."""
    for _ in range(_TRIES):
        for step in (Path.unlink, _sweep, lambda path: sync_folder(path.parent)):
            with suppress(Exception):
                step(path)
        with suppress(Exception):
            if look(path).problem:
                return


def _sweep(path: Path) -> None:
    """Remove all temporary files: those who read the latch before now must not write it."""
    for other in path.parent.glob(f"{escape(path.name)}.*.new"):
        other.unlink(missing_ok=True)


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait for our turn, but not for ever."""
    # For its owner only: who can open it can keep it.
    descriptor = os.open(_lock(path), os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
    try:
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise _busy("is changing") from None
                time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _busy(does: str) -> OSError:
    return OSError(errno.EBUSY, f"another process {does} the latch")


@contextmanager
def _explained(file: Path, what: str) -> Iterator[Path]:
    """Give the latch's real path, and turn system errors into a message with a remedy."""
    try:
        yield Path(os.path.realpath(file))
    except (OSError, ValueError) as error:
        words = f"the latch could not be {what} ({why(error)}); it is {read(file)}"
        remedy = f"Look at what is there, and try again: ls -ld {quote(str(file.parent))} {quote(str(file))}"
        raise LatchError(str(Problem(words, remedy, file))) from error
