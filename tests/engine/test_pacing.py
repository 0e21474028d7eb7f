"""How long to wait: plain arithmetic."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.engine.pacing import JITTER, Budget, backoff, next_poll


@pytest.mark.parametrize(
    ("failures", "wait"), [(0, 0.5), (1, 0.5), (2, 2.5), (3, 12.5), (4, 18.0), (5, 18.0), (10**9, 18.0)]
)
def test_waits_grow_up_to_the_floor(failures: int, wait: float):
    """However often it failed, a DELETE goes out at least every 20 s."""
    assert wait == backoff(failures, 0.0)


@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_a_wait_is_spread_by_a_tenth_and_less_than_twenty_seconds(failures: int, jitter: float):
    """A thousand accounts do not return in one instant, and none is silent for long."""
    plain, spread = backoff(failures, 0.0), backoff(failures, jitter)

    assert plain * (1 - JITTER) <= spread <= plain * (1 + JITTER) < 20.0


def test_reads_spread_out_up_to_the_most():
    """From 0.5 s by half each time to 5 s."""
    waits = [0.5]
    while waits[-1] < 5.0:
        waits.append(next_poll(waits[-1], 5.0))

    assert [0.5, 0.75, 1.125] == waits[:3]
    assert 5.0 == waits[-1] == next_poll(5.0, 5.0)
    assert all(later <= 1.5 * earlier for earlier, later in pairwise(waits))


def test_the_first_retries_are_free_and_the_rest_wait_their_turn():
    """A hundred at once, then fifty a second."""
    budget = Budget(rate=50, burst=100)
    waits = [budget.spend(0.0) for _ in range(200)]

    assert pytest.approx([0.0] * 100) == waits[:100]
    assert pytest.approx([n / 50 for n in range(1, 101)]) == waits[100:]


def test_an_idle_budget_saves_no_more_than_its_burst():
    """An hour without retries does not allow an hour's worth at once."""
    budget = Budget(rate=50, burst=100)
    budget.spend(0.0)
    waits = [budget.spend(3600.0) for _ in range(101)]

    assert pytest.approx([0.0] * 100) == waits[:100]
    assert pytest.approx(1 / 50) == waits[100]


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
