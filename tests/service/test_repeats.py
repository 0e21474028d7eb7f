"""Idempotency-Keys: each token for itself, and forgotten in time."""

import re

import pytest

from panic.service.api.press import KEPT_MOST, KEPT_S, KEY, Keys
from panic.service.api.views import started

ONE, OTHER = started("one"), started("other")


def test_a_key_is_kept_for_its_time_and_its_token_alone() -> None:
    """And may then stand for something else."""
    now = [0.0]
    keys = Keys(lambda: now[0])
    keys.keep("joe", "k", "body", ONE)
    now[0] = KEPT_S - 1
    before = keys.find("joe", "k"), keys.find("ann", "k")
    now[0] = KEPT_S
    after = keys.find("joe", "k")
    keys.keep("joe", "k", "body", OTHER)

    assert [(0.0, "body", ONE), None, None, (KEPT_S, "body", OTHER)] == [*before, after, keys.find("joe", "k")]


def test_the_oldest_keys_are_forgotten() -> None:
    """Where there are very many."""
    keys = Keys(lambda: 0.0)
    for n in range(KEPT_MOST + 1):
        keys.keep("joe", str(n), "body", ONE)

    assert [False, True] == [keys.find("joe", key) is not None for key in ("0", "1")]


@pytest.mark.parametrize(
    ("words", "right"),
    [("k", True), ("x" * 255, True), ("", False), ("x" * 256, False), ("a b", False), ("ü", False)],
)
def test_what_a_key_may_be(words: str, right: bool) -> None:
    """Visible ASCII, so that it means the same on every way here."""
    assert right == bool(re.fullmatch(KEY, words))
