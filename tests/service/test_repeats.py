"""Idempotency-Keys: each token for itself, and forgotten in time."""

import re

import pytest

from panic.service.api.press import KEPT_MOST, KEPT_S, KEY, Answered, Keys

A = Answered("body", "run", joined=False, resent=False)


def test_a_key_is_kept_for_its_time_and_its_token_alone() -> None:
    """And may then stand for something else."""
    now = [0.0]
    keys = Keys(lambda: now[0])
    keys.keep("joe", "k", A)
    now[0] = KEPT_S - 1
    before = keys.find("joe", "k"), keys.find("ann", "k")
    now[0] = KEPT_S
    after = keys.find("joe", "k")
    keys.keep("joe", "k", A._replace(run_id="new"))

    assert (A, None, None) == (*before, after)
    assert A._replace(run_id="new") == keys.find("joe", "k")


def test_a_token_that_floods_forgets_its_own_oldest_keys() -> None:
    """Nobody else's."""
    keys = Keys(lambda: 0.0)
    keys.keep("joe", "k", A)
    for n in range(KEPT_MOST + 1):
        keys.keep("flood", str(n), A)

    assert (A, None, A) == (keys.find("joe", "k"), keys.find("flood", "0"), keys.find("flood", "1"))


@pytest.mark.parametrize(
    ("words", "right"),
    [("k", True), ("x" * 255, True), ("", False), ("x" * 256, False), ("a b", False), ("ü", False)],
)
def test_what_a_key_may_be(words: str, right: bool) -> None:
    """Visible ASCII, so that it means the same on every way here."""
    assert right == bool(re.fullmatch(KEY, words))
