"""`panic schedule`: the next runs, worst first, and why they come then."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panic import cli
from panic.cli import schedule as command
from panic.render.schedule import age
from panic.schedule.cache import save_cache
from tests.cli.support import Firm
from tests.schedule.support import detail, hours

WEDNESDAY = datetime(2026, 11, 25, 22, tzinfo=UTC)
CLEANUP = """
[[schedules]]
name = "cleanup"
at = "5 minutes before close"
all = true
cancels_gtc_and_close_orders = true
"""
PRACTICE = """
[[schedules]]
name = "practice"
at = "07:00 Europe/London on monday"
drill = true
"""
Panic = Callable[..., tuple[int, str, str]]


@pytest.fixture
def panic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Carry out `panic schedule` on the evening before Thanksgiving, unless told otherwise."""

    def carry_out(settings: str, *words: str, now: datetime = WEDNESDAY) -> tuple[int, str, str]:
        firm = Firm(tmp_path, "http://127.0.0.1:9", rows=[7], more=settings)
        monkeypatch.setattr(command, "_now", lambda: now)
        monkeypatch.setenv("COLUMNS", "400")
        code = cli.run(firm.lines("schedule", *words))
        out, err = capfd.readouterr()
        return code, out, err

    return carry_out


def test_it_draws_the_next_runs_with_their_reasons(panic: Panic):
    """Each in the schedule's zone and in UTC, with the close of its session and who tells it."""
    code, out, err = panic(CLEANUP + PRACTICE, "--count", "2", "--format", "table")
    lines = [line.replace("(shipped calendar, 47 hours old)", "(shipped calendar)") for line in out.splitlines()]
    lines = [line.partition(" (shipped calendar")[0] if "closes" in line else line for line in lines]

    assert (0, "") == (code, err)
    assert [
        "cleanup  5 minutes before close",
        "  Fri 2026-11-27 12:55 EST · 17:55 UTC · closes 13:00 EST",
        "    early close at 13:00 EST; 2026-11-26 is skipped: Thanksgiving",
        "  Mon 2026-11-30 15:55 EST · 20:55 UTC · closes 16:00 EST",
        "practice  07:00 Europe/London on monday · DRILL",
        "  Mon 2026-11-30 07:00 GMT · 07:00 UTC · closes 16:00 EST",
        "  Mon 2026-12-07 07:00 GMT · 07:00 UTC · closes 16:00 EST",
        "calendars: none of the broker's; shipped, until 2028-12-31",
    ] == lines


def test_its_document_has_everything(panic: Panic):
    """For a program that compares it with what was meant."""
    code, out, _ = panic(CLEANUP, "--count", "1", "--format", "json")
    document = json.loads(out)
    run = document["schedules"][0]["runs"][0]

    assert (0, "panic-schedule/1") == (code, document["schema"])
    assert ("2026-11-27T17:55:00+00:00", "2026-11-27T12:55:00-05:00", "cleanup/2026-11-27") == (
        run["at"],
        run["local"],
        run["key"],
    )
    assert ("2026-11-27T18:00:00+00:00", True, "shipped", "") == (
        run["session"]["closes"],
        run["session"]["early"],
        run["session"]["source"],
        run["session"]["doubt"],
    )
    assert {"broker_fetched_at": None, "shipped_until": "2028-12-31", "problems": []} == document["calendar"]


def test_a_schedule_that_will_not_run_comes_first(panic: Panic):
    """One that has a mistake, and one that no calendar knows a session for."""
    wrong = CLEANUP.replace('"cleanup"', '"wrong"').replace("= true\n\n", "= true\n").replace("5 minutes", "soon")
    code, out, _ = panic(PRACTICE + CLEANUP + wrong, "--format", "table", now=datetime(2028, 12, 30, tzinfo=UTC))
    heads = [line.partition(" ")[0] for line in out.splitlines() if not line.startswith(" ")]

    assert 10 == code
    assert ["!", "!", "cleanup", "practice", "calendars:"] == heads
    assert "! WILL NOT RUN: " in out
    assert "[[schedules]] wrong: at is 'soon before close'" in out
    assert "! the shipped calendar ends on 2028-12-31: upgrade panic" in out
    assert "  ! WILL NOT RUN: no calendar knows a day after 2028-12-31: upgrade panic" in out


def test_a_schedule_that_would_press_nobody_comes_first(panic: Panic):
    """A group that the roster does not have is found now, and not at the close."""
    wrong = CLEANUP.replace('"cleanup"', '"wrong"').replace("all = true", 'groups = ["equites"]')
    code, out, _ = panic(CLEANUP + PRACTICE + wrong, "--format", "table")
    lines = out.splitlines()

    assert 10 == code
    assert "wrong  5 minutes before close" == lines[0]
    assert lines[1].startswith("  ! WILL PRESS NOBODY: --group 'equites' is not in ")


def test_without_a_roster_every_press_would_press_nobody(panic: Panic, tmp_path: Path):
    """A drill needs none."""
    code, out, _ = panic(CLEANUP + PRACTICE + "[roster]\nfile = 'none.csv'\n", "--format", "json")

    assert 10 == code
    assert ["none.csv: the roster cannot be read", None] == [
        found["refused"] and found["refused"].partition(str(tmp_path) + "/")[2].partition(": no such")[0]
        for found in json.loads(out)["schedules"]
    ]


def test_it_asks_about_the_time_that_it_is():
    """By the clock, which the other tests set."""
    before = datetime.now(UTC)

    assert before <= command._now() <= datetime.now(UTC)


def test_the_brokers_calendar_counts_where_it_is_there(panic: Panic, tmp_path: Path):
    """With its age; and where it disagrees, that is told and makes the exit code 10."""
    fetched_at = WEDNESDAY - timedelta(hours=3)
    save_cache(tmp_path / "calendar.json", [detail("2026-11-30")], fetched_at)
    agrees = panic(CLEANUP, "--format", "table")
    short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
    save_cache(tmp_path / "calendar.json", [short], fetched_at)
    disagrees = panic(CLEANUP, "--format", "table")

    assert [0, 10] == [agrees[0], disagrees[0]]
    assert "15:55 EST · 20:55 UTC · closes 16:00 EST (broker's calendar, 3 hours old)" in agrees[1]
    assert "12:55 EST · 17:55 UTC · closes 13:00 EST (broker's calendar, 3 hours old)" in disagrees[1]
    assert "the broker says 09:30 EST to 13:00 EST, the shipped calendar 09:30 EST to 16:00 EST" in disagrees[1]
    assert "calendars: broker's, 3 hours old; shipped, until 2028-12-31" in agrees[1]


def test_a_damaged_calendar_is_told(panic: Panic, tmp_path: Path):
    """The shipped one counts."""
    (tmp_path / "calendar.json").write_text("{")
    code, out, _ = panic(CLEANUP, "--format", "table")

    assert 10 == code
    assert out.startswith("! ") and "calendar.json is no calendar that panic wrote; remove it" in out  # noqa: PT018
    assert "12:55 EST" in out


def test_without_schedules_there_is_nothing_to_show(panic: Panic):
    """And nothing is wrong."""
    code, out, _ = panic("", "--format", "table")

    assert 0 == code
    assert out.startswith("no schedule is set\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "from the future: look at the clock"),
        (0, "new"),
        (119, "new"),
        (120, "2 minutes old"),
        (7200, "2 hours old"),
        (86_400 * 3, "3 days old"),
    ],
)
def test_an_age_is_told_in_words(seconds: float, words: str):
    """To the unit that matters."""
    assert words == age(WEDNESDAY - timedelta(seconds=seconds), WEDNESDAY)
