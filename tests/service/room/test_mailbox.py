"""A mailbox: what is newer takes the place of what is older, and what is sent is whole."""

import json

import pytest

from panic.service.room.mailbox import Mailbox, event


@pytest.fixture
def box() -> Mailbox:
    """An empty one."""
    return Mailbox()


def test_an_event_is_one_block_of_two_lines():
    """As the standard for server-sent events has it, with the line ends that no JSON has."""
    text = json.dumps({"name": "two\nlines\r\n\r\ndata: no"}).encode()

    assert b"event: cells\r\ndata: " + text + b"\r\n\r\n" == event("cells", text)


@pytest.mark.parametrize("what", ["room", "beat", "board", "cells"])
def test_whatever_comes_wakes_the_one_who_sends(box: Mailbox, what: str):
    """Once: when it was taken there is nothing more."""
    before = box.filled.is_set()
    getattr(box, what)(b"words")
    was_filled = box.filled.is_set()

    assert (False, True) == (before, was_filled)
    assert [b"words", b""] == [box.take(), box.take()]
    assert not box.filled.is_set()


def test_the_newest_counts_and_the_beat_comes_last(box: Mailbox):
    """Whoever was slow needs no older one; a page knows what it looks at before the beat."""
    for n in (b"1", b"2", b"3"):
        box.beat(b"beat" + n)
        box.room(b"room" + n)
    box.cells(b"cells")

    assert b"room3cellsbeat3" == box.take()


def test_a_board_knows_the_letters_that_came_before_it_and_none_that_came_after(box: Mailbox):
    """So it takes their place, and later ones follow it in their order."""
    for message in (b"cells1", b"cells2"):
        box.cells(message)
    box.board(b"board1")
    box.cells(b"cells3")
    box.board(b"board2")
    box.cells(b"cells4")
    box.cells(b"cells5")

    assert b"board2cells4cells5" == box.take()


def test_a_run_that_is_followed_no_more_is_not_told_of(box: Mailbox):
    """How things stand still is."""
    box.room(b"room")
    box.board(b"board")
    box.cells(b"cells")
    box.forget_board()

    assert b"room" == box.take()


def test_who_the_accounts_are_is_known_once_a_board_was_taken(box: Mailbox):
    """Not while it only lies there, nor by letters alone; and of another run anew."""
    known = [box.knows_accounts]
    box.cells(b"cells")
    box.take()
    known.append(box.knows_accounts)
    box.board(b"board")
    known.append(box.knows_accounts)
    box.take()
    known.append(box.knows_accounts)
    box.forget_board()
    known.append(box.knows_accounts)

    assert [False, False, False, True, False] == known
