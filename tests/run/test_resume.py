"""Which unfinished runs may be resumed, and what a resume is made of: by what the ledger tells."""

import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic.config import Settings, load
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.process import Process, here
from panic.ledger.events import encode
from panic.ledger.record import Kind, Resumed, body
from panic.ledger.store import SqliteStore
from panic.ledger.writer import open_ledger
from panic.run import resume as resume_module
from panic.run.press import Prepared
from panic.run.resume import prepare
from tests.cli.ledgers import LEDGER, SETTINGS
from tests.cli.support import KEY, Firm
from tests.ledger.runs import a_press, accepted, clear, event, finished, plan_of, sending, told
from tests.ledger.support import tamper

URL, OTHER = "https://broker.example", "https://other.example"
AGAIN = "Press again: that is always possible."
DEAD = replace(here(), pid=1, born="1")
ELSEWHERE = Process("elsewhere", 1, "b", "1")
PLAN = plan_of(1, unsent=())
BROKEN_OFF = [PLAN, sending(3, (1, 1))]


def on_record(folder: Path, *, ago_s: float = 1.0, after: Any = BROKEN_OFF, **press: Any) -> Settings:
    """Put a run on record that was pressed so long ago, for real, beside a firm's files; give its settings."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    pressed = a_press(**{"base_url": URL, "started_at": at, "process": DEAD, **press})
    with closing(SqliteStore(folder / LEDGER)) as store:
        its = (event(1, Kind.PRESSED, body(pressed)), *after)
        store.append([(one.run, one.kind, encode(one)) for one in its])
    return load(Firm(folder, URL, [1], more=SETTINGS).settings, {})


def resume(settings: Settings) -> Prepared:
    """Prepare to resume the last run."""
    ledger = open_ledger(settings.ledger, at_once=False)
    assert ledger is not None
    try:
        return prepare(settings, ledger, "last", "the night shift", {})
    finally:
        ledger.close()


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ({"ago_s": 421}, f"is too old to resume: the clock says .*. {AGAIN}"),
        ({"ago_s": -3600}, f"is of the future: the clock says .*. {AGAIN}"),
        ({"drill": True}, "was a drill, and its simulator is gone"),
        ({"process": here()}, "is under way in process "),
        ({"process": ELSEWHERE}, f"may be under way in process 1 on elsewhere; look there. {AGAIN}"),
        ({"after": ()}, "its record is damaged"),
        (
            {"after": [PLAN, event(3, Kind.ATTEMPT, {"deletes": "all"})]},
            f"its record is damaged .event .* .attempt. cannot be read: .*. {AGAIN}",
        ),
        ({"base_url": OTHER}, f"was pressed against {OTHER}, and the settings say "),
        (
            {"after": [PLAN, told(3, accepted(1)), told(4, clear(1)), finished(5)]},
            f"came to its end: clear. {AGAIN}",
        ),
    ],
)
def test_a_run_that_nobody_may_resume(tmp_path: Path, of: dict[str, Any], why: str):
    """Yesterday's run must not cancel today's book, nor a drill a real one, nor two machines the same one."""
    settings = on_record(tmp_path, **of)
    with pytest.raises((UsageError, ConfigurationError), match=why):
        resume(settings)


def test_a_run_whose_record_was_edited(tmp_path: Path):
    """What is left to do is what somebody else wrote: who had the run in hand presses again."""
    settings = on_record(tmp_path)
    tamper(tmp_path / LEDGER, "UPDATE events SET record = replace(record, 'broker.', 'bloker.') WHERE seq = 1")

    with pytest.raises(UsageError, match=f"its record is damaged .*event 1 .*. {AGAIN}"):
        resume(settings)


def test_no_key_any_more(tmp_path: Path):
    """Without a usable key there is nothing to do it with; with one again it may be resumed."""
    settings = on_record(tmp_path)
    (tmp_path / "panic.key").write_text("")

    with pytest.raises(ConfigurationError, match="no account of this run can be reached"):
        resume(settings)

    (tmp_path / "panic.key").write_text(KEY)
    assert resume(settings).unfinished


@pytest.mark.parametrize(
    "of",
    [{"ago_s": 400}, {"process": ELSEWHERE, "ago_s": 121}, {"process": replace(here(), born="1")}],
    ids=["just not too old", "elsewhere and over", "a process that got the number of the dead one"],
)
def test_a_run_that_may_be_resumed(tmp_path: Path, of: dict[str, Any]):
    """For five minutes past its deadline, and where its process is surely dead; it needs no roster any more."""
    settings = on_record(tmp_path, **of)
    (tmp_path / "accounts.csv").write_text("name\nnobody\n")
    found = resume(settings)

    assert (["resumed"], [1]) == ([flag.code for flag in found.flags], [one.id for one in found.plan.accounts])
    assert found.unfinished
    assert ("the night shift", True) == (found.unfinished.resumed.by, found.unfinished.is_on_record)


def test_of_two_only_one_resumes_it(tmp_path: Path):
    """The second is told that somebody has it, also where both looked before either had it."""
    settings = on_record(tmp_path)
    looked = resume_module._recall(settings, "last")
    resume(settings)
    late = Resumed(datetime.now(UTC), "the day shift", "0", here())

    with pytest.raises(UsageError, match=f"is under way in process {os.getpid()}"):
        resume(settings)
    with pytest.raises(UsageError, match="was resumed by somebody else just now"):
        resume_module._claim(open_ledger(settings.ledger), looked, late, "late")
