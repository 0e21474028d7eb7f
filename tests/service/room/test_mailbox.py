"""A mailbox: what is newer takes the place of what is older, and what is sent is whole."""

import json

from panic.service.room.mailbox import Mailbox, event


def test_an_event_is_one_block_of_two_lines():
    """As the standard for server-sent events has it, with the line ends that no JSON has."""
    text = json.dumps({"name": "two\nlines\r\n\r\ndata: no"}).encode()

    assert b"event: cells\r\ndata: " + text + b"\r\n\r\n" == event("cells", text)


def test_what_is_newer_takes_the_place_of_what_is_older():
    """How things stand comes first and the beat last; a board knows the letters before it; a run may be left."""
    box = Mailbox()
    assert not box.filled.is_set()
    for n in (b"1", b"2"):
        box.beat(b"beat" + n)
        box.cells(b"cells" + n)
        box.board(b"board" + n)
        box.room(b"room" + n)
    box.cells(b"cells3")
    box.cells(b"cells4")
    taken = [box.filled.is_set(), box.take(), box.filled.is_set(), box.take()]
    box.room(b"room")
    box.board(b"board")
    box.forget_board()

    assert [True, b"room2board2cells3cells4beat2", False, b""] == taken
    assert b"room" == box.take()


def test_whatever_comes_wakes_the_one_who_sends():
    """Each sort of it by itself."""
    for what in ("room", "beat", "board", "cells"):
        box = Mailbox()
        getattr(box, what)(b"words")

        assert (True, b"words") == (box.filled.is_set(), box.take())


def test_who_the_accounts_are_is_known_once_a_board_was_taken():
    """Not while it only lies there, nor by letters alone; and of another run anew."""
    known, box = [], Mailbox()
    for act in (lambda: box.cells(b"cells"), box.take, lambda: box.board(b"board"), box.take, box.forget_board):
        act()
        known.append(box.knows_accounts)

    assert [False, False, False, True, False] == known
