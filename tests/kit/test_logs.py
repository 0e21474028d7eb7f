"""Logs: a flood of one line hides no other, and fills no disk."""

import pytest
import structlog

from panic.kit.logs import LINES_MOST, Throttle


def test_a_flood_of_one_event_is_counted_and_not_written():
    """Others are told meanwhile; a second later it says how many were not."""
    now, told = [0.0], list[dict[str, object]]()
    throttle = Throttle(lambda: now[0])
    for _ in range(LINES_MOST + 5):
        try:
            told.append(dict(throttle(None, "error", {"event": "request_failed"})))
        except structlog.DropEvent:
            continue
    told.append(dict(throttle(None, "error", {"event": "run_failed"})))
    now[0] = 1.0

    assert [*[{"event": "request_failed"}] * LINES_MOST, {"event": "run_failed"}] == told
    assert {"event": "request_failed", "unsaid": 5} == throttle(None, "error", {"event": "request_failed"})
    assert {"event": "request_failed"} == throttle(None, "error", {"event": "request_failed"})
    with pytest.raises(structlog.DropEvent):
        _ = [throttle(None, "error", {"event": "request_failed"}) for _ in range(LINES_MOST)]
