"""How long to wait: plain arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from panic.engine.pacing import JITTER, Budget, backoff


@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_a_wait_is_spread_by_a_tenth_and_less_than_twenty_seconds(failures: int, jitter: float):
    """A thousand accounts do not return in one instant, and none is silent for long."""
    plain, spread = backoff(failures, 0.0), backoff(failures, jitter)

    assert plain * (1 - JITTER) <= spread <= plain * (1 + JITTER) < 20.0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_budget_slows_and_never_ends(gaps: list[float]):
    """In any window no more go than the rate and one burst, and each has a time of its own."""
    budget, now, due = Budget(rate=2, burst=3), 0.0, []
    for gap in gaps:
        now += gap
        due.append(now + budget.spend(now))

    assert all(moment < now + len(gaps) for moment in due)
    assert all(
        end - start >= (between - 3) / 2 - 1e-6
        for i, start in enumerate(due)
        for between, end in enumerate(due[i:])
    )
