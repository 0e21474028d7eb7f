"""How long the broker asks us to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from panic.broker.answers import HOLD_MOST_S
from panic.broker.wire import retry_after

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
