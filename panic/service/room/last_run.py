"""Which run the room shows as its last one: a clear run hides none that it does not answer for. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from panic.accounts.plan import Scope
from panic.broker.outcomes import Verdict
from panic.kit.words import clip
from panic.ledger.record import LastPress, Pressed
from panic.ledger.replay import scope_of
from panic.orders import Filters
from panic.report.document import Totals
from panic.report.headline import narrowing
from panic.service.room.views import LastRun

_SCOPE_MOST = 200


class Ended(NamedTuple):
    """A run that nobody works on any more, or that came to no end known here."""

    press: LastPress
    scope: Scope
    broker: str
    view: LastRun


def ended(press: LastPress, pressed: Pressed, end: tuple[Verdict, datetime] | None) -> Ended:
    """Tell of a run that was pressed so, and ended so, if it did."""
    scope = scope_of(pressed.scope)
    words = clip(f"{scope}{narrowing(scope.filters.query())}", _SCOPE_MOST)
    verdict, at = end or (None, pressed.started_at)
    view = LastRun(press.run, verdict, at, pressed.drill, words, None, None, is_latest=True)
    return Ended(press, scope, pressed.base_url, view)


def counted(one: Ended, totals: Totals) -> Ended:
    """Say how many accounts a run had, and how many of them are not clear."""
    bad = totals.accounts - totals.verdicts.get(Verdict.CLEAR, 0)
    return one._replace(view=replace(one.view, accounts=totals.accounts, not_clear=bad))


def answers_for(wide: Scope, narrow: Scope) -> bool:
    """Whether a press of one scope names, by its words alone, everything that one of another names."""
    if wide.filters not in (Filters(), narrow.filters):
        return False
    is_listed = set(wide.groups) >= set(narrow.groups) and set(wide.accounts) >= set(narrow.accounts)
    return wide.all or (is_listed and not narrow.all)


def is_everything(one: Ended) -> bool:
    """Whether a run shows all that it could hide clear: no earlier one matters any more."""
    return one.view.verdict is Verdict.CLEAR and answers_for(one.scope, Scope(all=True))


def uncleared(runs: Iterable[Ended]) -> Ended | None:
    """Give the latest of runs, latest first, that is not clear and for which no later clear one answers; or None.

    One without a verdict gives way to one with.
    """
    clear, unfinished = list[Scope](), None
    for one in runs:
        if one.view.verdict is Verdict.CLEAR:
            clear.append(one.scope)
        elif any(answers_for(scope, one.scope) for scope in clear):
            continue
        elif one.view.verdict is not None:
            return one
        else:
            unfinished = unfinished or one
        if is_everything(one):
            break
    return unfinished


def shown(runs: Sequence[Ended], broker: str) -> LastRun | None:
    """Give the run to show, of all, latest first: one at this broker that is still not clear, else the latest."""
    if not runs:
        return None
    bad = uncleared(one for one in runs if one.broker == broker)
    return replace(bad.view, is_latest=bad is runs[0]) if bad else runs[0].view
