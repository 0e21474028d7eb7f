"""File descriptors: how many this process may open, and how many of them callers may hold."""

import resource
from typing import Final

from panic.kit.process import take_descriptors

CALLERS_MOST: Final = 1024


def take_all() -> int:
    """Take as many descriptors as this process may have, and give how many of them callers may hold.

    A quarter: connections to the broker take two while they are made, and the ledger needs some at any moment.
    """
    most = take_descriptors()
    return CALLERS_MOST if most is None else max(min(CALLERS_MOST, most // 4), 1)


def held_most(most: int) -> int:
    """Give how many connections may be held for long, at most `most`: there must be one left for a press."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(soft // 8, 1))
