"""The pace on record: a hint, which is kept for the next process, and which no broken file turns into trouble."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from panic.config import Broker, Settings
from panic.config.own_files import PACE
from panic.engine.lanes import Lanes
from panic.engine.slots import Slots
from panic.run.pace import lanes_of, remember, renewed

URL = "https://api.example.com"


def settings(tmp_path: Path, url: str = URL) -> Settings:
    """Settings with a ledger in a folder."""
    made: dict[str, Any] = {"broker": {"base_url": url}, "roster": {}, "ledger": {"file": tmp_path / "ledger.db"}}
    return Settings.model_validate(made)


def test_what_was_learned_is_known_to_the_next_process_for_the_same_broker(tmp_path: Path):
    """Another broker has a pace of its own."""
    asyncio.run(remember(settings(tmp_path), Lanes(20.0)))
    nothing_used = (tmp_path / PACE).exists()
    learned = {"base_url": URL, "at": f"{datetime.now(UTC):%FT%TZ}", "per_second": {"main": 20.0}}
    (tmp_path / PACE).write_text(json.dumps(learned))

    assert not nothing_used
    assert {"main": 20.0} == lanes_of(settings(tmp_path)).rates(["main"])
    assert {} == lanes_of(settings(tmp_path, "https://other.example.com")).rates(["main"])


def test_a_run_of_one_key_keeps_the_pace_of_the_others(tmp_path: Path):
    """It has learned nothing of them."""
    asyncio.run(remember(settings(tmp_path), Lanes(known={"main": 20.0})))

    assert {"main": 20.0} == lanes_of(settings(tmp_path)).rates(["main"])


@pytest.mark.parametrize(
    "rate",
    ["1" + "0" * 400, "NaN", "Infinity", "-5", "0", '"fast"', "null", "[" * 100_000],
    ids=lambda rate: rate[:8],
)
def test_a_rate_that_is_none_is_ignored(tmp_path: Path, rate: str):
    """A press begins at full speed without it."""
    at = f"{datetime.now(UTC):%FT%TZ}"
    (tmp_path / PACE).write_text(f'{{"base_url": "{URL}", "at": "{at}", "per_second": {{"main": {rate}}}}}')

    assert {} == lanes_of(settings(tmp_path)).rates(["main"])


@pytest.mark.parametrize(
    ("changed", "is_kept", "rates"),
    [
        ({}, True, {"default": 50.0}),
        ({"requests_per_second": 0.2}, False, {"default": 0.2}),
        ({"base_url": "https://other.test"}, False, {}),
    ],
    ids=["the same", "another pace", "another broker"],
)
def test_a_reload_that_names_another_broker_or_pace_begins_anew(
    changed: dict[str, Any], is_kept: bool, rates: dict[str, float]
):
    """What was learned of another broker counts no more; else it is where the new pace begins."""
    old, lanes = Broker(base_url="https://x.test"), Lanes(known={"default": 50.0})
    lanes.join("default", Slots(1, lambda: 0.0, lanes))
    found = renewed(lanes, old, old.model_copy(update=changed))

    assert is_kept == (found is lanes)
    assert rates == found.rates(["default"])
