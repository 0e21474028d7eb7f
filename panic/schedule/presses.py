"""What a schedule presses, and whether a press would take it."""

from collections.abc import Collection

from panic.config import Schedule
from panic.errors import PanicError
from panic.orders import Filters
from panic.plan import Scope, plan
from panic.roster import Roster


def scope(schedule: Schedule) -> Scope:
    """Give the scope of a schedule that is no drill."""
    filters = Filters(schedule.side, schedule.type, schedule.instrument_type, schedule.instruments)
    return Scope(schedule.all, schedule.groups, schedule.accounts, filters)


def refusal(schedule: Schedule, roster: Roster, credentials: Collection[str]) -> str:
    """Say why a press of this schedule would be refused, as far as roster and settings tell; else ""."""
    if schedule.drill:
        return ""
    try:
        plan(roster, scope(schedule), credentials)
    except PanicError as error:
        return str(error)
    return ""
