"""The chain: a head stands for every event before it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.ledger.chain import GENESIS, Head, link

HEADS = st.builds(Head, st.integers(0, 10**18), st.binary(min_size=32, max_size=32).map(bytes.hex))


def test_a_link_is_made_of_the_head_before_it_the_number_and_the_record():
    """Anybody can compute it with three lines."""
    first = hashlib.sha256(bytes(32) + (1).to_bytes(8, "big") + hashlib.sha256(b"one").digest())
    second = hashlib.sha256(first.digest() + (2).to_bytes(8, "big") + hashlib.sha256(b"two").digest())
    head = link(link(GENESIS, b"one"), b"two")

    assert Head(2, second.hexdigest()) == head


@given(HEADS)
def test_a_head_is_read_as_it_was_written(head: Head):
    """Also with blanks around it, as people paste."""
    assert head == Head.parse(str(head))
    assert head == Head.parse(f" {head}\n")


@pytest.mark.parametrize("text", ["", "12:" + "a" * 63, "12:" + "A" * 64, "٣:" + "a" * 64, "x" * 9999])
def test_what_is_no_head_is_named_with_what_one_looks_like(text: str):
    """In a sentence of bearable length."""
    with pytest.raises(ValueError, match="a number, a colon and 64 hexadecimal digits") as caught:
        Head.parse(text)

    assert len(str(caught.value)) < 250
