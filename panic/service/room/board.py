"""The board of a run as one document: what the report says, a letter for each account, and how it went."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from panic.broker.outcomes import Standing, Verdict
from panic.config import LedgerFiles
from panic.engine.case import Case
from panic.ledger import history
from panic.report import fold
from panic.report.account import Circumstances
from panic.report.document import AccountReport, AttemptReport, Orders, Report, Totals
from panic.report.headline import headline, scope_words
from panic.service.room.course import course_of
from panic.service.room.letters import OF_VERDICT, PROVISIONAL, Letter, Letters
from panic.service.room.views import Board, BoardAccount, BoardRequest

WORST_MOST: Final = 25
"""How many accounts that are not clear are described; the report has all."""

_IDS_MOST = 5
_NO_ACCOUNTS = b'"accounts":null'

_BOARD: TypeAdapter[Board] = TypeAdapter(Board)


class Listed(NamedTuple):
    """An account that is described individually, and its letter."""

    account: AccountReport
    letter: Letter


def live_board(facts: Circumstances, letters: Letters, worst: Sequence[Listed], deadline_s: float) -> Board:
    """Make the board of a run under way: verdict and headline are those that its letters come to."""
    facts = replace(facts, finished=False)  # in the moment of its end the last board, which says so, is to come
    counts = letters.counts
    clear = counts.get(Letter.CLEAR, 0)
    verdicts = Counter[Verdict]()
    for letter, count in counts.items():
        verdicts[PROVISIONAL[letter]] += count
    totals = Totals(len(letters.row), verdicts, {}, {Standing.CLEAR: clear}, 0, Orders(), ())
    report = fold.assemble(facts, (), totals, fold.coverage_of(facts, clear=clear, counted=0, named=0, ended=0))
    return _board(report, letters.row.decode(), worst, len(letters.row) - clear, deadline_s, live=True)


def final_board(report: Report, cases: Sequence[Case], wall: Callable[[float], datetime]) -> bytes:
    """Write the whole board of a run that nobody works on any more: its report, in the plan's order of `cases`."""
    places = {case.account.id: place for place, case in enumerate(cases)}
    last = len(places)
    accounts = sorted(report.accounts, key=lambda one: last if one.id is None else places.get(one.id, last))
    row = "".join(OF_VERDICT[one.verdict] for one in accounts)
    bad = [Listed(one, OF_VERDICT[one.verdict]) for one in report.accounts if one.verdict is not Verdict.CLEAR]
    clear = {one.id for one in accounts if one.id is not None and one.verdict is Verdict.CLEAR}
    course, clearing = course_of(cases, clear, report.started_at, wall)
    board = _board(report, row, bad[:WORST_MOST], len(bad), report.timings.deadline_s, live=False)
    rows = ",".join(identity(one.id, one.name, one.group) for one in accounts)
    return with_accounts(write(replace(board, course=course, clearing=clearing)), rows.encode())


def recorded(ledger: LedgerFiles, run: str) -> bytes:
    """Write the board of a run on record, whatever is left of its record. Blocks.

    Raises:
        UsageError: The ledger does not tell who pressed, or of which accounts.
    """
    past = history.recall(ledger, run)
    report = past.report()
    return final_board(report, [*past.replay.cases.values()], lambda _: report.started_at)


def write(board: Board) -> bytes:
    """Write a board in one line, without its accounts; keys are still in it."""
    text = _BOARD.dump_json(board)
    assert text.count(_NO_ACCOUNTS) == 1  # noqa: S101  (a quotation mark within words is written otherwise)
    return text


def with_accounts(text: bytes, rows: bytes) -> bytes:
    """Put the accounts, their rows with commas between, into a board that leaves them out."""
    return text.replace(_NO_ACCOUNTS, b'"accounts":[' + rows + b"]", 1)


def identity(id_: int | None, name: str, group: str) -> str:
    """Write who an account is."""
    who = "null" if id_ is None else f'"{id_}"'
    return f"[{who},{quoted(name)},{quoted(group)}]"


def _board(report: Report, row: str, worst: Sequence[Listed], bad: int, deadline_s: float, *, live: bool) -> Board:
    mine: dict[str, Any] = {
        "schema": "panic-board/1",
        "live": live,
        "headline": headline(report),
        "scope": scope_words(report),
        "verify": report.scope.verify,
        "finished_at": report.finished_at if report.finished else None,
        "elapsed_s": report.timings.total_s,
        "deadline_s": deadline_s,
        "watch_s": report.scope.watch_s,
        "accounts": None,
        "codes": row,
        "counts": {Letter(code): count for code, count in Counter(row).items()},
        "totals": None if live else report.totals,
        "coverage": None if live else report.coverage,
        "worst": tuple(_account(*one) for one in worst),
        "more": bad - len(worst),
        "course": None,
        "clearing": None,
    }
    return Board(**{**_alike(Board, report), **mine})


def _account(account: AccountReport, letter: Letter) -> BoardAccount:
    named = [one for one in account.attempts if one.request_id] or account.attempts
    mine: dict[str, Any] = {
        "id": None if account.id is None else str(account.id),
        "code": letter,
        "attempts": len(account.attempts),
        "request_ids": tuple(map(_request, reversed(named[-_IDS_MOST:]))),
    }
    return BoardAccount(**{**_alike(BoardAccount, account), **mine})


def _alike(view: type[Board | BoardAccount], told: Report | AccountReport) -> dict[str, Any]:
    """Give what a view has of a report under the same name."""
    return {one.name: getattr(told, one.name) for one in fields(view) if hasattr(told, one.name)}


def _request(one: AttemptReport) -> BoardRequest:
    return BoardRequest(one.method, one.status, one.error, one.request_id, one.at)
