"""How many rows the roster had when it was last good: a file that was copied by half presses half of the firm.

The number stands beside the pace, among what a process has learned of its broker.
"""

from contextlib import suppress
from typing import Final

from panic.accounts.roster import Roster
from panic.config import Settings
from panic.kit.background import wait, within
from panic.report import flags
from panic.report.document import Flag
from panic.run import learned
from panic.run.learned import UNHURRIED_S

_ROWS: Final = "rows"


def rows_of(roster: Roster) -> int:
    """Count its rows, those that cannot be read too."""
    return len(roster.accounts) + len(roster.bad_rows)


def known(settings: Settings) -> int | None:
    """Give how many rows it had when it was last good; None where nobody knows. Blocks as a disk does."""
    rows = learned.read(settings).get(_ROWS)
    return rows if isinstance(rows, int) else None


def look(settings: Settings, roster: Roster, *, is_whole: bool = False) -> int:
    """Give how many rows a good one has: this one is, unless it has lost many; then its size is kept.

    It is good in any case where it `is_whole`: the broker lists no account beside it. Blocks; raises OSErrors.
    """
    rows, before = rows_of(roster), None
    with suppress(ValueError, KeyError, TypeError):  # a broken file tells nothing
        before = known(settings)
    if before is not None and flags.lost_many(before, rows) and not is_whole:
        return before
    if before != rows and not roster.problems:
        learned.write(settings, {_ROWS: rows})
    return rows


async def doubts(settings: Settings, roster: Roster, *, is_whole: bool = False) -> list[Flag]:
    """Give a flag where it has lost many rows, as `look` has it; a disk that hangs is not waited for."""
    with suppress(Exception):
        good = await wait(lambda: look(settings, roster, is_whole=is_whole), UNHURRIED_S, "roster-size")
        return [*flags.from_roster(good, rows_of(roster))]
    return []


def doubts_of_plan(settings: Settings, roster: Roster) -> list[Flag]:
    """Give the same where nothing may be written."""
    with suppress(Exception):
        good = within(lambda: known(settings), UNHURRIED_S, "roster-size")
        return [*flags.from_roster(good or 0, rows_of(roster))]
    return []
