"""The latch: in doubt it is engaged, and nothing that somebody engaged is ever lost."""

import errno
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic import latch
from panic.kit.errors import UsageError
from panic.latch import Hold, LatchError, State, change, text
from tests import ROOT

AT = "2026-03-02T10:00:00+00:00"
ALL = Hold("all", "", "run-1", AT)
GROUP = Hold("group", "équités EU", "run-2", AT)
SEVEN, EIGHT, NINE = (Hold("account", name, f"run-{name}", AT) for name in "789")
DISENGAGED = b"disengaged\nend 94defd48\n"
NOT_WHOLE = "is not whole: it was cut off, damaged or edited"
STEPS = ("open", "fstat", "stat", "read", "write", "pwrite", "fchmod", "fsync", "rename", "unlink", "listdir")
Act = Callable[[Path], object]


@pytest.fixture
def file(tmp_path: Path):
    """A latch that has just been set up."""
    file = tmp_path / "panic.latch"
    latch.create(file)
    return file


def engaged(file: Path, *holds: Hold):
    """The latch, with these scopes engaged."""
    assert "" == latch.engage(file, holds)
    return file


def whole(*lines: str):
    """A latch of these lines, made by hand."""
    body = "".join(f"{line}\n" for line in lines).encode()
    return body + f"end {zlib.crc32(body):08x}\n".encode()


def beside(file: Path):
    """What else lies in the latch's folder."""
    return sorted(path.name for path in file.parent.iterdir() if path != file)


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_text_is_as_it_is_documented(file: Path):
    """Disengaged it is always the same 24 bytes; engaged it has tabs between the fields, and a CRC."""
    before = file.read_bytes(), latch.read(file), latch.holds(file, 7)
    engaged(file, ALL, GROUP, SEVEN)

    assert (DISENGAGED, State(()), False) == before
    assert (
        whole("engaged", f"all\trun-1\t{AT}", f"group\téquités EU\trun-2\t{AT}", f"account\t7\trun-7\t{AT}")
        == file.read_bytes()
    )
    assert State((ALL, GROUP, SEVEN)) == latch.read(file)


def test_the_documented_shell_test_stops_in_doubt(file: Path):
    """As an operator copies it."""
    assert latch.__doc__ is not None
    (line,) = [line.strip() for line in latch.__doc__.splitlines() if "cmp" in line]
    command = f"stop_trading() {{ echo stop; }}; {line}"

    def shell():
        done = subprocess.run(["sh", "-c", command], cwd=file.parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    said = [shell()]
    for data in (DISENGAGED[:11], whole("engaged", f"account\t7\trun\t{AT}")):
        file.write_bytes(data)
        said.append(shell())
    file.unlink()

    assert ["", "stop", "stop", "stop"] == [*said, shell()]


@pytest.mark.parametrize(
    ("holds", "account", "group", "covered"),
    [
        ([SEVEN], 7, "", True),
        ([SEVEN], 8, "", False),
        ([GROUP], 7, GROUP.name, True),
        ([GROUP], 7, "équités", False),
        ([GROUP], 7, "", False),
        ([GROUP], 7, None, True),
        ([SEVEN], 8, None, False),
        ([ALL], 8, "", True),
    ],
)
def test_what_is_engaged_stops_its_accounts(
    file: Path, holds: Sequence[Hold], account: int, group: str | None, covered: bool
):
    """An account whose group is not told may be in any."""
    engaged(file, *holds)

    assert covered == latch.holds(file, account, group)
    assert covered == latch.read(file).covers(account, group)
    assert latch.read(file).engaged
    assert latch.holds(file, f"{account}", group)  # type: ignore[arg-type]  # it would match no line


def test_a_strategy_loads_nothing_heavy():
    """No asyncio, and nothing else of panic but words and errors."""
    code = "import panic.latch, sys; print(*sorted(n for n in sys.modules if 'panic' in n or n == 'asyncio'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    kit = "panic.kit panic.kit.errors panic.kit.files panic.kit.words"
    ours = f"panic panic._version {kit} panic.latch panic.latch.change panic.latch.text"

    assert ours == done.stdout.strip()


# ── in doubt ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("holds", [(), (SEVEN,), (GROUP,)])
def test_a_latch_that_was_cut_off_or_has_a_flipped_bit_stops_everything(file: Path, holds: tuple[Hold, ...]):
    """Wherever it was cut, and each bit of each byte, also the one that makes an e a d."""
    data = text.render(holds)
    flipped = (
        bytes([*data[:index], data[index] ^ 1 << bit, *data[index + 1 :]])
        for index, bit in product(range(len(data)), range(8))
    )
    for wrong in (*(data[:length] for length in range(len(data))), *flipped):
        assert State((), NOT_WHOLE) == text.parse(wrong)
        assert DISENGAGED != wrong
    file.write_bytes(data[:-1])
    assert latch.holds(file, 8, "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DISENGAGED.replace(b"\n", b"\r\n"),
        DISENGAGED + b"\n",
        whole("engaged"),
        whole("disengaged", f"account\t7\trun\t{AT}"),
        whole("engaged", f"account\t007\trun\t{AT}"),
        whole("engaged", f"group\t\trun\t{AT}"),
        whole("engaged", f"desk\tEU\trun\t{AT}"),
        whole("engaged", f"account\t7\trun\t{AT}", f"account\t7\trun\t{AT}"),
        whole("engaged", f"account\t7\trun\t{AT}\tmore"),
        whole("engaged", f"account\t7\trun\t{AT}").replace(b"run", b"\xff\xfe\xfd"),
        whole("engaged", *(f"account\t{id_}\trun\t{AT}" for id_ in range(1, 40_000))),
    ],
)
def test_what_no_latch_looks_like_stops_everything(file: Path, data: bytes):
    """Edited by hand, by an editor, or damaged; or longer than any latch. A press leaves it so."""
    file.write_bytes(data)

    assert State((), NOT_WHOLE) == latch.read(file)
    assert latch.holds(file, 8, "")
    assert f"the latch {file} {NOT_WHOLE}: everything is engaged" in latch.engage(file, [SEVEN])
    assert State((), NOT_WHOLE) == latch.read(file)


def test_what_is_no_file_stops_everything_and_keeps_nobody(tmp_path: Path):
    """Nobody writes into the pipe, and the device never ends."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "plain").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    names = ("pipe", "folder", "device", "loop", "socket", "plain/x", "x" * 300, "missing", "a\0b")
    places = [tmp_path / name for name in names]

    assert [True] * len(names) == [latch.holds(place, 8, "") for place in places]
    assert [
        "is no regular file",
        "is no regular file",
        "is no regular file",
        "cannot be read: too many levels of symbolic links",
        "cannot be read: no such device or address",
        "cannot be read: not a directory",
        "cannot be read: file name too long",
        "is missing",
        "cannot be read: valueError('embedded null byte')",
    ] == [latch.read(place).problem for place in places]
    places.remove(tmp_path / "device")  # a change would leave a lock file beside it
    assert all(latch.engage(place, [SEVEN]) for place in places)
    assert all(latch.read(place).problem for place in places)
    assert not (tmp_path / "missing").exists()  # a new latch would be engaged for less
    for place in places:
        with pytest.raises(LatchError):
            latch.release(place, [SEVEN])


# ── setting up ──────────────────────────────────────────────────────────────────────────────────────────────


def test_strategies_of_other_users_get_to_the_latch(tmp_path: Path):
    """Whatever the umask says; only the lock is not theirs."""
    file = tmp_path / "run" / "panic" / "panic.latch"
    before = os.umask(0o077)
    try:
        latch.create(file)
        modes = [path.stat().st_mode & 0o777 for path in (file.parent.parent, file.parent, file)]
        engaged(file, SEVEN)
        modes += [path.stat().st_mode & 0o777 for path in (file, change._lock(file))]
    finally:
        os.umask(before)

    assert [0o755, 0o755, 0o644, 0o644, 0o600] == modes


def test_a_latch_is_set_up_once(file: Path):
    """Set-up that runs at each start must not disengage anything."""
    engaged(file, SEVEN)

    with pytest.raises(UsageError, match="set up before and is engaged for account 7"):
        latch.create(file)
    assert State((SEVEN,)) == latch.read(file)
    file.unlink()
    with pytest.raises(UsageError, match="set up before and is engaged for everything, because it is missing"):
        latch.create(file)
    latch.engage(file, [SEVEN])
    assert not file.exists()
    file.write_bytes(DISENGAGED)
    change._lock(file).unlink()
    with pytest.raises(UsageError, match="set up before and is disengaged"):
        latch.create(file)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("plain/x/panic.latch", "namei {0}/plain/x/panic.latch"),
        ("folder", "mv {0}/folder {0}/folder.aside"),
        ("gone/panic.latch", "mkdir -p {0}/gone"),
        ("a\0b", "Look at the latch, and try again."),
    ],
)
def test_what_stands_in_the_way_of_a_latch_is_named_with_its_command(tmp_path: Path, name: str, remedy: str):
    """Somebody is tired."""
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(LatchError, match=r"could not be reset \(.*\); it is engaged for everything") as failed:
        latch.release(tmp_path / name, [], recreate=True)
    assert str(failed.value).endswith(remedy.format(tmp_path))


# ── engaging ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "hold",
    [
        GROUP._replace(name="a\tb"),
        GROUP._replace(name="a\udcff"),
        GROUP._replace(name=""),
        SEVEN._replace(name="07"),
        SEVEN._replace(name="\u0667"),
        SEVEN._replace(what="desk"),
    ],
)
def test_a_name_that_cannot_be_written_engages_everything(file: Path, hold: Hold):
    """And the words say so."""
    words = latch.engage(file, [EIGHT, hold])

    assert State((EIGHT, Hold("all", "", hold.run, AT))) == latch.read(file)
    assert f"the latch {file} is engaged for all accounts: it cannot hold account 8, {hold}" == words


@given(st.builds(Hold, st.sampled_from(["all", "group", "account", "x"]), st.text(), st.text(), st.text()))
def test_whatever_is_engaged_stops_something(hold: Hold):
    """Whatever the texts are, a latch of them is whole, and reads as it was written."""
    (written,) = text.merge([text.writable(hold)])

    assert State((written,)) == text.parse(text.render([written]))
    assert written == text.writable(written)
    assert State((written,)).includes([hold]) or written.what == "all"


def test_a_symbolic_link_stays_one(file: Path, tmp_path: Path):
    """Who looks at the file itself must see it, too."""
    link = tmp_path / "link"
    link.symlink_to(file.name)
    engaged(link, SEVEN)

    assert State((SEVEN,)) == latch.read(link) == latch.read(file)
    latch.release(link, [SEVEN])
    assert link.is_symlink()
    assert DISENGAGED == file.read_bytes()


# ── resetting ───────────────────────────────────────────────────────────────────────────────────────────────


def test_only_a_latch_that_is_not_whole_is_recreated(file: Path):
    """And only when that was asked for."""
    with pytest.raises(LatchError, match="the latch is whole"):
        latch.release(file, [], recreate=True)
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    for spoil in (lambda: file.write_bytes(b"disengaged\n"), file.unlink, lambda: pipe.rename(file)):
        spoil()
        with pytest.raises(LatchError, match="Recreate it to disengage everything"):
            latch.release(file, [])
        assert latch.read(file).problem
        latch.release(file, [], recreate=True)
        assert DISENGAGED == file.read_bytes()


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sets(
                st.builds(
                    Hold,
                    st.sampled_from(["account", "group"]),
                    st.sampled_from("1234"),
                    st.sampled_from("ab"),
                    st.just(AT),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=12,
    )
)
def test_engaging_and_resetting_come_to_what_a_set_would(acts: list[tuple[bool, set[Hold]]]):
    """One hold for each scope, the last; a reset ends all that it names, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file, model = Path(folder) / "panic.latch", dict[tuple[str, str], Hold]()
        latch.create(file)
        for engages, holds in acts:
            if engages:
                engaged(file, *sorted(holds))
                model |= {(hold.what, hold.name): hold for hold in sorted(holds)}
            elif holds <= set(model.values()):
                latch.release(file, sorted(holds))
                model = {scope: hold for scope, hold in model.items() if hold not in holds}
            else:
                with pytest.raises(LatchError):
                    latch.release(file, sorted(holds))

            assert set(model.values()) == set(latch.read(file).holds)
            assert bool(model) == latch.read(file).engaged == (file.read_bytes() != DISENGAGED)


# ── bad days ────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def limited(what: int, soft: int) -> Iterator[None]:
    """Let this process write no byte beyond a place in a file, or open no file."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


@pytest.mark.parametrize(("room", "problem"), [(12, NOT_WHOLE), (0, "is missing")])
def test_a_full_disk_leaves_a_latch_that_means_engaged(file: Path, room: int, problem: str):
    """The few bytes that say engaged overwrite what is there; where not even these fit it is removed."""
    engaged(file, EIGHT)
    with limited(resource.RLIMIT_FSIZE, room):
        with pytest.raises(
            LatchError, match=r"could not be reset \(file too large\); it is engaged for account 8"
        ):
            latch.release(file, [EIGHT])
        words = latch.engage(file, [SEVEN])

    assert f"the latch {file} {problem} (file too large): everything is engaged until a person resets it" == words
    assert problem == latch.read(file).problem
    assert not room or file.read_bytes().startswith(b"engaged\nall\n")
    assert ["panic.latch.lock"] == beside(file)


def test_a_press_without_descriptors_removes_the_latch(file: Path):
    """That we cannot read it does not mean that strategies cannot: they would go on."""
    with limited(resource.RLIMIT_NOFILE, 0):
        held, problem = latch.holds(file, 7, ""), latch.read(file).problem
        words = latch.engage(file, [SEVEN])

    assert (True, "cannot be read: too many open files") == (held, problem)
    assert words.startswith("IT IS NOT CERTAIN")
    assert not file.exists()


@contextmanager
def watched(before: Callable[[str], object]) -> Iterator[None]:
    """Have something done before each system call that changes or reads a file."""

    def watch(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **more: Any) -> Any:
            before(name)
            return call(*args, **more)

        return watching

    calls = {name: getattr(os, name) for name in STEPS}
    for name, call in calls.items():
        setattr(os, name, watch(name, call))
    try:
        yield
    finally:
        for name, call in calls.items():
            setattr(os, name, call)


def broken(act: Callable[[], object], failing: int, number: int, *, for_ever: bool) -> tuple[Any, bool]:
    """Let one system call fail, or all from it on; give what was said, and whether there were that many calls."""
    calls = count()

    def fail(name: str) -> None:
        call = next(calls)
        if call == failing or (for_ever and call > failing):
            raise OSError(number, os.strerror(number))

    with watched(fail):
        try:
            result = act()
        except LatchError as error:
            result = error
    return result, next(calls) > failing


def test_what_is_engaged_outlasts_a_power_cut(file: Path):
    """The file is on the disk before it gets its name, and the name before the press goes on."""
    made: list[str] = []
    with watched(made.append):
        engaged(file, SEVEN)

    written, renamed = made.index("write"), made.index("rename")
    assert ["fsync"] == [call for call in made[written:renamed] if call in {"write", "fsync"}][1:]
    assert "fsync" in made[renamed:]
    assert made.index("open") < made.index("read")


@pytest.mark.parametrize(("number", "for_ever"), [(errno.EIO, False), (errno.EACCES, False), (errno.EIO, True)])
def test_whatever_call_fails_it_ends_engaged(tmp_path: Path, number: int, for_ever: bool):
    """One call that fails leaves other ways; where none works any more, the words are loud."""
    for failing in count():
        file = tmp_path / f"{failing}"
        latch.create(file)
        engaged(file, EIGHT)
        words, is_over = broken(lambda: latch.engage(file, [SEVEN]), failing, number, for_ever=for_ever)  # noqa: B023
        if not is_over:
            break

        assert latch.read(file).includes([EIGHT])
        assert latch.read(file).includes([SEVEN]) or (for_ever and "NOT" in words)
        assert for_ever or "NOT ENGAGED" not in words
    assert failing > len(STEPS)


def test_whatever_call_fails_a_reset_is_true_or_says_so(tmp_path: Path):
    """A reset that raises nothing has been done."""
    said = 0
    for failing in count():
        file = tmp_path / f"{failing}"
        latch.create(file)
        engaged(file, SEVEN, EIGHT)
        error, is_over = broken(lambda: latch.release(file, [SEVEN]), failing, errno.EIO, for_ever=False)  # noqa: B023
        said += error is not None

        assert error or State((EIGHT,)) == latch.read(file)
        assert latch.read(file).includes([EIGHT])
        if not is_over:
            break
    assert said > len(STEPS) / 2


# ── at the same time, one system call after the other ───────────────────────────────────────────────────────

ALL_LEFT = float("inf")


class Player(threading.Thread):
    """Somebody who changes or reads a latch, one system call each time we let him."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._act, self._go, self._stands = act, threading.Semaphore(0), threading.Semaphore(0)
        self.over = False
        self.result: object = None
        self.start()
        self._stands.acquire()

    def run(self) -> None:
        try:
            self.result = self._act()
        except (LatchError, UsageError) as error:
            self.result = error
        self.over = True
        self._stands.release()

    def stand(self) -> None:
        """Wait for leave to make the next call."""
        self._stands.release()
        self._go.acquire()

    def move(self, steps: float = ALL_LEFT) -> None:
        """Make so many calls, or all that are left."""
        while steps and not self.over:
            self._go.release()
            self._stands.acquire()
            steps -= 1


def play(moves: Iterable[float], *acts: Callable[[], object]) -> list[Any]:
    """Let all do so many calls in turn, then all the rest; nobody has the patience to wait for his turn."""

    def before(_: str) -> None:
        player = threading.current_thread()
        if isinstance(player, Player):
            player.stand()

    with pytest.MonkeyPatch.context() as patch, watched(before):
        patch.setattr(change, "PATIENCE_S", 0.0)
        players = [Player(act) for act in acts]
        for index, steps in enumerate(moves):
            players[index % len(players)].move(steps)
        for player in players:
            player.move()
    return [player.result for player in players]


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
        (Path.exists, lambda file: (latch.read(file).problem, latch.holds(file, 8, "")), 0),
    ],
    ids=["press", "reset", "recreate a missing one", "recreate a damaged one", "set up", "read"],
)
def test_a_press_in_the_middle_of_anything_counts(tmp_path: Path, prepare: Act, act: Act, first: int):
    """Wherever it comes in between; and a reader sees the old latch or the new one."""
    for steps in range(first, 30):
        file = tmp_path / f"{steps}"
        latch.create(file)
        prepare(file)
        other, _ = play([steps], lambda: act(file), lambda: latch.engage(file, [SEVEN]))  # noqa: B023

        assert latch.read(file).includes([SEVEN])
        assert not isinstance(other, tuple) or other == ("", False)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 14), max_size=24))
def test_three_who_engage_and_reset_at_once_lose_nothing(moves: list[int]):
    """A reset that was overtaken may fail; what was engaged in the meantime stays."""
    again = SEVEN._replace(run="run-3")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "panic.latch"
        latch.create(file)
        engaged(file, SEVEN, NINE)
        *said, reset = play(
            moves,
            lambda: latch.engage(file, [again]),
            lambda: latch.engage(file, [EIGHT]),
            lambda: latch.release(file, [SEVEN, NINE]),
        )
        state = latch.read(file)

        assert state.problem or {again, EIGHT} == set(state.holds) - {NINE}
        assert bool(state.problem) == any("everything is engaged" in words for words in said)
        assert reset or not state.includes([NINE]) or state.problem
        assert ["panic.latch.lock"] == beside(file)


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────


def test_many_engage_at_once(file: Path):
    """Every scope is there at the end: a lock is of an open file, and keeps threads apart, too."""
    said: list[str] = []

    def engage_some(first: int) -> None:
        said.extend(latch.engage(file, [Hold("account", str(first + more), "run", AT)]) for more in range(10))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change, "PATIENCE_S", 60.0)
        threads = [threading.Thread(target=engage_some, args=(1 + 100 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert [""] * 40 == said
    expected = {str(1 + 100 * index + more) for index in range(4) for more in range(10)}
    assert expected == {hold.name for hold in latch.read(file).holds}


def test_a_process_that_is_killed_leaves_a_whole_latch(file: Path):
    """Before whichever call it dies; and the next one clears away what it left."""
    engaged(file, EIGHT)
    for dying in count():
        child = os.fork()
        if not child:
            left = iter(range(dying))

            def die(name: str, left: Iterator[int] = left) -> None:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            with watched(die):
                latch.engage(file, [Hold("account", str(100 + dying), "run", AT)])
            os._exit(0)
        _, status = os.waitpid(child, 0)

        assert "" == latch.read(file).problem
        assert latch.read(file).includes([EIGHT])
        if status == 0:
            break
    assert dying > len(STEPS)
    assert ["panic.latch.lock"] == beside(file)
    assert latch.read(file).includes([Hold("account", str(100 + dying), "run", AT)])


def test_a_press_that_does_not_get_its_turn_engages_everything(file: Path):
    """Somebody sleeps on the lock, there can be none, or there is no more room; a reset gives up."""
    lock = change._lock(file)
    with lock.open("rb") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        words = latch.engage(file, [SEVEN])
        with pytest.raises(LatchError, match="another process is changing the latch"):
            latch.release(file, [], recreate=True)
    latch.release(file, [], recreate=True)
    many = latch.engage(file, [Hold("account", str(id_), "run-3", AT) for id_ in range(10**17, 10**17 + 20_000)])
    latch.release(file, [], recreate=True)
    lock.unlink()
    lock.mkdir()

    assert words == (
        f"the latch {file} {NOT_WHOLE} (another process is changing the latch): "
        "everything is engaged until a person resets it"
    )
    assert f"the latch {file} {NOT_WHOLE} (it holds no more scopes): everything is engaged" in many
    assert "(is a directory): everything is engaged" in latch.engage(file, [SEVEN])
    assert "no scope was named: the latch was left as it is" == latch.engage(file, [])
    with pytest.raises(LatchError, match="is a directory"):
        latch.release(file, [], recreate=True)
