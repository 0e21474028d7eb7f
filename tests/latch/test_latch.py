"""The latch: in doubt it is engaged."""

import os
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

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


def engaged(file: Path, *holds: Hold):
    """The latch, with these scopes engaged."""
    assert "" == latch.engage(file, holds)
    return file


def whole(*lines: str):
    """A latch of these lines, made by hand."""
    body = "".join(f"{line}\n" for line in lines).encode()
    return body + f"end {zlib.crc32(body):08x}\n".encode()


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
    (line,) = [line.strip() for line in (latch.__doc__ or "").splitlines() if "cmp" in line]
    script = f"stop_trading() {{ printf stop; }}; {line}; mv panic.latch aside; {line}"

    assert b"stop" == subprocess.run(["sh", "-c", script], cwd=file.parent, stdout=-1, check=True).stdout


@pytest.mark.parametrize(
    ("hold", "account", "group", "covered"),
    [
        (SEVEN, 7, "", True),
        (SEVEN, 8, "", False),
        (GROUP, 7, GROUP.name, True),
        (GROUP, 7, "équités", False),
        (GROUP, 7, None, True),
        (SEVEN, 8, None, False),
        (ALL, 8, "", True),
    ],
)
def test_what_is_engaged_stops_its_accounts(
    file: Path, hold: Hold, account: int, group: str | None, covered: bool
):
    """An account whose group is not told may be in any."""
    engaged(file, hold)

    assert covered == latch.holds(file, account, group) == latch.read(file).covers(account, group)
    assert latch.holds(file, f"{account}", group)  # type: ignore[arg-type]  # it would match no line


def test_a_strategy_loads_nothing_heavy():
    """No asyncio, and nothing else of panic but words and errors."""
    code = "import panic.latch, sys; print(*sorted(n for n in sys.modules if 'panic' in n or n == 'asyncio'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    kit = "panic.kit panic.kit.errors panic.kit.files panic.kit.words"

    assert f"panic panic._version {kit} panic.latch panic.latch.change panic.latch.text" == done.stdout.strip()


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
        whole("disengaged", f"account\t7\trun\t{AT}"),
        whole("engaged", f"account\t007\trun\t{AT}"),
        whole("engaged", f"group\t\trun\t{AT}"),
        whole("engaged", f"desk\tEU\trun\t{AT}"),
        whole("engaged", f"account\t7\trun\t{AT}", f"account\t7\trun\t{AT}"),
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
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "plain").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    problems = {
        "pipe": "is no regular file",
        "device": "is no regular file",
        "loop": "cannot be read: too many levels of symbolic links",
        "socket": "cannot be read: no such device or address",
        "plain/x": "cannot be read: not a directory",
        "x" * 300: "cannot be read: file name too long",
        "missing": "is missing",
        "a\0b": "cannot be read: valueError('embedded null byte')",
    }
    for name, problem in problems.items():
        place = tmp_path / name
        assert latch.holds(place, 8, "")
        assert problem == latch.read(place).problem
        if name != "device":  # a change would leave a lock file beside it
            with pytest.raises(LatchError, match="it is engaged for everything"):
                latch.release(place, [SEVEN])
            assert latch.engage(place, [SEVEN])
            assert latch.read(place).problem
    assert not (tmp_path / "missing").exists()  # a new latch would be engaged for less


def test_a_latch_is_set_up_once_for_everybody(tmp_path: Path):
    """Set-up that runs at each start must not disengage anything; strategies of other users read it."""
    file = tmp_path / "run" / "panic.latch"
    before = os.umask(0o077)
    try:
        latch.create(file)
        engaged(file, SEVEN)
    finally:
        os.umask(before)

    assert [0o644, 0o600] == [path.stat().st_mode & 0o777 for path in (file, change._lock(file))]
    with pytest.raises(UsageError, match="set up before and is engaged for account 7"):
        latch.create(file)
    assert State((SEVEN,)) == latch.read(file)
    file.unlink()
    with pytest.raises(UsageError, match="set up before and is engaged for everything, because it is missing"):
        latch.create(file)
    file.write_bytes(DISENGAGED)
    change._lock(file).unlink()
    with pytest.raises(UsageError, match="set up before and is disengaged"):
        latch.create(file)


@pytest.mark.parametrize("name", ["07", "\u0667", "a\tb"])
def test_a_name_that_cannot_be_written_engages_everything(file: Path, name: str):
    """And the words say so."""
    hold = SEVEN._replace(name=name)
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
    assert (True, DISENGAGED) == (link.is_symlink(), file.read_bytes())


def test_only_a_latch_that_is_not_whole_is_recreated(file: Path):
    """And only when that was asked for."""
    with pytest.raises(LatchError, match="it is disengaged, which is not what was to be reset"):
        latch.release(file, [], recreate=True)
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    for spoil in (lambda: file.write_bytes(b"disengaged\n"), file.unlink, lambda: pipe.rename(file)):
        spoil()
        with pytest.raises(LatchError, match="engaged for everything, because it"):
            latch.release(file, [])
        assert latch.read(file).problem
        latch.release(file, [], recreate=True)
        assert DISENGAGED == file.read_bytes()


HOLDS = st.builds(
    Hold, st.sampled_from(["account", "group"]), st.sampled_from("1234"), st.sampled_from("ab"), st.just(AT)
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.sets(HOLDS, min_size=1, max_size=3)), max_size=12))
def test_engaging_and_resetting_come_to_what_a_set_would(acts: list[tuple[bool, set[Hold]]]):
    """One hold for each scope, the last; a reset ends all that it names, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file, model = Path(folder) / "panic.latch", dict[Sequence[str], Hold]()
        latch.create(file)
        for engages, holds in acts:
            if engages:
                engaged(file, *sorted(holds))
                model |= {hold[:2]: hold for hold in sorted(holds)}
            elif holds <= set(model.values()):
                latch.release(file, sorted(holds))
                model = {scope: hold for scope, hold in model.items() if hold not in holds}
            else:
                with pytest.raises(LatchError):
                    latch.release(file, sorted(holds))

            assert set(model.values()) == set(latch.read(file).holds)
            assert bool(model) == latch.read(file).engaged == (file.read_bytes() != DISENGAGED)
