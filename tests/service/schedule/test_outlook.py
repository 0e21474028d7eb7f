"""What comes by the clock, as the command line and the service both tell it: the worst first."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from panic import config
from panic.config import LedgerFiles, Settings
from panic.service.room.views import Schedules
from panic.service.schedule.cache import save_cache
from panic.service.schedule.outlook import Outlook, outlook
from panic.service.schedule.sessions import fallback
from tests.cli.support import Firm
from tests.service.schedule.support import detail, hours

WEDNESDAY = datetime(2026, 11, 25, 22, tzinfo=UTC)
MEANT = "cancels_gtc_and_close_orders = true"


def one(name: str, at: str, what: str = f"all = true\n{MEANT}") -> str:
    """A schedule as it is written."""
    return f'[[schedules]]\nname = "{name}"\nat = "{at}"\n{what}\n'


DRILL = one("d", "09:00 Asia/Tokyo on sunday", "drill = true")
"""When there is no session in New York."""


def settings(folder: Path, *schedules: str, ledger: bool = True, rows: tuple[str, ...] = ("7,East",)) -> Settings:
    """The settings of a firm that has these."""
    firm = Firm(folder, "http://127.0.0.1:9", rows=rows, columns="id,group", more="".join(schedules))
    found = config.load(firm.settings, {})
    return found if ledger else found.model_copy(update={"ledger": LedgerFiles()})


def names(found: Outlook) -> list[str]:
    """The schedules in their order."""
    return [line.name for line in found.lines]


def test_the_worst_come_first_then_the_earliest_then_by_name(tmp_path: Path):
    """One that presses nobody, one that the calendars disagree about, and the others by the clock."""
    short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
    save_cache(tmp_path / "calendar.json", [short], WEDNESDAY - timedelta(hours=3))
    found = outlook(
        settings(
            tmp_path,
            one("early", "07:00 Europe/London on friday", "drill = true"),
            one("doubtful", "5 minutes before close"),
            one("b", "08:00 Europe/London on friday"),
            one("a", "08:00 Europe/London on friday"),
            one("nobody", "09:00 Europe/London on friday", f'groups = ["North"]\n{MEANT}'),
        ),
        WEDNESDAY,
        2,
    )

    assert ["nobody", "doubtful", "early", "a", "b"] == names(found)
    assert [False, True, False, False, False] == [line.doubt for line in found.lines]
    assert "North" in found.lines[0].refused
    assert {2} == {len(line.runs) for line in found.lines}
    assert found.is_in_doubt


@pytest.mark.parametrize("wrong", ["", "refused", "ends", "doubt", "left out", "problems"])
def test_each_thing_that_is_wrong_is_a_doubt(tmp_path: Path, wrong: str):
    """Whatever it is alone."""
    at, now, more = "5 minutes before close", WEDNESDAY, ""
    if wrong == "ends":
        now = datetime(2028, 12, 30, tzinfo=UTC)
    if wrong == "doubt":
        short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
        save_cache(tmp_path / "calendar.json", [short], WEDNESDAY)
    if wrong == "left out":
        more = one("wrong", "soon") + "[nonsense]\nx = 1\n"
    if wrong == "problems":
        (tmp_path / "calendar.json").write_text("{")
    what = f'groups = ["North"]\n{MEANT}' if wrong == "refused" else f"all = true\n{MEANT}"
    found = outlook(settings(tmp_path, one("a", at, what), more), now, 3)
    line = found.lines[0]
    seen = {
        "refused": bool(line.refused),
        "ends": bool(line.ends),
        "doubt": line.doubt,
        "left out": len(found.left_out) == 1,  # other mistakes of the settings are none of a schedule's
        "problems": bool(found.problems) and wrong != "ends",  # a calendar that ends says so as well
    }

    assert {name: name == wrong for name in seen} == seen
    assert bool(wrong) == found.is_in_doubt


def test_without_a_ledger_there_is_no_calendar_of_the_brokers(tmp_path: Path):
    """The shipped one counts."""
    save_cache(tmp_path / "calendar.json", [detail("2026-11-30")], WEDNESDAY)
    without, with_ = (
        outlook(settings(tmp_path, one("a", "5 minutes before close"), ledger=ledger), WEDNESDAY, 1)
        for ledger in (False, True)
    )

    assert (None, WEDNESDAY) == (without.fetched_at, with_.fetched_at)
    assert without.last == with_.last == fallback().last
    assert not without.is_in_doubt


def test_a_roster_that_cannot_be_read_presses_nobody(tmp_path: Path):
    """A drill needs none."""
    known = settings(tmp_path, one("a", "08:00 Asia/Tokyo on weekdays"), DRILL)
    known.roster.file.unlink()
    found = outlook(known, WEDNESDAY, 1)

    assert [("a", True), ("d", False)] == [(line.name, bool(line.refused)) for line in found.lines]


@pytest.mark.parametrize(("days", "is_told"), [(61, False), (60, True), (0, True), (-1, True)])
def test_a_shipped_calendar_that_ends_soon_says_so(tmp_path: Path, days: int, is_told: bool):
    """Sixty days before, for an upgrade takes a while."""
    last = fallback().last
    assert last is not None
    now = datetime(last.year, last.month, last.day, 12, tzinfo=UTC) - timedelta(days=days)
    found = outlook(settings(tmp_path), now, 1)

    assert is_told == found.is_in_doubt
    assert [f"the shipped calendar ends on {last}: upgrade panic"][: int(is_told)] == list(found.problems)


def test_its_document_is_json_and_what_the_service_publishes(tmp_path: Path):
    """Whatever there is to tell, and where there is nothing."""
    schema = TypeAdapter(Schedules).json_schema(mode="serialization")
    save_cache(tmp_path / "calendar.json", [detail("2026-11-30")], WEDNESDAY)
    full = settings(tmp_path, one("a", "5 minutes before close"), one("b", "soon"), DRILL)
    for known in (full, settings(tmp_path, ledger=False)):
        document: dict[str, Any] = json.loads(json.dumps(outlook(known, WEDNESDAY, 2).document()))
        Draft202012Validator(schema).validate(document)

        assert len(known.schedules) == len(document["schedules"])
        assert "panic-schedule/1" == document["schema"]


def test_a_run_is_told_by_both_clocks(tmp_path: Path):
    """With its session; one that has none says so."""
    known = settings(tmp_path, one("a", "5 minutes before close"), DRILL)
    runs = {line["name"]: line["runs"][0] for line in outlook(known, WEDNESDAY, 1).document()["schedules"]}

    assert ("2026-11-27T17:55:00+00:00", "2026-11-27T12:55:00-05:00") == (runs["a"]["at"], runs["a"]["local"])
    assert ("2026-11-27", True) == (runs["a"]["session"]["day"], runs["a"]["session"]["early"])
    assert ("2026-11-29T00:00:00+00:00", "2026-11-29T09:00:00+09:00", None) == (
        runs["d"]["at"],
        runs["d"]["local"],
        runs["d"]["session"],
    )
