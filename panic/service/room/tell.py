"""A board as it is sent: a report, the letters of its accounts and how it went, in one text."""

from collections import Counter
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from panic import history
from panic.board import OF_VERDICT, Code
from panic.board import Board as Fold
from panic.broker.outcomes import Verdict
from panic.config import LedgerFiles
from panic.render.headline import headline, scope_words
from panic.report import AccountReport, AttemptReport, Report
from panic.service.room.views import Board, BoardAccount, BoardRequest, Course

WORST_MOST: Final = 25
"""So many of those that are not clear are told of one by one; the report has all."""

_IDS_MOST = 5
_NO_ACCOUNTS = b'"accounts":null'

_BOARD: TypeAdapter[Board] = TypeAdapter(Board)


class Letters(NamedTuple):
    """What is known of the accounts, in the plan's order.

    Attributes:
        codes: A letter for each.
        counts: How many there are of each letter.
    """

    codes: bytes
    counts: dict[Code, int]


def row(id_: int | None, name: str, group: str) -> str:
    """Write who an account is."""
    who = "null" if id_ is None else f'"{id_}"'
    return f"[{who},{quoted(name)},{quoted(group)}]"


def whole(text: bytes, rows: bytes) -> bytes:
    """Put the accounts, their rows with commas between, into a board that leaves them out."""
    return text.replace(_NO_ACCOUNTS, b'"accounts":[' + rows + b"]", 1)


def write(report: Report, letters: Letters, fold: Fold, *, live: bool, more: int, deadline_s: float) -> bytes:
    """Write the board in one line, without its accounts; keys are still in it.

    Args:
        report: Of this moment; of its accounts only the worst need be there.
        letters: All its accounts.
        fold: How the run went.
        live: Whether it is under way.
        more: How many accounts that are not clear the report leaves out.
        deadline_s: When it ends at the latest, seconds since the press.
    """
    bad = [account for account in report.accounts if account.verdict is not Verdict.CLEAR]
    view = Board(
        schema="panic-board/1",
        run_id=report.run_id,
        live=live,
        finished=report.finished,
        drill=report.drill,
        base_url=report.base_url,
        contact=report.contact,
        verdict=report.verdict,
        headline=headline(report),
        exit_code=report.exit_code,
        trigger=report.trigger,
        scope=scope_words(report),
        verify=report.scope.verify,
        started_at=report.started_at,
        finished_at=report.finished_at if report.finished else None,
        elapsed_s=report.timings.total_s,
        deadline_s=deadline_s,
        watch_s=report.scope.watch_s,
        joined=report.joined,
        resumed=report.resumed,
        flags=report.flags,
        latch=report.latch,
        ledger_head=report.ledger_head,
        accounts=None,
        codes=letters.codes.decode(),
        counts={code: count for code, count in letters.counts.items() if count},
        totals=report.totals,
        coverage=report.coverage,
        timings=report.timings,
        worst=tuple(_account(one, fold.code_of(one.id) if live else None) for one in bad[:WORST_MOST]),
        more=more + max(len(bad) - WORST_MOST, 0),
        course=Course(**fold.course()),
        clearing=fold.clearing(),
    )
    text = _BOARD.dump_json(view)
    assert text.count(_NO_ACCOUNTS) == 1  # noqa: S101  (a quotation mark within words is written otherwise)
    return text


def _account(account: AccountReport, code: Code | None) -> BoardAccount:
    named = [one for one in account.attempts if one.request_id] or account.attempts
    return BoardAccount(
        id=None if account.id is None else str(account.id),
        name=account.name,
        group=account.group,
        owner=account.owner,
        code=code or OF_VERDICT[account.verdict],
        verdict=account.verdict,
        outcome=account.outcome,
        standing=account.standing,
        as_of=account.as_of,
        next_step=account.next_step,
        notes=account.notes,
        orders=account.orders,
        attempts=len(account.attempts),
        request_ids=tuple(map(_request, reversed(named[-_IDS_MOST:]))),
    )


def _request(one: AttemptReport) -> BoardRequest:
    return BoardRequest(one.method, one.status, one.error, one.request_id, one.at)


def over(report: Report, order: Iterable[int], fold: Fold) -> bytes:
    """Write the whole board of a run that nobody works on any more: what its report says, in the plan's order."""
    places = {id_: place for place, id_ in enumerate(order)}
    last = len(places)
    accounts = sorted(report.accounts, key=lambda one: last if one.id is None else places.get(one.id, last))
    codes = [OF_VERDICT[one.verdict] for one in accounts]
    letters = Letters("".join(codes).encode(), dict(Counter(codes)))
    text = write(report, letters, fold, live=False, more=0, deadline_s=report.timings.deadline_s)
    return whole(text, ",".join(row(one.id, one.name, one.group) for one in accounts).encode())


def recorded(ledger: LedgerFiles, run: str) -> bytes:
    """Write the board of a run on record, whatever is left of its record. Blocks.

    Raises:
        UsageError: The ledger does not tell who pressed, or of which accounts.
    """
    past = history.recall(ledger, run)
    report, fold = past.report(), Fold(past.replay.pressed.started_at if past.replay.pressed else None)
    for event in past.events:
        fold.take(event)
    return over(report, past.replay.cases, fold)
