"""How a run went: when how many accounts had come how far. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from panic.broker.outcomes import Outcome
from panic.engine.case import Attempt, Case

POINTS_MOST: Final = 120

Points = tuple[tuple[float, int], ...]

_OK, _NO_MORE_OK, _NOT_FOUND = 200, 300, 404


@dataclass(frozen=True, slots=True)
class Course:
    """How many accounts had come how far after how many seconds since the press."""

    sent: Points
    accepted: Points
    clear: Points


def course_of(
    cases: Iterable[Case], clear: set[int], began: datetime, wall: Callable[[float], datetime]
) -> Course:
    """Sum up how a run went; when an account was clear is told of those only that are `clear` at its end."""
    sent, accepted, cleared = list[float](), list[float](), list[float]()

    def since(moment: datetime) -> float:
        return max((moment - began).total_seconds(), 0.0)

    for case in cases:
        cancels = [(since(one.at or wall(one.began)), one) for one in case.attempts if one.method == "DELETE"]
        sent += [at for at, _ in cancels[:1]]
        if case.outcome in {Outcome.ACCEPTED, Outcome.NOTHING_TO_CANCEL}:
            accepted += [at + one.elapsed for at, one in cancels if _is_answered(one)][:1]
        if case.first_clear is not None and case.account.id in clear:
            cleared.append(since(case.first_clear))
    return Course(*(curve(sorted(one)) for one in (sent, accepted, cleared)))


def _is_answered(one: Attempt) -> bool:
    return one.status is not None and (_OK <= one.status < _NO_MORE_OK or one.status == _NOT_FOUND)


def curve(times: Sequence[float]) -> Points:
    """Count sorted times up, at so many of them at most that a curve can be drawn, the last one always."""
    step = max(ceil(len(times) / POINTS_MOST), 1)
    counts = range(len(times), 0, -step)
    points = {round(times[count - 1], 3): count for count in reversed(counts)}
    return tuple(points.items())
