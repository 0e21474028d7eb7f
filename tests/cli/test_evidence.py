"""`panic evidence`, as an auditor, an operator and an attacker see it."""

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import panic as library
from panic import terminal
from panic.cli import output
from panic.ledger.events import encode
from panic.ledger.reader import faults, read
from panic.ledger.store import SqliteStore
from panic.replay import Replay
from panic.run.run import Run
from panic.simulator import Fault
from tests.cli.support import KEY, PRESS, Finished, Firm, account, names, panic, simulate, until
from tests.evidence import RUN, Lines, a_run, edited, exported, relinked, resealed, volume
from tests.kill import Round

LEDGER = volume(a_run())
HEAD = str(LEDGER.head)


async def evidence(*words: str, cwd: Path, **how: Any) -> Finished:
    """Run a command of the group."""
    return await panic("evidence", *words, cwd=cwd, **how)


def firm_with(tmp_path: Path, *runs: str) -> Firm:
    """A firm whose ledger holds these runs."""
    store = SqliteStore(tmp_path / "ledger.db")
    told = [one for n, run in enumerate(runs) for one in a_run(run, leg=f"leg{n}", reason=f"reason of {run}")]
    store.append([(one.run, one.kind, encode(one)) for one in told])
    store.close()
    return Firm(tmp_path, "https://api.example.com", [1])


def checked(done: Finished) -> dict[str, Any]:
    """The answer on standard output."""
    found: dict[str, Any] = json.loads(done.out)
    assert found["exit_code"] == done.code
    return found


def seq_of(head: str) -> int:
    """The number of a head's event."""
    return int(head.partition(":")[0])


async def test_from_a_press_to_the_proof(tmp_path: Path):
    """The head that was printed with a report proves it, where there are no settings and no ledger."""
    async with simulate(account(1), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2])
        first, second = await asyncio.gather(
            panic(*firm.lines(*PRESS), cwd=tmp_path),
            panic(*firm.lines("press", "--account", "2", "--reason", "nobody's business"), cwd=tmp_path),
        )
        report = first.report
        away = tmp_path / "away"
        away.mkdir()
        file = away / "evidence.jsonl"
        done = await panic(
            *firm.lines("evidence", "export", report["run_id"], "--output", str(file)), cwd=tmp_path
        )
    firm.settings.unlink()
    (tmp_path / "ledger.db").unlink()
    kept = (report["ledger_head"], second.report["ledger_head"])
    found = checked(await evidence("verify", str(file), "--head", kept[0], cwd=away))
    with_another = checked(await evidence("verify", str(file), "--head", kept[0], "--head", kept[1], cwd=away))
    text = file.read_text()

    assert (0, "", 0o600) == (done.code, done.out, file.stat().st_mode & 0o777)
    assert f"ledger.db: ledger head {max(kept, key=seq_of)}: keep it" in done.err
    assert ("anchored", [], []) == (found["finding"], found["faults"], found["doubts"])
    assert with_another["finding"] in {"anchored", "consistent, not wholly anchored"}
    assert [] == with_another["faults"]
    assert [(report["run_id"], "whole", "clear", True)] == [
        (run["run"], run["state"], run["verdict"], run["anchored"]) for run in found["runs"]
    ]
    assert "runaway algo" in text
    assert "nobody's business" not in text
    assert KEY not in text
    assert second.report["run_id"] not in text
    assert report == json.loads(text.splitlines()[-2])["report"]


async def test_without_a_head_and_for_people(tmp_path: Path):
    """One line says what it is worth."""
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(b"".join(exported(LEDGER)))
    done = await evidence("verify", str(file), "--format", "table", cwd=tmp_path)
    anchored = await evidence("verify", str(file), "--format", "table", "--head", HEAD, cwd=tmp_path)

    assert (10, 0) == (done.code, anchored.code)
    assert done.out.startswith("CONSISTENT, NOT ANCHORED  ")
    assert anchored.out.startswith("ANCHORED  ")
    assert "ledger.db: events 1 to 7, 7 told in full · anchored up to event 7" in anchored.out
    assert f"CLEAR      {RUN}  https://api.example.com\n" in anchored.out
    assert "pressed 2026-03-02T12:00:00+00:00 by joe@desk: runaway algo" in anchored.out
    assert "The file says of itself, and nothing proves it: run" in anchored.out


def forged(lines: Lines) -> Lines:
    """Another reason, and every hash made anew."""

    def change(words: dict[str, Any]) -> None:
        words["record"]["at"] = words["record"]["at"].replace("2026", "2025")

    return relinked(edited(lines, 2, change))


@pytest.mark.parametrize(
    ("change", "head", "code", "words"),
    [
        (lambda lines: lines[:-1], HEAD, 20, "the seal at its end is missing"),
        (lambda lines: [*lines[:4], *lines[5:]], HEAD, 20, "event 3 is missing"),
        (forged, HEAD, 20, "event 7 has another hash than the head kept"),
        (lambda lines: lines, f"9:{'ab' * 32}", 10, "ledger.db ends at event 7: 2 events were cut off, or"),
        (lambda lines: lines, f"3:{LEDGER.rows[2].hash}", 10, "anchored up to event 3"),
        (lambda _: [b"\xff\0garbage"], HEAD, 20, "the header is missing: this is no evidence"),
        (lambda _: [], HEAD, 20, "the header is missing: this is no evidence"),
        (lambda _: [b"[" * 1_000_000], HEAD, 20, "line 1: it breaks off"),
        (lambda _: [b"[" * 1_000_000 + b"\n"], HEAD, 20, "line 1: it is nested too deeply"),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, change: Callable[[Lines], Lines], head: str, code: int, words: str
):
    """In words, and by the exit code."""
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(b"".join(change(exported(LEDGER))))
    wide = {"COLUMNS": "300"}
    done = await evidence("verify", str(file), "--head", head, "--format", "table", cwd=tmp_path, env=wide)

    assert (code, "") == (done.code, done.err)
    assert words in done.out


async def test_a_flood_of_faults_is_no_wall_of_text(tmp_path: Path):
    """Twenty are listed, the worst first."""
    lines = exported(LEDGER)
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(b"".join(resealed([*edited(lines, 3, lambda w: w.update(hash="")), *[b"x\n"] * 500])))
    done = await evidence("verify", str(file), "--format", "table", cwd=tmp_path, env={"COLUMNS": "200"})
    text = done.out.splitlines()

    assert "event 2 (planned): its hash was edited" in text[1]
    assert "and 482 more: --format json lists 502" in done.out
    assert 40 > len(text)


async def test_nothing_in_the_file_steers_the_terminal(tmp_path: Path):
    """Whoever wrote it, and whichever way it is printed."""
    evil = "\x1b[2J\x9b31m\u202e"
    lines = exported(volume(a_run(RUN, reason=evil), name=f"l{evil}"))
    (tmp_path / evil).write_bytes(b"".join(edited(lines, 0, lambda w: w.update(by=evil))))
    for form in ("table", "json"):
        done = await evidence("verify", evil, "--format", form, cwd=tmp_path)

        assert 20 == done.code
        assert all(character.isprintable() or character == "\n" for character in done.out)
    refused = await evidence("verify", f"no{evil}", cwd=tmp_path)

    assert all(character.isprintable() or character == "\n" for character in refused.err)


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "device"])
async def test_what_is_no_file_is_refused_at_once(tmp_path: Path, what: str):
    """Nobody waits for a pipe."""
    file = tmp_path / "evidence"
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file = Path("/dev/zero")
    done = await evidence("verify", str(file), cwd=tmp_path)

    assert (64, "") == (done.code, done.out)
    assert str(file) in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "FILE", "--head", "12:xy"), "'12:xy' is no head of a ledger"),
        (("verify", "FILE", "--output", "./FILE"), "--output would overwrite the evidence"),
        (("verify",), "required: FILE"),
        (("export",), "say what to export: either RUN, or a period"),
        (("export", "last", "--from", "2026-01-01"), "say what to export: either RUN, or a period"),
        (("export", "--from", "yesterday"), "--from yesterday: give a day such as 2026-03-31"),
        (("export", "--from", "2026-03-02", "--to", "2026-03-02"), "there is no time between them"),
        (("export", "nosuch"), "run nosuch is not in"),
        (
            ("export", "--to", "2026-01-01"),
            "the ledger holds nothing of everything before 2026-01-01 00:00:00 UTC",
        ),
        (("export", "last", "--output", "FILE"), "FILE cannot be begun: file exists; name a new file"),
        (("backup", "FILE"), "FILE cannot be begun: file exists; name a new file"),
        (("archive", "--before", "2026-03-03", "--output", "FILE"), "file exists; name a new file"),
        (("archive", "--before", "2999-01-01", "--output", "new"), "only the past can be archived"),
        (("archive", "--before", "2026-03-03"), "required: --output"),
    ],
)
async def test_what_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...], said: str):
    """With the remedy, and without touching anything."""
    firm = firm_with(tmp_path, "run1")
    (tmp_path / "FILE").write_text("kept")
    done = await panic(*firm.lines("evidence", *words), cwd=tmp_path)

    assert (64, "") == (done.code, done.out)
    assert said in done.err
    assert "required: " in said or "sent" not in done.err
    assert "kept" == (tmp_path / "FILE").read_text()
    assert not (tmp_path / "new").exists()


async def test_a_period_on_standard_output(tmp_path: Path):
    """In a pipe it is the file itself."""
    firm = firm_with(tmp_path, "run1", "run2")
    words = ("evidence", "export", "--from", "2026-03-02T12:00", "--to", "2026-03-03T00:00:00+01:00")
    done = await panic(*firm.lines(*words), cwd=tmp_path)
    (tmp_path / "period").write_text(done.out)
    head = done.err.partition("ledger head ")[2].partition(": ")[0]
    found = checked(await evidence("verify", "period", "--head", head, cwd=tmp_path))

    assert 0 == done.code
    assert {"from": "2026-03-02T12:00:00+00:00", "to": "2026-03-02T23:00:00+00:00"} == json.loads(
        done.out.splitlines()[0]
    )["asked"]
    assert ("anchored", ["run1", "run2"]) == (found["finding"], [run["run"] for run in found["runs"]])


async def test_standard_output_that_is_gone_is_no_success(tmp_path: Path):
    """Half a file is none."""
    firm = firm_with(tmp_path, "run1")
    done = await panic(*firm.lines("evidence", "export", "last"), cwd=tmp_path, redirect=">/dev/full")

    assert 70 == done.code
    assert "name a file with --output" in done.err


async def test_a_ledger_that_was_altered_is_exported_and_said_to_be(tmp_path: Path):
    """Who exports it hears of it, and so does who checks it."""
    firm = firm_with(tmp_path, "run1")
    damage(tmp_path / "ledger.db")
    done = await panic(*firm.lines("evidence", "export", "last", "--output", "e"), cwd=tmp_path)
    copy = await panic(*firm.lines("evidence", "backup", "copy.db"), cwd=tmp_path)
    found = checked(await evidence("verify", "e", cwd=tmp_path))

    assert (20, 20) == (done.code, copy.code)
    assert "ledger.db: event 3 (attempt): it does not match its hash" in done.err
    assert "event 3 (attempt): its record does not match its hash" in found["faults"][0]["text"]
    assert (("edited record", 3), False) == (
        (found["faults"][0]["kind"], found["faults"][0]["event"]),
        json.loads(copy.out)["whole"],
    )


def damage(file: Path) -> None:
    """Change an event as somebody can who owns the ledger."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_keep")
        connection.execute("UPDATE events SET record = replace(record, '[1,1]', '[1,2]') WHERE seq = 3")


async def test_a_backup_of_a_ledger(tmp_path: Path):
    """It says what it is, and what it is not."""
    firm = firm_with(tmp_path, "run1")
    (tmp_path / "ledger.db.damaged-1").write_bytes(b"torn")
    done = await panic(*firm.lines("evidence", "backup", "copy.db"), cwd=tmp_path)
    for_people = await panic(*firm.lines("evidence", "backup", "b.db", "--format", "table"), cwd=tmp_path)
    copy = read(tmp_path / "copy.db", whole=True)

    assert (0, 0) == (done.code, for_people.code)
    assert {
        "schema": "panic-backup/1",
        "file": "copy.db",
        "events": 7,
        "head": str(copy.head),
        "whole": True,
    } == json.loads(done.out)
    assert f"7 events in b.db\nledger head {copy.head}: keep it" in for_people.out
    assert "damaged-1 is a part of the ledger too" in done.err
    assert ("", ()) == (copy.damage, faults(copy))


async def test_old_events_are_archived(tmp_path: Path):
    """The archive is evidence, the ledger goes on, and a head that was kept is found in the archive."""
    firm = firm_with(tmp_path, "run1", "run2")
    kept = str(read(tmp_path / "ledger.db", whole=True).head)
    words = ("evidence", "archive", "--before", "2026-03-03", "--output", "old.jsonl", "--reason", "seven years")
    done = await panic(*firm.lines(*words), cwd=tmp_path)
    told = json.loads(done.out)
    found = checked(await evidence("verify", "old.jsonl", "--head", kept, cwd=tmp_path))
    runs = await panic(*firm.lines("runs"), cwd=tmp_path)
    words = ("evidence", "archive", "--before", "2026-03-03", "--output", "more.jsonl", "--format", "table")
    again = await panic(*firm.lines(*words), cwd=tmp_path)

    assert (0, 14, 2, {"ledger.db": kept}) == (done.code, told["events"], told["runs"], told["heads"])
    assert ("anchored", 2) == (found["finding"], len(found["runs"]))
    assert [] == json.loads(runs.out)["runs"]
    assert [] == json.loads(runs.out)["damage"]
    assert (0, "nothing is old enough; no file was written\n") == (again.code, again.out)
    assert not (tmp_path / "more.jsonl").exists()


async def test_an_altered_ledger_is_not_archived(tmp_path: Path):
    """Nothing is removed before somebody has looked at it."""
    firm = firm_with(tmp_path, "run1")
    damage(tmp_path / "ledger.db")
    words = ("evidence", "archive", "--before", "2026-03-03", "--output", "old.jsonl")
    done = await panic(*firm.lines(*words), cwd=tmp_path)

    assert (70, "") == (done.code, done.out)
    assert "nothing was removed" in done.err
    assert 7 == len(read(tmp_path / "ledger.db", whole=True).rows)


async def test_no_key_comes_into_the_ledger_or_the_archive_with_who_and_why(tmp_path: Path):
    """Somebody pastes the wrong line; both are kept for ever."""
    firm = firm_with(tmp_path, "run1")
    words = ("evidence", "archive", "--before", "2026-03-03", "--output", "old.jsonl")
    done = await panic(*firm.lines(*words, "--by", f"by {KEY}", "--reason", f"why {KEY}"), cwd=tmp_path)
    record = read(tmp_path / "ledger.db", whole=True).rows[-1].record
    written = b"".join((tmp_path / name).read_bytes() for name in names(tmp_path) if name != firm.key.name)

    assert (0, "archived") == (done.code, read(tmp_path / "ledger.db").rows[-1].kind)
    assert b'"by":"by [key]","reason":"why [key]"' in record
    assert b'"by":"by [key]"' in (tmp_path / "old.jsonl").read_bytes()
    assert KEY.encode() not in written
    assert KEY not in done.out + done.err


async def test_what_engaged_the_latch_stays_until_it_is_reset(tmp_path: Path):
    """The latch's file may get lost, and then the ledger alone says that strategies are to stop."""
    firm = firm_with(tmp_path)
    firm.settings.write_text(f'{firm.settings.read_text()}[latch]\nfile = "panic.latch"\n')
    told = a_run("run1", leg="leg1")
    told[0].body["latch"] = True
    store = SqliteStore(tmp_path / "ledger.db")
    store.append([(one.run, one.kind, encode(one)) for one in (*a_run("run0", leg="leg0"), *told)])
    store.close()
    words = ("evidence", "archive", "--before", "2026-03-03", "--output")
    first = await panic(*firm.lines(*words, "old.jsonl"), cwd=tmp_path)
    blind = await panic(*firm.lines("latch", "--create"), cwd=tmp_path)
    reset = await panic(*firm.lines("reset", "--reason", "over", "--force", "seen"), cwd=tmp_path)
    second = await panic(*firm.lines(*words, "more.jsonl"), cwd=tmp_path)

    assert (0, 7) == (first.code, json.loads(first.out)["events"])
    assert "run run1 is still engaged: panic reset ends that" in first.err
    assert (64, True) == (blind.code, "the ledger says that all accounts is engaged" in blind.err)
    assert (0, 0, 7) == (reset.code, second.code, json.loads(second.out)["events"])


async def test_to_check_evidence_imports_nothing_that_can_send(tmp_path: Path):
    """An auditor's machine needs no broker."""
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(b"".join(exported(LEDGER)))
    done = await panic(
        *("evidence", "verify", str(file)), cwd=tmp_path, program=("-X", "importtime", "-m", "panic")
    )

    assert 10 == done.code
    assert "panic.evidence.verify" in done.err
    assert not any(word in done.err for word in ("aiohttp", "panic.run.run", "panic.broker", "uvloop"))


@pytest.mark.parametrize("seed", [3, 15])
async def test_a_run_that_was_killed_and_taken_up_proves_like_any_other(tmp_path: Path, seed: int):
    """Whichever files it is in, and however often it died."""
    died = await Round(seed, tmp_path).go()
    exporting = await panic(*died.firm.lines("evidence", "export", "last", "--output", "e"), cwd=tmp_path)
    kept = [line.split()[-1].removesuffix(":") for line in exporting.err.split(": keep it")[:-1]]
    found = checked(await evidence("verify", "e", *(f"--head={head}" for head in kept), cwd=tmp_path))

    assert 0 < died.figures["resumed"]
    assert ("anchored", ["whole"]) == (found["finding"], [run["state"] for run in found["runs"]])


# ── what was found reaches its readers ──────────────────────────────────────────────────────────────────────


async def test_an_output_that_cannot_be_written_is_no_report(tmp_path: Path):
    """What was found is on standard output all the same, and the exit code stands."""
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(b"".join(exported(LEDGER)))
    done = await evidence("verify", str(file), "--output", "missing/found.json", cwd=tmp_path)

    assert "consistent, not anchored" == checked(done)["finding"]
    assert "panic: the document could not be written to missing/found.json (No such file or directory)" in done.err


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
    output.show('{"told": 1}', lambda **_: "", argparse.Namespace(format="json", output=dead))
    terminal.errors.drain()
    free.set()

    assert ['{"told": 1}\n'] == shown
    assert f"panic: the document could not be written to {dead} (output took longer than 0.1 s)" in (
        capfd.readouterr().err
    )


def test_a_report_that_cannot_be_drawn_is_saved_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """The file needs no table; the verdict is said at least."""
    monkeypatch.setattr(output, "table", None)
    report, file = Replay.of(RUN, a_run()).report(None), tmp_path / "report.json"
    output.deliver(report, argparse.Namespace(format="table", output=file))
    terminal.errors.drain()

    assert RUN == json.loads(file.read_bytes())["run_id"]
    assert "the report could not be shown: TypeError\npanic: CLEAR" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["json", "table"])
def test_an_upgrade_during_a_run_does_not_cost_its_report(tmp_path: Path, form: str):
    """All that shows it was imported before: what lies on the disk by then may be anything."""
    script = """
import argparse, importlib.abc, sys
import panic.cli.press, panic.progress
from panic.cli import output
from panic.replay import Replay
from tests.evidence import RUN, a_run

class Replaced(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        raise ImportError(f"{name} was replaced")

report = Replay.of(RUN, a_run(reason="Zürich 中")).report(None)
sys.meta_path.insert(0, Replaced())
output.deliver(report, argparse.Namespace(format=sys.argv[1], output=None))
"""
    done = subprocess.run([sys.executable, "-c", script, form], capture_output=True, text=True, check=True)

    assert "could not be shown" not in done.stderr
    assert done.stdout.startswith({"json": '{\n  "schema"', "table": "CLEAR  "}[form])


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_press_from_code_that_does_not_end_well_lets_go_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
):
    """Else a service that goes on would keep a thread and an open file for each."""
    slow, before = Fault("hang", seconds=30), set(threading.enumerate())
    async with simulate(account(1, slow)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        if end == "failed":
            monkeypatch.setattr(Run, "report", None)
        how = partial(library.press, scope=library.Scope(all=True), reason="runaway algo", deadline_s=0.5)
        press = asyncio.create_task(how(library.load_settings(firm.settings)))
        if end == "cancelled":
            await until(lambda: bool(simulator.requests))
            press.cancel()
        with pytest.raises((asyncio.CancelledError, TypeError)):
            await press

        await until(lambda: "panic-ledger" not in {one.name for one in set(threading.enumerate()) - before})
