"""Which accounts a press covers, and what stops it."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.plan import Scope, plan, pressable
from panic.accounts.roster import Account, Roster
from panic.kit.errors import ConfigurationError, UsageError
from panic.orders import Filters
from tests.kit.builders import a_bad_row, a_roster

ROSTER = a_roster(
    Account(4, group="mm", priority=2),
    Account(3, group="mm", priority=1, credential="other"),
    Account(2, group="arb", priority=2),
    Account(1, group="arb", excluded=True),
    Account(9, priority=1),
    bad_rows=(a_bad_row(7), a_bad_row(8, 70)),
)
BOTH = frozenset({"default", "other"})


def fired(scope: Scope, roster: Roster = ROSTER) -> list[int]:
    """The ids of the accounts that are fired, in their order."""
    return [account.id for account in plan(roster, scope, BOTH).accounts]


def unsent(scope: Scope, roster: Roster = ROSTER, usable: Collection[str] = BOTH) -> list[int | str]:
    """The ids, or lines, of what cannot be reached."""
    found = plan(roster, scope, usable).unsent
    return [one.account.id if one.account else f"line {one.row and one.row.line}" for one in found]


@pytest.mark.parametrize(
    ("scope", "ids"),
    [
        (Scope(all=True), [3, 9, 2, 4]),
        (Scope(groups=("mm",)), [3, 4]),
        (Scope(groups=("mm", "arb")), [3, 2, 4]),
        (Scope(accounts=(4, 9, 4)), [9, 4]),
        (Scope(groups=("mm",), accounts=(9, 4)), [3, 9, 4]),
    ],
)
def test_a_scope_covers_its_accounts_once_by_priority_and_id(scope: Scope, ids: list[int]):
    """The lowest number goes first; what is excluded is left alone."""
    assert ids == fired(scope)


A_THOUSAND = a_roster(*(Account(n, credential=f"k{n % 2}") for n in range(1, 1000)), bad_rows=(a_bad_row(7),))
ALL_AT_ONCE = """--group 'x' is not in accounts.csv. The roster has arb, mm.
--group 'mmm' is not in accounts.csv. Did you mean mm?
--account 5, 6 is not in accounts.csv. Add it there, or correct the number.
--account 1 is marked excluded in accounts.csv. Take the mark away to press it."""


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(), "no scope: say --all, --group NAME or --account ID; there is no default"),
        (Scope(filters=Filters(side="BUY")), "no scope"),
        (Scope(all=True, groups=("mm",)), "--all covers every account already"),
        (Scope(all=True, accounts=(4,)), "--all covers every account already"),
        (Scope(groups=("",)), "--group ''"),
        (Scope(groups=("x", "arb", "mmm"), accounts=(5, 1, 4, 6)), ALL_AT_ONCE),
        (Scope(all=True, filters=Filters(side="buy")), "--side 'buy': the broker knows BUY, SELL"),
        (Scope(all=True, filters=Filters(type="X")), "--type 'X': the broker knows MARKET"),
        (Scope(all=True, filters=Filters(instrument_type="X")), "--instrument-type 'X': the broker knows"),
        (Scope(all=True, filters=Filters(instrument_ids=("A,B",))), "--instrument 'A,B': give one symbol"),
        (Scope(all=True, filters=Filters(instrument_ids=("A", " "))), "--instrument ' ': give one symbol"),
        (Scope(all=True, filters=Filters(instrument_ids=("A\n",))), "--instrument 'A\\n': give one symbol"),
    ],
)
def test_a_scope_that_makes_no_sense_stops_the_press(scope: Scope, words: str):
    """A typing mistake must neither widen nor narrow it; nothing was sent."""
    with pytest.raises(UsageError) as caught:
        plan(ROSTER, scope, BOTH)

    assert 64 == caught.value.exit_code
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("scope", "usable", "nearest"),
    [
        (Scope(groups=("arb",), accounts=(4,)), BOTH, Scope(groups=("arb",), accounts=(4,))),
        (Scope(groups=("arb",), accounts=(4, 5, 1)), BOTH, Scope(groups=("arb",), accounts=(4,))),
        (Scope(groups=("arb", "bar")), BOTH, Scope(all=True)),
        (Scope(accounts=(5, 1), filters=Filters(side="BUY")), BOTH, Scope(all=True, filters=Filters(side="BUY"))),
        (Scope(accounts=(3,)), {"default"}, Scope(all=True)),
        (Scope(groups=("arb",)), set(), None),
        (Scope(all=True, filters=Filters(side="buy")), BOTH, None),
    ],
)
def test_the_nearest_scope_that_a_press_takes(scope: Scope, usable: set[str], nearest: Scope | None):
    """It leaves out what no press reaches, and guesses nothing: an unknown group may be anybody."""
    assert nearest == pressable(scope, ROSTER, usable)


def test_accounts_without_a_usable_key_are_listed_and_do_not_stop_the_others():
    """At press time every readable row is fired."""
    found = plan(ROSTER, Scope(all=True), {"default"})

    assert [9, 2, 4] == [account.id for account in found.accounts]
    assert [3, "line 7", "line 8"] == unsent(Scope(all=True), usable={"default"})
    assert "its credential 'other' has no usable key" == found.unsent[0].why
    assert found.unsent[1].why.startswith("the id 'x1' is not a number")


@pytest.mark.parametrize(
    ("scope", "listed"),
    [
        (Scope(all=True), ["line 7", "line 8"]),
        (Scope(groups=("arb",)), ["line 7", "line 8"]),
        (Scope(accounts=(4,)), []),
        (Scope(accounts=(4, 70)), ["line 8"]),
    ],
)
def test_unreadable_rows_that_the_scope_may_mean_are_listed(scope: Scope, listed: list[str]):
    """All of them, unless it names accounts only."""
    assert listed == unsent(scope)


def test_a_bad_row_of_an_account_that_is_fired_is_not_listed_again():
    """Every account ends in the report exactly once."""
    roster = a_roster(Account(4), bad_rows=(a_bad_row(7, 4),))

    assert ([4], []) == (fired(Scope(all=True), roster), unsent(Scope(all=True), roster))


@pytest.mark.parametrize(
    ("roster", "scope", "usable", "words"),
    [
        (a_roster(Account(1, excluded=True)), Scope(all=True), BOTH, "Give the roster accounts that are not"),
        (ROSTER, Scope(all=True), set(), "its credential 'other' has no usable key. Mend the credential"),
        (ROSTER, Scope(accounts=(3,)), {"default"}, "its credential 'other' has no usable key"),
        (ROSTER, Scope(accounts=(70,)), BOTH, "accounts.csv:8: the id 'x1' is not a number"),
        (A_THOUSAND, Scope(all=True), BOTH, "its credential 'k1' has no usable key"),
    ],
)
def test_a_press_that_reaches_nobody_is_refused(roster: Roster, scope: Scope, usable: set[str], words: str):
    """With every reason, once and all at once; nothing was sent."""
    with pytest.raises(ConfigurationError) as caught:
        plan(roster, scope, usable)

    assert 78 == caught.value.exit_code
    assert words in str(caught.value)
    assert 4 >= len(caught.value.problems), "a thousand accounts behind one bad key are one mistake"


accounts = st.builds(
    Account,
    st.integers(1, 30),
    group=st.sampled_from(["", "mm", "arb"]),
    priority=st.integers(0, 3),
    credential=st.sampled_from(["default", "other"]),
    excluded=st.booleans(),
)


@given(
    st.lists(accounts, min_size=1, unique_by=lambda account: account.id), st.sets(st.sampled_from(sorted(BOTH)))
)
def test_every_account_that_is_not_excluded_is_planned_exactly_once(listed: list[Account], usable: set[str]):
    """Fired or listed with the reason, never both and never neither."""
    roster = a_roster(*listed, Account(99), Account(98, credential="other"))
    found = plan(roster, Scope(all=True), usable | {"default"})
    seen = [a.id for a in found.accounts] + [one.account.id for one in found.unsent if one.account]

    assert sorted(a.id for a in roster.accounts if not a.excluded) == sorted(seen)
    assert list(found.accounts) == sorted(found.accounts, key=lambda a: (a.priority, a.id))
    assert all(account.credential in usable | {"default"} for account in found.accounts)
