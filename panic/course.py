"""How a run went: when how many accounts had come how far, and how long they took to be read clear. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

POINTS_MOST: Final = 120
BINS_MOST: Final = 24


@dataclass(frozen=True, slots=True)
class Bin:
    """How many accounts were first read clear in a time, seconds from the press."""

    from_s: float
    to_s: float
    accounts: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """How long it took from the press until an account was first read clear, seconds."""

    bins: tuple[Bin, ...]
    p50_s: float
    p95_s: float
    max_s: float


def curve(times: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """Count sorted times up, at so many of them at most that a curve can be drawn, the last one always."""
    step = max(ceil(len(times) / POINTS_MOST), 1)
    counts = range(len(times), 0, -step)
    points = {round(times[count - 1], 3): count for count in reversed(counts)}
    return tuple(points.items())


def clearing(times: Sequence[float]) -> Clearing | None:
    """Sum sorted times up in bins of one width."""
    if not times:
        return None
    first, last = times[0], times[-1]
    width = (last - first) / BINS_MOST
    if width <= 0:
        bins: tuple[Bin, ...] = (Bin(round(first, 3), round(last, 3), len(times)),)
    else:
        found = [0] * BINS_MOST
        for one in times:
            found[min(int((one - first) / width), BINS_MOST - 1)] += 1
        bins = tuple(
            Bin(round(first + n * width, 3), round(first + (n + 1) * width, 3), count)
            for n, count in enumerate(found)
        )
    return Clearing(bins, round(_share(times, 0.5), 3), round(_share(times, 0.95), 3), round(last, 3))


def _share(times: Sequence[float], share: float) -> float:
    return times[max(ceil(len(times) * share) - 1, 0)]
