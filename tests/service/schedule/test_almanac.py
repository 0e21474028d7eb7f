"""What the service keeps beside the ledger: whole, or said to be damaged."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from panic.service.schedule.almanac import load_calendar, save_calendar
from panic.service.schedule.calendar import Calendar, from_broker
from tests.service.schedule.support import FETCHED, detail, session


def test_what_was_saved_is_loaded(tmp_path: Path):
    """With the time at which it was fetched; only its owner reads it, and nothing else is left."""
    ledger, file = tmp_path / "ledger.db", tmp_path / "calendar.json"
    before = load_calendar(ledger)
    save_calendar(ledger, [detail("2026-11-30")], FETCHED - timedelta(days=1))
    save_calendar(ledger, [detail("2026-11-27")], FETCHED)

    assert Calendar() == before
    assert from_broker([detail("2026-11-27")], FETCHED) == load_calendar(ledger)
    assert [file] == list(tmp_path.iterdir())
    assert 0o600 == file.stat().st_mode & 0o777


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"schema": "panic-calendar/2", "documents": []}'),
        '{"schema": "panic-calendar/1", "fetched_at": "yesterday", "documents": []}',
        '{"schema": "panic-calendar/1", "fetched_at": "2026-11-27T12:00:00Z", "documents": 5}',
    ],
)
def test_a_file_that_is_no_calendar_says_so(tmp_path: Path, text: str):
    """It is told, and the shipped calendar counts."""
    file = tmp_path / "calendar.json"
    file.write_text(text)
    told = Calendar(problems=(f"{file} is no calendar that panic wrote; remove it",))

    assert told == load_calendar(tmp_path / "ledger.db")


def test_what_cannot_be_read_is_told_and_what_cannot_be_written_leaves_what_was_there(tmp_path: Path):
    """A pipe does not hang it, and here a folder is gone."""
    ledger = tmp_path / "ledger.db"
    os.mkfifo(tmp_path / "calendar.json")
    found = load_calendar(ledger)
    save_calendar(ledger, [detail("2026-11-27")], FETCHED)

    with pytest.raises(OSError, match="No such file"):
        save_calendar(tmp_path / "none" / "ledger.db", [], FETCHED)
    assert found.problems[0].endswith("calendar.json cannot be read: it is a pipe or a device")
    assert session("2026-11-27") == next(iter(load_calendar(ledger).days.values()))
