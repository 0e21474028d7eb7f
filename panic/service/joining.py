"""May a press be a part of a run that is under way? Only where nothing is lost by it. Pure."""

from panic.run.press import Prepared


def is_same(run: Prepared, press: Prepared) -> bool:
    """Whether a press asks for exactly what started a run, and the run can do it."""
    mine, other = run.press, press.press
    asks = [(one.scope, one.verify, one.watch_s, one.deadline_s) for one in (mine, other)]
    return asks[0] == asks[1] and mine.latch >= other.latch and _reaches(run, press)


def loses_nothing(run: Prepared, press: Prepared, *, deadline_s: float, watch_s: float) -> bool:
    """Whether a press can be a part of a run, which may take and watch so long by now, without losing anything."""
    mine, other = run.press, press.press
    is_whole = all(one.verify and not one.scope.filters for one in (mine, other))
    is_as_wide = len(press.plan.accounts) == len(run.plan.accounts)
    is_outlasted = press.deadline_s > deadline_s or press.watch_s > watch_s
    return (
        is_whole
        and mine.scope.all >= other.scope.all
        and (is_as_wide or not is_outlasted)  # a narrower one must not draw others along
        and _reaches(run, press)
    )


def _reaches(run: Prepared, press: Prepared) -> bool:
    """Whether a run sends to every account of a press, in the same way and with the same keys.

    Either all runs of a desk are drills, or none is.
    """
    wanted = {account.id for account in press.plan.accounts}
    return (
        not press.plan.unsent
        and run.settings.broker == press.settings.broker
        and wanted <= {account.id for account in run.plan.accounts}
        and _keys(run, wanted) == _keys(press, wanted)
    )


def _keys(prepared: Prepared, ids: set[int]) -> dict[int, str]:
    keys = {name: key.reveal() for name, key in prepared.keys.items()}
    return {one.id: keys.get(one.credential, "") for one in prepared.plan.accounts if one.id in ids}
