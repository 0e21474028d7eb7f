"""Pure reading: what status, headers and body of an answer mean, and how long the broker asks us to wait."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from panic.broker.answers import HOLD_MOST_S, Answer
from panic.broker.outcomes import Body, Outcome
from panic.broker.pages import Page
from panic.broker.request import Exchange
from panic.broker.wire import answer, retry_after
from panic.config.secret import Key
from panic.kit.words import SHOWN_MOST
from tests.broker.support import BODIES, ID, OTHER_ID, envelope, refusal

KEY = "tenant-7.the-secret-of-the-firm"


def received(
    body: object = b"",
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    account_id: int | None = ID,
    is_read: bool = True,
) -> Answer:
    """Read a whole answer with this body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = Exchange(1.0, 2.0, True, status, CIMultiDict(headers or {}), content, whole=True)
    return answer(exchange, account_id, Key(KEY).scrub, is_read=is_read)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.UNKNOWN), (404, Outcome.NOTHING_TO_CANCEL), (503, Outcome.BROKER_ERROR)],
)
def test_a_body_cut_short_is_not_read(status: int, outcome: Outcome):
    """Half a body is no body, even where it would parse."""
    body = json.dumps(envelope(ID)).encode()
    got = answer(Exchange(1.0, 2.0, True, status, {}, body, whole=False, failure="broke off"), ID, str)

    assert outcome == got.outcome
    assert Body.INVALID == got.evidence.body
    assert "broke off" == got.error
    assert got.page is None
    assert not got.orders


@pytest.mark.parametrize("name", BODIES)
def test_what_a_body_is_and_that_only_a_whole_200_is_a_page(name: str):
    """Whatever else comes back; the table of outcomes knows the rest."""
    body, kind = BODIES[name]
    answers = {status: received(body, status) for status in (200, 201, 204, 206, 404, 500)}

    assert {kind} == {one.evidence.body for one in answers.values()}
    assert ([200] if name == "orders" else []) == [status for status, one in answers.items() if one.page]


DATA: tuple[Any, ...] = (None, {"orders": []}, [], [None], [{}])
DRIFT: list[Any] = [
    {},
    *({"data": data} for data in DATA),
    {"data": [], "metadata": []},
    {"data": [], "warnings": ["x"], "links": {"next": None}},
    {"data": [{"id": 7, "account_id": str(ID), "filled_quantity": 1.5}]},
    {"data": [{"id": {"v": 1}, "symbol": None, "status": ["NEW"], "account_id": None}]},
    *({"data": [{"id": "a", **odd}]} for odd in ({"account_id": ID, "status": "HELD"}, {"account_id": "desk-7"})),
    {"data": [], "metadata": {"total_items": float("nan")}},
]


@pytest.mark.parametrize("document", DRIFT)
def test_drift_never_unmakes_an_accepted_cancel(document: object):
    """Eleven breaking changes in three months: no missing, null, new or retyped field is an error."""
    got = received(document, is_read=False)

    assert Outcome.ACCEPTED == got.outcome
    assert not got.error


@pytest.mark.parametrize("data", [None, []])
def test_a_2xx_with_an_error_inside(data: object):
    """It stays accepted, proves nothing and is noted with the broker's words."""
    got = received({"data": data, "error": {"code": 500, "message": "Half failed"}})

    assert Outcome.ACCEPTED == got.outcome
    assert got.page is None
    assert got.note.endswith("Half failed")
    assert "Half failed" == got.error


@pytest.mark.parametrize(
    "mixed", [(OTHER_ID,), (ID, OTHER_ID), (None, OTHER_ID), (OTHER_ID, None), (0,), (2**70,)]
)
@pytest.mark.parametrize("is_read", [True, False])
def test_another_accounts_orders(mixed: tuple[int | None, ...], is_read: bool):
    """One order of another account and the answer proves nothing; those that say they are ours are named."""
    got = received(envelope(*mixed), is_read=is_read)

    assert Body.FOREIGN == got.evidence.body
    assert Outcome.UNKNOWN == got.outcome
    assert got.page is None
    assert [ID] * mixed.count(ID) == [order.account_id for order in got.orders]
    assert "another account's orders" in got.error


def test_no_account_in_particular():
    """A request about no account's orders may be answered with anybody's, and gives the document."""
    got = received(envelope(ID, OTHER_ID), account_id=None)

    assert Body.OBJECT == got.evidence.body
    assert envelope(ID, OTHER_ID) == got.document


OURS: tuple[Any, ...] = ({}, *({"account_id": account} for account in (None, ID, str(ID))))
ANYBODYS: tuple[Any, ...] = ("desk-7", "", float(ID), f"-{ID}", "\uff11\uff19")


@pytest.mark.parametrize(
    ("account", "counts"),
    [*((account, True) for account in OURS), *(({"account_id": account}, False) for account in ANYBODYS)],
)
def test_whose_order_it_is(account: dict[str, Any], counts: bool):
    """A missing account is fine; one that cannot be read might be anybody's and makes no page."""
    got = received({"data": [{"id": "a", "status": "FILLED", **account}]})

    assert Outcome.ACCEPTED == got.outcome
    assert counts == (got.page is not None)


NO_PAGE: dict[str, tuple[Any, ...]] = {
    "data": (None, {}),
    "error": ("no", {}, 0),
    "metadata": (
        *({"total_items": total} for total in (True, 7.0, "\u0667", "9" * 5000)),
        {"total_pages": 3, "page_number": 1},
        {"total_pages": 3},
        "page 1 of 2",
    ),
}


@pytest.mark.parametrize(
    ("document", "page"),
    [
        ({}, Page(())),
        ({"error": None, "metadata": None}, Page(())),
        ({"metadata": {"next_page_token": None, "total_items": None}}, Page(())),
        ({"metadata": {"next_page_token": "abc", "total_items": 7}}, Page((), "abc", 7)),
        ({"metadata": {"total_items": "7", "total_pages": "2", "page_number": 2}}, Page((), "", 7)),
        *(({name: odd}, None) for name, values in NO_PAGE.items() for odd in values),
    ],
)
def test_what_counts_as_a_page(document: dict[str, object], page: Page | None):
    """What may be missing or null is; what is there and cannot be read may say that there is more."""
    assert page == received({"data": [], **document}).page


@pytest.mark.parametrize(
    ("document", "status", "own"),
    [
        (refusal(404), 404, True),
        (refusal(503), 404, False),
        (refusal(404), 503, False),
        ({"error": {"code": 404, "message": "No"}}, 404, False),
        ({"error": {"code": 404}, "metadata": {"request_id": "x"}}, 404, False),
        ({"error": "No", "metadata": {"request_id": "x"}}, 404, False),
        (b"<html>", 404, False),
        (envelope(ID), 200, False),
    ],
)
def test_own_envelope(document: object, status: int, own: bool):
    """An error is the broker's own when it repeats its status with a message and a request id."""
    assert own == received(document, status).own_envelope


def test_request_id():
    """The envelope's comes before the header's, which a proxy may have made up."""
    named = {"X-Request-ID": "from-the-header"}

    assert "req-1" == received(envelope(), headers=named).request_id
    assert "from-the-header" == received(b"", headers=named).request_id
    assert "from-the-header" == received(envelope(request_id=""), headers=named).request_id
    assert not received(b"").request_id


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (envelope(), 200, ""),
        (b"", 204, ""),
        (refusal(403, "Not yours"), 403, "Not yours"),
        ({"error": "plain words"}, 400, "plain words"),
        ({"error": {"message": 7}}, 400, "{'message': 7}"),
        (b"<html>", 502, "HTTP 502"),
        (b"", 302, "HTTP 302"),
        (b"<html>", 200, f"the answer was {Body.INVALID}"),
    ],
)
def test_what_went_wrong(body: object, status: int, error: str):
    """A few words: the broker's where it gave some."""
    assert error == received(body, status).error


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("leaked", [KEY, KEY.partition(".")[2], f"Bearer {KEY}"])
def test_the_key_is_taken_out_of_foreign_words(status: int, leaked: str):
    """A broker that quotes our request does not make us print the key, not even half of it at a clip's edge."""
    secret = KEY.partition(".")[2]
    for padding in range(SHOWN_MOST - 2 * len(leaked), SHOWN_MOST + 2):
        words = "x" * padding + leaked
        got = received(refusal(status, words, request_id=words), status, headers={"X-Request-ID": words})

        assert secret[:8] not in repr(got)


HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-Request-Id", "Content-Type"]), st.text(max_size=40)
).map(CIMultiDict)
JSONISH = st.sampled_from(
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"data":' * 10_000,
        b'{"error":' + b"1" * 5000 + b"}",
        b'{"data":[{"id":' + b"9" * 4299 + b',"account_id":' + b"9" * 4299 + b"}]}",
        b'{"data":[{"id":1e999,"filled_quantity":NaN}],"error":-Infinity}',
        b'{"error":{"message":"\\ud800"},"metadata":{"request_id":"\\udfff"}}',
        b'\xef\xbb\xbf{"data":[]}',
        '{"data":[]}'.encode("utf-16"),
    ]
)


@given(
    body=st.binary(max_size=200) | JSONISH | st.text(max_size=50).map(str.encode),
    status=st.none() | st.integers(0, 999) | st.integers(),
    headers=st.none() | HEADERS,
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    account_id=st.none() | st.just(ID),
    is_read=st.booleans(),
)
def test_reading_never_raises(
    body: bytes,
    status: int | None,
    headers: Mapping[str, str] | None,
    flags: tuple[bool, bool, bool],
    account_id: int | None,
    is_read: bool,
):
    """Whatever came back becomes an answer of bounded, printable words, and only a whole 200 makes a page."""
    sent, whole, overlong = flags
    exchange = Exchange(1.0, 2.0, sent, status, headers, body, whole=whole, overlong=overlong)
    got = answer(exchange, account_id, Key(KEY).scrub, is_read=is_read)

    assert isinstance(got.outcome, Outcome)
    assert got.page is None or (is_read and whole and status == 200 and not overlong)
    assert len(got.error) <= SHOWN_MOST
    assert len(got.request_id) <= SHOWN_MOST
    assert (got.error + got.request_id + got.note).isprintable()


NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        *(("0", 0.0), (" 7 ", 7.0), ("0.2", 1.0), ("1.5", 2.0), ("86400", 20.0), ("9" * 5000, 20.0)),
        *((words, None) for words in ("", "inf", "-1", "1e3", "1_000", "5s", "\u0663", "5\x00")),
        *((f"Mon, 02 Mar 2026 {time}", 5.0) for time in ("14:30:05 GMT", "15:30:05 +0100")),
        *((words, 5.0) for words in ("Monday, 02-Mar-26 14:30:05 GMT", "Mon Mar  2 14:30:05 2026")),
        ("Mon, 02 Mar 2026 14:29:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 20.0),
        ("Mon, 30 Feb 2026 14:30:05 GMT", None),
        ("Mon, 02 Mar 2026 14:30:05 +9999999999", None),
    ],
)
def test_retry_after(words: str, seconds: float | None):
    """Whole seconds, a fraction rounded up, or a date against the answer's own; anything else says nothing."""
    waits = retry_after(CIMultiDict({"Retry-After": words, "Date": format_datetime(NOW, usegmt=True)}))

    assert seconds == waits


@given(words=st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} [A-Z][a-z]{2} \d{1,6} [\d:]+ \S*"), date=st.text())
@example(words="Mon, 02 Mar 2026 14:30:05 GMT", date="Mon, 01 Jan 0001 00:00:00 +2359")
@example(words="Mon, 01 Jan 0001 00:00:00 +2359", date="Fri, 31 Dec 9999 23:59:59 -2359")
def test_retry_after_never_raises(words: str, date: str):
    """Whatever stands there is None or a wait that the run can bear."""
    waits = retry_after(CIMultiDict({"Retry-After": words, "Date": date}))

    assert waits is None or 0.0 <= waits <= HOLD_MOST_S == 20.0


@pytest.mark.parametrize("date", [{}, {"Date": "Mon, 99 Mar 2026 14:30:05 GMT"}])
def test_retry_after_without_a_date(date: dict[str, str]):
    """Without a Date that can be read our own clock has to do."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    waits = retry_after(CIMultiDict({"Retry-After": later, **date}))

    assert waits is not None
    assert 5.0 < waits <= 10.0
