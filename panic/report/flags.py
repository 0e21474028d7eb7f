"""What a reader must know about a run as a whole: pure, from its inputs and how it went."""

from collections.abc import Iterable, Mapping, Sequence

from panic.broker.listing import Listing
from panic.broker.outcomes import Outcome, Verdict
from panic.broker.questions import LOOKBACK
from panic.engine.case import Case
from panic.kit.errors import Problem, by_cause
from panic.kit.words import clip, counted
from panic.orders import Filters
from panic.report.document import (
    CLOCK_UNEXPLAINED,
    FILTER_NAMES_NOTHING,
    NOT_ATTEMPTED,
    ROSTER_SHRANK,
    UNLISTED,
    Flag,
)

_TEXT_MOST = 500
ROSTER_REMEDY = "Was it copied by half? If it is whole, panic check accepts it where the broker lists no others."
SKEW_MOST_S = 5.0
"""More than this between our clock and the broker's makes the times in a report hard to compare."""

_SKEW_EXPLAINED_S = LOOKBACK.total_seconds()
"""A clock that is off by more than a look goes back may hide every order."""

_LISTED_MOST = 10
"""Mistakes of one file that a report spells out; `panic check` lists them all."""


def lost_many(good: int, rows: int) -> bool:
    """Whether a roster of so many rows lacks a tenth of a good one, and two at least: accounts end one by one."""
    return good - rows >= max(2, good / 10)


def from_roster(good: int, rows: int) -> Iterable[Flag]:
    """Say that the roster has lost many of the rows that it had when it was last good."""
    if lost_many(good, rows):
        text = f"the roster lists {rows:,} accounts, and listed {good:,} when it was last good"
        yield Flag(ROSTER_SHRANK, f"{text}. {ROSTER_REMEDY}")


def from_problems(code: str, problems: Sequence[Problem]) -> list[Flag]:
    """Turn configuration mistakes that did not stop the press into flags, the first few in words."""
    problems = by_cause(problems)
    flags = [Flag(code, clip(str(problem), _TEXT_MOST)) for problem in problems[:_LISTED_MOST]]
    if len(problems) > _LISTED_MOST:
        flags.append(Flag(code, f"and {len(problems) - _LISTED_MOST:,} more; panic check lists them all"))
    return flags


def from_cases(
    cases: Sequence[Case], base_url: str, *, stopped: bool = False, over: bool = True, died: bool = False
) -> Iterable[Flag]:
    """Say what all accounts together suggest; until it is `over`, or its process `died`, nobody was left out."""
    if stopped:
        yield Flag("stopped", "somebody stopped this run before it was done")
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
    if unsent and (over or died):
        limited = sum(case.outcome is Outcome.RATE_LIMITED for case in cases)
        more = f", and {limited:,} more got no answer but a 429" if limited else ""
        accounts, was = counted(unsent), "was" if unsent == 1 else "were"
        text = f"the run ended before {accounts} {was} sent anything{more}: press again"
        if died:
            text = f"of {accounts} no cancel is on record{more}: panic resume sends it, or press again"
        elif not stopped:
            text += ", without --deadline: it then lasts as long as it must"
        yield Flag(NOT_ATTEMPTED, text)


def from_descriptors(wanted: int, possible: int) -> Iterable[Flag]:
    """Say that too few file descriptors allow fewer requests in flight than `wanted`."""
    if possible < wanted:
        text = f"{possible} requests in flight instead of {wanted}: this process may open no more files"
        yield Flag("few_descriptors", f"{text} (ulimit -n)")


def from_filters(cases: Sequence[Case]) -> Iterable[Flag]:
    """Say that order filters matched nothing: otherwise a misspelt symbol would read as "clear"."""
    filters = cases[0].filters if cases else Filters()
    unmet = [case.tally.unmet for case in cases]
    if not filters or not all(unmet) or not any(case.verdict is Verdict.CLEAR for case in cases):
        return
    unknown = [one for one in filters.instrument_ids if all(one in left.instrument_ids for left in unmet)]
    if filters.instrument_ids and not unknown:
        return
    what = ", ".join(map(repr, unknown)) or ", ".join(filters.query().values())
    text = f"no account shows an order that is {what}: nothing was cancelled for it; check the spelling"
    yield Flag(FILTER_NAMES_NOTHING, clip(text, _TEXT_MOST))


def from_clock(ahead_s: float | None) -> Iterable[Flag]:
    """Say that our clock and the broker's differ; `ahead_s` is how far ours is ahead, None if unknown."""
    if ahead_s is not None and abs(ahead_s) > _SKEW_EXPLAINED_S:
        yield Flag(
            CLOCK_UNEXPLAINED,
            f"this machine's clock differs from the broker's by {ahead_s / 86_400:+,.0f} days: "
            "nobody knows how far back the reads went; set the clock (NTP), and press again",
        )
    elif ahead_s is not None and abs(ahead_s) > SKEW_MOST_S:
        yield Flag(
            "clock_skew", f"this machine's clock differs from the broker's by {ahead_s:+.0f} s: set it (NTP)"
        )


def from_listings(listings: Mapping[str, Listing], unlisted: Sequence[int]) -> Iterable[Flag]:
    """Say which accounts the broker shows but the roster lacks, and for which keys that is unknown."""
    if unlisted:
        ids = ", ".join(map(str, unlisted[:_LISTED_MOST])) + (", …" if len(unlisted) > _LISTED_MOST else "")
        count = "1 active account is" if len(unlisted) == 1 else f"{len(unlisted):,} active accounts are"
        text = f"{count} at the broker and not in the roster: {ids}; add them, or list them as excluded"
        yield Flag(UNLISTED, text)
    for name, listing in listings.items():
        if listing.failure:
            text = f"the accounts that credential '{name}' may see are not known: {listing.failure}"
            yield Flag("roster_unchecked", text)
