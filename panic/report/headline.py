"""The words of a report's verdict line, as a terminal and the control room show them."""

from panic.broker.outcomes import Standing, Verdict
from panic.kit.words import counted
from panic.report.document import NEVER_CLEAR, RECORD_DAMAGED, Report, ScopeReport

_HEADLINES = {
    Verdict.CLEAR: "every one of {all} was read and shows no open order",
    Verdict.UNVERIFIED: "nobody saw that nothing is open in {these} of {all}",
    Verdict.OPEN: "orders are still open in {these} of {all}",
    Verdict.UNKNOWN: "nobody knows what became of the cancel in {these} of {all}",
    Verdict.REFUSED: "the broker refused to cancel in {these} of {all}",
}


def headline(report: Report) -> str:
    """Say in one sentence what the verdict means."""
    total = report.totals.accounts
    these = report.totals.verdicts.get(report.verdict, 0)
    bad = total - report.totals.verdicts.get(Verdict.CLEAR, 0)
    filters = narrowing(filters_of(report.scope)).removeprefix(", ")
    words = _HEADLINES[report.verdict]
    if filters and report.verdict is Verdict.CLEAR:
        words = "no order that these filters name is open in {all}"
    if report.verdict is Verdict.UNVERIFIED and report.totals.standings.get(Standing.CLEAR, 0) == total:
        words = "every account was read clear, and nothing proves it any more"
        if not report.finished:
            words = "every account was read clear, and the run has not come to its end"
        elif report.coverage.unlisted_accounts:
            words = "all accounts of the roster are clear, and the broker shows others that the roster lacks"
    words = words.format(all=counted(total), these=f"{these:,}")
    if bad > these and report.verdict is not Verdict.CLEAR:
        words += f"; {bad:,} are not clear"
    if report.verdict is not Verdict.CLEAR and (found := str(report.totals.still_open)):
        words += f"; {found}"
    if report.verdict is not Verdict.CLEAR and any(flag.code == RECORD_DAMAGED for flag in report.flags):
        words = f"the record was edited or is damaged; {words}"
    words = f"({filters}; other orders were left alone)  {words}" if filters else words
    doubts = [flag.text.partition(":")[0] for flag in report.flags if flag.code in NEVER_CLEAR]
    if report.verdict is not Verdict.UNVERIFIED:
        return "; ".join([words, *doubts])
    return "; ".join([*doubts, *([words] if these or not doubts else [])])


def scope_words(scope: ScopeReport) -> str:
    """Say in words what was asked for."""
    what = "all accounts" if scope.all else ", ".join([*scope.groups, *map(str, scope.accounts)])
    return what + narrowing(filters_of(scope))


def filters_of(scope: ScopeReport) -> dict[str, str]:
    """Give the order filters by the broker's names; empty ones name every order."""
    filters = scope.filters
    return {
        "side": filters.side or "",
        "type": filters.type or "",
        "instrument_type": filters.instrument_type or "",
        "instrument_ids": ",".join(filters.instrument_ids),
    }


def narrowing(filters: dict[str, str]) -> str:
    """Give order filters as words to follow a scope; "" if there are none."""
    words = ", ".join(f"{name} {value}" for name, value in filters.items() if value)
    return f", only {words}" if words else ""
