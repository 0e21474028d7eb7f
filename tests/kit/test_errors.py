"""Mistakes as people read them."""

from pathlib import Path

from panic.kit.errors import ConfigurationError, Problem, by_cause

FILE = Path("accounts.csv")


def mistakes(count: int, account: bool = True) -> list[Problem]:
    return [
        Problem("no such credential", "Known are: a.", FILE, n, account=100 + n if account else None)
        for n in range(2, count + 2)
    ]


def test_one_mistake_on_many_lines_is_one_cause():
    """With the first of them, how many there are and where to look."""
    other = Problem("the id is empty", "Fill it in.", FILE, 3)

    assert str(ConfigurationError([*mistakes(50_000), other])) == (
        "accounts.csv:2: account 102 and 49,999 more (lines 3, 4, 5, …): no such credential. Known are: a.\n"
        "accounts.csv:3: the id is empty. Fill it in."
    )
    assert str(*by_cause(mistakes(2, account=False))) == (
        "accounts.csv:2: this line and 1 more (line 3): no such credential. Known are: a."
    )
    assert by_cause(mistakes(1)) == tuple(mistakes(1))
