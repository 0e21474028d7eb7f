"""Events: one way to write each, and no other is read."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.ledger.events import Event, UnencodableError, decode, encode
from tests.ledger.mangle import JSON
from tests.ledger.support import AT, event

TEXT = st.text(st.characters())


@given(st.builds(Event, TEXT, TEXT, TEXT, TEXT, JSON))
def test_what_was_written_is_read_again(one: Event):
    """Whatever JSON can say, and always in the same bytes."""
    assert one == decode(encode(one))
    assert encode(one) == encode(decode(encode(one)))


def test_an_event_is_one_line_of_ascii():
    """So it can be read aloud, and no program on its way changes it."""
    one = Event("r1", "outcome", "leg-1", AT, {"b": [1, 2.5, True, None], "a": "é\n"})

    assert (
        b'{"run":"r1","kind":"outcome","id":"leg-1","at":"2026-03-01T15:30:00.000000+00:00",'
        b'"body":{"b":[1,2.5,true,null],"a":"\\u00e9\\n"}}'
    ) == encode(one)


def test_a_moment_becomes_text_and_a_tuple_a_list():
    """As they are read again."""
    moment = datetime(2026, 3, 1, 15, 30, 0, 5, tzinfo=timezone(timedelta(hours=-5)))
    read = decode(encode(event(body={"at": moment, "utc": datetime(2026, 3, 1, tzinfo=UTC), "of": (1, (2,))})))

    assert {
        "at": "2026-03-01T15:30:00.000005-05:00",
        "utc": "2026-03-01T00:00:00+00:00",
        "of": [1, [2]],
    } == read.body


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
