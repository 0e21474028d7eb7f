"""The board of a run as one document: what the report says, a letter for each account, and how it went."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from hashlib import sha256
from math import ceil
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import to_json

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.config import LedgerFiles
from panic.engine.case import Attempt, Case
from panic.ledger import history
from panic.report import fold
from panic.report.account import Circumstances
from panic.report.document import AccountReport, Orders, Report, Totals
from panic.report.headline import headline, scope_words
from panic.report.order_list import NAMING, largest_open
from panic.service.room.letters import OF_VERDICT, PROVISIONAL, Letter
from panic.service.room.views import Board, BoardAccount, Course, Identity, Points

WORST_MOST: Final = 25
"""How many accounts that are not clear are described; the report has all."""

POINTS_MOST: Final = 120
"""How many points a curve has."""

_IDS_MOST, _ORDERS_MOST = 5, 3
_OK, _NO_MORE_OK, _NOT_FOUND = 200, 300, 404

_BOARD: TypeAdapter[Board] = TypeAdapter(Board)
_ACCOUNT: TypeAdapter[AccountReport] = TypeAdapter(AccountReport)

Listed = AccountReport | Account
"""An account in its row."""

Described = tuple[AccountReport, Letter]
"""An account that is described individually, and its letter."""


def live_board(facts: Circumstances, row: str, worst: Sequence[Described], deadline_s: float) -> Board:
    """Make the board of a run under way: verdict and headline are those that its letters come to."""
    facts = replace(facts, finished=False)  # in the moment of its end the last board, which says so, is to come
    clear, verdicts = row.count(Letter.CLEAR), Counter[Verdict]()
    for code in set(row):
        verdicts[PROVISIONAL[Letter(code)]] += row.count(code)
    totals = Totals(len(row), verdicts, {}, {Standing.CLEAR: clear}, 0, Orders(), ())
    report = fold.assemble(facts, (), totals, fold.coverage_of(facts, (), ()))
    return _board(report, row, worst, len(row) - clear, deadline_s, live=True)


def final_board(report: Report, cases: Sequence[Case], wall: Callable[[float], datetime]) -> bytes:
    """Write the board of a run that nobody works on any more: its report, in the plan's order of `cases`."""
    accounts = as_planned(report, cases)
    row = "".join(OF_VERDICT[one.verdict] for one in accounts)
    bad = [(one, OF_VERDICT[one.verdict]) for one in report.accounts if one.verdict is not Verdict.CLEAR]
    clear = {one.id for one in accounts if one.id is not None and one.verdict is Verdict.CLEAR}
    course = course_of(cases, clear, report.started_at, wall)
    board = _board(report, row, bad[:WORST_MOST], len(bad), report.timings.deadline_s, live=False)
    return write(replace(board, course=course, order=order_of(accounts)))


def recorded(ledger: LedgerFiles, run: str) -> tuple[bytes, bytes]:
    """Write the board of a run on record, and its accounts; raises UsageError where too little is left. Blocks."""
    past = history.recall(ledger, run)
    report, cases = past.report(), [*past.replay.cases.values()]
    rows = as_planned(report, cases)
    return final_board(report, cases, lambda _: report.started_at), accounts(run, order_of(rows), rows)


def recorded_account(ledger: LedgerFiles, run: str, id_: int) -> bytes | None:
    """Report on one account of a run on record; None if it is not of this run. Blocks."""
    found = (one for one in history.recall(ledger, run).report().accounts if one.id == id_)
    account = next(found, None)
    return None if account is None else write_account(account)


def write(board: Board) -> bytes:
    """Write a board in one line; keys are still in it."""
    return _BOARD.dump_json(board)


def write_account(account: AccountReport) -> bytes:
    """Write the report on an account in one line; keys are still in it."""
    return _ACCOUNT.dump_json(account)


def as_planned(report: Report, cases: Iterable[Case]) -> list[AccountReport]:
    """Give the accounts of a report in the plan's order of `cases`, and then those that could not be sent."""
    places = {case.account.id: place for place, case in enumerate(cases)}
    sent, rest = dict[int, AccountReport](), list[AccountReport]()
    for one in sorted(report.accounts, key=lambda one: not one.attempts):  # a bad row may repeat an account's id
        place = None if one.id is None else places.pop(one.id, None)
        if place is None:
            rest.append(one)
        else:
            sent[place] = one
    return [*(sent[place] for place in sorted(sent)), *in_order(rest)]


def in_order(unsent: Iterable[AccountReport]) -> list[AccountReport]:
    """Put accounts that could not be sent in an order that depends on nothing else."""
    return sorted(unsent, key=lambda one: (one.id is None, one.id or 0, one.name, one.group))


def order_of(accounts: Iterable[Listed]) -> str:
    """Name accounts and their order: two lists that differ have other names."""
    return sha256(",".join(str(one.id) for one in accounts).encode()).hexdigest()[:16]


def accounts(run: str, order: str, rows: Iterable[Listed]) -> bytes:
    """Write who the accounts are, row by row: on a thread the loop has turns in between. Keys are still in it."""
    head = to_json({"schema": "panic-accounts/1", "run_id": run, "order": order})[:-1]
    return head + b',"accounts":[' + b",".join(to_json(identity(one)) for one in rows) + b"]}"


def identity(account: Listed) -> Identity:
    """Give who an account is; its id as text, since a browser's numbers end before an int64 does."""
    return None if account.id is None else str(account.id), account.name, account.group, account.owner


def _board(
    report: Report, row: str, worst: Sequence[Described], bad: int, deadline_s: float, *, live: bool
) -> Board:
    mine: dict[str, Any] = {
        "schema": "panic-board/1",
        "live": live,
        "headline": headline(report),
        "scope": scope_words(report.scope),
        "verify": report.scope.verify,
        "finished_at": report.finished_at if report.finished else None,
        "elapsed_s": report.timings.total_s,
        "deadline_s": deadline_s,
        "watch_s": report.scope.watch_s,
        "forecast": None,
        "order": "",
        "codes": row,
        "counts": {letter: count for letter in Letter if (count := row.count(letter))},
        "totals": None if live else report.totals,
        "coverage": None if live else report.coverage,
        "worst": tuple(_account(*one) for one in worst),
        "more": bad - len(worst),
        "course": None,
    }
    return Board(**{**_alike(Board, report), **mine})


def _account(account: AccountReport, letter: Letter) -> BoardAccount:
    named = [one for one in account.attempts if one.request_id] or account.attempts
    mine: dict[str, Any] = {
        "id": identity(account)[0],
        "code": letter,
        "next_step": account.next_step.partition(NAMING)[0],
        "open_orders": tuple(largest_open(account.order_list)[:_ORDERS_MOST]),
        "attempts": len(account.attempts),
        "request_ids": tuple(reversed(named[-_IDS_MOST:])),
    }
    return BoardAccount(**{**_alike(BoardAccount, account), **mine})


def _alike(view: type[Board | BoardAccount], told: Report | AccountReport) -> dict[str, Any]:
    """Give what a view has of a report under the same name."""
    return {one.name: getattr(told, one.name) for one in fields(view) if hasattr(told, one.name)}


def course_of(
    cases: Iterable[Case], clear: set[int], began: datetime, wall: Callable[[float], datetime]
) -> Course:
    """Sum up how a run went; when an account was clear is told of those only that are `clear` at its end."""
    sent, accepted, cleared = list[float](), list[float](), list[float]()

    def since(moment: datetime) -> float:
        return max((moment - began).total_seconds(), 0.0)

    for case in cases:
        cancels = [(since(one.at or wall(one.began)), one) for one in case.attempts if one.method == "DELETE"]
        sent += [at for at, _ in cancels[:1]]
        if case.outcome in {Outcome.ACCEPTED, Outcome.NOTHING_TO_CANCEL}:
            accepted += [at + one.elapsed for at, one in cancels if _is_answered(one)][:1]
        if case.first_clear is not None and case.account.id in clear:
            cleared.append(since(case.first_clear))
    return Course(*(curve(sorted(one)) for one in (sent, accepted, cleared)))


def _is_answered(one: Attempt) -> bool:
    return one.status is not None and (_OK <= one.status < _NO_MORE_OK or one.status == _NOT_FOUND)


def curve(times: Sequence[float]) -> Points:
    """Count sorted times up, at so many of them at most that a curve can be drawn, the last one always."""
    step = max(ceil(len(times) / POINTS_MOST), 1)
    counts = range(len(times), 0, -step)
    points = {round(times[count - 1], 3): count for count in reversed(counts)}
    return tuple(points.items())
