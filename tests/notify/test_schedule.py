"""Pages: again and again, to more and more channels, until somebody acknowledges; never twice at once."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.notify.schedule import _REMEMBERED_MOST, Pager, Telling, told_at, told_by
from tests.notify.support import RUN, a_notice

SECONDS = st.floats(0, 1e7, allow_nan=False)
REPEATS = st.floats(30, 86_400, allow_nan=False)
CHANNELS = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 86_400), min_size=1)


def names(tellings: list[Telling]) -> list[str]:
    """The channels that are told, in order."""
    return [name for name, _ in tellings]


@given(SECONDS, SECONDS, REPEATS)
def test_the_count_of_tellings_agrees_with_their_times(elapsed: float, after: float, repeat: float):
    """The last one due has come, and the next one has not: rounding never skips or doubles one."""
    times = told_by(elapsed, after, repeat)

    assert (times > 0) == (elapsed >= after)
    assert told_at(times, after, repeat) > elapsed
    assert times == 0 or told_at(times - 1, after, repeat) <= elapsed


@given(CHANNELS, REPEATS, st.lists(st.floats(0, 5000), max_size=30))
def test_no_channel_is_told_before_its_time_or_more_often_than_the_repetition(
    after: dict[str, float], repeat: float, steps: list[float]
):
    """However often, and however irregularly, somebody looks."""
    pager, now = Pager(after, repeat), 0.0
    pager.page(a_notice(), now)
    told: dict[str, list[float]] = {name: [] for name in after}
    for step in [0.0, *steps]:
        now += step
        for name in names(pager.due(now)):
            told[name].append(now)

    for name, moments in told.items():
        slots = [told_by(moment, after[name], repeat) for moment in moments]
        assert all(moment >= after[name] for moment in moments)
        assert len(set(slots)) == len(slots)
        assert bool(moments) == (now >= after[name])


@given(CHANNELS, REPEATS, st.integers(1, 30))
def test_whoever_wakes_when_told_to_misses_no_telling(after: dict[str, float], repeat: float, turns: int):
    """Each waking has something to do, and nothing is due before it."""
    pager = Pager(after, repeat)
    pager.page(a_notice(), 0.0)
    now = -1.0
    for _ in range(turns):
        due = pager.next_at()

        assert due is not None
        assert due > now
        assert [] == pager.due(math.nextafter(due, -math.inf))
        now = due
        assert pager.due(now)


def test_a_page_is_repeated_and_escalates():
    """The first channel at once, the second when nobody acknowledged, both again and again."""
    pager = Pager({"chat": 0, "boss": 600}, 300)
    pager.page(a_notice(), 100.0)
    seen = {at: names(pager.due(at)) for at in (100, 399, 400, 700, 999, 1000)}

    assert {100: ["chat"], 399: [], 400: ["chat"], 700: ["chat", "boss"], 999: [], 1000: ["chat", "boss"]} == seen


def test_tellings_that_were_missed_are_not_made_up_for():
    """A machine that slept for an hour wakes up to one page."""
    pager = Pager({"chat": 0}, 300)
    pager.page(a_notice(), 0.0)

    assert ["chat"] == names(pager.due(3600.0))
    assert [] == pager.due(3600.0)
    assert 3900.0 == pager.next_at()


def test_equal_keys_are_one_page_with_the_newest_words():
    """And its schedule goes on as it was."""
    pager = Pager({"chat": 0}, 300)
    pager.page(a_notice(), 0.0)
    pager.due(0.0)
    pager.page(a_notice(title="REFUSED"), 10.0)

    assert ["REFUSED"] == [notice.title for notice in pager.open]
    assert [] == pager.due(299.0)
    assert [("chat", a_notice(title="REFUSED"))] == pager.due(300.0)


@pytest.mark.parametrize("what", [RUN, "hook:limits"])
def test_an_acknowledged_page_is_not_repeated(what: str):
    """By the run, or by the key where there is no run; those who were told of it are told who took it on."""
    pager = Pager({"chat": 0, "boss": 600}, 300)
    page = a_notice(run=RUN if what == RUN else "", key=what)
    pager.page(page, 0.0)
    pager.due(0.0)
    ((name, told),) = pager.acknowledge(what, "joe")

    assert "chat" == name
    assert "ACKNOWLEDGED  OPEN  still open" == told.title
    assert told.text.startswith("Acknowledged by joe")
    assert [] == pager.open
    assert [] == pager.due(1e6)
    assert None is pager.next_at()
    assert [] == pager.acknowledge(what, "joe")


def test_acknowledging_nothing_acknowledges_nothing():
    """An empty run is not that of the pages which have none."""
    pager = Pager({"chat": 0}, 300)
    pager.page(a_notice(run="", key="hook:limits"), 0.0)

    assert not pager.is_open("")
    assert [] == pager.acknowledge("", "joe")
    assert 1 == len(pager.open)


def test_an_acknowledged_page_opens_again_only_with_other_words():
    """Whoever acknowledged that one account is open did not acknowledge that ten are."""
    pager = Pager({"chat": 0}, 300)
    pager.page(a_notice(), 0.0)
    pager.due(0.0)
    pager.acknowledge(RUN, "joe")
    pager.page(a_notice(), 10.0)
    quiet = pager.due(10.0)
    pager.page(a_notice(title="OPEN  ten are open"), 20.0)

    assert [] == quiet
    assert ["chat"] == names(pager.due(20.0))


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_clear_verdict_closes_the_page_of_its_run(acknowledged: bool):
    """Whoever was told of it is told; nobody who was not. A page that asks for something else stays."""
    pager = Pager({"chat": 0, "boss": 600}, 300)
    pager.page(a_notice(), 0.0)
    pager.page(a_notice(key="hook limits odd"), 0.0)
    pager.page(a_notice(run="another run", key="another run"), 0.0)
    pager.due(0.0)
    if acknowledged:
        pager.acknowledge(RUN, "joe")
    tellings = pager.close(a_notice("verdict", "CLEAR  all clear", closes=True))

    assert [("chat", a_notice(title="CLOSED  CLEAR  all clear", closes=True))] == tellings
    assert ["another run"] == [notice.run for notice in pager.open if notice.run != RUN]
    assert ([] if acknowledged else ["hook limits odd"]) == [n.key for n in pager.open if n.run == RUN]
    assert [] == pager.close(a_notice("verdict", closes=True))


def test_no_open_page_is_ever_forgotten():
    """Acknowledged ones are, after a thousand: their only use is a closing word."""
    pager = Pager({"chat": 0}, 300)
    pager.page(a_notice(run="first", key="first"), 0.0)
    for n in range(_REMEMBERED_MOST + 10):
        pager.page(a_notice(run=f"{n}", key=f"{n}"), 0.0)
        pager.acknowledge(f"{n}", "joe")
    pager.page(a_notice(run="last", key="last"), 0.0)

    assert ["first", "last"] == [notice.run for notice in pager.open]
    assert _REMEMBERED_MOST + 2 == len(pager._pages)
