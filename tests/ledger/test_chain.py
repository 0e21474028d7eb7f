"""The chain: a head stands for every event before it."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.ledger.chain import GENESIS, Head, digest, link

HEADS = st.builds(Head, st.integers(0, 10**18), st.binary(min_size=32, max_size=32).map(bytes.hex))


def test_a_link_is_made_of_the_head_before_it_the_number_and_the_record():
    """Anybody can compute it with three lines."""
    first = hashlib.sha256(bytes(32) + (1).to_bytes(8, "big") + hashlib.sha256(b"one").digest())
    second = hashlib.sha256(first.digest() + (2).to_bytes(8, "big") + hashlib.sha256(b"two").digest())
    head = link(link(GENESIS, digest(b"one")), digest(b"two"))

    assert Head(2, second.hexdigest()) == head


@given(st.lists(st.binary(), min_size=1, max_size=8), st.data())
def test_any_change_before_it_changes_a_head(records: list[bytes], data: st.DataObject):
    """An edit, a deletion, an insertion or another order."""

    def head(of: list[bytes]) -> Head:
        result = GENESIS
        for one in of:
            result = link(result, digest(one))
        return result

    changed = data.draw(st.lists(st.sampled_from([*records, b"new"]), max_size=9))

    assert (records == changed) == (head(records) == head(changed))


@given(HEADS)
def test_a_head_is_read_as_it_was_written(head: Head):
    """Also with blanks around it, as people paste."""
    assert head == Head.parse(str(head))
    assert head == Head.parse(f" {head}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "12:",
        ":" + "a" * 64,
        "12:" + "a" * 63,
        "12:" + "A" * 64,
        "-1:" + "a" * 64,
        "٣:" + "a" * 64,
        "x" * 9999,
    ],
)
def test_what_is_no_head_is_named_with_what_one_looks_like(text: str):
    """In a sentence of bearable length."""
    with pytest.raises(ValueError, match="a number, a colon and 64 hexadecimal digits") as caught:
        Head.parse(text)

    assert len(str(caught.value)) < 250


def test_numbers_count_up():
    """From one."""
    heads = [GENESIS]
    for n in range(3):
        heads.append(link(heads[-1], digest(bytes([n]))))

    assert [1, 2, 3] == [head.seq for head in heads[1:]]
    assert all(one.hash != other.hash for one, other in pairwise(heads))
