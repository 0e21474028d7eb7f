"""When a run's accounts will be accepted and clear at the broker's pace, and how late that makes its end."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome
from panic.engine.case import Case
from panic.engine.lanes import Lanes

EVERY_S = 1.0
"""How often it is made while there is anything to foresee, seconds."""

_MARGIN, _MARGIN_S = 1.25, 30.0
"""The end is put off by more than is needed: paces change, and what is open is cancelled and read again."""

_REFUSED = 429
_TURNS_ENOUGH = 12
"""An account that had so many turns does not wait for one, whatever came of them."""

_UNANSWERED = frozenset({Outcome.NOT_ATTEMPTED, Outcome.RATE_LIMITED})


@dataclass(frozen=True, slots=True)
class Forecast:
    """At what rate a broker serves, and how many seconds from now every account is accepted, and read."""

    per_second: float
    accepted_s: float
    proven_s: float
    text: str = ""

    def __post_init__(self) -> None:
        """Put it into words, for those who read it as JSON."""
        object.__setattr__(self, "text", str(self))

    @property
    def needs_s(self) -> float:
        """How long the run had better last from now, seconds."""
        return _MARGIN * self.proven_s + _MARGIN_S

    def __str__(self) -> str:
        """Say it in a line."""
        steps = [f"all cancels accepted in about {_words(self.accepted_s)}"] if self.accepted_s else []
        if self.proven_s > self.accepted_s:
            steps.append(f"all accounts read in about {_words(self.proven_s)}")
        pace = f"the broker lets about {self.per_second:.3g} requests a second through"
        return f"{pace}: {', '.join(steps)}" if steps else pace


def _words(seconds: float) -> str:
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def planned(accounts: Iterable[Account], lanes: Lanes, *, verify: bool = True) -> Forecast | None:
    """Give what a press takes, one DELETE and one read for each account, where a rate is known before."""
    cancels = Counter(account.credential for account in accounts)
    return _forecast(cancels, cancels if verify else Counter(), lanes.rates(cancels))


def waits_for_turn(case: Case, *, verify: bool) -> bool:
    """Tell whether no DELETE of it, or no GET, came to more than a 429: the pace keeps it, and not its orders."""
    if case.is_concluded or len(case.attempts) >= _TURNS_ENOUGH:
        return False
    is_read = any(one.method == "GET" and one.status != _REFUSED for one in case.attempts)
    return _owes_cancel(case) or (verify and not is_read)


def _owes_cancel(case: Case) -> bool:
    return case.owes_first or case.outcome in _UNANSWERED


def foresee(cases: Iterable[Case], rates: Mapping[str, float], *, verify: bool) -> Forecast | None:
    """Give what is left to do behind lanes that the broker limits; None if it limits none of them."""
    cancels, reads = Counter[str](), Counter[str]()
    for case in cases if rates else ():
        if not case.is_concluded:
            cancels[case.account.credential] += _owes_cancel(case)
            reads[case.account.credential] += verify
    return _forecast(cancels, reads, rates)


def _forecast(cancels: Counter[str], reads: Counter[str], rates: Mapping[str, float]) -> Forecast | None:
    if not rates:
        return None
    accepted = max(cancels[name] / rate for name, rate in rates.items())
    proven = max((cancels[name] + reads[name]) / rate for name, rate in rates.items())
    return Forecast(round(sum(rates.values()), 2), round(accepted, 1), round(proven, 1))
