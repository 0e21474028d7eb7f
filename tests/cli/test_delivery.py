"""What was found reaches its readers, whatever is broken on the way."""

import argparse
import asyncio
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import panic as library
from panic.cli import output
from panic.kit import terminal
from panic.run.reporter import Reporter
from panic.simulator import Fault
from tests.cli.support import Firm, account, simulate, until


def test_a_file_that_hangs_keeps_nobody_from_the_document(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """It is printed first; then the file gets so long, and no longer."""
    shown: list[str] = []
    dead, free = tmp_path / "dead" / "found.json", threading.Event()

    def hang(path: Path, *_: Any, **__: Any) -> Path:
        shown.append(capfd.readouterr().out)
        free.wait()
        return path

    monkeypatch.setattr(Path, "resolve", hang)
    monkeypatch.setattr(output, "SAVING_S", 0.1)
    output.show('{"told": 1}', (), argparse.Namespace(format="json", output=dead))
    terminal.errors.drain()
    free.set()

    assert ['{"told": 1}\n'] == shown
    assert f"panic: the document could not be written to {dead} (it took longer than 0.1 s)" in (
        capfd.readouterr().err
    )


def test_an_upgrade_during_a_run_does_not_cost_its_report():
    """All that shows it was imported before: what lies on the disk by then may be anything."""
    script = """
import argparse, importlib.abc, sys
import panic.cli.press, panic.cli.progress
from panic.cli import output
from panic.ledger.replay import Replay, report_of
from tests.ledger.evidence import RUN, a_run

class Replaced(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        raise ImportError(f"{name} was replaced")

report = report_of(Replay.of(RUN, a_run(reason="Zürich 中")))
sys.meta_path.insert(0, Replaced())
for form in ("table", "json"):
    output.deliver(report, argparse.Namespace(format=form, output=None))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "could not be shown" not in done.stderr
    assert done.stdout.startswith("CLEAR  ")
    assert '\n{\n  "schema"' in done.stdout


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_press_from_code_that_does_not_end_well_lets_go_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
):
    """Else a service that goes on would keep a thread and an open file for each."""
    slow, before = Fault("hang", seconds=30), set(threading.enumerate())
    async with simulate(account(1, slow)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        if end == "failed":
            monkeypatch.setattr(Reporter, "report", None)
        how = partial(library.press, scope=library.Scope(all=True), reason="runaway algo", deadline_s=0.5)
        press = asyncio.create_task(how(library.load_settings(firm.settings)))
        if end == "cancelled":
            await until(lambda: bool(simulator.requests))
            press.cancel()
        with pytest.raises((asyncio.CancelledError, TypeError)):
            await press

        await until(lambda: "panic-ledger" not in {one.name for one in set(threading.enumerate()) - before})
