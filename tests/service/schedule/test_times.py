"""What `at` takes, and what it says of a mistake."""

from datetime import time

import pytest

from panic.config.sections import MistakeError
from panic.config.times import SessionTime, WallTime, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16:10 America/New_York on weekdays", WallTime(time(16, 10), "America/New_York", (0, 1, 2, 3, 4))),
        ("00:00 UTC on every day", WallTime(time(0), "UTC", tuple(range(7)))),
        ("23:59 Asia/Kolkata on monday, friday", WallTime(time(23, 59), "Asia/Kolkata", (0, 4))),
        (" 07:05  Etc/GMT+5  ON Sunday,monday , SUNDAY ", WallTime(time(7, 5), "Etc/GMT+5", (0, 6))),
        ("5 minutes before close", SessionTime(-5, "close")),
        ("0 minutes after open", SessionTime(0, "open")),
        ("1 minute Before Open", SessionTime(-1, "open")),
    ],
)
def test_a_time_is_understood_and_says_itself(text: str, expected: WallTime | SessionTime):
    """However it is spaced; and what it says is understood again."""
    assert expected == parse(text)
    assert expected == parse(str(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '\'\' is no time. Write it as in "16:10 America/New_York on weekdays" or "5 minutes before close".'),
        ("9:30 UTC on weekdays", "'9:30 UTC on weekdays' is no time. "),
        ("-5 minutes after close", "'-5 minutes after close' is no time. "),
        ("24:00 UTC on weekdays", "24:00 is no time of day. Give 00:00 to 23:59."),
        ("601 minutes before close", "601 minutes are too many. Give 0 to 600, or a time of day."),
        ("16:10 America/New_Yrok on monday", "'America/New_Yrok' is no time zone. Did you mean America/New_York?"),
        ("16:10 Mars on weekdays", "'Mars' is no time zone. "),
        ("16:10 America on weekdays", "'America' is no time zone. "),
        ("16:10 ../../etc/passwd on weekdays", "'../../etc/passwd' is no time zone. "),
        ("16:10 right/UTC on weekdays", "'right/UTC' is no time zone. "),
        ("16:10 localtime on weekdays", "'localtime' is no time zone. "),
        ("16:10 EST on weekdays", "EST has no summer time. Write America/New_York, or another place"),
        ("16:10 UTC on mondy", "'mondy' is no day. Did you mean monday?"),
        ("16:10 UTC on monday,", "'' is no day. Write weekdays, every day, or days such as monday, friday."),
    ],
)
def test_a_mistake_is_told_with_its_remedy(text: str, message: str):
    """So that nobody has to look up how a time is written."""
    with pytest.raises(MistakeError) as caught:
        parse(text)

    assert str(caught.value).startswith(message)
