"""Evidence: what it tells and what it keeps to itself, and that nobody alters it unnoticed."""

import json
import random
import sqlite3
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic._version import VERSION
from panic.errors import UsageError
from panic.evidence.answer import to_json
from panic.evidence.export import export
from panic.evidence.form import LINE_MOST, Asked, write
from panic.evidence.intake import lines_of
from panic.evidence.verify import verify
from panic.ledger.chain import GENESIS, Head, digest, link
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import Volume, read
from panic.ledger.store import SqliteStore
from tests.evidence import (
    ALTERED,
    ALWAYS,
    ANCHORED,
    ASKED,
    CONSISTENT,
    NOON,
    OTHER,
    PARTLY,
    RUN,
    Lines,
    a_run,
    edited,
    events,
    exported,
    faults_of,
    head_of,
    notes,
    relinked,
    resealed,
    stamp,
    taken_up,
    volume,
)

LEDGER = volume(a_run())
LINES = exported(LEDGER)
FIRST, LAST = 2, 8
"""The lines of the first and the last event of that file; a report and the seal follow."""


def line_of(seq: int) -> int:
    """Where an event of that file stands."""
    return seq + FIRST - 1


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_evidence_of_a_run():
    """A header, the volume, every event as it was written, the report that was printed, and the seal."""
    header, ledger, *told, report, seal = map(json.loads, LINES)

    assert ("panic-evidence/1", VERSION, "auditor@desk", {"run": RUN}, len(LINES)) == (
        header["schema"],
        header["version"],
        header["by"],
        header["asked"],
        header["lines"],
    )
    assert {"volume": "ledger.db", "base": str(GENESIS), "damage": ""} == ledger
    assert [row.record for row in LEDGER.rows] == [write(one["record"])[:-1] for one in told]
    assert [(row.seq, row.hash) for row in LEDGER.rows] == [(one["seq"], one["hash"]) for one in told]
    assert (RUN, str(LEDGER.head), "clear") == (report["run"], report["head"], report["report"]["verdict"])
    assert str(LEDGER.head) == report["report"]["ledger_head"]
    assert ["seal"] == list(seal)


def test_with_a_head_that_was_kept_it_is_anchored():
    """And what the run came to is made again from its events."""
    found = verify(LINES, [LEDGER.head])
    (run,) = found.runs

    assert (ANCHORED, 0, (), (), ()) == (found.finding, found.exit_code, found.faults, found.doubts, found.notes)
    assert (RUN, "whole", "clear", False, "https://api.example.com", "joe@desk", "runaway algo", 7, True) == (
        run.run,
        run.state,
        run.verdict,
        run.drill,
        run.base_url,
        run.by,
        run.reason,
        run.events,
        run.anchored,
    )
    assert "agrees with its events" == run.report
    assert [7] == [one.anchored for one in found.volumes]
    assert "auditor@desk" in found.said


def test_without_a_head_it_is_consistent_and_no_more():
    """Whoever wrote the file could have made all of it."""
    found = verify(LINES)

    assert (CONSISTENT, 10, (), ()) == (found.finding, found.exit_code, found.faults, found.doubts)
    assert not any(run.anchored for run in found.runs)


def test_a_head_of_any_later_time_proves_every_event_told():
    """What came after is in the file by its digest; but whether that is another run's, no such head can tell."""
    ledger = volume([*a_run(), *notes(3, ""), *a_run(OTHER, reason="nobody's business")])
    lines = exported(ledger)

    assert ANCHORED is verify(lines, [head_of(ledger, 7)]).finding
    for row in ledger.rows[7:]:
        found = verify(lines, [Head(row.seq, row.hash)])

        assert (PARTLY, (), True) == (found.finding, found.faults, found.runs[0].anchored)
        assert f"head {row.seq}: it is of an event that is told by digest only" in found.doubts[0]


def test_an_earlier_head_anchors_what_was_then():
    """The answer says exactly up to which event."""
    for row in LEDGER.rows[:-1]:
        found = verify(LINES, [Head(row.seq, row.hash)])

        assert (PARTLY, 10, ()) == (found.finding, found.exit_code, found.faults)
        assert [row.seq] == [one.anchored for one in found.volumes]
        assert not found.runs[0].anchored


def test_the_evidence_of_a_run_tells_of_no_other():
    """Other runs' events stand in it by their digests, and those before its first not at all."""
    told, other = a_run(), a_run(OTHER, reason="nobody's business", accounts=(70707, 70708))
    ledger = volume([*notes(2, ""), *(one for pair in zip(other, told, strict=True) for one in pair)])
    lines = exported(ledger)
    text = b"".join(lines)

    assert ANCHORED is verify(lines, [ledger.head]).finding
    assert str(head_of(ledger, 3)) == json.loads(lines[1])["base"]
    assert not any(word in text for word in (b"nobody", OTHER.encode(), b"70707", b'"note"'))


def test_what_an_event_is_of_is_what_its_record_says():
    """The columns beside it are in no hash: who changes them hides nothing."""
    rows = [row._replace(run=OTHER) for row in LEDGER.rows]

    assert LINES == exported(replace(LEDGER, rows=tuple(rows)))


def test_events_of_no_run_that_name_it_are_a_part_of_its_evidence():
    """As when somebody ends the engaged state that this run left."""
    naming = [("reset", {"runs": [RUN]}), ("reset", {"run": RUN}), ("reset", {"runs": [OTHER]}), ("reset", None)]
    ledger = volume([*a_run(), *events(naming, "", NOON, "r")])
    lines = exported(ledger)

    assert ["record", "record", "digest", "digest"] == [list(json.loads(line))[2] for line in lines[9:13]]
    assert ANCHORED is verify(lines, [head_of(ledger, 9)]).finding


def test_a_period_holds_whole_everything_that_happened_in_it():
    """From its beginning on and before its end; of what goes beyond it there is no report."""
    runs = [a_run(f"run-{n}", at=NOON + timedelta(hours=n)) for n in range(4)]
    ledger = volume([one for run in runs for one in [*run, *notes(1, "")]])
    since, until = NOON + timedelta(hours=1, seconds=1), NOON + timedelta(hours=2, seconds=7)
    asked = Asked("", since, until)
    lines = exported(ledger, asked=asked)
    full = [json.loads(line)["record"] for line in lines if b'"record"' in line]
    reports = [json.loads(line)["run"] for line in lines if b'{"report"' in line]
    found = verify(lines, [ledger.head])

    assert [*["run-1"] * 7, *["run-2"] * 6] == [one["run"] for one in full]
    assert {True} == {stamp(since) <= one["at"] < stamp(until) for one in full}
    assert ["run-1"] == reports
    assert [("run-1", "whole"), ("run-2", "without its end")] == [(run.run, run.state) for run in found.runs]
    assert (PARTLY, ()) == (found.finding, found.faults)
    assert ["head 32", "run run-2 is without its end", "ledger.db"] == [one.split(":")[0] for one in found.doubts]
    assert "events between those told are told by digest only (1): nothing shows" in found.doubts[2]


def test_a_period_tells_what_concerns_no_run():
    """A reset is everybody's."""
    told = events([("reset", {"by": "joe"})], "", NOON, "r")
    found = verify(exported(volume(told), asked=ALWAYS), [volume(told).head])

    assert (ANCHORED, ()) == (found.finding, found.runs)


@pytest.mark.parametrize("asked", [Asked(OTHER), Asked("", NOON + timedelta(days=1))])
def test_nothing_to_export_is_refused(asked: Asked):
    """An empty file would look like evidence that nothing happened."""
    with pytest.raises(UsageError, match="the ledger holds nothing of"):
        exported(LEDGER, asked=asked)


def test_an_unfinished_run_is_never_wholly_anchored():
    """It did not come to its end, or its end was left out: the file cannot tell."""
    ledger = volume(a_run(end=False))
    found = verify(exported(ledger), [ledger.head])

    assert (PARTLY, 10) == (found.finding, found.exit_code)
    assert ("without its end", "unverified") == (found.runs[0].state, found.runs[0].verdict)


def test_a_run_that_was_taken_up_again():
    """Two processes, one run, one report."""
    ledger = volume([*a_run(end=False), *taken_up()])
    found = verify(exported(ledger), [ledger.head])

    assert (ANCHORED, "whole") == (found.finding, found.runs[0].state)


def test_a_claim_that_stands_twice_takes_a_run_up_once():
    """Who waited for it in vain wrote it again: that makes no cancel unanswered."""
    claim, *_ = taken_up()
    again = [("attempt", {"deletes": [[1, 2]]}), *((one.kind, one.body) for one in (a_run()[3], *a_run()[-2:]))]
    later = [claim, *events([(claim.kind, claim.body), *again], RUN, NOON + timedelta(hours=12), "again")]
    ledger = volume([*a_run(end=False), *later])
    found = verify(exported(ledger), [ledger.head])

    assert (ANCHORED, "clear") == (found.finding, found.runs[0].verdict)


# ── what is altered is found ────────────────────────────────────────────────────────────────────────────────


def test_one_bit_changed_anywhere_is_found():
    """Every byte counts, with a head and without."""
    whole = b"".join(LINES)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        found = verify(BytesIO(bytes(changed)), [LEDGER.head] if place % 2 else [])

        assert (ALTERED, 20) == (found.finding, found.exit_code), place


def test_a_file_cut_off_anywhere_is_found():
    """At every byte, the last line break among them."""
    whole = b"".join(LINES)
    for end in range(len(whole)):
        found = verify(BytesIO(whole[:end]), [LEDGER.head] if end % 2 else [])

        assert ALTERED is found.finding, end
        assert "truncated" in {fault.kind for fault in found.faults}


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_left_out_doubled_or_moved_is_found(number: int):
    """Whichever it is."""
    left_out = [*LINES[:number], *LINES[number + 1 :]]
    doubled = [*LINES[: number + 1], *LINES[number:]]
    moved = list(LINES)
    moved[number - 1 : number + 1] = reversed(moved[number - 1 : number + 1])
    for lines in (left_out, doubled, moved if number else left_out):
        for heads in ((), (LEDGER.head,)):
            assert ALTERED is verify(lines, heads).finding


def edit_the_reason(words: dict[str, Any]) -> None:
    """Change who or why in an event, and nothing else."""
    words["record"]["body"]["trigger"] = {**words["record"]["body"]["trigger"], "reason": "a good reason"}


def edit_the_hash(words: dict[str, Any]) -> None:
    """Change the hash of an event, and nothing else."""
    words["hash"] = words["hash"][::-1]


def swapped(lines: Lines, first: int) -> Lines:
    """Let an event and the next one change places."""
    return [*lines[:first], lines[first + 1], lines[first], *lines[first + 2 :]]


TAMPERINGS: list[tuple[Callable[[Lines], Lines], list[tuple[str, int | None]], str]] = [
    (
        lambda lines: edited(lines, line_of(1), edit_the_reason),
        [("edited record", 1), ("report", None)],
        "event 1 (pressed): its record does not match its hash: it, or what it follows, was edited",
    ),
    (
        lambda lines: edited(lines, line_of(4), lambda w: w["record"].update(kind="outcomes")),
        [("edited record", 4), ("incomplete run", None), ("report", None)],
        "event 4 (outcomes): its record does not match its hash",
    ),
    (
        lambda lines: edited(lines, line_of(4), edit_the_hash),
        [("edited hash", 4), ("report", None)],
        "event 4 (outcome): its hash was edited",
    ),
    (
        lambda lines: edited(lines, line_of(7), edit_the_hash),
        [("edited record", 7), ("report", None)],
        "event 7 (finished): its record does not match its hash: one of them was edited",
    ),
    (
        lambda lines: edited(lines, line_of(3), lambda w: w.update(hash="no hash")),
        [("edited hash", 3), ("report", None)],
        "event 3 (attempt): its hash was edited",
    ),
    (
        lambda lines: edited(lines, line_of(7), lambda w: w.update(hash=w["hash"].upper())),
        [("edited hash", 7), ("report", None)],
        "event 7 (finished): its hash was edited",
    ),
    (
        lambda lines: lines[: line_of(3)] + lines[line_of(5) :],
        [("missing", 5), ("incomplete run", None), ("report", None)],
        "events 3 to 4 are missing",
    ),
    (
        lambda lines: lines[: line_of(1)] + lines[line_of(2) :],
        [("missing", 2), ("incomplete run", None), ("report", None)],
        "event 1 is missing",
    ),
    (
        lambda lines: swapped(lines, line_of(4)),
        [("order", 4)],
        "event 4 (outcome): it stands after event 5: they were reordered",
    ),
    (
        lambda lines: [*lines[: line_of(4)], lines[line_of(4)], *lines[line_of(4) :]],
        [("twice", 4)],
        "event 4 (outcome): it stands twice: one was inserted",
    ),
    (
        lambda lines: [*lines[: LAST + 1], write({"seq": 8, "hash": "ab" * 32, "digest": "cd" * 32}), *lines[-2:]],
        [("edited record", 8)],
        "event 8: its digest does not match its hash",
    ),
    (
        lambda lines: edited(lines, 1, lambda w: w.update(base=f"0:{'1' * 64}")),
        [("edited record", 1), ("report", None)],
        "event 1 (pressed): its record does not match its hash: it, or what it follows, was edited",
    ),
    (
        lambda lines: edited(lines, -2, lambda w: w["report"].update(verdict="open")),
        [("report", None)],
        f"run {RUN}: its report is not what its events come to, in verdict",
    ),
    (
        lambda lines: edited(lines, len(lines) - 2, lambda w: w.update(head=None)),
        [("report", None)],
        "its report is not what its events come to, in head",
    ),
    (lambda lines: [*lines[:-1], lines[-2], lines[-1]], [("report", None)], "there are two reports of it"),
    (
        lambda lines: edited(lines, len(lines) - 2, lambda w: w.update(run=OTHER)),
        [("report", None)],
        f"run {OTHER}: there is a report of it, and no event",
    ),
    (
        lambda lines: [line for line in lines if b'"record"' not in line and b'{"report"' not in line],
        [("incomplete run", None)],
        "it is what was asked for, and its beginning is not here",
    ),
    (
        lambda lines: edited(lines, 0, lambda w: w.update(asked=Asked("", NOON + timedelta(seconds=3)).words())),
        [("not asked for", 1), ("not asked for", 2)],
        "event 1 (pressed): it is none of what was asked for",
    ),
]


@pytest.mark.parametrize(("tamper", "faults", "words"), TAMPERINGS)
@pytest.mark.parametrize("heads", [(), (LEDGER.head,)])
def test_each_fault_is_named(
    tamper: Callable[[Lines], Lines], faults: list[tuple[str, int | None]], words: str, heads: Sequence[Head]
):
    """Though the seal was made right again: by its kind and the number of its event, and nothing else."""
    found = verify(resealed(tamper(list(LINES))), heads)
    named = [fault for fault in faults_of(found) if fault[0] != "other head"]

    assert ALTERED is found.finding
    assert faults == named
    assert any(words in fault.text for fault in found.faults)


def test_the_seal_and_the_count_are_named():
    """As is what stands behind the seal."""
    blank = edited(LINES, 0, lambda w: w.update(by="somebody else"))
    short = [*LINES[:-3], LINES[-1]]
    behind = [*LINES, LINES[-1]]

    assert [("seal", None)] == faults_of(verify(blank))
    assert ("truncated", None) in faults_of(verify(short))
    assert "the header speaks of 11 lines, and there are 9" in [fault.text for fault in verify(short).faults]
    assert "line 12: it stands after the seal" in verify(behind).faults[0].text


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq": 1,"hash":"","digest":""}\n',
        b'{"seq":1,"seq":1,"hash":"","digest":""}\n',
        b'{"seq":1,"hash":"\\u0041","digest":""}\n',
        b'{"seq":1.0,"hash":"","digest":""}\n',
        b'{"seq":NaN,"hash":"","digest":""}\n',
        b'{"seq":1e400,"hash":"","digest":""}\n',
        b'{"seq":true,"hash":"","digest":""}\n',
        b'{"seq":-1,"hash":"","digest":""}\n',
        b'{"seq":4611686018427387904,"hash":"","digest":""}\n',
        b'{"seq":' + b"9" * 5000 + b',"hash":"","digest":""}\n',
        b'{"seq":1,"hash":"","digest":"0"}\n',
        b'{"seq":1,"hash":"","digest":"' + b"AB" * 32 + b'"}\n',
        b'{"seq":1,"hash":"","digest":null}\n',
        b'{"seq":1,"hash":"","raw":"A"}\n',
        b'{"seq":1,"hash":"","raw":"QQ=\\u003d"}\n',
        b'{"seq":1,"hash":"","raw":[]}\n',
        b'{"seq":1,"hash":[],"record":{}}\n',
        b'{"seq":1,"hash":"","record":{"run":"a"}}\n',
        b'{"seq":1,"hash":"","record":{"run":1,"kind":"","id":"","at":"","body":0}}\n',
        b'{"hash":"","seq":1,"digest":""}\n',
        b'{"volume":"","base":"0:0","damage":""}\n',
        b'{"volume":7,"base":"","damage":""}\n',
        b'{"report":{},"run":[],"head":null}\n',
        b'{"report":{},"run":"","head":7}\n',
        b"[]\n",
        b"1\n",
        b"\n",
        b"\0\n",
        b"\xff\xfe\n",
        b"\xef\xbb\xbf{}\n",
        b"{}\r\n",
        b"[" * 100_000 + b"\n",
        b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n",
        LINES[0],
        LINES[1],
        LINES[2],
    ],
)
def test_a_line_that_is_none_is_named(line: bytes):
    """It is not written the one way, or does not stand where such a line stands."""
    found = verify(resealed([*LINES[:-1], line]))

    assert [("line", None)] == faults_of(found)
    assert found.faults[0].text.startswith("line 11: ")


NEXT = link(LEDGER.head, digest(b"A"))
A = digest(b"A").hex()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f'{{"seq":8,"hash":"{NEXT.hash}","digest":"{A}"}}', None),
        (f'{{"seq": 8,"hash":"{NEXT.hash}","digest":"{A}"}}', "line"),
        (f'{{"seq":8,"seq":8,"hash":"{NEXT.hash}","digest":"{A}"}}', "line"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","digest":"\\u{ord(A[0]):04x}{A[1:]}"}}', "line"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","digest":"{A.upper()}"}}', "line"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","digest":" {A}"}}', "line"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","digest":"{A}00"}}', "line"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","raw":"QQ=="}}', "edited record"),
        (f'{{"seq":8,"hash":"{NEXT.hash}","raw":"QR=="}}', "line"),
        (f'{{"hash":"{NEXT.hash}","seq":8,"digest":"{A}"}}', "line"),
    ],
)
def test_there_is_one_way_to_write_an_event(line: str, fault: str | None):
    """Any other says the same, and is refused: what the bytes are must follow from what they say."""
    found = verify(resealed([*LINES[: LAST + 1], line.encode() + b"\n", *LINES[LAST + 1 :]]), [LEDGER.head])

    assert ([(fault, 8 if fault == "edited record" else None)] if fault else []) == faults_of(found)


def test_an_endless_line_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch):
    """No more of it is held than a line may be long."""
    monkeypatch.setattr("panic.evidence.intake.LINE_MOST", 100)
    pieces = list(lines_of(BytesIO(b"x" * 1000 + b"\n")))
    monkeypatch.undo()
    found = verify([*LINES[:-1], b" " * (LINE_MOST + 1), LINES[-1]])

    assert [101] * 9 == [len(piece) for piece in pieces[:9]]
    assert "line 11: it is longer than 268,435,456 bytes" in [fault.text for fault in found.faults]


def test_of_a_flood_of_faults_a_thousand_are_kept():
    """And the others counted."""
    found = verify([*LINES[:-1], *[b"x\n"] * 2000, LINES[-1]])

    assert 1000 == len(found.faults)
    assert 1000 < found.more_faults


lines_of_anything = st.lists(
    st.one_of(
        st.sampled_from(LINES),
        st.binary(max_size=60).map(lambda data: data + b"\n"),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=20)
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["seq", "hash", "record", "body", "accounts", "report", "run"]), inner
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value, separators=(",", ":")).encode() + b"\n"),
    ),
    max_size=14,
)


@settings(max_examples=200)
@given(lines_of_anything)
def test_whatever_stands_in_the_file_there_is_an_answer(lines: list[bytes]):
    """And it never is that all is well."""
    found = verify(lines, [LEDGER.head])

    assert lines == LINES or ALTERED is found.finding
    assert to_json(found)


bodies = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.text(max_size=10)
    | st.sampled_from([1e300, "sell", 1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["accounts", "account", "attempts", "deletes", "orders", "notes", "as_of", "outcome", "seen_open"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["planned", "attempt", "outcome", "standing", "flag", "latched", "x"]), bodies),
        max_size=6,
    )
)
def test_whatever_the_events_tell_there_is_an_answer(told: list[tuple[str, Any]]):
    """Who can append to a ledger can write anything, and what makes no sense makes no report either."""
    begun, end = a_run()[:2], a_run()[-1]
    middle = [Event(RUN, kind, f"m-{n}", stamp(NOON), words) for n, (kind, words) in enumerate(told, 1)]
    ledger = volume([*begun, *middle, end._replace(id="m-99")])
    found = verify(exported(ledger), [ledger.head])

    assert found.exit_code in {10, 20}
    assert to_json(found)


@pytest.mark.parametrize("id_", ["", "a", "a-", "-1", "a-x", "a-²", "a-" + "9" * 5000])
def test_an_event_without_a_proper_id_is_told_of(id_: str):
    """It has no place among the others."""
    ledger = volume([*a_run(), Event(RUN, "note", id_, stamp(NOON), None)])
    found = verify(exported(ledger), [ledger.head])

    assert PARTLY is found.finding
    assert any("event 8 (note): it has no proper id" in words for words in found.doubts)


def test_nothing_in_the_answer_steers_a_terminal():
    """Whatever stands in the file."""
    evil = "\x1b[2J\x9b31m\u202e\ud800"
    told = a_run(f"run{evil}", reason=evil)
    ledger = volume([*told, *notes(1, f"two{evil}")], name=f"l{evil}")
    lines = exported(replace(ledger, damage=evil), asked=ALWAYS)
    for case in (lines, edited(lines, 3, edit_the_hash), [*lines, b"x\n"], lines[1:]):
        text = to_json(verify(case, [Head(99, "ab" * 32)])).decode()

        assert all(character.isprintable() or character == "\n" for character in text)


# ── what an attacker can make consistent ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seq", range(1, 8))
def test_a_chain_made_anew_from_some_event_on_is_consistent_until_a_head_is_held_against_it(seq: int):
    """Only what was kept before the change is still what it was."""
    told = a_run()
    forged = volume([*told[: seq - 1], told[seq - 1]._replace(at=stamp(NOON)), *told[seq:]])
    lines = exported(forged)
    found = verify(lines, [LEDGER.head])

    assert (CONSISTENT, ()) == (verify(lines).finding, verify(lines).faults)
    assert (ALTERED, [("other head", 7)]) == (found.finding, faults_of(found))
    assert found.faults[0].text.startswith("event 7 has another hash than the head kept: it or something before")
    for row in LEDGER.rows:
        finding = verify(lines, [Head(row.seq, row.hash)]).finding

        assert finding is (PARTLY if row.seq < seq else ALTERED)


def test_an_event_that_was_hidden_behind_its_digest_is_missed():
    """The chain still holds, but a process counts its events."""
    for seq in range(2, 7):
        lines = edited(LINES, line_of(seq), hide)
        found = verify(resealed(lines[:-2] + lines[-1:]), [LEDGER.head])

        assert {("incomplete run", None)} == set(faults_of(found))
        assert f"abc123-{seq}: not told" in found.faults[0].text


def hide(words: dict[str, Any]) -> dict[str, Any]:
    """Tell of an event no more than its digest."""
    record = write(words["record"])[:-1]
    return {"seq": words["seq"], "hash": words["hash"], "digest": digest(record).hex()}


def without(lines: Lines, hidden: Iterable[int], *runs: str) -> Lines:
    """The file with these events told by digest only, and without the reports of these runs."""
    for seq in hidden:
        lines = edited(lines, line_of(seq), hide)
    return resealed(line for line in lines if not (b'{"report"' in line and json.loads(line)["run"] in runs))


@pytest.mark.parametrize("since", [None, NOON])
def test_a_run_that_was_hidden_in_the_middle_of_a_period_is_missed(since: Any):
    """No time of a digest can be shown, and what stands between events of the period is likely of it."""
    ledger = volume(one for n in range(4) for one in a_run(f"run-{n}", at=NOON + timedelta(hours=n)))
    lines = exported(ledger, asked=Asked("", since, NOON + timedelta(days=1)))
    found = verify(without(lines, range(8, 22), "run-1", "run-2"), [ledger.head])

    assert ANCHORED is verify(lines, [ledger.head]).finding
    assert (PARTLY, 10, ()) == (found.finding, found.exit_code, found.faults)
    text = "ledger.db: events between those told are told by digest only (14)"

    assert (f"{text}: nothing shows that they are of another time",) == found.doubts


def test_a_run_that_was_hidden_at_the_end_of_a_period_is_missed():
    """By whoever kept its head, or any later one."""
    ledger = volume(one for n in range(3) for one in a_run(f"run-{n}", at=NOON + timedelta(hours=n)))
    lines = without(exported(ledger, asked=ALWAYS), range(15, 22), "run-2")
    earlier = verify(lines, [head_of(ledger, 14)])

    assert PARTLY is verify(lines, [ledger.head]).finding
    assert (ANCHORED, 1) == (earlier.finding, len(earlier.notes))
    assert "7 events are told by digest only" in earlier.notes[0]


def test_of_what_came_before_a_period_there_is_the_exporters_word():
    """And the answer says so."""
    ledger = volume(one for n in range(3) for one in a_run(f"run-{n}", at=NOON + timedelta(hours=n)))
    found = verify(exported(ledger, asked=Asked("", NOON + timedelta(minutes=5))), [ledger.head])

    assert ("ledger.db: that nothing before event 8 was asked for is the exporter's word",) == found.notes


def test_a_later_end_that_was_hidden_is_missed_by_the_runs_own_head():
    """A flag that came late ends a run once more; its report was printed with the head after that."""
    told = a_run()
    late = events([("flag", {"code": "ledger_late", "text": "late"}), ("finished", told[-1].body)], RUN, NOON, "")
    ledger = volume([*told, *(one._replace(id=f"abc123-{n}") for n, one in enumerate(late, 8))])
    whole = exported(ledger)
    found = verify(without(whole, [8, 9], RUN), [ledger.head])

    assert ANCHORED is verify(whole, [ledger.head]).finding
    assert (PARTLY, 10) == (found.finding, found.exit_code)
    assert "head 9: it is of an event that is told by digest only" in found.doubts[0]


def test_that_a_run_was_taken_up_again_cannot_be_hidden():
    """Else what was seen before would pass for what was seen after."""
    ledger = volume([*a_run(end=False), *taken_up()])
    lines = exported(ledger)
    found = verify(resealed([*edited(lines, line_of(7), hide)[:-2]]), [ledger.head])

    assert ANCHORED is verify(lines, [ledger.head]).finding
    assert (ALTERED, "without its beginning") == (found.finding, found.runs[0].state)


def test_events_that_come_to_something_else_than_their_end_says_are_not_all():
    """The end tells what was printed."""
    *told, end = a_run()
    ledger = volume([*told, end._replace(body={**end.body, "verdict": "open"})])
    older = volume([*told, end._replace(body={**end.body, "verdict": "open", "version": "0.0.1"})])
    found = verify(exported(ledger), [ledger.head])
    doubted = verify(exported(older), [older.head])

    assert [("incomplete run", None)] == faults_of(found)
    assert "its end says that it was open, and its events come to clear: not all" in found.faults[0].text
    assert (PARTLY, ()) == (doubted.finding, doubted.faults)
    assert "the end was written by version 0.0.1" in doubted.doubts[0]


def test_a_hidden_beginning_or_end_is_never_wholly_anchored():
    """A run without its end may have had one."""
    without_end = edited(LINES, LAST, hide)
    without_beginning = edited(LINES, FIRST, hide)
    no_end = verify(resealed(without_end[:-2]), [LEDGER.head])
    no_beginning = verify(resealed(without_beginning[:-2]), [LEDGER.head])

    assert (PARTLY, "without its end") == (no_end.finding, no_end.runs[0].state)
    assert (ALTERED, "without its beginning") == (no_beginning.finding, no_beginning.runs[0].state)
    assert "1 event is told by digest only" in no_end.notes[0]


def test_an_event_that_cannot_be_read_is_altered_however_it_is_linked():
    """Nobody of ours writes such a thing."""
    rows = list(LEDGER.rows)
    record = rows[3].record + b" "
    head = link(Head(3, rows[2].hash), digest(record))
    broken = replace(LEDGER, rows=(*rows[:3], rows[3]._replace(record=record, hash=head.hash)))
    lines = exported(broken)
    found = verify(lines, [head])

    assert b'"raw"' in lines[line_of(4)]
    assert ("edited record", 4) in faults_of(found)


@pytest.mark.parametrize("hashed", ["", "ab", "no hash", "é" * 64])
def test_a_ledger_with_something_else_for_a_hash_is_exported_all_the_same(hashed: str):
    """What is wrong with it is for the check to say."""
    rows = [row._replace(hash=hashed) if row.seq == 3 else row for row in LEDGER.rows]

    assert ("edited hash", 3) in faults_of(verify(exported(replace(LEDGER, rows=tuple(rows))), [LEDGER.head]))
    assert ("missing", 3) in faults_of(verify(exported(replace(LEDGER, rows=tuple(rows[2:]))), [LEDGER.head]))
    assert ALTERED is verify(exported(replace(LEDGER, base=Head(-(2**70), hashed))), [LEDGER.head]).finding


def test_an_event_that_is_nested_to_the_limit_stops_no_export():
    """Somebody could append it for just that."""

    def nested(depth: int) -> Event:
        return Event("", "note", "n-1", stamp(NOON), json.loads("[" * depth + "]" * depth))

    def can_be_written(depth: int) -> bool:
        try:
            return bool(encode(nested(depth)))
        except (ValueError, RecursionError):
            return False

    limit = bisect(range(1, 100_000), False, key=lambda depth: not can_be_written(depth))
    for depth in range(limit - 12, limit + 1):
        ledger = volume([*a_run(), nested(depth)])

        assert verify(exported(ledger, asked=ALWAYS), [ledger.head]).finding in {ANCHORED, ALTERED}


def test_a_report_of_another_version_is_compared_and_believed_only_if_it_agrees():
    """What this version makes of the events may be something else, or somebody changed it: that is said."""
    elsewhere = resealed(edited(LINES, 0, lambda w: w.update(version="9.9")))
    changed = resealed(
        edited(elsewhere, len(LINES) - 2, lambda w: w["report"]["accounts"][0].update(verdict="open"))
    )
    found = verify(changed, [LEDGER.head])

    assert ANCHORED is verify(elsewhere, [LEDGER.head]).finding
    assert (PARTLY, ()) == (found.finding, found.faults)
    assert f"not compared: made by version 9.9, and this is {VERSION}" == found.runs[0].report
    assert "accounts[0].verdict" in found.doubts[0]
    assert "clear" == found.runs[0].verdict


@pytest.mark.parametrize(("was", "now"), [(False, 0), (2, 2.0), (120.0, 120), ("clear", ["clear"])])
def test_a_report_is_compared_to_the_letter(was: object, now: object):
    """0 is no false, and 2.0 is not 2."""
    report = LINES[-2].replace(json.dumps(was).encode(), json.dumps(now).encode(), 1)

    assert report != LINES[-2]
    assert [("report", None)] == faults_of(verify(resealed([*LINES[:-2], report])))


# ── heads ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_heads_from_before_and_after_what_is_in_the_file():
    """The one proves nothing here, the other raises a doubt even though an earlier one anchors everything."""
    ledger = volume([*notes(3, ""), *a_run()])
    lines, beyond = exported(ledger), Head(20, "ab" * 32)
    before = verify(lines, [head_of(ledger, 2), head_of(ledger, 3)])
    after = verify(lines, [beyond])
    both = verify(lines, [beyond, head_of(ledger, 2), ledger.head])

    assert (CONSISTENT, 2) == (before.finding, len(before.notes))
    assert "head 3: the file begins only after it" in before.notes[1]
    assert CONSISTENT is after.finding
    assert (
        "head 20: ledger.db ends at event 10: 10 events were cut off, or it was exported before",
    ) == after.doubts
    assert PARTLY is both.finding


def test_a_head_that_was_kept_of_the_event_before_the_first():
    """The file says what its first event follows: another head than that contradicts it."""
    lines = exported(volume([*notes(3, ""), *a_run()]))

    assert [("other head", 3)] == faults_of(verify(lines, [Head(3, "ab" * 32)]))


def test_of_several_heads_each_is_held_against_it():
    """One that does not fit is not outvoted."""
    heads = [Head(row.seq, row.hash) for row in LEDGER.rows]

    assert ANCHORED is verify(LINES, heads).finding
    assert [("other head", 5)] == faults_of(verify(LINES, [*heads, Head(5, "ab" * 32)]))


def test_what_comes_before_an_edited_event_is_proven_only_by_an_earlier_head():
    """The answer names the last event that a head proves, and no run beyond it."""
    lines = resealed(edited(LINES, line_of(1), edit_the_reason))
    found = verify(lines, [LEDGER.head])

    assert [7] == [one.anchored for one in found.volumes]
    assert not found.runs[0].anchored


# ── two files ───────────────────────────────────────────────────────────────────────────────────────────────


def in_two_files() -> tuple[Volume, Volume]:
    """A run whose ledger failed in the middle: pressed and planned stand in both files."""
    told = a_run()
    return volume(told[:5]), volume([*told[:2], *told[5:]], name="fallback.db")


def test_a_run_in_two_files_needs_a_head_of_each():
    """Half a proof is none."""
    first, second = in_two_files()
    lines = exported(first, second)
    whole = verify(lines, [first.head, second.head])

    assert (ANCHORED, "whole", 9) == (whole.finding, whole.runs[0].state, whole.runs[0].events)
    assert PARTLY is verify(lines, [first.head]).finding
    assert PARTLY is verify(lines, [second.head]).finding
    assert not verify(lines, [second.head]).runs[0].anchored


@pytest.mark.parametrize("seq", range(1, 8))
def test_an_event_moved_to_another_file_is_not_anchored(seq: int):
    """The other events' head does not speak for it."""
    told = a_run()
    others = [one for one in told if one is not told[seq - 1]]
    lines = exported(volume(others), volume([told[seq - 1]], name="other.db"))

    assert verify(lines, [volume(others).head]).finding is PARTLY
    assert verify(lines, [LEDGER.head]).finding in {PARTLY, CONSISTENT}
    assert verify(lines, [LEDGER.head, head_of(LEDGER, 3)]).exit_code


def test_a_made_up_file_does_not_take_the_place_of_the_one_a_head_is_of():
    """To claim that it begins where the head is proves nothing, and hides not that the other leads elsewhere."""
    forged = volume([*a_run(reason="another"), *notes(2, "")])
    bogus = volume(notes(2, ""), name="bogus.db", base=LEDGER.head)
    lines = exported(forged, bogus, asked=ALWAYS)

    assert ("other head", 7) in faults_of(verify(lines, [LEDGER.head]))


def test_the_true_chain_beside_a_forged_run_anchors_no_forged_event():
    """Digests of the true events lead to the head; the events that are told do not."""
    true = [Event("", row.kind, "", "", None) for row in LEDGER.rows]
    forged = exported(volume(a_run(reason="another")), volume(true, name="true.db"), asked=ALWAYS)
    hidden = [write(hide(json.loads(line))) for line in LINES[FIRST : LAST + 1]]
    start = next(n for n, line in enumerate(forged) if b"true.db" in line) + 1
    lines = resealed([*forged[:start], *hidden, *forged[start + len(hidden) :]])
    found = verify(lines, [LEDGER.head])

    assert () == found.faults
    assert CONSISTENT is found.finding
    assert [None, 7] == [one.anchored for one in found.volumes]


def test_two_events_of_one_name_that_differ_are_altered():
    """One of them is not what was recorded, whichever file it stands in."""
    first, _ = in_two_files()
    second = volume([*a_run(reason="another")[:2], *a_run()[5:]], name="fallback.db")
    found = verify(exported(first, second), [first.head, second.head])

    assert [("twice", 1)] == faults_of(found)
    assert "it has the id of event 1 (pressed), and says something else" in found.faults[0].text


def test_a_file_that_is_damaged_elsewhere_does_not_spoil_a_run_it_tells_nothing_of():
    """It was set aside years ago, and says itself that it is damaged."""
    rows = volume([*a_run(OTHER), *notes(9, "")], name="ledger.db.damaged-1").rows
    torn = Volume(
        Path("ledger.db.damaged-1"), rows=(*rows[:9], *rows[11:]), head=LEDGER.head, damage="it is damaged"
    )

    assert ANCHORED is verify(exported(LEDGER, torn), [LEDGER.head]).finding
    assert [("missing", 12)] == faults_of(verify(exported(LEDGER, torn, asked=ALWAYS), [LEDGER.head]))
    assert [("missing", 12)] == faults_of(verify(exported(LEDGER, replace(torn, damage="")), [LEDGER.head]))


def test_a_ledger_file_that_could_not_be_read_is_a_doubt_only_where_it_matters():
    """A whole run needs no more; a period may have had more in it."""
    lost = Volume(Path("ledger.db.damaged-1"), damage="it is damaged")
    of_run = exported(LEDGER, lost)
    of_period = exported(LEDGER, lost, asked=ALWAYS)

    assert ANCHORED is verify(of_run, [LEDGER.head]).finding
    assert PARTLY is verify(of_period, [LEDGER.head]).finding
    assert "ledger.db.damaged-1: it could not all be read" in verify(of_period, [LEDGER.head]).doubts[0]


@settings(max_examples=60)
@given(st.data())
def test_two_runs_at_once_in_one_ledger(data: st.DataObject):
    """However they are interleaved, each has its evidence, and neither tells of the other."""
    told = {RUN: a_run(reason="reason one"), OTHER: a_run(OTHER, reason="reason two", leg="def")}
    turns = data.draw(st.permutations([RUN] * 7 + [OTHER] * 7))
    queues = {run: iter(its) for run, its in told.items()}
    ledger = volume(next(queues[run]) for run in turns)
    for run, mine, others in ((RUN, b"reason one", b"reason two"), (OTHER, b"reason two", b"reason one")):
        lines = exported(ledger, asked=Asked(run))
        own = [Head(row.seq, row.hash) for row in ledger.rows if row.run == run][-1]

        assert ANCHORED is verify(lines, [own]).finding
        assert mine in b"".join(lines)
        assert others not in b"".join(lines)


# ── a ledger that somebody has changed ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def kept(tmp_path: Path) -> tuple[bytes, Head]:
    """A ledger of three runs as one file, and its head, kept elsewhere."""
    file = tmp_path / "ledger.db"
    store = SqliteStore(file)
    told = [*a_run("run-a", reason="a"), *notes(2, ""), *a_run(), *a_run("run-c", reason="c")]
    head = store.append([(one.run, one.kind, encode(one)) for one in told])
    store.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return file.read_bytes(), head


WAYS = ("record", "record", "delete", "insert", "swap", "cut")

Rows = list[tuple[int, str, str, bytes, bytes]]


def tampered(rows: Rows, rng: random.Random, ways: Sequence[str]) -> Rows:
    """Edit, delete, insert, reorder or cut off."""
    rows = list(rows)
    place, other = rng.sample(range(len(rows)), 2)
    match rng.choice(ways):
        case "record":
            seq, _, kind, record, hashed = rows[place]
            event = decode(record)
            at = stamp(NOON + timedelta(seconds=rng.randrange(10**6), days=rng.choice([0, -400])))
            changed = rng.choice([event._replace(at=at), event._replace(run="run-x"), event._replace(body=[])])
            rows[place] = (seq, changed.run, kind, encode(changed), hashed)
        case "hash":
            rows[place] = (*rows[place][:4], rng.randbytes(32))
        case "delete":
            first, last = sorted((place, other))
            del rows[first : last if rng.random() < 0.5 else first + 1]
        case "insert":
            made_up = Event(RUN, "note", f"x-{rng.randrange(99)}", stamp(NOON), None)
            rows.insert(place, (rows[place][0], RUN, "note", encode(made_up), rng.randbytes(32)))
            rows = [(n, *row[1:]) for n, row in enumerate(rows, 1)]
        case "swap":
            rows[place], rows[other] = (rows[place][0], *rows[other][1:]), (rows[other][0], *rows[place][1:])
        case "cut":
            del rows[rng.randrange(1, len(rows)) :]
    return rows


def rehashed(rows: Rows) -> Rows:
    """Number everything anew, and compute every hash again."""
    head, found = GENESIS, []
    for _, run, kind, record, _ in rows:
        head = link(head, digest(record))
        found.append((head.seq, run, kind, record, bytes.fromhex(head.hash)))
    return found


def put(file: Path, ledger: bytes, change: Callable[[Rows], Rows]) -> Volume:
    """Change a ledger as somebody can who owns the file."""
    file.write_bytes(ledger)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("DROP TRIGGER events_stay")
        before: Rows = connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
        after = change(before)
        assert before != after
        connection.execute("BEGIN")
        connection.execute("DELETE FROM events")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", after)
        connection.execute("COMMIT")
    return read(file, whole=True)


@pytest.mark.parametrize("again", [False, True])
def test_a_thousand_ways_to_change_a_ledger_are_all_found(kept: tuple[bytes, Head], tmp_path: Path, again: bool):
    """Held against a head that was kept: whatever was changed, and whether the hashes were made anew."""
    ledger, head = kept
    rng = random.Random(again)
    findings = []

    def change(rows: Rows) -> Rows:
        return rehashed(tampered(rows, rng, WAYS)) if again else tampered(rows, rng, [*WAYS, "hash"])

    for _ in range(500):
        changed = put(tmp_path / "changed.db", ledger, change)
        for asked in (ASKED, ALWAYS):
            try:
                found = verify(export([changed], asked, by="", at=NOON), [head])
            except UsageError:  # there is nothing left of it to export
                continue
            findings.append(found.finding)

            assert found.exit_code
            assert found.faults or any(f"head {head.seq}: changed.db ends at event" in one for one in found.doubts)
            assert not any(run.anchored and run.state == "whole" for run in found.runs) or found.faults

    assert 900 < len(findings)
    assert {ALTERED, CONSISTENT} == set(findings)


def test_the_same_ledger_unchanged_is_anchored(kept: tuple[bytes, Head], tmp_path: Path):
    """So that what the thousand ways show is no accident."""
    file = tmp_path / "same.db"
    file.write_bytes(kept[0])
    ledger = read(file, whole=True)

    assert ANCHORED is verify(exported(ledger), [head_of(ledger, 16)]).finding
    assert ANCHORED is verify(exported(ledger, asked=ALWAYS), [kept[1]]).finding


def test_a_chain_in_the_file_made_anew_is_found_by_the_head():
    """The one who owns the evidence can do all that the one can who owns the ledger."""
    changes: Iterable[Callable[[Any], Any]] = [
        edit_the_reason,
        lambda w: w["record"].update(id="abc123-1x"),
        lambda w: w["record"].update(at=stamp(NOON)),
    ]
    for change in changes:
        lines = relinked(edited(LINES, FIRST, change))

        assert ("other head", 7) in faults_of(verify(lines, [LEDGER.head]))
