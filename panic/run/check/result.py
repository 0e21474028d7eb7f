"""What a check found, and what follows from it: pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from panic.accounts.roster import Account
from panic.broker.answers import Answer, Cause
from panic.broker.listing import Listing
from panic.broker.outcomes import EXIT_CODES, REFUSED, Verdict
from panic.engine.forecast import Forecast
from panic.report import flags

_NOT_FOUND = 404


class State(StrEnum):
    """What the check found about one account."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MISSING = "missing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """One account of the roster: whether its orders can be read with its key."""

    id: int
    name: str
    state: State
    status: int | None
    error: str | None
    request_id: str | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check found; `warnings` do not stop a press.

    The clock skew is ours less the broker's; drift is checked where every list of accounts was whole.
    """

    schema: str
    base_url: str
    exit_code: int
    roster_digest: str
    elapsed_s: float
    clock_skew_s: float | None
    states: dict[State, int]
    unlisted_accounts: tuple[int, ...]
    warnings: tuple[str, ...]
    accounts: tuple[AccountCheck, ...]
    drift_checked: bool = True
    certificate_ends: datetime | None = None
    forecast: Forecast | None = None
    roster_doubt: str | None = None

    @property
    def ok(self) -> bool:
        """Whether a press would work everywhere."""
        return self.exit_code == 0


_REPORT: TypeAdapter[CheckReport] = TypeAdapter(CheckReport)


def to_json(report: CheckReport) -> bytes:
    """Write what the check found as JSON."""
    return _REPORT.dump_json(report, indent=2)


def only(report: CheckReport, ids: Collection[int]) -> CheckReport:
    """Give what a check says to somebody who is shown these accounts alone, and none that the roster lacks.

    Where there are none of them nothing was checked, which is no clean bill.
    """
    accounts = tuple(one for one in report.accounts if one.id in ids)
    states = Counter(one.state for one in accounts)
    others = {flag.text for flag in flags.from_listings({}, report.unlisted_accounts)}
    nobody = () if accounts else ("the roster has no account that you are shown: nothing was checked for you",)
    warnings = (*nobody, *(one for one in report.warnings if one not in others))
    told = replace(report, accounts=accounts, states=dict(states), unlisted_accounts=(), warnings=warnings)
    return replace(told, exit_code=exit_code_of(states, warnings))


def judge(account: Account, answer: Answer, listed: Mapping[int, bool] | None) -> AccountCheck:
    """Say what an answer means; `listed` tells whether each listed account is active, None without whole lists."""
    return AccountCheck(
        id=account.id,
        name=account.name,
        state=_state(account, answer, listed),
        status=answer.evidence.status,
        error=answer.error or None,
        request_id=answer.request_id or None,
        cause=answer.cause,
    )


def _state(account: Account, answer: Answer, listed: Mapping[int, bool] | None) -> State:
    is_missing = listed is not None and account.id not in listed
    if answer.page is None:
        if answer.evidence.status == _NOT_FOUND:
            return State.MISSING if is_missing else State.REFUSED
        return State.REFUSED if answer.outcome in REFUSED else State.UNREACHABLE
    if is_missing:
        return State.MISSING
    return State.OK if listed is None or listed[account.id] else State.CLOSED


def warnings_of(listings: Iterable[Listing], skew_s: float | None, unlisted: Sequence[int]) -> Iterator[str]:
    """Say what does not stop a press but keeps it from being proven."""
    for listing in listings:
        if listing.failure:
            yield f"the broker did not list its accounts ({listing.failure}): drift was not checked"
    if skew_s is None:
        yield "the broker did not tell its time: clock skew was not checked"
    yield from (flag.text for flag in flags.from_clock(skew_s))
    yield from (flag.text for flag in flags.from_listings({}, unlisted))


def exit_code_of(states: Collection[State], warnings: Sequence[str]) -> int:
    """Give the exit code: that of the best verdict a press could reach."""
    if State.REFUSED in states:
        return EXIT_CODES[Verdict.REFUSED]
    if State.UNREACHABLE in states:
        return EXIT_CODES[Verdict.UNKNOWN]
    return EXIT_CODES[Verdict.UNVERIFIED] if warnings or set(states) - {State.OK} else 0
