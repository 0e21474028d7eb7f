"""A channel's queue: bounded, pages last to go, and nobody who adds to it ever waits."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from panic.notify.notice import Notice
from panic.notify.outbox import Outbox
from tests.notify.support import a_notice


def numbered(kind: str, n: int) -> Notice:
    """A notice with a key of its own."""
    return Notice(kind, "", f"{kind}{n}", "", f"{n}")  # type: ignore[arg-type]


def emptied(outbox: Outbox) -> list[str]:
    """The titles that are given out."""
    found = []
    while not outbox.drain(0):
        notice = outbox.take()
        assert notice is not None
        found.append(notice.title)
        if not outbox._notices:
            break
    return found


def test_the_oldest_that_is_no_page_makes_room():
    """And a page only where there is nothing else."""
    outbox = Outbox(size=3)
    for n, kind in enumerate(["page", "start", "verdict", "page", "page", "page"]):
        outbox.put(numbered(kind, n))

    assert 3 == outbox.dropped
    assert ["page3", "page4", "page5"] == emptied(outbox)


@given(st.lists(st.sampled_from(["start", "flag", "verdict", "page"]), max_size=40), st.integers(1, 8))
def test_nothing_is_lost_uncounted_and_pages_outlast_the_rest(kinds: list[str], size: int):
    """What is in, what was dropped and what came make a sum; the order stays."""
    outbox = Outbox(size)
    for n, kind in enumerate(kinds):
        outbox.put(numbered(kind, n))
    left = emptied(outbox)
    pages = [f"page{n}" for n, kind in enumerate(kinds) if kind == "page"]
    left_pages = [title for title in left if title.startswith("page")]

    assert len(kinds) == len(left) + outbox.dropped
    assert len(left) <= size
    assert pages[-size:] == left_pages
    assert sorted(left, key=lambda title: int(title.strip("abcdefghijklmnopqrstuvwxyz"))) == left


def test_a_page_takes_the_place_of_the_one_that_still_waits():
    """A channel that was dead for an hour is told once."""
    outbox = Outbox()
    for title in ("OPEN", "REFUSED"):
        outbox.put(a_notice(title=title))
    outbox.put(a_notice("verdict", title="verdict"))

    assert ["REFUSED", "verdict"] == emptied(outbox)
    assert 0 == outbox.dropped


def test_closing_ends_every_wait():
    """Whoever waits for a notice, for the next try or for the end goes on at once."""
    outbox = Outbox()
    found: list[object] = []
    waiting = [
        threading.Thread(target=lambda: found.append(outbox.take())),
        threading.Thread(target=lambda: found.append(outbox.pause(600))),
    ]
    for thread in waiting:
        thread.start()
    left = outbox.close()
    for thread in waiting:
        thread.join(10)

    assert 0 == left
    assert {None, False} == set(found)


def test_what_is_left_at_the_end_is_counted():
    """Waiting or under way."""
    outbox = Outbox()
    for n in range(3):
        outbox.put(numbered("flag", n))
    outbox.take()

    assert not outbox.drain(0)
    assert 3 == outbox.close()
    assert None is outbox.take()
