"""What somebody is told, and a run's notices in plain words: pure. Reports hold no secrets; neither do these."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from panic.broker.outcomes import Verdict
from panic.kit.words import clean, clip, counted
from panic.report.document import AccountReport, Report, counts
from panic.report.headline import filters_of, headline, scope_words

TEXT_MOST = 1500
"""Characters of a whole notice: what a pager shows without cutting it, or nearly."""

_TITLE_MOST = 240
_ACCOUNTS_MOST = 5
_FLAGS_MOST = 8
_REASON_MOST = 160
_SCOPE_MOST = 120

Kind = Literal["start", "verdict", "flag", "page"]

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


@dataclass(frozen=True, slots=True)
class Notice:
    """One message, in plain words.

    Attributes:
        kind: What it is about; a channel is told the kinds that its settings name.
        run: The run's id; empty where there is none (a hook that was refused, say).
        title: The first line: the verdict and the counts.
        text: The rest, a few short lines.
        key: Equal keys are one page, and one incident of a pager.
        closes: Whether it ends the page of this key, and every page about accounts that it is about, too.
        about: The accounts that a page calls not clear, or that are clear now. None stands for accounts without a
            readable id, or that the roster does not list.
    """

    kind: Kind
    run: str
    title: str
    text: str
    key: str
    closes: bool = False
    about: frozenset[int | None] = frozenset()

    @property
    def opens(self) -> bool:
        """Whether somebody has to see to it."""
        return self.kind == "page" and not self.closes


def notices_of(event: str, report: Report) -> list[Notice]:
    """Give what is to be told of a run that "started", "finished", was "interrupted" or "left", worst first."""
    if event == "started":
        title = f"{_drill(report)}STARTED  cancelling in {counted(report.totals.accounts)}"
        return [_notice("start", report, title, _circumstances(report), "Follow it: panic show")]
    if event in _UNFINISHED:
        word, means = _UNFINISHED[event]
        return [_page(report, f"{word}  {_verdict_line(report)}", [means])]
    return _finished(report) if event == "finished" else []


def _finished(report: Report) -> list[Notice]:
    title = _verdict_line(report)
    if report.verdict is Verdict.CLEAR:
        verdict = _notice("verdict", report, title, _circumstances(report))
        return [*_flags(report), replace(verdict, closes=not report.drill, about=_proven(report))]
    verdict = _notice("verdict", report, title, _what_is_wrong(report))
    pages = [] if report.drill else [_page(report, title)]  # nobody gets up for a rehearsal
    return [*pages, verdict, *_flags(report)]


def _page(report: Report, title: str, more: Iterable[str] = ()) -> Notice:
    bad = {account.id for account in report.accounts if account.verdict is not Verdict.CLEAR}
    about = frozenset({*bad, None} if report.coverage.unlisted_accounts or not bad else bad)
    return replace(_notice("page", report, title, [*more, *_what_is_wrong(report)]), about=about)


def _proven(report: Report) -> frozenset[int | None]:
    """Give the accounts that a clear run speaks for; with filters it speaks for some of their orders only."""
    if any(filters_of(report.scope).values()):
        return frozenset()
    return frozenset([account.id for account in report.accounts] + [None] * report.scope.all)


def _flags(report: Report) -> list[Notice]:
    """Everything odd about the run as a whole, in one notice."""
    texts = [flag.text for flag in report.flags]
    if report.latch is not None and not report.latch.as_asked:
        texts.insert(0, f"latch: {report.latch.text}")
    if not texts:
        return []
    count = "1 flag" if len(texts) == 1 else f"{len(texts):,} flags"
    title = (
        f"{_drill(report)}FLAGGED  {count} on a run that is {report.verdict} ({counts(report.totals.verdicts)})"
    )
    lines = [f"! {clip(text, _REASON_MOST)}" for text in texts[:_FLAGS_MOST]]
    if len(texts) > _FLAGS_MOST:
        lines.append(f"and {len(texts) - _FLAGS_MOST:,} more in the report")
    return [replace(_notice("flag", report, title, lines), key=f"{report.run_id}:flags")]


def _what_is_wrong(report: Report) -> Iterable[str]:
    bad = [account for account in report.accounts if account.verdict is not Verdict.CLEAR]
    yield from (_account(account) for account in bad[:_ACCOUNTS_MOST])
    if len(bad) > _ACCOUNTS_MOST:
        yield f"and {len(bad) - _ACCOUNTS_MOST:,} more accounts that are not clear"
    if report.contact:
        yield f"Broker: {clip(report.contact)}"
    yield from _circumstances(report)


def _account(account: AccountReport) -> str:
    name = clip(account.name, 40)
    who = " ".join(part for part in ("" if account.id is None else str(account.id), name) if part)
    return f"{account.verdict.upper()} {who or '(no readable id)'}: {clip(account.next_step, _REASON_MOST)}"


def _circumstances(report: Report) -> Iterable[str]:
    trigger = report.trigger
    if report.latch is not None:
        yield f"latch: {clip(report.latch.text)}"
    yield f"{clip(report.base_url)} · {clip(scope_words(report.scope), _SCOPE_MOST)}"
    pressed = f"pressed {report.started_at:%Y-%m-%d %H:%M:%S} UTC by {clip(trigger.by, 80)}"
    yield f"{pressed}: {clip(trigger.reason, _REASON_MOST)}"
    yield f"run {report.run_id}"
    if report.ledger_head:  # whoever has this mail can prove later that nothing before it was changed
        yield f"ledger head {report.ledger_head}"


def _verdict_line(report: Report) -> str:
    """Give the first line: the verdict, what it means, and the counts."""
    return f"{_drill(report)}{report.verdict.upper()}  {headline(report)} ({counts(report.totals.verdicts)})"


def _drill(report: Report) -> str:
    return "DRILL · " if report.drill else ""


def _notice(
    kind: Kind,
    report: Report,
    title: str,
    lines: Iterable[str],
    last: str = "What to do, account by account: panic show",
) -> Notice:
    """Put a notice together; the last line says what to type, and is never what is cut off."""
    title, last = clip(title, _TITLE_MOST), f"{last} {report.run_id}"
    room = TEXT_MOST - len(title) - len(last) - 2
    body = clean("\n".join(lines))
    body = body if len(body) <= room else body[: room - 1] + "…"
    return Notice(kind, report.run_id, title, f"{body}\n{last}", report.run_id)
