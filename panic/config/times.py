"""When a schedule runs, as its `at` says it: a time of day in a zone, or a distance to a session's edge."""

import re
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from panic.config.sections import MistakeError
from panic.kit.words import did_you_mean, shown

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_MINUTES = 600

_GROUPS = {"every day": tuple(range(7)), "weekdays": tuple(range(5))}
_FIXED = {"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu"}
"""Zones without summer time, and the zones that people mean by them."""

_WALL = re.compile(r"([0-9]{2}):([0-9]{2}) (\S+) on ([a-z, ]+)", re.IGNORECASE)
_EDGE = re.compile(r"([0-9]{1,4}) minutes? (before|after) (open|close)", re.IGNORECASE)
_ZONE = re.compile(r"(?!posix/|right/|localtime$)[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True)
class WallTime:
    """A time of day in an IANA zone on some days of the week (0 for Monday), whatever the exchange does."""

    clock: time
    zone: str
    days: tuple[int, ...]

    def __str__(self) -> str:
        named = [name for name, days in _GROUPS.items() if days == self.days]
        days = ", ".join(named or [DAYS[day] for day in self.days])
        return f"{self.clock:%H:%M} {self.zone} on {days}"


@dataclass(frozen=True)
class SessionTime:
    """A distance to the beginning or the end of each session of the exchange: minutes, below 0 before it."""

    minutes: int
    edge: Literal["open", "close"]

    def __str__(self) -> str:
        many = "minute" if abs(self.minutes) == 1 else "minutes"
        return f"{abs(self.minutes)} {many} {'before' if self.minutes < 0 else 'after'} {self.edge}"


At: TypeAlias = WallTime | SessionTime


def parse(text: str) -> At:
    """Understand an `at`; a MistakeError where it says no time."""
    words = " ".join(text[:200].split())
    if edge := _EDGE.fullmatch(words):
        return _session_time(int(edge[1]), *(word.lower() for word in edge.groups()[1:]))
    if wall := _WALL.fullmatch(words):
        return WallTime(_clock(int(wall[1]), int(wall[2])), _zone(wall[3]), _days(wall[4].lower()))
    remedy = 'Write it as in "16:10 America/New_York on weekdays" or "5 minutes before close".'
    raise MistakeError(f"{shown(text)} is no time", remedy)


def _session_time(minutes: int, side: str, edge: str) -> SessionTime:
    if minutes > MOST_MINUTES:
        raise MistakeError(f"{minutes} minutes are too many", f"Give 0 to {MOST_MINUTES}, or a time of day.")
    return SessionTime(-minutes if side == "before" else minutes, "open" if edge == "open" else "close")


def _clock(hour: int, minute: int) -> time:
    try:
        return time(hour, minute)
    except ValueError:
        raise MistakeError(f"{hour:02}:{minute:02} is no time of day", "Give 00:00 to 23:59.") from None


def _zone(name: str) -> str:
    if instead := _FIXED.get(name):
        remedy = f"Write {instead}, or another place whose clocks you follow."
        raise MistakeError(f"{name} has no summer time", remedy)
    if not _is_zone(name):
        remedy = "Write an IANA name such as America/New_York, or UTC."
        raise MistakeError(
            f"{shown(name)} is no time zone", did_you_mean(name, sorted(available_timezones()), remedy)
        )
    return name


@cache
def _is_zone(name: str) -> bool:
    if not _ZONE.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # none such; a folder of zones; a file that is none
        return False
    return True


def _days(words: str) -> tuple[int, ...]:
    if words in _GROUPS:
        return _GROUPS[words]
    names = [name.strip() for name in words.split(",")]
    for name in names:
        if name not in DAYS:
            meant = did_you_mean(name, DAYS, "Write weekdays, every day, or days such as monday, friday.")
            raise MistakeError(f"{shown(name)} is no day", meant)
    return tuple(sorted({DAYS.index(name) for name in names}))
