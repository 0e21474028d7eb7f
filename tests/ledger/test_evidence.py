"""Evidence: a piece of the ledger that nobody alters unnoticed, and that tells what it is worth."""

import json
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.kit.errors import UsageError
from panic.ledger.events import GENESIS, Head
from panic.ledger.evidence.export import Asked, export, write
from panic.ledger.evidence.verify import verify
from tests.ledger.evidence import (
    ALTERED,
    ALWAYS,
    ANCHORED,
    CONSISTENT,
    NOON,
    OTHER,
    RUN,
    Lines,
    a_run,
    edited,
    exported,
    faults_of,
    head_of,
    moved,
    relinked,
    resumed,
    volume,
)
from tests.ledger.mangle import JSON, mangled
from tests.ledger.runs import event

LEDGER = volume(a_run())
LINES = exported(LEDGER)
REPORT = len(LINES) - 1
"""The line of the report; that of an event is its number."""


def test_the_evidence_of_a_run():
    """A header, every event as it was written, and the report that was printed; a kept head anchors it."""
    header, *rows, report = map(json.loads, LINES)
    found = verify(LINES, [LEDGER.head])
    (run,) = found.runs
    said = {"by": "auditor@desk", "ledger": "ledger.db", "run": RUN, "base": str(GENESIS)}

    assert said.items() <= header.items()
    assert [(row.seq, row.hash) for row in LEDGER.rows] == [(one["seq"], one["hash"]) for one in rows]
    assert RUN == report["run"] == run.run
    assert ("clear", str(LEDGER.head)) == (report["report"]["verdict"], report["report"]["ledger_head"])
    assert (ANCHORED, 0, ()) == (found.finding, found.exit_code, found.faults)
    assert (1, 7, 7) == (found.first, found.last, found.anchored)
    assert ("clear", "joe@desk", "runaway algo", True) == (run.verdict, run.by, run.reason, run.finished)
    assert "auditor@desk" in found.said


@pytest.mark.parametrize("last", [None, 1, 4, 6])
def test_a_head_anchors_what_comes_up_to_it_and_no_more(last: int | None):
    """Whoever wrote the file could have made the rest, or without a head all of it."""
    found = verify(LINES, [head_of(LEDGER, last)] if last else [])
    (fault,) = found.faults

    assert (CONSISTENT, 10, last) == (found.finding, found.exit_code, found.anchored)
    assert fault.text.startswith(f"only what comes up to event {last} is" if last else "nothing is")


def test_it_reaches_from_the_first_event_of_the_run_to_its_last():
    """What others wrote in between is in it, else the chain would break; what came before and after is not."""
    mine, other = a_run(), a_run(OTHER)
    ledger = volume([*other[:2], *mine[:3], *other[2:4], *mine[3:], *other[4:]])
    lines = exported(ledger)
    found = verify(lines, [head_of(ledger, 11)])

    assert [*range(3, 12)] == [json.loads(line)["seq"] for line in lines[1:-1]]
    assert str(head_of(ledger, 2)) == json.loads(lines[0])["base"]
    assert (ANCHORED, [RUN]) == (found.finding, [run.run for run in found.runs])


def test_a_period_holds_everything_that_happened_in_it():
    """From its beginning on and before its end; a run that goes beyond it has no report, nor have resets."""
    runs = [a_run(f"run-{n}", at=NOON + timedelta(hours=n)) for n in range(4)]
    reset = moved([event(1, "reset", {"by": "joe"})], "", NOON + timedelta(hours=1, minutes=5), "r")
    ledger = volume([*runs[0], *runs[1], *reset, *runs[2], *runs[3]])
    asked = Asked("", NOON + timedelta(hours=1, seconds=1), NOON + timedelta(hours=2, seconds=7))
    head, lines = export(ledger, asked, by="joe", at=NOON)
    found = verify(lines, [head])

    assert (ANCHORED, 8, 21) == (found.finding, found.first, found.last)
    assert ["run-1"] == [run.run for run in found.runs]
    assert ["run-0", "run-1", "run-2", "run-3"] == [run.run for run in verify(exported(ledger, ALWAYS), []).runs]


@pytest.mark.parametrize("asked", [Asked(OTHER), Asked("", NOON + timedelta(days=1))])
def test_nothing_to_export_is_refused(asked: Asked):
    """An empty file would look like evidence that nothing happened."""
    with pytest.raises(UsageError, match="holds nothing of"):
        exported(LEDGER, asked)


def test_a_run_without_an_end_is_never_wholly_anchored():
    """It did not come to its end, or its end was left out: the file cannot say. A resume completes it."""
    died, completed = volume(a_run(end=False)), volume([*a_run(end=False), *resumed()])
    found = verify(exported(died), [died.head])

    assert (CONSISTENT, "unverified", False) == (found.finding, found.runs[0].verdict, found.runs[0].finished)
    assert "without its end: there was none, or it was left out" in found.faults[0].text
    assert ANCHORED is verify(exported(completed), [completed.head]).finding


def test_a_ledger_that_could_not_all_be_read_says_so():
    """Perhaps the rest was in it."""
    found = verify(exported(replace(LEDGER, damage="it is damaged")), [LEDGER.head])

    assert CONSISTENT is found.finding
    assert "could not all be read when this was exported: it is damaged" in found.faults[0].text


def test_one_bit_changed_in_what_is_chained_is_found():
    """Every byte of every row and of the report counts, with a head and without; the header proves nothing."""
    whole, start = b"".join(LINES), len(LINES[0])
    for place in range(start, len(whole), 23):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        found = verify(BytesIO(bytes(changed)), [LEDGER.head] if place % 2 else [])

        assert (ALTERED, 20) == (found.finding, found.exit_code), place


def test_a_file_cut_off_anywhere_is_found():
    """At every byte; but the last line break is missed by nobody."""
    whole = b"".join(LINES)
    for end in range(0, len(whole), 37):
        assert ALTERED is verify(BytesIO(whole[:end]), [LEDGER.head] if end % 2 else []).finding, end


def reasoned(words: dict[str, Any]) -> None:
    """Change why somebody pressed, and nothing else."""
    words["event"]["body"]["trigger"]["reason"] = "a good reason"


def changed(number: int, **words: Any) -> Lines:
    """Put something else into a line."""
    return edited(LINES, number, lambda line: line.update(words))


TAMPERINGS: list[tuple[Lines, str, int | None, str]] = [
    (edited(LINES, 1, reasoned), "edited", 1, "event 1 (pressed): it, or its hash, or what it follows"),
    (changed(4, hash="ab" * 32), "edited", 4, "event 4 (outcome): it, or"),
    (changed(3, hash="no hash"), "edited", None, "line 4: '3:no hash' is"),
    (changed(3, event=None), "edited", None, "line 4: it is no object"),
    (changed(0, schema="panic-evidence/1"), "edited", None, "line 1: this panic reads panic-evidence/2"),
    (
        edited(LINES, REPORT, lambda line: line["report"].update(verdict="refused")),
        "edited",
        None,
        "its report is not what its rows come to, in verdict",
    ),
    (LINES[:3] + LINES[5:], "missing", 5, "event 5 (outcome): it follows event 2: those between"),
    (LINES[:7] + LINES[8:], "missing", None, "the rows end at event 6, and the header says 7:"),
    (LINES[:-1], "missing", None, f"run {RUN}: it was asked for, and its report is missing"),
    ([*LINES, LINES[-1]], "edited", None, f"it is a second report of run {RUN}"),
    ([*LINES[:3], LINES[4], LINES[3], *LINES[5:]], "missing", 4, "event 4 (outcome): it follows event 2: those"),
    ([*LINES[:4], *LINES[3:]], "edited", 3, "event 3 (attempt): it, or its hash, or what it follows"),
    ([LINES[0], *LINES], "edited", None, "line 2: it is no row"),
    (LINES[1:], "missing", None, "the header is missing"),
    ([], "missing", None, "the header is missing"),
    ([b"[" * 1_000_000 + b"\n"], "edited", None, "line 1: it is no line of evidence"),
]


@pytest.mark.parametrize(("lines", "fault", "event", "words"), TAMPERINGS, ids=range(len(TAMPERINGS)))
def test_what_was_altered_is_named(lines: Lines, fault: str, event: int | None, words: str):
    """What sort of thing, which event, and in words."""
    found = verify(lines, [LEDGER.head])

    assert (ALTERED, None) == (found.finding, found.anchored)
    assert (fault, event) in faults_of(found)
    assert any(words in one.text for one in found.faults)


@pytest.mark.parametrize(
    "lines", [edited(LINES, 1, reasoned), [*LINES[:6], LINES[7], LINES[6], LINES[8]], [*LINES[:5], *LINES[6:]]]
)
def test_a_chain_made_anew_is_found_by_whoever_kept_a_head(lines: Lines):
    """And by nobody else: that is why heads are kept elsewhere."""
    forged = relinked(lines)

    assert verify(forged, [LEDGER.head]).finding is not ANCHORED
    assert verify(forged, [head_of(LEDGER, 7), head_of(LEDGER, 1)]).exit_code != 0


@pytest.mark.parametrize(
    ("head", "fault", "words"),
    [
        (Head(7, "ab" * 32), "edited", "event 7 has another hash than the head kept"),
        (Head(9, "ab" * 32), "not anchored", "head 9: the file is of events 1 to 7 only"),
        (GENESIS, "not anchored", "head 0: the file is of events 1 to 7 only"),
    ],
)
def test_a_head_that_the_file_does_not_show_is_named(head: Head, fault: str, words: str):
    """Beside one that proves it, too: it must not be taken for what was kept."""
    found = verify(LINES, [LEDGER.head, head])

    assert found.finding is (ALTERED if fault == "edited" else CONSISTENT)
    assert (fault, words) == (found.faults[0].kind, found.faults[0].text[: len(words)])


def test_a_report_of_another_version_is_a_doubt_and_no_fault():
    """Another panic may tell the same rows in other words."""
    other = edited(LINES, 0, lambda w: w.update(version="0.1"))
    found = verify(edited(other, REPORT, lambda w: w["report"].update(schema="panic-report/0")), [LEDGER.head])

    assert CONSISTENT is found.finding
    assert "its report was made by version 0.1" in found.faults[0].text
    assert "differs in schema" in found.faults[0].text


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_nothing_in_the_file_stops_the_check(data: st.DataObject):
    """Whatever a line says, the answer comes, and it is never better than the file deserves."""
    number = data.draw(st.sampled_from(range(len(LINES))))
    words = data.draw(mangled(json.loads(LINES[number])) | JSON)
    lines = [*LINES[:number], write(words), *LINES[number + 1 :]]
    found = verify(lines, [LEDGER.head])

    assert found.exit_code == 20 or number == 0 or lines == LINES
    assert all(len(fault.text) <= 300 for fault in found.faults)
