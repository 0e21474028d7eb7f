"""Seed one defect after another into a copy of panic, and see that the tests catch each: `make mutants`.

`mutants.txt` beside this file is the table. A defect is a few lines of it:

    * what is wrong then, in words | the file | tests that must catch it, the quickest first
    - the text that stands in the file, exactly once
    + what stands there instead

A defect is caught when a test fails, or when the tests hang. Tests that could not even start prove nothing.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests import ROOT

TABLE = Path(__file__).with_suffix(".txt")
COPIED = ("panic", "tests", "config", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")

HANG_S = 120.0
"""The slowest tests of the table take a quarter of this on a busy machine."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "panic.toml", "accounts.csv", "*.key")
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S*?::(\S+)", re.MULTILINE)
_TESTS_FAILED = 1
"""What pytest exits with where tests ran and failed; 2 and more: they could not be run."""


@dataclass
class Defect:
    """One row of the table."""

    name: str
    file: str
    tests: tuple[str, ...]
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def seeded(self, source: str) -> str:
        """Give a source with the defect in it.

        Raises:
            ValueError: The old text does not stand there exactly once: the table is stale.
        """
        old, new = "\n".join(self.old), "\n".join(self.new)
        if not old or source.count(old) != 1:
            raise ValueError(f"its old text stands {source.count(old) if old else 0} times in {self.file}")
        return source.replace(old, new)


def read(table: str) -> Iterator[Defect]:
    """Read the table; what is no part of a defect is a remark.

    Raises:
        ValueError: A defect lacks its file or its tests.
    """
    defect: Defect | None = None
    for line in table.splitlines():
        mark, text = line[:2], line[2:]
        if mark == "* ":
            if defect is not None:
                yield defect
            name, file, tests = (cell.strip() for cell in text.split("|"))
            defect = Defect(name, file, tuple(tests.split()))
        elif defect is not None and mark.strip() in {"-", "+"} and line:
            (defect.old if mark[0] == "-" else defect.new).append(text)
    if defect is not None:
        yield defect


class Copy:
    """A copy of the tree in which one defect at a time is seeded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
            else:
                shutil.copy2(ROOT / name, folder / name)

    def run(self, tests: Sequence[str], within_s: float | None = None) -> tuple[int, str]:
        """Run tests; give pytest's exit code and what it said. Raises TimeoutExpired."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
        env = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "h"),
        }
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=within_s, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def judge(self, defect: Defect) -> tuple[bool, str]:
        """Seed a defect and run its tests; tell whether they caught it, and by what."""
        path = self.folder / defect.file
        sound = path.read_text(encoding="utf-8")
        try:
            path.write_text(defect.seeded(sound), encoding="utf-8")
            code, said = self.run(defect.tests, HANG_S)
        except ValueError as error:
            return False, f"the table is STALE: {error}"
        except subprocess.TimeoutExpired:
            return True, f"caught by timeout: the tests hang for {HANG_S:g} s"
        finally:
            path.write_text(sound, encoding="utf-8")
        if code == _TESTS_FAILED:
            return True, f"caught by {', '.join(_FAILED.findall(said)) or 'a test'}"
        if code:
            return False, f"NOT CAUGHT, its tests could not be run ({code}): {said.strip()[-300:]}"
        return False, "NOT CAUGHT"


def try_all(defects: Sequence[Defect], copies: Sequence[Copy]) -> int:
    """Try every defect, as many at once as there are copies; give how many were not caught."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judged(defect: Defect) -> tuple[bool, str]:
        copy = free.get()
        try:
            return copy.judge(defect)
        finally:
            free.put(copy)

    missed = 0
    with ThreadPoolExecutor(len(copies)) as pool:
        for defect, (is_caught, words) in zip(defects, pool.map(judged, defects), strict=True):
            missed += not is_caught
            tell(f"{defect.name} ({defect.file}): {words}")
    return missed


def tell(line: str) -> None:
    """Say something at once: the whole table takes a while."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Read the command line and try the table; 1 if a defect is not caught."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--only", metavar="NAME", help="the defects whose name or file holds this")
    words.add_argument("--jobs", metavar="N", type=int, default=1, help="so many at once (1)")
    asked = words.parse_args()
    table = list(read(TABLE.read_text(encoding="utf-8")))
    defects = [one for one in table if (asked.only or "") in f"{one.name} {one.file}"]
    if not defects:
        words.error(f"no defect is called so: {asked.only}")
    with tempfile.TemporaryDirectory(prefix="panic-mutants-") as folder:
        copies = [Copy(Path(folder) / str(n)) for n in range(max(1, min(asked.jobs, len(defects))))]
        code, said = copies[0].run(sorted({test for one in defects for test in one.tests}))
        if code:
            tell(f"{said}\nthe tests fail without any defect: mend that first")
            return 1
        missed = try_all(defects, copies)
    tell(f"{len(defects)} defects: {len(defects) - missed} caught, {missed} not caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
