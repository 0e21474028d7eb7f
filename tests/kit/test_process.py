"""Whether the process that had a run still works on it: neither its pid nor its name is enough to tell."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panic.kit import process
from panic.kit.process import Process, here, is_alive
from tests import ROOT

TELL = """
from panic.kit.process import here
p = here()
print(p.host, p.pid, p.boot, p.born, p.space, flush=True)
input()
"""


@contextmanager
def other(before: str = "") -> Iterator[tuple["subprocess.Popen[str]", Process]]:
    """Another process, and what it says of itself."""
    command = [sys.executable, "-c", f"{before}\n{TELL}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            host, pid, boot, born, space = child.stdout.readline().split()
            yield child, Process(host, int(pid), boot, born, space)
        finally:
            child.kill()


def test_a_process_is_alive_until_it_has_ended():
    """One that nobody has waited for yet does not work any more either."""
    with other() as (child, its):
        before = is_alive(its)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        as_zombie = is_alive(its)
        child.wait()

        assert "Z" == state
        assert (True, False, False) == (before, as_zombie, is_alive(its))


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({}, True),
        ({"born": "1"}, False),
        ({"boot": "another"}, False),
        ({"pid": 1 << 30}, False),
        ({"host": "elsewhere"}, None),
        ({"born": ""}, None),
    ],
    ids=str,
)
def test_whoever_got_the_pid_later_is_another(change: dict[str, Any], alive: bool | None):
    """Another birth or another boot; of a process elsewhere, or whose birth nobody knows, nothing can be told."""
    assert os.getpid() == here().pid
    assert alive is is_alive(replace(here(), **change))


def test_a_system_that_tells_nothing_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A press is not stopped by it."""
    known = here()
    monkeypatch.setattr(process, "_PROC", tmp_path)

    assert Process(known.host, known.pid) == here()
    assert None is is_alive(here())


@pytest.mark.parametrize("name", [b"a b", b") Z 1 (", b"((", b"\xc3", b"caf\xc3\xa9 \xff"])
def test_whatever_a_process_is_called_it_is_alive(name: bytes):
    """A name may hold blanks and brackets, and is cut off in the middle of a letter."""
    with other(f"open('/proc/self/comm', 'wb').write({name!r})") as (_, its):
        assert name in Path(f"/proc/{its.pid}/stat").read_bytes()
        assert is_alive(its)
