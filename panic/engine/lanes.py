"""The lanes of a process: every run takes its turns from the same ones, the more urgent first."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from panic.engine.lane import Kind, Lane
from panic.engine.queue import Waiter
from panic.engine.rate import Rate

SPREAD = 0.9
"""The turns of all lanes are so far apart, in parts of what one broker would need that served all their rates."""


class Taker(Protocol):
    """A run that takes turns of lanes."""

    is_press: bool

    def now(self) -> float:
        """Give the loop time."""

    def wake_soon(self) -> None:
        """Look again whether somebody may go."""

    def wants(self, lane_name: str) -> Waiter | None:
        """Give who would take a lane's next turn; None if nobody can."""


class Lanes:
    """The lanes of a process, by credential: every run takes its turns from the same ones.

    They begin at the `known` rates, turns a second, and never go faster than `most`.
    """

    def __init__(self, most: float | None = None, known: Mapping[str, float] | None = None) -> None:
        self._most, self.known = most, known or {}
        self._lanes: dict[str, Lane] = {}
        self._users: dict[str, list[Taker]] = {}
        self._next_at = 0.0

    def join(self, name: str, slots: Taker) -> Lane:
        """Give a lane, of which these slots take turns from now on."""
        self._users.setdefault(name, []).append(slots)
        if name not in self._lanes:
            self._lanes[name] = Lane(self._first(name))
        elif slots.is_press:
            self._lanes[name].begin_anew(slots.now())
        return self._lanes[name]

    def rates(self, of: Iterable[str] | None = None) -> dict[str, float]:
        """Give the rate of each lane that is limited, turns a second; `of` these, in use or not."""
        lanes = self._lanes
        names = lanes if of is None else of
        rates = {name: lanes[name].rate if name in lanes else self._first(name) for name in names}
        return {name: round(rate.value, 2) for name, rate in rates.items() if rate.value is not None}

    def _first(self, name: str) -> Rate:
        return Rate.known(self.known.get(name), self._most)

    def admits_at(self, lane: Lane, kind: Kind) -> float:
        """Give the time from which the next request of a lane may go."""
        at = lane.admits_at(kind)
        return at if lane.is_free else max(at, self._next_at)

    def sent(self, lane: Lane, kind: Kind, now: float, waiting: Iterable[tuple[Lane, Kind]]) -> None:
        """Take a turn of a lane while others have such requests `waiting`: they may all be behind one limit.

        So their turns are kept apart, too; a closed lane's probe goes in another's stead; and a lane with more
        urgent requests looks once for what this one leaves it.
        """
        lane.sent(now)
        if lane.is_free or len(self._lanes) == 1:
            return
        before = Kind.READ_AGAIN if kind is Kind.READ_CLEAR else Kind.REFUSED_CANCEL
        for other, its in waiting:
            if its <= before < kind and other is not lane:
                other.find_room(now)
        rates = [one.rate.value for one in self._lanes.values() if one.rate.value is not None]
        any_closed = any(one.closed_at is not None for one in self._lanes.values())
        gap = 1 / max(rates) if any_closed else SPREAD / sum(rates)
        self._next_at = max(self._next_at, now - gap / 8) + gap  # hardly anything is made up for: turns collide

    def leave(self, name: str, slots: Taker) -> None:
        """Take no more turns."""
        self._users[name].remove(slots)

    def wake_others(self, name: str, slots: Taker) -> None:
        """Let the other runs look at a lane again: what it admits has changed."""
        for other in self._users[name]:
            if other is not slots:
                other.wake_soon()

    def is_first(self, name: str, slots: Taker, head: Waiter) -> bool:
        """Tell whether nobody in another run goes before."""
        others = (other.wants(name) for other in self._users[name] if other is not slots)
        return all(other is None or head < other for other in others)
