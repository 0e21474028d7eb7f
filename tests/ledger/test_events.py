"""Events: one way to write each, and no other is read; a head stands for every event before it."""

import hashlib
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.ledger.events import GENESIS, Event, Head, UnencodableError, decode, encode, link
from tests.ledger.mangle import JSON
from tests.ledger.support import AT, event

TEXT = st.text(st.characters())


@given(st.builds(Event, TEXT, TEXT, TEXT, TEXT, JSON))
def test_what_was_written_is_read_again(one: Event):
    """Whatever JSON can say, and always in the same bytes."""
    assert one == decode(encode(one))
    assert encode(one) == encode(decode(encode(one)))


def test_an_event_is_one_line_of_ascii():
    """So it can be read aloud; a moment becomes text, and a tuple a list."""
    moment = datetime(2026, 3, 1, 15, 30, 0, 5, tzinfo=timezone(timedelta(hours=-5)))
    one = Event("r1", "outcome", "leg-1", AT, {"b": (1, 2.5, True, None), "a": "é\n", "at": moment})

    assert (
        b'{"run":"r1","kind":"outcome","id":"leg-1","at":"2026-03-01T15:30:00.000000+00:00",'
        b'"body":{"b":[1,2.5,true,null],"a":"\\u00e9\\n","at":"2026-03-01T15:30:00.000005-05:00"}}'
    ) == encode(one)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("body", "type_name"),
    [
        ({"left": Decimal("1.5")}, "Decimal"),
        (math.nan, "ValueError"),
        ({(1, 2): 3}, "TypeError"),
        (CIRCLE, "ValueError"),
    ],
    ids=["decimal", "nan", "tuple as a key", "circle"],
)
def test_what_json_cannot_say_is_refused_by_the_name_of_its_type(body: Any, type_name: str):
    """And never by its value, which may be a secret."""
    with pytest.raises(UnencodableError) as caught:
        encode(event(body=body))

    assert type_name == str(caught.value)


GOOD = encode(event(body={"a": 1, "b": "é"}))


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        GOOD + b"\n",
        GOOD.replace(b",", b", "),
        GOOD.replace(b'"a":1', b'"a":1,"a":1'),
        GOOD.replace(b'"a":1', b'"a":NaN'),
        GOOD.replace(b'"a":1', b'"a":1e999'),
        GOOD.replace(b"\\u00e9", b"\\u00E9"),
        GOOD.replace(b"\\u00e9", "é".encode()),
        GOOD.replace(b'"run":"r1"', b'"run":1'),
        GOOD.replace(b'"run":"r1","kind":"outcome"', b'"kind":"outcome","run":"r1"'),
        GOOD[:-1] + b',"more":1}',
        b'{"run":"","kind":"","id":"","at":"","body":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"\xff" + GOOD,
    ],
)
def test_nothing_is_read_that_was_not_written_so(record: bytes):
    """A record that anything else wrote, or that was mended by hand, is told from ours."""
    with pytest.raises(ValueError, match=r"."):
        decode(record)


def test_secrets_are_taken_out():
    """Of all of it, before it is written; what stands for them need not be ASCII, though the record is."""
    body = {"said": "key k-123 is bad", "k-123": 1}
    record = encode(event(body=body), lambda text: text.replace("k-123", "«é😀»"))

    assert {"said": "key «é😀» is bad", "«é😀»": 1} == decode(record).body
    assert record.isascii()


def test_a_scrub_that_breaks_the_text_is_noticed():
    """Nothing is written that could not be read."""
    with pytest.raises(UnencodableError):
        encode(event(), lambda text: text.replace('"', "'"))


def test_a_link_is_made_of_the_head_before_it_the_number_and_the_record():
    """Anybody can compute it with three lines."""
    first = hashlib.sha256(bytes(32) + (1).to_bytes(8, "big") + hashlib.sha256(b"one").digest())
    second = hashlib.sha256(first.digest() + (2).to_bytes(8, "big") + hashlib.sha256(b"two").digest())
    head = link(link(GENESIS, b"one"), b"two")

    assert Head(2, second.hexdigest()) == head
    assert head == Head.parse(f" {head}\n")  # as people paste


@pytest.mark.parametrize("text", ["", "12:" + "a" * 63, "12:" + "A" * 64, "٣:" + "a" * 64, "x" * 9999])
def test_what_is_no_head_is_named_with_what_one_looks_like(text: str):
    """In a sentence of bearable length."""
    with pytest.raises(ValueError, match="a number, a colon and 64 hexadecimal digits") as caught:
        Head.parse(text)

    assert len(str(caught.value)) < 250
