"""The examples for other clocks: what they start is a press, at the right times, and never a second one."""

import shlex
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from panic.cli.commands import parser
from panic.service.schedule.calendar import Session, fallback
from tests import ROOT

CONFIG = ROOT / "config"
NEW_YORK = ZoneInfo("America/New_York")


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit's sections, each with all of its values."""
    found: dict[str, list[str]] = {}
    for line in (CONFIG / name).read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def cronjob() -> Any:
    """The specification of the CronJob."""
    return yaml.safe_load((CONFIG / "cronjob.yml").read_text())["spec"]


@pytest.mark.parametrize("clock", ["systemd", "kubernetes"])
def test_it_starts_a_press(clock: str):
    """With words that panic understands, and without watching."""
    container = cronjob()["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    words = (
        shlex.split(unit("panic-cleanup.service")["ExecStart"][0])[1:] if clock == "systemd" else container["args"]
    )
    options = parser().parse_args(words)

    assert (True, 0.0, "cleanup at the end of the day") == (options.all, options.watch, options.reason)
    assert "press:do_press" == options.command


def test_no_service_that_is_called_panic_sets_its_settings():
    """Kubernetes would set PANIC_SERVICE_HOST and PANIC_PORT, and panic would refuse to press."""
    assert cronjob()["jobTemplate"]["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_timer_knows_the_early_closes_of_the_shipped_calendar():
    """Five minutes after each close that is still to come; and of every weekday's."""
    first, *special = unit("panic-cleanup.timer")["OnCalendar"]
    days = [day for day in fallback().days.values() if isinstance(day, Session) and day.early]
    coming = [f"{day.day} 13:05:00 America/New_York" for day in days if day.closes > day.as_of]

    assert "Mon..Fri *-*-* 16:05:00 America/New_York" == first
    assert coming == special
    assert {"13:00"} == {f"{day.closes.astimezone(NEW_YORK):%H:%M}" for day in days}


def test_neither_clock_makes_up_for_a_run_or_repeats_one():
    """The timer and its service, and the CronJob in its zone; late means the same as everywhere in panic."""
    timer, service, spec = unit("panic-cleanup.timer"), unit("panic-cleanup.service"), cronjob()
    job = spec["jobTemplate"]["spec"]

    assert (["no"], ["1s"]) == (timer["Persistent"], timer["AccuracySec"])
    assert (["oneshot"], ["no"]) == (service["Type"], service["Restart"])
    assert ("5 16 * * 1-5", "America/New_York") == (spec["schedule"], spec["timeZone"])
    assert ("Forbid", 300) == (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"])
    assert (0, "Never") == (job["backoffLimit"], job["template"]["spec"]["restartPolicy"])
    assert "CLEAR_STREET_API_KEY" not in str(spec)
