"""A mailbox: what is newer takes the place of what is older, and what is sent is whole."""

import json

from panic.service.room.live_board import Mailbox, event


def test_an_event_is_one_block_of_two_lines():
    """As the standard for server-sent events has it, with the line ends that no JSON has."""
    text = json.dumps({"name": "two\nlines\r\n\r\ndata: no"}).encode()

    assert b"event: board\r\ndata: " + text + b"\r\n\r\n" == event("board", text)


def test_what_is_newer_takes_the_place_of_what_is_older():
    """How things stand comes first; each sort wakes the one who sends it, by itself."""
    box = Mailbox()
    assert not box.filled.is_set()
    for n in (b"1", b"2"):
        box.board(b"board" + n)
        box.room(b"room" + n)
    taken = [box.filled.is_set(), box.take(), box.filled.is_set(), box.take()]
    box.board(b"board")
    taken += [box.filled.is_set(), box.take()]
    box.room(b"room")
    taken += [box.filled.is_set(), box.take()]

    assert [True, b"room2board2", False, b"", True, b"board", True, b"room"] == taken
