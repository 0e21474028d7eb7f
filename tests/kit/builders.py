"""Small makers of what the tests of the pure modules are fed: answers, orders, cases, rosters, reports."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panic.accounts.plan import Scope
from panic.accounts.roster import Account, BadRow, Roster
from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import Body, Evidence, classify
from panic.broker.pages import Page, Parameters
from panic.broker.proof import Look
from panic.engine.case import Case
from panic.engine.deadline import LEAST_ATTEMPT_S
from panic.engine.pacing import Pace
from panic.engine.timetable import Do, Step
from panic.kit.errors import Problem
from panic.orders import Filters, Order
from panic.report.account import Circumstances
from panic.report.document import RosterFacts, Timings, Trigger, scope_report

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
"""The wall clock at loop time 0."""

FILE = Path("accounts.csv")
EVERYTHING = Scope(all=True)

STALE = Receipt()
"""Of a connection that had carried something before, and that nothing else is known of."""


def wall(moment: float) -> datetime:
    """The wall clock at a loop time."""
    return MIDNIGHT + timedelta(seconds=moment)


def an_order(id_: str = "a", status: str = "NEW", **fields: Any) -> Order:
    """One order, open unless told otherwise."""
    return Order(id=id_, status=status, **fields)


def a_page(*orders: Order, next_token: str = "", total: int | None = -1) -> Page:
    """One page of a read; a page by itself says how many there are, unless told otherwise."""
    counted = (None if next_token else len(orders)) if total == -1 else total
    return Page(tuple(orders), next_token, counted)


def an_answer(
    status: int | None = 200,
    body: Body | None = Body.OBJECT,
    *,
    sent: bool = True,
    began: float = 0.0,
    ended: float | None = None,
    **fields: Any,
) -> Answer:
    """The answer to one request; its outcome is what the table makes of it."""
    evidence = Evidence(sent, status, None if status is None else body)
    return Answer(began, began if ended is None else ended, evidence, classify(evidence), **fields)


def no_answer(**fields: Any) -> Answer:
    """A request that was sent and never answered."""
    return an_answer(None, error="no answer in time", **fields)


def a_read(*orders: Order, next_token: str = "", total: int | None = -1, **fields: Any) -> Answer:
    """A read's valid answer."""
    return an_answer(page=a_page(*orders, next_token=next_token, total=total), **fields)


def a_case(id_: int = 1, filters: Filters | None = None, **fields: Any) -> Case:
    """One account under a run."""
    return Case(Account(id_, **fields), filters or Filters())


def a_pace(deadline: float = 120.0, **fields: Any) -> Pace:
    """The times of a run that is not watched, unless told otherwise."""
    return Pace(**{"deadline": deadline, "watch_s": 0.0, **fields})


def look(case: Case, *answers: Answer, pace: Pace | None = None) -> None:
    """Feed answers to reads of a case, the first of which begins a look at its own time."""
    for answer in answers:
        begin_look(case, answer.began)
        case.read(answer, pace or a_pace())


def begin_look(case: Case, at: float) -> Look:
    """Give the look under way, or begin one at a loop time, by a clock that is right."""
    return case.begin_look(at, wall(at), wall(at))


def look_clear(case: Case, at: float = 1.0, pace: Pace | None = None, receipt: Receipt = STALE) -> None:
    """Let a look ask all its questions and see no order but those it asks for by id, all of them ended."""
    while True:
        asked = dict(begin_look(case, at).query()).get("order_ids", "")
        shown = [an_order(id_, "CANCELED") for id_ in asked.split(",") if id_]
        case.read(a_read(*shown, began=at, receipt=receipt), pace or a_pace())
        if case.look is None:
            return


Broker = Callable[[Do, Parameters | None, float], Answer]
"""A scripted broker: what a request begun at a time comes to; `ended` is when the answer is over."""


def drive(case: Case, pace: Pace, broker: Broker, jitter: float = 0.0) -> list[Step]:
    """Do what a case says is due until it rests or the deadline has come; give what was done, and when."""
    now = 0.0
    done: list[Step] = []
    while True:
        step = case.step(now, pace)
        if step.do is Do.REST or step.at >= pace.deadline:
            return done
        if step.at > now:
            now = step.at  # ask again, as the engine does when it wakes up
            continue
        done.append(step)
        if step.do is Do.CANCEL:
            answer = broker(Do.CANCEL, None, now)
            case.cancelled(answer, pace, jitter=jitter)
        else:
            until = max(case.timetable.cancel_at, now + LEAST_ATTEMPT_S)
            answer = broker(Do.READ, begin_look(case, now).query(), now)
            if answer.ended > until:  # the engine gives it no more time than that
                answer = no_answer(began=now, ended=until)
            case.read(answer, pace)
        now = max(answer.ended, now + 0.001)
        assert len(done) < 10_000


def times(done: Iterable[Step], do: Do) -> list[float]:
    """When steps of one kind were done."""
    return [step.at for step in done if step.do is do]


def a_bad_row(line: int, id_: int | None = None, text: str = "x1,Broken") -> BadRow:
    """A row that cannot be fired."""
    return BadRow(line, text, id_, Problem("the id 'x1' is not a number", "Correct it.", FILE, line))


def a_roster(*accounts: Account, bad_rows: Iterable[BadRow] = ()) -> Roster:
    """A roster as it was read."""
    bad_rows = tuple(bad_rows)
    return Roster(FILE, "sha256:00", 0.0, accounts, bad_rows, tuple(row.problem for row in bad_rows))


def circumstances(
    began: float = 0.0,
    ended: float = 10.0,
    settled: float | None = None,
    last_first_cancel: float | None = None,
    scope: Scope = EVERYTHING,
    verify: bool = True,
    **fields: Any,
) -> Circumstances:
    """All that a report says of a run as a whole; the times are loop time."""

    def since(moment: float | None) -> float | None:
        return None if moment is None else round(moment - began, 3)

    return Circumstances(
        **{
            "run_id": "20260302T000000Z-abc123",
            "drill": False,
            "base_url": "https://api.example.com",
            "contact": "the desk, +1 555 0100",
            "roster": RosterFacts("sha256:00", 1, 3.0),
            "trigger": Trigger("cli", "joe@desk", "a bad algo", MIDNIGHT),
            "scope": scope_report(scope, verify=verify, watch_s=15.0),
            "timings": Timings(since(last_first_cancel), since(settled), round(ended - began, 3), 120.0),
            "started_at": wall(began),
            "finished_at": wall(ended),
            **fields,
        }
    )


PACE = a_pace()


WATCH = a_pace(watch_s=15.0)


BLIND = a_pace(verify=False)


def cancelled(case: Case, *answers: Answer, pace: Pace = PACE) -> Case:
    """Feed answers to DELETEs of a case."""
    for answer in answers:
        case.cancelled(answer, pace)
    return case
