"""Idempotency-Keys and the throttle: bounded, each token for itself, and forgotten in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.service.repeats import Answered, Keys, Throttle, is_key

A = Answered("body", "run", joined=False, resent=False)


class Time:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_kept_for_its_time() -> None:
    """And for its token alone."""
    time = Time()
    keys = Keys(time, kept_s=10)
    keys.keep("joe", "k", A)
    time.now = 9.9
    before = keys.find("joe", "k"), keys.find("ann", "k")
    time.now = 10

    assert (A, None) == before
    assert (None, 0) == (keys.find("joe", "k"), len(keys))


def test_a_token_that_floods_forgets_its_own_keys() -> None:
    """Nobody else's."""
    keys = Keys(Time(), most=5)
    keys.keep("joe", "k", A)
    for n in range(100):
        keys.keep("flood", str(n), A)

    assert 5 == len(keys)
    assert (A, None, A) == (keys.find("joe", "k"), keys.find("flood", "0"), keys.find("flood", "99"))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8), st.floats(0, 5)), max_size=60))
def test_keys_are_never_more_than_they_may_be(steps: list[tuple[str, int, float]]) -> None:
    """And the count is right, whatever expired in between."""
    time = Time()
    keys = Keys(time, most=6, kept_s=10)
    for token, key, later in steps:
        time.now += later
        if keys.find(token, str(key)) is None:
            keys.keep(token, str(key), A)

        assert keys.find(token, str(key)) is not None
        assert len(keys) == sum(len(kept) for kept in keys._of.values()) <= 6


def test_so_many_presses_in_so_long() -> None:
    """Then it has to wait until the first of them is old enough."""
    time = Time()
    throttle = Throttle(time, most=3, within_s=10)
    for n in range(3):
        time.now = float(n)
        throttle.pressed("risk", "body", f"run{n}")

    assert (8.0, 0.0) == (throttle.wait_s("risk"), throttle.wait_s("ann"))
    assert ("run2", "") == (throttle.last_run("risk", "body"), throttle.last_run("risk", "other"))
    time.now = 10.0
    assert 0.0 == throttle.wait_s("risk")


def test_the_throttle_remembers_few_presses() -> None:
    """As many as it counts, the latest ones."""
    throttle = Throttle(Time(), most=3)
    for n in range(10):
        throttle.pressed("risk", str(n), f"run{n}")

    assert ["", "run7", "run9"] == [throttle.last_run("risk", body) for body in ("6", "7", "9")]


@pytest.mark.parametrize(
    ("words", "right"),
    [("k", True), ("x" * 255, True), ("", False), ("x" * 256, False), ("a b", False), ("ü", False)],
)
def test_what_a_key_may_be(words: str, right: bool) -> None:
    """Visible ASCII, so that it means the same on every way here."""
    assert right == is_key(words)
