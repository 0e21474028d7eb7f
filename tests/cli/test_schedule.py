"""`panic schedule`: the next runs, worst first, and why they come then."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panic import cli
from panic.cli import schedule as command
from panic.service.schedule.almanac import save_calendar
from panic.simulator import SimAccount, SimOrder
from tests.cli.inside import beside, typed
from tests.cli.support import Firm, simulate
from tests.service.schedule.support import detail, hours

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
WRONG = CLEANUP.replace('"cleanup"', '"wrong"')
Panic = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def panic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Carry out `panic schedule` on the evening before Thanksgiving, unless told otherwise."""

    def carry_out(settings: str, *words: str, now: datetime = WEDNESDAY) -> tuple[int, list[str]]:
        firm = Firm(tmp_path, "http://127.0.0.1:9", rows=[7], more=settings)
        monkeypatch.setattr(command, "_now", lambda: now)
        monkeypatch.setenv("COLUMNS", "400")
        code = cli.run(firm.lines("schedule", "--format", "table", *words))
        out, err = capfd.readouterr()
        assert "" == err
        return code, out.splitlines()

    return carry_out


def test_it_draws_the_next_runs_with_their_reasons(panic: Panic):
    """Each in the schedule's zone and in UTC, with the close of its session and who tells it."""
    code, lines = panic(CLEANUP + PRACTICE, "--count", "2")
    lines = [line.partition(" (shipped calendar")[0] for line in lines]

    assert 0 == code
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


def test_what_will_not_run_or_press_nobody_comes_first(panic: Panic, tmp_path: Path):
    """A schedule with a mistake, one without a session, one without an account, and a damaged calendar."""
    (tmp_path / "calendar.json").write_text("{")
    soon, nobody = WRONG.replace("5 minutes", "soon"), WRONG.replace("all = true", 'groups = ["equites"]')
    code, lines = panic(PRACTICE + nobody + soon, now=datetime(2028, 12, 30, tzinfo=UTC))

    assert 10 == code
    assert lines[0].startswith("! WILL NOT RUN: ")
    assert "[[schedules]] wrong at is 'soon before close'" in lines[0]
    assert lines[1].endswith("calendar.json is no calendar that panic wrote; remove it")
    assert "! the shipped calendar ends on 2028-12-31: upgrade panic" == lines[2]
    assert "wrong  5 minutes before close" == lines[3]
    assert lines[4].startswith("  ! WILL PRESS NOBODY: --group 'equites' is not in ")
    assert "  ! WILL NOT RUN: no calendar knows a day after 2028-12-31: upgrade panic" == lines[5]
    assert lines[6].startswith("practice  ")


def test_the_brokers_calendar_counts_where_it_is_there(panic: Panic, tmp_path: Path):
    """With its age; and where it disagrees, that is told and makes the exit code 10."""
    short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
    save_calendar(tmp_path / "ledger.db", [short], WEDNESDAY - timedelta(hours=3))
    code, lines = panic(CLEANUP)

    assert 10 == code
    assert "  Mon 2026-11-30 12:55 EST · 17:55 UTC · closes 13:00 EST (broker's calendar, 3 hours old)" in lines
    assert "the broker says 09:30 EST to 13:00 EST, the shipped calendar" in lines[4]
    assert "calendars: broker's, 3 hours old; shipped, until 2028-12-31" == lines[-1]


def test_what_each_would_cancel_now(tmp_path: Path):
    """If somebody asks: the open orders of its scope, good-till-cancel ones counted; a drill cancels none."""
    orders = (SimOrder(time_in_force="GOOD_TILL_CANCEL"), SimOrder(status="FILLED"))
    with beside(simulate(SimAccount(7, orders=orders))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, rows=[7], more=CLEANUP + PRACTICE)
        table = typed(*firm.lines("schedule", "--orders", "--format", "table"))
        found = json.loads(typed(*firm.lines("schedule", "--orders", "--format", "json")).out)
        methods = {request.method for request in simulator.requests}

    [shown] = [line for line in table.out.splitlines() if "would cancel now" in line]
    assert {"cleanup": shown.partition(": ")[2], "practice": None} == {
        one["name"]: one["open_now"] for one in found["schedules"]
    }
    assert "1 open order" in shown
    assert "1 good-till-cancel" in shown
    assert {"GET"} == methods
