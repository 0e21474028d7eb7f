"""The latch: nothing that somebody engaged is ever lost, whatever fails, and whoever comes in between."""

import errno
import fcntl
import gc
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.kit.errors import UsageError
from panic.latch import Hold, LatchError, State, change, text
from tests.latch.test_latch import AT, EIGHT, NINE, SEVEN, engaged

STEPS = ("open", "fstat", "read", "write", "fchmod", "fsync", "rename", "unlink", "listdir")
Act = Callable[[Path], object]


@contextmanager
def watched(before: Callable[[str], object]) -> Iterator[None]:
    """Have something done before each system call that changes or reads a file.

    Python makes none of its own meanwhile: one that fails would end the process that keeps all semaphores.
    """

    def watch(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **more: Any) -> Any:
            before(name)
            return call(*args, **more)

        return watching

    was_collecting = gc.isenabled()
    gc.disable()  # it removes the semaphores of pools that are gone
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in STEPS:
                patch.setattr(os, name, watch(name, getattr(os, name)))
            yield
    finally:
        if was_collecting:
            gc.enable()


def test_what_is_engaged_outlasts_a_power_cut(file: Path):
    """The file is on the disk before it gets its name, and the name before the press goes on."""
    made: list[str] = []
    file.with_name("panic.latch.killed.new").touch()
    with watched(made.append):
        engaged(file, SEVEN)

    order = [name for name in made if name in {"open", "read", "write", "fsync", "rename"}]
    assert ["open", "open", "open", "read", "write", "fsync", "rename"] == order[:7]
    assert "fsync" in order[7:]
    assert {"panic.latch", "panic.latch.lock"} == {path.name for path in file.parent.iterdir()}


def failing_at(failing: int, number: int, *, for_ever: bool) -> Callable[[str], None]:
    """Let one system call fail, or all from it on."""
    calls = count()

    def fail(_: str) -> None:
        call = next(calls)
        if call == failing or (for_ever and call > failing):
            raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "for_ever"), [(errno.EIO, False), (errno.EACCES, False), (errno.EIO, True)])
@pytest.mark.parametrize("failing", range(22))
def test_whatever_call_fails_nothing_engaged_is_lost(file: Path, failing: int, number: int, for_ever: bool):
    """A press says so, and a reset that raises nothing has been done."""
    engaged(file, EIGHT, NINE)
    with watched(failing_at(failing, number, for_ever=for_ever)):
        words = latch.engage(file, [SEVEN])
    state = latch.read(file)
    with watched(failing_at(failing, number, for_ever=for_ever)), suppress(LatchError):
        latch.release(file, [NINE])
        assert State((EIGHT, SEVEN)) == text.parse(file.read_bytes())

    assert state.includes([EIGHT])
    assert state.includes([SEVEN]) or (for_ever and "NOT" in words)
    assert latch.read(file).includes([EIGHT])


def interrupted(act: Callable[[], Any], steps: int, press: Callable[[], object]) -> Any:
    """Let a press come in between after so many calls of another's act; give what became of the act."""
    calls, is_there, may_go, results = count(), threading.Event(), threading.Event(), list[Any]()

    def before(_: str) -> None:
        if threading.current_thread() is other and next(calls) == steps:
            is_there.set()
            may_go.wait(20)

    def work() -> None:
        with suppress(LatchError, UsageError):
            results.append(act())
        is_there.set()

    other = threading.Thread(target=work)
    with pytest.MonkeyPatch.context() as patch, watched(before):
        patch.setattr(change, "PATIENCE_S", 0.0)
        other.start()
        is_there.wait(20)
        press()
        may_go.set()
        other.join()
    return results


def read(file: Path) -> tuple[str, bool]:
    """What a strategy sees."""
    return latch.read(file).problem, latch.holds(file, 8, "")


def vanish(file: Path) -> None:
    """Leave no latch, and no sign that there was one."""
    file.unlink()
    change._lock(file).unlink()


@pytest.mark.parametrize(
    ("prepare", "act", "first"),
    [
        (Path.exists, lambda file: latch.engage(file, [EIGHT]), 0),
        (lambda file: engaged(file, NINE), lambda file: latch.release(file, [NINE]), 0),
        (Path.unlink, lambda file: latch.release(file, [], recreate=True), 2),  # lock and temporary file are open
        (lambda file: file.write_bytes(b""), lambda file: latch.release(file, [], recreate=True), 2),
        (vanish, latch.create, 0),
        (Path.exists, read, 0),
    ],
    ids=["press", "reset", "recreate a missing one", "recreate a damaged one", "set up", "read"],
)
def test_a_press_in_the_middle_of_anything_counts(tmp_path: Path, prepare: Act, act: Act, first: int):
    """Wherever it comes in between; and a reader sees the old latch, none or the new one."""
    for steps in range(first, 30):
        file = tmp_path / f"{steps}"
        latch.create(file)
        prepare(file)
        done = interrupted(lambda: act(file), steps, lambda: latch.engage(file, [SEVEN]))  # noqa: B023

        assert latch.read(file).includes([SEVEN])
        assert act is not read or done == [("", False)]


def test_a_press_that_cannot_write_engages_everything(file: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody sleeps on the lock, the disk or the latch is full, or there can be no lock; a reset gives up."""
    said = []
    monkeypatch.setattr(change, "PATIENCE_S", 0.0)
    with change._lock(file).open("rb") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        said.append(latch.engage(file, [SEVEN]))
        with pytest.raises(LatchError, match="another process is changing the latch"):
            latch.release(file, [], recreate=True)
    latch.release(file, [], recreate=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12, before[1]))
    try:
        said.append(latch.engage(file, [SEVEN]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    latch.release(file, [], recreate=True)
    many = range(10**17, 10**17 + 20_000)
    said.append(latch.engage(file, [Hold("account", str(id_), "run-3", AT) for id_ in many]))
    latch.release(file, [], recreate=True)
    change._lock(file).unlink()
    change._lock(file).mkdir()
    said.append(latch.engage(file, [SEVEN]))

    reasons = (
        "another process is changing the latch",
        "file too large",
        "it holds no more scopes",
        "is a directory",
    )
    after = "everything is engaged until a person resets it"
    assert [f"the latch {file} is missing ({reason}): {after}" for reason in reasons] == said
    assert "no scope was named: the latch was left as it is" == latch.engage(file, [])
    with pytest.raises(LatchError, match="is a directory"):
        latch.release(file, [], recreate=True)
