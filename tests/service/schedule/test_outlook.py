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
from panic.service.schedule.files import save_calendar
from panic.service.schedule.outlook import outlook
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


@pytest.mark.parametrize("wrong", ["", "refused", "ends", "doubt", "left out", "problems"])
def test_each_thing_that_is_wrong_is_a_doubt(tmp_path: Path, wrong: str):
    """Whatever it is alone."""
    at, now, more = "5 minutes before close", WEDNESDAY, ""
    if wrong == "ends":
        now = datetime(2028, 12, 30, tzinfo=UTC)
    if wrong == "doubt":
        short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
        save_calendar(tmp_path / "ledger.db", [short], WEDNESDAY)
    if wrong == "left out":
        more = one("wrong", "soon") + "[nonsense]\nx = 1\n"
    if wrong == "problems":
        (tmp_path / "calendar.json").write_text("{")
    what = f'groups = ["North"]\n{MEANT}' if wrong == "refused" else f"all = true\n{MEANT}"
    found = outlook(settings(tmp_path, one("a", at, what), more), now, 3)
    line = found.schedules[0]
    seen = {
        "refused": bool(line.refused),
        "ends": bool(line.ends),
        "doubt": line.doubt,
        "left out": len(found.left_out) == 1,  # other mistakes of the settings are none of a schedule's
        "problems": bool(found.problems) and wrong != "ends",  # a calendar that ends says so as well
    }

    assert {name: name == wrong for name in seen} == seen
    assert bool(wrong) == found.is_in_doubt


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
    save_calendar(tmp_path / "ledger.db", [detail("2026-11-30")], WEDNESDAY)
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
