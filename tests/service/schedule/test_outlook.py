"""What comes by the clock, as the command line and the service both tell it: the worst first."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from panic import config
from panic.config import LedgerFiles, Settings
from panic.service.schedule.calendar import fallback
from panic.service.schedule.outlook import Schedules, outlook
from tests.cli.support import Firm

WEDNESDAY = datetime(2026, 11, 25, 22, tzinfo=UTC)
MEANT = "cancels_gtc_and_close_orders = true"


def one(name: str, at: str, what: str = f"all = true\n{MEANT}") -> str:
    """A schedule as it is written."""
    return f'[[schedules]]\nname = "{name}"\nat = "{at}"\n{what}\n'


DRILL = one("d", "09:00 Asia/Tokyo on sunday", "drill = true")
"""When there is no session in New York."""


def settings(folder: Path, *schedules: str, ledger: bool = True) -> Settings:
    """The settings of a firm that has these."""
    firm = Firm(folder, "http://127.0.0.1:9", rows=("7,East",), columns="id,group", more="".join(schedules))
    found = config.load(firm.settings, {})
    return found if ledger else found.model_copy(update={"ledger": LedgerFiles()})


@pytest.mark.parametrize(("days", "is_told"), [(61, False), (60, True), (0, True), (-1, True)])
def test_a_shipped_calendar_that_ends_soon_says_so(tmp_path: Path, days: int, is_told: bool):
    """Sixty days before, for an upgrade takes a while."""
    last = fallback().last
    assert last is not None
    now = datetime(last.year, last.month, last.day, 12, tzinfo=UTC) - timedelta(days=days)
    found = outlook(settings(tmp_path), now, 1)

    assert is_told == found.is_in_doubt
    assert [f"the shipped calendar ends on {last}: upgrade panic"][: int(is_told)] == list(found.calendar.problems)


def test_its_document_tells_each_run_by_both_clocks(tmp_path: Path):
    """With its session, if any, and what it cancels; what fits the published schema may be empty."""
    adapter = TypeAdapter(Schedules)
    known = settings(tmp_path, one("a", "5 minutes before close"), one("b", "soon"), DRILL)
    full, empty = (
        json.loads(adapter.dump_json(outlook(one_of, WEDNESDAY, 2)))
        for one_of in (known, settings(tmp_path, ledger=False))
    )
    runs = {line["name"]: line["runs"][0] for line in full["schedules"]}
    cancels = {line["name"]: (line["what"], line["accounts"]) for line in full["schedules"]}

    assert ([], "panic-schedule/1") == (empty["schedules"], full["schema"])
    assert ("2026-11-27T17:55:00Z", "2026-11-27T12:55:00-05:00") == (runs["a"]["at"], runs["a"]["local"])
    assert ("2026-11-27", True) == (runs["a"]["session"]["day"], runs["a"]["session"]["early"])
    assert ("2026-11-29T00:00:00Z", "2026-11-29T09:00:00+09:00") == (runs["d"]["at"], runs["d"]["local"])
    assert runs["d"]["session"] is None
    assert {"a": ("all accounts", 1), "d": ("a drill", None)}.items() <= cancels.items()
