"""Behind a broker's rate limit: cancels are accepted nearly as soon as it allows, and few requests refused."""

import asyncio
from collections.abc import Callable, Collection

import pytest

from panic.engine.lanes import Lanes
from tests.kit.limited import Limited
from tests.kit.limits import Bucket, Sliding, Window
from tests.kit.virtual import without_sockets


class Falling:
    """A limit that falls to a tenth two seconds after the press."""

    def __init__(self) -> None:
        self._at_first, self._later = Bucket(200, 20), Bucket(20, 20)

    def __call__(self, now: float) -> bool:
        """Take a token of the bucket of this moment."""
        return (self._at_first if now < 2 else self._later)(now)


@pytest.mark.parametrize(
    ("press", "best_s"),
    [
        (lambda: Limited([Bucket(20, 20)], 200), 9.0),
        (lambda: Limited([Bucket(20, 20)], 200, retry_after=None, latency_s=0.05), 9.0),
        (lambda: Limited([Bucket(20, 20)], 200, retry_after=5.0), 9.0),
        (lambda: Limited([Bucket(10, 1)], 100), 9.9),
        (lambda: Limited([Bucket(5, 5)], 100), 19.0),
        (lambda: Limited([Bucket(200, 100)], 600, latency_s=0.05), 2.5),
        (lambda: Limited([Window(20)], 300), 14.0),
        (lambda: Limited([Window(20, 5.0)], 300, retry_after=5.0), 10.0),
        (lambda: Limited([Sliding(20)], 300), 14.0),
        (lambda: Limited([Bucket(20, 20)], 200, keys=2), 9.0),
        (lambda: Limited([Bucket(50, 5)], 500, keys=2), 9.9),
        (lambda: Limited([Bucket(20, 20), Bucket(5, 5)], 200, keys=2), 19.0),
        (lambda: Limited([Falling()], 600), 16.0),
    ],
    ids=[
        "tokens",
        "no Retry-After",
        "a Retry-After that is too long",
        "one at a time",
        "few a second",
        "a large burst",
        "a window of a second",
        "a window of five",
        "a sliding window",
        "two keys behind one limit",
        "two keys behind a fast limit",
        "a limit for each key",
        "a limit that falls",
    ],
)
@without_sockets
async def test_all_cancels_are_accepted_about_as_soon_as_the_limit_allows(
    press: Callable[[], Limited], best_s: float
):
    """Within 1.3 times the best possible time and two seconds, clear, and few requests refused."""
    seen = await press().press()

    assert seen.accounts == seen.clear
    assert seen.accounts - 1 <= len(seen.accepted)  # once in a while a read goes first, and shows it clear
    assert max(seen.accepted.values()) <= 1.3 * best_s + 2.0
    assert seen.refused <= 0.16 * len(seen.log)


@without_sockets
async def test_no_key_starves_behind_a_limit_that_it_shares():
    """A bucket of one leaves nothing to the key that begins later: its probes go in the other one's stead."""
    seen = await Limited([Bucket(20, 1)], 300, keys=2, retry_after=None, latency_s=0.005).press()

    assert 300 == len(seen.accepted) == seen.clear
    assert max(seen.accepted.values()) <= 1.5 * 14.95
    assert seen.took_s < 70.0


@without_sockets
async def test_a_key_takes_what_another_one_leaves_it():
    """Once one has only reads to send, the other looks for the limit of its cancels anew."""
    seen = await Limited([Bucket(20, 5)], 120, keys=2, lanes=Lanes(known={"0": 19.0, "1": 7.0})).press()

    assert max(seen.accepted.values()) <= 1.15 * 5.75


@without_sockets
async def test_no_read_takes_a_turn_while_a_cancel_waits_for_its_answer():
    """Behind a limit first DELETEs go first, then refused ones, then everything else."""
    seen = await Limited([Bucket(20, 20)], 100).press()

    accepted_last = max(seen.accepted.values())
    assert [] == [at for method, _, at, _ in seen.log if method == "GET" and at < accepted_last - 1.0]
    assert [] == [id_ for id_, n in seen_by_account(seen).items() if n > 4]


def seen_by_account(seen: Limited) -> dict[int, int]:
    """How many DELETEs the broker saw of each account."""
    return {id_: sum(m == "DELETE" and a == id_ for m, a, *_ in seen.log) for id_ in range(1, seen.accounts + 1)}


@without_sockets
async def test_the_end_is_put_off_until_the_slow_broker_has_served_all():
    """Though the run was to take twenty seconds; and how long it will take was known after two."""
    seen = await Limited([Bucket(5, 5)], 200, deadline_s=20.0).press()

    assert (200, 200) == (len(seen.accepted), seen.clear)
    assert seen.took_s > 75.0


@without_sockets
async def test_a_deadline_that_somebody_asked_for_is_kept():
    """What it leaves is not clear."""
    seen = await Limited([Bucket(5, 5)], 200, deadline_s=20.0, longest_s=20.0).press()

    assert seen.took_s <= 20.25
    assert 80 <= len(seen.accepted) <= 110
    assert 0 == seen.clear


@without_sockets
async def test_accounts_limited_by_themselves_slow_down_nobody():
    """A tenth of the accounts is refused for ever; the others are as fast as without, and clear."""
    seen = await Limited(
        [lambda _: True], 200, by_themselves=range(1, 201, 10), deadline_s=40.0, longest_s=40.0
    ).press()

    assert (180, 180) == (len(seen.accepted), seen.clear)
    assert max(seen.accepted.values()) < 0.5


@without_sockets
async def test_without_a_limit_a_few_fly_first_and_then_as_many_as_may():
    """A fifth of the accounts, then twice as many: a small firm is a round trip later, a large one not at all."""
    small, large = await Limited([lambda _: True], 100).press(), await Limited([lambda _: True], 640).press()

    assert (0.06, 0.2) == pytest.approx((max(small.accepted.values()), max(large.accepted.values())), abs=0.005)


@without_sockets
async def test_a_second_run_begins_at_the_pace_that_the_first_has_learned():
    """It is refused hardly ever, and keeps the turns apart from the first second."""
    lanes = Lanes()
    await Limited([Bucket(20, 5)], 100, lanes=lanes).press()
    again = await Limited([Bucket(20, 5)], 100, lanes=lanes).press()
    first = sorted(at for *_, at, _ in again.log)[:20]

    assert again.refused <= 0.1 * len(again.log)
    assert first[-1] - first[0] > 0.5


@without_sockets
async def test_a_rate_that_the_firm_knows_is_kept_and_never_exceeded():
    """Turns are as far apart as it says; only the first two may go together."""
    seen = await Limited([lambda _: True], 200, lanes=Lanes(most=20.0)).press()
    moments = sorted(at for method, _, at, _ in seen.log if method == "DELETE")

    assert 10.0 == pytest.approx(moments[-1], abs=0.15)


@without_sockets
async def test_a_forecast_is_told_once_the_pace_is_learned_and_comes_about_true():
    """Not in the slow start; then what it says of accepted and read is right within a quarter."""
    limited = Limited([Bucket(20, 20)], 200)
    run = asyncio.create_task(limited.press())
    await asyncio.sleep(1.1)
    engine = limited.engine
    assert engine is not None
    early = engine.forecast
    await asyncio.sleep(3.0)
    told = engine.forecast
    seen = await run

    assert early is None
    assert told is not None
    assert 4.0 + told.accepted_s == pytest.approx(max(seen.accepted.values()), rel=0.25)
    assert 4.0 + told.proven_s == pytest.approx(seen.took_s - 15.0, rel=0.25)


@without_sockets
async def test_some_refused_accounts_at_the_head_of_the_queue_stop_no_read_of_the_others():
    """Behind a limit, too: a neighbour is the next probe, and who is refused again waits by itself."""
    seen = await Limited([Bucket(50, 20)], 100, by_themselves=[7, 8], longest_s=120.0).press()

    assert (98, 98) == (len(seen.accepted), seen.clear)
    assert max(seen.accepted.values()) < 6.0


@without_sockets
async def test_an_hour_of_silence_is_not_taken_for_a_slow_broker():
    """The next press finds a lower limit as fast as the first one found its own."""
    lanes = Lanes()
    await Limited([Bucket(20, 20)], 100, lanes=lanes).press()
    await asyncio.sleep(3600)
    again = await Limited([Bucket(10, 10)], 100, lanes=lanes).press()

    assert max(again.accepted.values()) <= 1.3 * 9.0 + 2.0
    assert 100 == again.clear


@pytest.mark.parametrize("known", [1e-320, 1e-9, 0.2, 1e308])
@without_sockets
async def test_a_pace_on_record_that_cannot_be_true_delays_no_press(known: float):
    """Neither one that would silence it, nor one without bounds."""
    seen = await Limited([lambda _: True], 100, lanes=Lanes(known={"0": known})).press()

    assert max(seen.accepted.values()) < 4.0


@pytest.mark.parametrize("refused", [[7], range(91, 101)], ids=["one", "the last ten"])
@without_sockets
async def test_who_is_refused_for_ever_behind_a_limit_costs_the_others_little(refused: Collection[int]):
    """Their neighbours are all clear, and each is asked now and then, not at every turn."""
    limited = Limited([lambda _: True], 100, by_themselves=refused, lanes=Lanes(most=50.0))
    limited.deadline_s = limited.longest_s = 60.0
    seen = await limited.press()
    asked = seen_by_account(seen)

    assert 100 - len(refused) == len(seen.accepted) == seen.clear
    assert max(asked[account] for account in refused) <= 12


@without_sockets
async def test_a_press_finds_out_at_once_that_a_limit_is_gone():
    """It does not creep up from the pace of the press before."""
    lanes = Lanes()
    await Limited([Bucket(20, 20)], 100, lanes=lanes).press()
    again = await Limited([lambda _: True], 400, lanes=lanes).press()

    assert max(again.accepted.values()) < 2.0


@without_sockets
async def test_the_time_in_which_a_run_gives_way_is_not_taken_for_a_slow_broker():
    """Afterwards it is as fast as before."""
    limited = Limited([Bucket(20, 20)], 200)
    run = asyncio.create_task(limited.press())
    await asyncio.sleep(4.0)
    engine = limited.engine
    assert engine is not None
    engine.give_way(while_so=True)
    await asyncio.sleep(300.0)
    engine.give_way(while_so=False)
    seen = await run

    assert 200 == len(seen.accepted) == seen.clear
    assert seen.took_s < 350.0


@without_sockets
async def test_a_press_that_joins_a_bounded_run_brings_its_own_time_with_it():
    """No first DELETE of the later press is abandoned because the earlier one was to be short."""
    limited = Limited([Bucket(5, 5)], 200, deadline_s=20.0, longest_s=20.0)
    run = asyncio.create_task(limited.press())
    await asyncio.sleep(10.0)
    engine, now = limited.engine, asyncio.get_running_loop().time()
    assert engine is not None
    engine.press_again(range(1, 201), deadline=now + 30.0, watch_s=0.0, latest=now + 600.0)
    seen = await run

    assert 200 == len(seen.accepted) == seen.clear
