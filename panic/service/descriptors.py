"""File descriptors: how many this process may open, and how many of them callers may hold."""

import resource
from contextlib import suppress
from typing import Final

CALLERS_MOST: Final = 1024


def take_all() -> int:
    """Take as many descriptors as this process may have, and give how many of them callers may hold.

    A quarter: connections to the broker take two while they are made, and the ledger needs some at any moment.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # not every system lets a process have what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CALLERS_MOST if soft == resource.RLIM_INFINITY else max(min(CALLERS_MOST, soft // 4), 1)


def held_most(most: int) -> int:
    """Give how many connections may be held for long, at most `most`: there must be one left for a press."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(soft // 8, 1))
