"""How long to wait: plain arithmetic."""

from hypothesis import given
from hypothesis import strategies as st

from panic.engine.pacing import JITTER, backoff


@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_a_wait_is_spread_by_a_tenth_and_less_than_twenty_seconds(failures: int, jitter: float):
    """A thousand accounts do not return in one instant, and none is silent for long."""
    plain, spread = backoff(failures, 0.0), backoff(failures, jitter)

    assert plain * (1 - JITTER) <= spread <= plain * (1 + JITTER) < 20.0
