"""A plan on record: rows of cells, since a firm has thousands of accounts."""

from dataclasses import dataclass
from typing import Any

from pydantic import StrictInt

from panic.accounts.plan import Plan, Unsent
from panic.accounts.roster import Account, BadRow
from panic.ledger.record import Text, read


def planned(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON values."""
    return {
        "accounts": [_row(account) for account in plan.accounts],
        "unsent": [[one.why, *(_row(one.account) if one.account else _bad(one.row))] for one in plan.unsent],
    }


def _row(account: Account) -> list[Any]:
    return [account.id, account.name, account.group, account.owner, account.priority, account.credential]


def _bad(row: BadRow | None) -> list[Any]:
    return [row.id, row.text] if row else []


def read_plan(words: Any) -> tuple[tuple[Account, ...], tuple[Unsent, ...]]:
    """Read a plan again: its accounts, and those that could not be reached.

    Raises:
        ValueError: It is no plan.
    """
    try:
        found = read(_Planned, words)
    except ValueError as error:
        raise ValueError("this is no plan") from error
    accounts = tuple(Account(*row) for row in found.accounts)
    if len({account.id for account in accounts}) != len(accounts):
        raise ValueError("this is no plan: an account stands in it twice")
    return accounts, tuple(_unsent(*row) for row in found.unsent)


_WHOLE_ROW = 6


def _unsent(why: str, *cells: Any) -> Unsent:
    if len(cells) == _WHOLE_ROW:
        return Unsent(why, account=Account(*cells))
    if not cells:
        return Unsent(why)
    from panic.kit.errors import Problem  # noqa: PLC0415  (only a broken row of the roster needs one)

    id_, text = cells
    return Unsent(why, row=BadRow(0, text, id_, Problem(why, "")))


_Row = tuple[StrictInt, Text, Text, Text, StrictInt, Text]


@dataclass(frozen=True, slots=True)
class _Planned:
    accounts: tuple[_Row, ...]
    unsent: tuple[
        tuple[Text]
        | tuple[Text, StrictInt | None, Text]
        | tuple[Text, StrictInt, Text, Text, Text, StrictInt, Text],
        ...,
    ]
