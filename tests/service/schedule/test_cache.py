"""The broker's calendar on disk: whole, or said to be no calendar."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.kit.errors import PanicError
from panic.service.schedule.cache import cache_file, load_cache, save_cache
from panic.service.schedule.sessions import Calendar, from_broker
from tests.service.schedule.support import FETCHED, detail, session


def test_what_was_saved_is_loaded(tmp_path: Path):
    """With the time at which it was fetched; only its owner reads it, and nothing else is left."""
    file = cache_file(tmp_path / "ledger.db")
    before = load_cache(file)
    save_cache(file, [detail("2026-11-30")], FETCHED - timedelta(days=1))
    save_cache(file, [detail("2026-11-27")], FETCHED)

    assert Calendar() == before
    assert from_broker([detail("2026-11-27")], FETCHED) == load_cache(file)
    assert [tmp_path / "calendar.json"] == list(tmp_path.iterdir())
    assert 0o600 == file.stat().st_mode & 0o777


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "panic-calendar/2", "documents": []}',
                                  '{"schema": "panic-calendar/1"}'])  # fmt: skip
def test_a_file_that_is_no_calendar_says_so(tmp_path: Path, text: str):
    """It is told, and the shipped calendar counts."""
    file = tmp_path / "calendar.json"
    file.write_text(text)

    assert Calendar(problems=(f"{file} is no calendar that panic wrote; remove it",)) == load_cache(file)


def test_a_pipe_does_not_hang_it(tmp_path: Path):
    """Every wait is bounded."""
    os.mkfifo(tmp_path / "calendar.json")
    found = load_cache(tmp_path / "calendar.json")

    assert ("it is a pipe or a device",) == tuple(problem.split(": ")[1] for problem in found.problems)


def test_a_time_that_cannot_be_read_is_that_of_the_file(tmp_path: Path):
    """The days are worth more than knowing when they were asked for."""
    file = tmp_path / "calendar.json"
    save_cache(file, [detail("2026-11-27")], FETCHED)
    file.write_text(file.read_text().replace(FETCHED.isoformat(), "yesterday"))
    os.utime(file, (1_000_000_000, 1_000_000_000))

    moment = datetime.fromtimestamp(1_000_000_000, UTC)
    assert session("2026-11-27", as_of=moment) == next(iter(load_cache(file).days.values()))


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path):
    """Here a folder is gone, and there a document is none."""
    file = tmp_path / "calendar.json"
    save_cache(file, [detail("2026-11-27")], FETCHED)

    with pytest.raises(PanicError, match="could not be written"):
        save_cache(tmp_path / "none" / "calendar.json", [], FETCHED)
    with pytest.raises(TypeError):
        save_cache(file, [object()], FETCHED)
    assert session("2026-11-27") == next(iter(load_cache(file).days.values()))


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_no_file_does_anything_but_tell_days_or_a_problem(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    """Whatever a disk made of it."""
    file = tmp_path_factory.getbasetemp() / "calendar.json"
    file.write_bytes(data)

    assert load_cache(file).problems
