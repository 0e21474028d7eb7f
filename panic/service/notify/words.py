"""A run's notices, in plain words: pure. Reports hold no secrets, and neither do these."""

from collections.abc import Iterable
from dataclasses import replace

from panic.broker.outcomes import Verdict
from panic.kit.words import clean, clip
from panic.report.document import AccountReport, Report, counts
from panic.service.notify.notice import Kind, Notice

TEXT_MOST = 1500
"""Characters of a whole notice: what a pager shows without cutting it, or nearly."""

_TITLE_MOST = 240
_ACCOUNTS_MOST = 5
_FLAGS_MOST = 8
_REASON_MOST = 160
_SCOPE_MOST = 120

_HEADLINES = {
    Verdict.CLEAR: "every one of {all} accounts was read and shows no open order",
    Verdict.UNVERIFIED: "nobody saw that nothing is open",
    Verdict.OPEN: "orders are still open",
    Verdict.UNKNOWN: "nobody knows what became of the cancel",
    Verdict.REFUSED: "the broker refused to cancel",
}


def notices_of(event: str, report: Report) -> list[Notice]:
    """Give what is to be told when something happens to a run, worst first.

    Args:
        event: "started"; "finished"; "interrupted", when its process died and nobody resumes it; "left", when the
            service was told to end, and resumes it when it starts again. Of anything else nobody is told.
        report: The run's report as it is then.
    """
    run = report.run_id
    if event == "started":
        return [_started(run, report)]
    if event == "finished":
        return _finished(run, report)
    if event in _UNFINISHED:
        word, means = _UNFINISHED[event]
        return [_page(run, report, f"{word}  {_verdict_line(report)}", [means])]
    return []


_UNFINISHED = {
    "interrupted": (
        "INTERRUPTED",
        "panic ended before this run did, and nobody resumes it. Take what is not clear as open: press again.",
    ),
    "left": (
        "LEFT",
        "The service ended before this run did. Its next start resumes it. Until then take it as open.",
    ),
}


def _started(run: str, report: Report) -> Notice:
    accounts = report.totals.accounts
    title = f"{_drill(report)}STARTED  cancelling in {accounts:,} account{'s' * (accounts != 1)}"
    return _notice("start", run, title, _circumstances(run, report), f"Follow it: panic show {run}")


def _finished(run: str, report: Report) -> list[Notice]:
    title = _verdict_line(report)
    if report.verdict is Verdict.CLEAR:
        lines = [*_circumstances(run, report), *_latch(report)]
        verdict = _notice("verdict", run, title, lines, _read_it(run))
        return [*_flags(run, report), replace(verdict, closes=not report.drill, about=_proven(report))]
    verdict = _notice("verdict", run, title, _what_is_wrong(run, report), _read_it(run))
    if report.drill:  # nobody gets up for a rehearsal
        return [verdict, *_flags(run, report)]
    return [_page(run, report, title), verdict, *_flags(run, report)]


def _page(run: str, report: Report, title: str, more: Iterable[str] = ()) -> Notice:
    page = _notice("page", run, title, [*more, *_what_is_wrong(run, report)], _read_it(run))
    return replace(page, about=_not_clear(report))


def _not_clear(report: Report) -> frozenset[int | None]:
    bad = {account.id for account in report.accounts if account.verdict is not Verdict.CLEAR}
    return frozenset({*bad, None} if report.coverage.unlisted_accounts or not bad else bad)


def _proven(report: Report) -> frozenset[int | None]:
    """Give the accounts that a clear run speaks for; with filters it speaks for some of their orders only."""
    if _only(report):
        return frozenset()
    return frozenset([account.id for account in report.accounts] + [None] * report.scope.all)


def _flags(run: str, report: Report) -> list[Notice]:
    """Everything odd about the run as a whole, in one notice."""
    texts = [flag.text for flag in report.flags]
    if report.latch is not None and not report.latch.as_asked:
        texts.insert(0, f"latch: {report.latch.text}")
    if not texts:
        return []
    count = "1 flag" if len(texts) == 1 else f"{len(texts):,} flags"
    title = f"{_drill(report)}FLAGGED  {count} on a run that is {report.verdict} ({counts(report)})"
    lines = [f"! {clip(text, _REASON_MOST)}" for text in texts[:_FLAGS_MOST]]
    if len(texts) > _FLAGS_MOST:
        lines.append(f"and {len(texts) - _FLAGS_MOST:,} more in the report")
    return [replace(_notice("flag", run, title, lines, _read_it(run)), key=f"{run}:flags")]


def _what_is_wrong(run: str, report: Report) -> Iterable[str]:
    bad = [account for account in report.accounts if account.verdict is not Verdict.CLEAR]
    yield from (_account(account) for account in bad[:_ACCOUNTS_MOST])
    if len(bad) > _ACCOUNTS_MOST:
        yield f"and {len(bad) - _ACCOUNTS_MOST:,} more accounts that are not clear"
    if report.contact:
        yield f"Broker: {clip(report.contact)}"
    yield from _latch(report)
    yield from _circumstances(run, report)


def _account(account: AccountReport) -> str:
    name = clip(account.name, 40)
    who = " ".join(part for part in ("" if account.id is None else str(account.id), name) if part)
    return f"{account.verdict.upper()} {who or '(no readable id)'}: {clip(account.next_step, _REASON_MOST)}"


def _latch(report: Report) -> Iterable[str]:
    if report.latch is not None:
        yield f"latch: {clip(report.latch.text)}"


def _circumstances(run: str, report: Report) -> Iterable[str]:
    scope, trigger = report.scope, report.trigger
    what = (
        "all accounts" if scope.all else clip(", ".join([*scope.groups, *map(str, scope.accounts)]), _SCOPE_MOST)
    )
    yield f"{clip(report.base_url)} · {what}{_only(report)}"
    pressed = f"pressed {report.started_at:%Y-%m-%d %H:%M:%S} UTC by {clip(trigger.by, 80)}"
    yield f"{pressed}: {clip(trigger.reason, _REASON_MOST)}"
    yield f"run {run}"


def _only(report: Report) -> str:
    filters = report.scope.filters
    words = [word for word in (filters.side, filters.type, filters.instrument_type) if word]
    words += [", ".join(filters.instrument_ids)] if filters.instrument_ids else []
    return f" · only {clip(' '.join(words), _SCOPE_MOST)}; other orders were left alone" if words else ""


def _verdict_line(report: Report) -> str:
    """Give the first line: the verdict, what it means, and the counts."""
    total, these = report.totals.accounts, report.totals.verdicts.get(report.verdict, 0)
    words = _HEADLINES[report.verdict].format(all=f"{total:,}")
    if report.verdict is Verdict.UNVERIFIED and not these:
        words = (
            "all accounts of the roster are clear, and the broker shows others that it does not list"
            if report.finished
            else "every account was read clear, and the run has not come to its end"
        )
    elif report.verdict is not Verdict.CLEAR:
        words += f" in {these:,} of {total:,} accounts"
    return f"{_drill(report)}{report.verdict.upper()}  {words} ({counts(report)})"


def _drill(report: Report) -> str:
    return "DRILL · " if report.drill else ""


def _read_it(run: str) -> str:
    return f"What to do, account by account: panic show {run}"


def _notice(kind: Kind, run: str, title: str, lines: Iterable[str], last: str) -> Notice:
    """Put a notice together; the last line says what to type, and is never what is cut off."""
    title = clip(title, _TITLE_MOST)
    room = TEXT_MOST - len(title) - len(last) - 2
    body = clean("\n".join(lines))
    body = body if len(body) <= room else body[: room - 1] + "…"
    return Notice(kind, run, title, f"{body}\n{last}", run)
