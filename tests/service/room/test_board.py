"""A board as it is sent: one document, valid by its schema, with whatever accounts are called."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from panic.accounts.plan import Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import Standing
from panic.config import LedgerFiles
from panic.engine.case import Case
from panic.ledger import history
from panic.ledger.events import Event, encode
from panic.ledger.store import SqliteStore
from panic.report.document import Flag, to_json
from panic.service.room.board import (
    POINTS_MOST,
    WORST_MOST,
    accounts,
    as_planned,
    course_of,
    curve,
    final_board,
    live_board,
    order_of,
    recorded,
    write,
)
from panic.service.room.letters import OF_VERDICT, Letter
from panic.service.room.views import Board, Course
from tests.kit.builders import MIDNIGHT, an_answer, circumstances, no_answer, wall
from tests.ledger.test_replay import RECORDS
from tests.report.test_report import a_report, a_worked_case
from tests.service.house import Answer
from tests.service.room.page import letters

BOARD = TypeAdapter(Board)
EVIL = (
    'a "quoted" name',
    "back\\slash\\",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "line\u2028and\u2029paragraph",
    "\x00\x01\x1b[2J\x7f\x9b2J",
    "two\r\ndata: lines\n\nevent: board",
    "\u202eright to left",
    "漢字 👍🏽 é",
    '"],["7","x","y"]],"accounts":null',
    "&lt;&amp;'`${x}",
)


def valid(text: bytes) -> dict[str, Any]:
    """Read a board, which must be what schema and model say and nothing else, in one line."""
    found = Answer(cast("Any", None), text).fits("Board")
    again = json.loads(BOARD.dump_json(BOARD.validate_json(text)))

    assert again == found
    assert not set(text) & {0x0A, 0x0D}
    assert sum(found["counts"].values()) == len(found["codes"])
    return found


def board_of(*cases: Case, unsent: tuple[Unsent, ...] = (), **facts: Any) -> dict[str, Any]:
    """The board of a run of these that is over, read back."""
    return valid(final_board(a_report(*cases, unsent=unsent, **facts), cases, wall))


def one_of_each() -> list[Case]:
    """An account of each verdict, the best first, and none in the order of its number."""
    return [
        a_worked_case(9, an_answer(), standing=Standing.CLEAR),
        a_worked_case(3, an_answer()),
        a_worked_case(7, an_answer(), standing=Standing.OPEN),
        a_worked_case(1, no_answer()),
        a_worked_case(5, an_answer(403, request_id="r5"), name="Five", group="mm", owner="joe"),
    ]


# ── what is in it ───────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_what_the_report_says():
    """In the words of the report, and its accounts in the plan's order."""
    cases = one_of_each()
    report = replace(a_report(*cases, flags=[Flag("roster", "odd")], drill=True), ledger_head="7:abc")
    told, found = json.loads(to_json(report)), valid(final_board(report, cases, wall))
    same = found.keys() & told.keys() - {"schema", "scope", "accounts"}

    assert {"run_id", "contact", "exit_code", "totals", "coverage", "flags", "trigger", "timings"} < same
    assert {key: told[key] for key in same} == {key: found[key] for key in same}
    unclear = "4 are not clear; 1 order not seen ended; 3 accounts unread"
    assert f"the broker refused to cancel in 1 of 5 accounts; {unclear}" == found["headline"]
    assert ("all accounts", True, 15.0, False) == tuple(
        found[key] for key in ("scope", "verify", "watch_s", "live")
    )
    assert order_of([case.account for case in cases]) == found["order"]
    assert ("cuokr", {"c": 1, "u": 1, "o": 1, "k": 1, "r": 1}) == (found["codes"], found["counts"])
    assert 10.0 == found["elapsed_s"] == found["timings"]["total_s"]


def test_the_worst_come_first_and_the_clear_are_not_among_them():
    """As in the report, up to a limit; and each with what its reader needs at the telephone."""
    found = board_of(*one_of_each())
    first = found["worst"][0]
    many = board_of(*(a_worked_case(n, no_answer()) for n in range(1, WORST_MOST + 31)))

    assert ["refused", "unknown", "open", "unverified"] == [one["verdict"] for one in found["worst"]]
    assert 0 == found["more"]
    assert ("5", "Five", "mm", "joe", "forbidden", 1) == tuple(
        first[key] for key in ("id", "name", "group", "owner", "outcome", "attempts")
    )
    assert ["r5"] == [one["request_id"] for one in first["request_ids"]]
    assert "quoting r5" in first["next_step"]
    assert (WORST_MOST, 30, WORST_MOST + 30) == (len(many["worst"]), many["more"], len(many["codes"]))


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ([an_answer(503, request_id=f"r{n}", began=n) for n in range(8)], ["r7", "r6", "r5", "r4", "r3"]),
        ([an_answer(503, request_id="r0"), no_answer(), no_answer()], ["r0"]),
        ([no_answer(), no_answer()], [None, None]),
        ([], []),
    ],
)
def test_the_latest_requests_that_have_a_name_are_told(answers: list[Any], named: list[str | None]):
    """Newest first, for the broker; and any, where none has one."""
    found = board_of(a_worked_case(1, *answers))

    assert named == [one["request_id"] for one in found["worst"][0]["request_ids"]]
    assert len(answers) == found["worst"][0]["attempts"]


@pytest.mark.parametrize(
    ("row", "verdict", "headline"),
    [
        ("cc", "unverified", "every account was read clear, and the run has not come to its end"),
        ("ca", "unverified", "nobody saw that nothing is open in 1 of 2 accounts"),
        ("cp", "open", "orders are still open in 1 of 2 accounts"),
        ("ws", "unknown", "nobody knows what became of the cancel in 2 of 2 accounts"),
        ("tr", "refused", "the broker refused to cancel in 1 of 2 accounts; 2 are not clear"),
    ],
)
def test_a_run_under_way_is_told_by_its_letters(row: str, verdict: str, headline: str):
    """Its verdict is provisional and never clear, also in the moment of its end; the report has the rest."""
    accounts = a_report(a_worked_case(1, no_answer())).accounts if row != "cc" else ()
    worst = [(one, Letter.UNKNOWN) for one in accounts]
    found = valid(write(live_board(circumstances(finished=True), row, worst, 9.0)))

    assert (verdict, headline, row) == (found["verdict"], found["headline"], found["codes"])
    assert (True, False, 9.0) == (found["live"], found["finished"], found["deadline_s"])
    assert 2 - row.count("c") == found["more"] + len(worst)
    assert {None} == {found[key] for key in ("finished_at", "totals", "coverage", "course")}


# ── words from outside ──────────────────────────────────────────────────────────────────────────────────────


def test_whatever_a_name_is_it_stays_a_name():
    """Of accounts and groups, flags and reasons: what is read back is what was written."""
    cases = [a_worked_case(n, an_answer(403), name=name, group=name, owner=name) for n, name in enumerate(EVIL, 1)]
    flags = [Flag("roster", words) for words in EVIL]
    found = board_of(*cases, flags=flags, contact="".join(EVIL), base_url="".join(EVIL))
    who = Answer(cast("Any", None), accounts("run", "order", [case.account for case in cases])).fits("Accounts")

    assert [[str(n), name, name, name] for n, name in enumerate(EVIL, 1)] == who["accounts"]
    assert list(EVIL) == [one["name"] for one in found["worst"]] == [one["text"] for one in found["flags"]]
    assert ("".join(EVIL), "".join(EVIL)) == (found["contact"], found["base_url"])


# ── the letters ─────────────────────────────────────────────────────────────────────────────────────────────


def test_letters_are_in_the_order_of_the_plan():
    """Whatever order the report has; who could not be sent comes last, also one whose number nobody can read."""
    refused = {n: a_worked_case(n, an_answer(403)) for n in (1, 3, 5)}
    clear = {n: a_worked_case(n, an_answer(), standing=Standing.CLEAR) for n in (2, 4)}
    order = (4, 1, 5, 2, 3)
    unsent = (Unsent("no key", account=Account(6, "Six")), Unsent("nobody can read it"))
    report = a_report(*clear.values(), *refused.values(), unsent=unsent)
    cases = [(clear | refused)[n] for n in order]
    found = valid(final_board(report, cases, wall))

    assert [*order, 6, None] == [one.id for one in as_planned(report, cases)]
    assert "crrcrkk" == found["codes"]
    assert {"c": 2, "r": 3, "k": 2} == found["counts"]


# ── on record ───────────────────────────────────────────────────────────────────────────────────────────────


def kept(folder: Path, events: Iterable[Event]) -> LedgerFiles:
    store = SqliteStore(folder / "ledger.db")
    store.append([(one.run, one.kind, encode(one)) for one in events])
    store.close()
    return LedgerFiles(file=folder / "ledger.db")


@pytest.mark.parametrize("name", ["ended", "died", "taken up"])
def test_a_record_has_a_board_wherever_it_breaks_off(tmp_path: Path, name: str):
    """At any event: what is told of each account is what the report of that record tells."""
    events = RECORDS[name]
    for n in range(2, len(events) + 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        ledger = kept(folder, events[:n])
        board, who = recorded(ledger, events[0].run)
        found, told = valid(board), Answer(cast("Any", None), who).fits("Accounts")
        past = history.recall(ledger, events[0].run)
        report = past.report()
        verdicts = {one.id: one.verdict for one in report.accounts}

        assert not found["live"]
        assert (report.finished, str(report.verdict)) == (found["finished"], found["verdict"])
        assert {id_: str(OF_VERDICT[verdict]) for id_, verdict in verdicts.items()} == letters(found, told)
        assert [*past.replay.cases] == [*letters(found, told)][: len(past.replay.cases)]


# ── how it went ─────────────────────────────────────────────────────────────────────────────────────────────


def test_when_an_account_came_how_far_is_since_the_press():
    """The first DELETE counts, the first that was answered well, and the first read that showed it clear."""
    answers = no_answer(began=3.0, ended=8.0), an_answer(began=9.0, ended=9.5), an_answer(began=20.0, ended=20.5)
    case = a_worked_case(1, *answers, standing=Standing.CLEAR)
    first = case.first_clear
    assert first is not None
    refused = a_worked_case(2, an_answer(403, began=4.0, ended=4.5))
    again = a_worked_case(3, an_answer(began=4.0, ended=5.0), standing=Standing.CLEAR)
    course = course_of([case, refused, again], {1}, MIDNIGHT, wall)
    cleared = (first - MIDNIGHT).total_seconds()

    assert Course(((3.0, 1), (4.0, 3)), ((5.0, 1), (9.5, 2)), ((cleared, 1),)) == course


@given(st.lists(st.floats(0, 1e4, allow_nan=False), max_size=2000))
def test_a_curve_has_so_many_points_and_ends_with_all(times: list[float]):
    """It never falls."""
    points = curve(sorted(times))

    assert len(points) <= POINTS_MOST
    assert list(points) == sorted(points)
    assert (points[-1][1] if points else 0) == len(times)
