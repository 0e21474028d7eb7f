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
    was_empty = not box.filled.is_set() and box.take() == b""
    getattr(box, what)(b"words")
    was_filled = box.filled.is_set()
    taken = [box.take(), box.take()]

    assert was_empty
    assert was_filled
    assert [b"words", b""] == taken
    assert not box.filled.is_set()


def test_what_is_newer_takes_the_place_of_what_is_older(box: Mailbox):
    """How things stand comes first and the beat last; a board knows the letters that came before it."""
    for n in (b"1", b"2"):
        box.beat(b"beat" + n)
        box.cells(b"cells" + n)
        box.board(b"board" + n)
        box.room(b"room" + n)
    box.cells(b"cells3")
    box.cells(b"cells4")

    assert b"room2board2cells3cells4beat2" == box.take()


def test_a_run_that_is_followed_no_more_is_not_told_of(box: Mailbox):
    """How things stand still is."""
    box.room(b"room")
    box.board(b"board")
    box.cells(b"cells")
    box.forget_board()

    assert b"room" == box.take()


def test_who_the_accounts_are_is_known_once_a_board_was_taken(box: Mailbox):
    """Not while it only lies there, nor by letters alone; and of another run anew."""
    known = []
    for act in (lambda: box.cells(b"cells"), box.take, lambda: box.board(b"board"), box.take, box.forget_board):
        act()
        known.append(box.knows_accounts)

    assert [False, False, False, True, False] == known
