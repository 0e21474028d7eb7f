"""Which accounts a press covers: scope and roster in, plan out. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from panic.accounts.roster import Account, BadRow, Roster
from panic.config import Hook, Schedule
from panic.kit.errors import ConfigurationError, Problem, UsageError, by_cause
from panic.kit.words import did_you_mean
from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES, Filters

_LISTED_MOST = 50  # mistakes that are spelled out if nothing can be fired; `panic check` lists them all


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts a press covers, excluded ones never, and which of their orders. There is no default scope."""

    all: bool = False
    groups: tuple[str, ...] = ()
    accounts: tuple[int, ...] = ()
    filters: Filters = field(default_factory=Filters)

    @classmethod
    def of(
        cls,
        all_: bool,
        groups: Iterable[str],
        accounts: Iterable[int],
        orders: tuple[str | None, str | None, str | None, Iterable[str]] = ("", "", "", ()),
    ) -> "Scope":
        """Build a scope from a request; `orders` are side, type, instrument type and instruments."""
        side, type_, instrument_type, instruments = orders
        filters = Filters(side or "", type_ or "", instrument_type or "", tuple(instruments))
        return cls(all_, tuple(groups), tuple(accounts), filters)

    def __str__(self) -> str:
        if self.all:
            return "all accounts"
        groups = [f"group {group}" for group in self.groups]
        return ", ".join(groups + [f"account {id_}" for id_ in self.accounts])


def scope_of(rule: Hook | Schedule) -> Scope:
    """Give what a hook presses, or a schedule that is no drill."""
    orders = (rule.side, rule.type, rule.instrument_type, rule.instruments)
    return Scope.of(rule.all, rule.groups, rule.accounts, orders)


@dataclass(frozen=True, slots=True)
class Unsent:
    """An account, or a row of the roster, that a press covers and cannot reach, and why."""

    why: str
    account: Account | None = None
    row: BadRow | None = None

    @property
    def problem(self) -> Problem:
        """What has to be mended, and where."""
        if self.row is not None:
            return self.row.problem
        id_ = self.account.id if self.account else None
        return Problem(self.why, "Mend the credential or the roster.", account=id_)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a press will do: the accounts in the order of their first DELETE, and those it cannot fire."""

    scope: Scope
    accounts: tuple[Account, ...]
    unsent: tuple[Unsent, ...] = ()

    @property
    def groups(self) -> dict[str, int]:
        """How many of these accounts each group has, by name; "" has those of none."""
        return dict(sorted(Counter(account.group for account in self.accounts).items()))


def plan(roster: Roster, scope: Scope, usable: Collection[str], broken: Sequence[Problem] = ()) -> Plan:
    """Say which accounts a press covers; `usable` are the credentials with a key, `broken` says what ails others.

    A UsageError lists every mistake of the scope; a ConfigurationError says why not one account can be fired.
    """
    _check_words(scope)
    covered = sorted(_covered(roster, scope), key=lambda account: (account.priority, account.id))
    fired = tuple(account for account in covered if account.credential in usable)
    unsent = [
        Unsent(f"its credential '{account.credential}' has no usable key", account=account)
        for account in covered
        if account.credential not in usable
    ]
    # Rows that the scope may mean: all of them, unless it names accounts only. What a better row names is there.
    ids = {account.id for account in covered}
    unsent += [
        Unsent(f"{row.problem.what}. {row.problem.remedy}", row=row)
        for row in roster.bad_rows
        if row.id not in ids and (scope.all or scope.groups or row.id in scope.accounts)
    ]
    if not fired:
        raise ConfigurationError([*broken, *_nothing_to_fire(roster, unsent)])
    return Plan(scope, fired, tuple(unsent))


def pressable(scope: Scope, roster: Roster, usable: Collection[str]) -> Scope | None:
    """Give the nearest scope that a press would accept, filters and all; None if there is none.

    Accounts that no press accepts are left out. If a group is unknown, nobody can tell whose orders were meant,
    and a guess could miss them: then it is all accounts.
    """
    excluded = {account.id: account.excluded for account in roster.accounts}
    broken = {row.id for row in roster.bad_rows}
    ids = tuple(id_ for id_ in scope.accounts if not excluded.get(id_, id_ not in broken))
    everything = replace(scope, all=True, groups=(), accounts=())
    for one in (scope, replace(scope, accounts=ids), everything):
        with suppress(UsageError, ConfigurationError):
            return plan(roster, one, usable).scope
    return None


class Misnamed(NamedTuple):
    """Names in a scope that no roster has, or that no press takes, and why."""

    key: Literal["groups", "accounts"]
    names: tuple[str, ...]
    why: str
    remedy: str

    @property
    def what(self) -> str:
        """Name them, and say why."""
        return f"{', '.join(self.names)} {self.why}"

    def __str__(self) -> str:
        return f"--{self.key.removesuffix('s')} {self.what}. {self.remedy}"


class MisnamedError(UsageError):
    """A scope names something that no press accepts."""

    def __init__(self, found: Sequence[Misnamed]) -> None:
        mistakes = [(f"body/scope/{one.key}", f"{name} {one.why}") for one in found for name in one.names]
        super().__init__("\n".join(map(str, found)), mistakes)
        self.found = tuple(found)


def _check_words(scope: Scope) -> None:
    if not (scope.all or scope.groups or scope.accounts):
        raise UsageError("no scope: say --all, --group NAME or --account ID; there is no default")
    if scope.all and (scope.groups or scope.accounts):
        raise UsageError("--all covers every account already: leave out --group and --account, or --all")
    _check_filter("--side", scope.filters.side, SIDES)
    _check_filter("--type", scope.filters.type, TYPES)
    _check_filter("--instrument-type", scope.filters.instrument_type, INSTRUMENT_TYPES)
    for instrument in scope.filters.instrument_ids:
        if not instrument or instrument != instrument.strip() or not instrument.isprintable() or "," in instrument:
            what = f"--instrument {instrument!r}: give one symbol or UUID each time, without blanks around"
            raise UsageError(what)


def _check_filter(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value and value not in known:
        hint = "; short sales are SELL" if value == "SELL_SHORT" else ""
        raise UsageError(f"{flag} {value!r}: the broker knows {', '.join(known)}{hint}")


def _covered(roster: Roster, scope: Scope) -> Iterable[Account]:
    if scope.all:
        return [account for account in roster.accounts if not account.excluded]
    if wrong := [*_wrong_groups(scope.groups, roster), *_wrong_ids(set(scope.accounts), roster)]:
        raise MisnamedError(wrong)
    groups, ids = set(scope.groups), set(scope.accounts)
    return [a for a in roster.accounts if a.id in ids or (a.group in groups and not a.excluded)]


def _wrong_groups(groups: Iterable[str], roster: Roster) -> Iterator[Misnamed]:
    known = sorted(roster.groups)
    otherwise = f"The roster has {', '.join(known[:20]) or 'no groups'}."
    for group in groups:
        if group not in known:
            remedy = did_you_mean(group, known, otherwise)
            yield Misnamed("groups", (repr(group),), f"is not in {roster.file}", remedy)


def _wrong_ids(ids: set[int], roster: Roster) -> Iterator[Misnamed]:
    known = {account.id for account in roster.accounts} | {row.id for row in roster.bad_rows}
    excluded = {account.id for account in roster.accounts if account.excluded}
    for wrong, what, remedy in (
        (ids - known, "is not in", "Add it there, or correct the number."),
        (ids & excluded, "is marked excluded in", "Take the mark away to press it."),
    ):
        if wrong:
            yield Misnamed("accounts", tuple(map(str, sorted(wrong))), f"{what} {roster.file}", remedy)


def _nothing_to_fire(roster: Roster, unsent: list[Unsent]) -> list[Problem]:
    what = "no account of this scope can be fired"
    reasons = sorted({one.why for one in unsent if one.row is None})
    found = [Problem(f"{what}: {why}", "Mend the credential or the roster.", roster.file) for why in reasons]
    found += [one.row.problem for one in unsent if one.row is not None]
    nobody = Problem(what, "Give the roster accounts that are not excluded.", roster.file)
    return list(by_cause(found)[:_LISTED_MOST]) or [nobody]
