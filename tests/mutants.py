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
COPIED = (
    *("panic", "tests", "config", "docs", ".locks", "pyproject.toml"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Dockerfile"),
)

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


def copy_to(folder: Path) -> Path:
    """Copy the tree, so that one defect at a time can be seeded in it."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(folder: Path, tests: Sequence[str], within_s: float | None = None) -> tuple[int, str]:
    """Run tests in a copy; give pytest's exit code and what it said. Raises TimeoutExpired."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONPATH": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "h")}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=within_s, check=False
    )
    return done.returncode, done.stdout + done.stderr


def judge(folder: Path, defect: Defect) -> tuple[bool, str]:
    """Seed a defect in a copy and run its tests; tell whether they caught it, and by what."""
    path = folder / defect.file
    sound = path.read_text(encoding="utf-8")
    try:
        path.write_text(defect.seeded(sound), encoding="utf-8")
        code, said = run(folder, defect.tests, HANG_S)
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


def try_all(defects: Sequence[Defect], copies: Sequence[Path]) -> int:
    """Try every defect, as many at once as there are copies; give how many were not caught."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judged(defect: Defect) -> bool:
        copy = free.get()
        is_caught, words = judge(copy, defect)
        free.put(copy)
        tell(f"{defect.name} ({defect.file}): {words}")
        return is_caught

    with ThreadPoolExecutor(len(copies)) as pool:
        return sum(not is_caught for is_caught in pool.map(judged, defects))


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
        copies = [copy_to(Path(folder, str(n))) for n in range(max(1, min(asked.jobs, len(defects))))]
        code, said = run(copies[0], sorted({test for one in defects for test in one.tests}))
        if code:
            tell(f"{said}\nthe tests fail without any defect: mend that first")
            return 1
        missed = try_all(defects, copies)
    tell(f"{len(defects)} defects: {len(defects) - missed} caught, {missed} not caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
