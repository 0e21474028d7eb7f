"""`panic evidence`, as an auditor, an operator and an attacker see it."""

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from panic.ledger.events import encode
from panic.ledger.reader import faults, read
from panic.ledger.store import SqliteStore
from tests.cli.inside import typed
from tests.cli.support import KEY, PRESS, Finished, Firm, account, panic, simulate
from tests.ledger.evidence import RUN, Lines, a_run, edited, exported, relinked, volume
from tests.ledger.support import tamper

LEDGER = volume(a_run())
HEAD = str(LEDGER.head)


def evidence(firm: Firm, *words: str) -> Finished:
    """Run a command of the group in this process."""
    return typed(*firm.lines("evidence", *words))


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firm:
    """A firm whose ledger holds a run, and this process in its folder."""
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStore(tmp_path / "ledger.db")) as store:
        store.append([(one.run, one.kind, encode(one)) for one in a_run("run1")])
    (tmp_path / "FILE").write_text("kept")
    return Firm(tmp_path, "https://api.example.com", [1])


async def test_from_a_press_to_the_proof(tmp_path: Path):
    """The head that was printed with a report proves it, where there are no settings and no ledger."""
    file = tmp_path / "away" / "run.evidence"
    file.parent.mkdir()
    async with simulate(account(1), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2])
        report = (await panic(*firm.lines(*PRESS), cwd=tmp_path)).report
    done = evidence(firm, "export", "last", "--output", str(file))
    firm.settings.unlink()
    (tmp_path / "ledger.db").unlink()
    checked = typed("evidence", "verify", str(file), "--head", report["ledger_head"])
    found = json.loads(checked.out)

    assert (0, "", 0o600) == (done.code, done.out, file.stat().st_mode & 0o777)
    assert f"ledger.db: not anchored: ledger head {report['ledger_head']} proves it: keep it" in done.err
    facts = {"schema": "panic-verification/1", "finding": "anchored", "faults": []}
    assert (0, True) == (checked.code, facts.items() <= found.items())
    assert [(report["run_id"], "clear")] == [(run["run"], run["verdict"]) for run in found["runs"]]
    assert report == json.loads(file.read_text().splitlines()[-1])["report"]
    assert KEY not in file.read_text()


def forged(lines: Lines) -> Lines:
    """Another reason, and everything made anew."""
    return relinked(edited(lines, 1, lambda words: words["event"].update(at="2025-03-02T12:00:01.000000+00:00")))


@pytest.mark.parametrize(
    ("change", "head", "code", "words"),
    [
        (list, HEAD, 0, ["ANCHORED  ", "events 1 to 7, anchored up to event 7", f"CLEAR      {RUN}"]),
        (list, "", 10, ["CONSISTENT, NOT ANCHORED  ", "events 1 to 7, not anchored"]),
        (list, f"3:{LEDGER.rows[2].hash}", 10, ["only what comes up to event 3 is proven"]),
        (lambda lines: lines[:-1], HEAD, 20, ["ALTERED OR DAMAGED  ", "! missing: run 2026"]),
        (forged, HEAD, 20, ["! edited: event 7 has another hash than the head kept"]),
        (lambda _: [b"\xff\0garbage"], HEAD, 20, ["the header is missing: this is no evidence", "no event"]),
        (lambda lines: [*lines, *[b"x\n"] * 500], HEAD, 20, ["and 480 more: --format json lists them"]),
    ],
)
def test_what_it_is_worth_is_said(
    firm: Firm, change: Callable[[Lines], Lines], head: str, code: int, words: list[str]
):
    """In words, and by the exit code."""
    (firm.folder / "e").write_bytes(b"".join(change(exported(LEDGER))))
    done = evidence(firm, "verify", "e", *(("--head", head) if head else ()), "--format", "table")

    assert (code, "") == (done.code, done.err)
    assert all(word in done.out for word in words), done.out
    assert "The file says of itself, and nothing proves it: " in done.out
    assert 40 > len(done.out.splitlines())


def test_nothing_in_the_file_steers_the_terminal(firm: Firm):
    """Whoever wrote it, and whichever way it is printed."""
    evil = "\x1b[2J\x9b31m\u202e"
    lines = exported(volume(a_run(RUN, reason=evil), name=f"l{evil}"))
    (firm.folder / evil).write_bytes(b"".join(edited(lines, 0, lambda w: w.update(by=evil, damage=evil))))
    outs = [evidence(firm, "verify", evil, "--format", form).out for form in ("table", "json")]
    refused = evidence(firm, "verify", f"no{evil}")

    assert all(outs)
    assert all(character.isprintable() or character == "\n" for text in (*outs, refused.err) for character in text)


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "/dev/zero"])
def test_what_is_no_file_is_refused_at_once(firm: Firm, what: str):
    """Nobody waits for a pipe."""
    if what == "folder":
        (firm.folder / what).mkdir()
    elif what == "pipe":
        os.mkfifo(firm.folder / what)
    done = evidence(firm, "verify", what)

    assert (64, "", True) == (done.code, done.out, what in done.err)


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
        (("export", "--to", "2026-01-01"), "ledger.db holds nothing of that period"),
        (("export", "last", "--output", "FILE"), "FILE cannot be begun: file exists; name a new file"),
        (("backup", "FILE"), "FILE cannot be begun: file exists; name a new file"),
    ],
)
def test_what_makes_no_sense_is_refused(firm: Firm, words: tuple[str, ...], said: str):
    """With the remedy, and without touching anything."""
    done = evidence(firm, *words)

    assert (64, "") == (done.code, done.out)
    assert said in done.err
    assert "required: " in said or "sent" not in done.err
    assert "kept" == (firm.folder / "FILE").read_text()


def test_a_period_on_standard_output(firm: Firm):
    """In a pipe it is the file itself."""
    words = ("export", "--from", "2026-03-02T12:00", "--to", "2026-03-03T00:00:00+01:00")
    done = evidence(firm, *words)
    (firm.folder / "period").write_text(done.out)
    head = done.err.partition("ledger head ")[2].partition(" ")[0]
    found: dict[str, Any] = json.loads(evidence(firm, "verify", "period", "--head", head).out)
    header = json.loads(done.out.splitlines()[0])

    assert 0 == done.code
    assert ("2026-03-02T12:00:00+00:00", "2026-03-02T23:00:00+00:00") == (header["since"], header["until"])
    assert ("anchored", ["run1"]) == (found["finding"], [run["run"] for run in found["runs"]])


async def test_standard_output_that_is_gone_is_no_success(firm: Firm, full: BinaryIO):
    """Half a file is none."""
    done = await panic(*firm.lines("evidence", "export", "last"), cwd=firm.folder, stdout=full)

    assert (70, True) == (done.code, "name a file with --output" in done.err)


def test_a_ledger_that_was_altered_is_exported_and_said_to_be(firm: Firm):
    """Who exports it hears of it, and so does who checks it; a copy of it is no whole one."""
    tamper(firm.folder / "ledger.db", "UPDATE events SET record = replace(record, '[1,1]', '[1,2]') WHERE seq = 3")
    done, copy = evidence(firm, "export", "last", "--output", "e"), evidence(firm, "backup", "copy.db")
    found = json.loads(evidence(firm, "verify", "e").out)

    assert (20, 20, False) == (done.code, copy.code, json.loads(copy.out)["whole"])
    assert "ledger.db: event 3 (attempt): it does not match its hash" in done.err
    assert ("edited", 3) == (found["faults"][0]["kind"], found["faults"][0]["event"])


def test_a_backup_of_a_ledger(firm: Firm):
    """It says what it is, for programs and for people."""
    done, for_people = evidence(firm, "backup", "copy.db"), evidence(firm, "backup", "b.db", "--format", "table")
    copy = read(firm.folder / "copy.db", whole=True)
    document = {"schema": "panic-backup/1", "file": "copy.db", "events": 7, "head": str(copy.head), "whole": True}

    assert (0, 0, document) == (done.code, for_people.code, json.loads(done.out))
    assert f"7 events in b.db\nledger head {copy.head}: keep it" in for_people.out
    assert ("", ()) == (copy.damage, faults(copy))


async def test_to_check_evidence_imports_nothing_that_can_send(tmp_path: Path):
    """An auditor's machine needs no broker."""
    file = tmp_path / "e"
    file.write_bytes(b"".join(exported(LEDGER)))
    program = ("-X", "importtime", "-m", "panic")
    done = await panic("evidence", "verify", str(file), cwd=tmp_path, program=program)

    assert 10 == done.code
    assert "panic.ledger.evidence.verify" in done.err
    assert not any(word in done.err for word in ("aiohttp", "panic.run.run", "panic.broker.client", "uvloop"))
