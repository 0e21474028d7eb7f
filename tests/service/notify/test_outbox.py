"""A channel's queue: bounded, pages last to go, and nothing is tried too early, too often or out of its place."""

import itertools

import pytest

from panic.service.notify.notice import Notice
from panic.service.notify.outbox import OTHER_KEPT_S, PAGE_KEPT_S, SIZE, START_S, WAITS_S, Outbox
from tests.service.notify.support import a_notice


def emptied(outbox: Outbox, now: float = 1e6) -> list[str]:
    """The titles that are given out."""
    return [entry.notice.title for entry in iter(lambda: outbox.take(now), None)]


def fill(outbox: Outbox, *notices: Notice) -> int:
    """How many were dropped meanwhile."""
    return sum(outbox.put(notice, 0.0) for notice in notices)


@pytest.mark.parametrize(
    "kinds",
    [
        ("page", "flag"),
        ("flag",) * SIZE,
        ("flag", "page", "verdict") * SIZE,
        ("page",) * 2 * SIZE,
        (*("page",) * (SIZE - 10), *("flag", "start") * 30),
    ],
    ids=["few", "full", "mixed", "pages", "pages first"],
)
def test_the_newest_stay_and_pages_go_last(kinds: tuple[str, ...]):
    """Never more than its size, each once and in order."""
    notices = [Notice(kind, "", f"{n}", "", f"{n}") for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    outbox = Outbox()
    dropped = fill(outbox, *notices)
    pages = [one.title for one in notices if one.kind == "page"][-SIZE:]
    others = [one.title for one in notices if one.kind != "page"]
    others = others[max(len(others) - (SIZE - len(pages)), 0) :]

    assert max(len(kinds) - SIZE, 0) == dropped
    assert sorted([*pages, *others], key=int) == emptied(outbox)


def test_a_page_takes_the_place_of_an_earlier_one_and_so_does_its_end():
    """Whoever is told late is told how things are now; what is no page stays."""
    outbox = Outbox()
    other = a_notice(title="other", key="other")
    fill(outbox, a_notice(title="old"), other, a_notice("flag", "odd"), a_notice(title="new"))
    newest = emptied(outbox)
    fill(outbox, a_notice(title="new"), other, a_notice("verdict", "clear", closes=True))

    assert ["other", "odd", "new"] == newest
    assert ["other", "clear"] == emptied(outbox)


def test_what_was_not_delivered_comes_back_later_and_later():
    """As often as it takes, behind what nobody tried yet, until it is told too late."""
    outbox = Outbox()
    fill(outbox, a_notice())
    times, now = [], 0.0
    while (due := outbox.next_at()) is not None:
        now = due
        assert outbox.take(now - 0.1) is None
        entry = outbox.take(now)
        assert entry is not None
        given_up = outbox.put_back(entry, now)
        times.append(now)

    expected = [*WAITS_S, *[WAITS_S[-1]] * (len(times) - 1 - len(WAITS_S))]
    assert expected == [later - earlier for earlier, later in itertools.pairwise(times)]
    assert PAGE_KEPT_S - WAITS_S[-1] < times[-1] <= PAGE_KEPT_S
    assert 1 == given_up


def test_what_is_no_page_is_given_up_sooner():
    """A start that is told a day later helps nobody."""
    outbox = Outbox()
    fill(outbox, a_notice("flag"))
    entry = outbox.take(0.0)
    assert entry is not None

    assert 1 == outbox.put_back(entry, OTHER_KEPT_S)


def test_a_page_that_failed_does_not_come_back_behind_newer_words():
    """Else it would open again what is over."""
    for newer in (a_notice(title="new"), a_notice("verdict", "clear", closes=True)):
        outbox = Outbox()
        fill(outbox, a_notice(title="old"))
        entry = outbox.take(0.0)
        assert entry is not None
        fill(outbox, newer)

        assert 0 == outbox.put_back(entry, 0.0)
        assert [newer.title] == emptied(outbox)


def test_the_start_of_a_run_waits_for_the_first_deletes():
    """And holds up nothing."""
    outbox = Outbox()
    fill(outbox, a_notice("start", "start"), a_notice(title="page"))

    assert ["page"] == emptied(outbox, 0.0)
    assert START_S == outbox.next_at()
    assert ["start"] == emptied(outbox, START_S)
