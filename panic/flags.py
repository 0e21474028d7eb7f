"""What a reader must know about a run as a whole: pure, from what the run was made of and how it went."""

from collections.abc import Iterable, Sequence

from panic.case import Case
from panic.errors import Problem
from panic.outcomes import Outcome
from panic.report import Flag

_LISTED_MOST = 10
"""So many mistakes of one file are spelled out in a report; `panic check` lists them all."""


def from_problems(code: str, problems: Sequence[Problem]) -> list[Flag]:
    """Turn configuration mistakes that did not stop the press into flags, the first few in words."""
    flags = [Flag(code, str(problem)) for problem in problems[:_LISTED_MOST]]
    if len(problems) > _LISTED_MOST:
        flags.append(Flag(code, f"and {len(problems) - _LISTED_MOST:,} more; panic check lists them all"))
    return flags


def from_cases(cases: Sequence[Case], base_url: str) -> Iterable[Flag]:
    """Say what all accounts together suggest: a wrong base_url, a dead key, a broker out of reach."""
    if not cases:
        return
    if all(case.outcome is Outcome.NOTHING_TO_CANCEL and not case.own_envelope for case in cases):
        yield Flag(
            "wrong_base_url",
            f"every account answered 404, and not in the broker's words: is {base_url} the broker's API?",
        )
    if all(case.outcome is Outcome.UNAUTHENTICATED for case in cases):
        yield Flag("key_refused", "every account answered 401: the key is wrong, expired or revoked")
    if all(case.outcome is Outcome.UNREACHABLE for case in cases):
        yield Flag("unreachable", f"nothing could be sent: {base_url} could not be reached")
    unsent = sum(case.outcome is Outcome.NOT_ATTEMPTED for case in cases)
    if unsent:
        yield Flag(
            "not_attempted",
            f"the run ended before {unsent:,} account{'s were' if unsent > 1 else ' was'} sent anything: "
            "press again, with a longer --deadline or more --concurrency",
        )
