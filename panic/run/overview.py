"""What a run under way has come to so far: counts that are cheap to read, and the accounts that need somebody."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from panic.accounts.plan import Unsent
from panic.broker.outcomes import NEVER_LEFT, REFUSED, TRY_AGAIN, WORST_FIRST, Outcome, Standing, Verdict, worst
from panic.engine.case import Case
from panic.kit.words import clip, counted
from panic.report.account import next_step, unsent_of
from panic.run.run import Run

_CAUSES_MOST = _NAMED_MOST = 3
_AGAIN_S = 5.0


class Mark(NamedTuple):
    """What an account has come to, as far as it is counted."""

    outcome: Outcome = Outcome.NOT_ATTEMPTED
    standing: Standing = Standing.UNREAD
    verdict: Verdict = Verdict.UNKNOWN
    is_sending: bool = False
    is_concluded: bool = False

    @classmethod
    def of(cls, case: Case) -> "Mark":
        """Read it off a case."""
        return cls(case.outcome, case.standing, case.verdict, case.sending, case.is_concluded)

    @property
    def was_sent(self) -> bool:
        """Whether a DELETE left this machine, or may have."""
        return self.outcome not in NEVER_LEFT

    @property
    def trouble(self) -> Outcome | None:
        """Give the outcome that somebody must hear of at once, while there is time to mend its cause."""
        is_bad = self.verdict is Verdict.REFUSED or self.outcome is Outcome.UNREACHABLE
        return self.outcome if is_bad and self.standing is not Standing.CLEAR else None

    def __str__(self) -> str:
        if self.standing is not Standing.UNREAD:
            return str(self.standing)
        if self.is_sending and not self.was_sent:
            return "under way"
        return f"{self.outcome} (again)" if self.outcome in TRY_AGAIN else str(self.outcome)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a press has come, in accounts, `elapsed_s` seconds after it began.

    Attributes:
        sent: Those whose first cancel left this machine, or may have.
        clear: Those that a read showed clear.
        refused: Those in which the broker refused to cancel.
        unreachable: Those whose cancels could not leave this machine so far, for want of network, key or good row.
        left: Those with which panic is not done.
    """

    elapsed_s: float
    accounts: int
    sent: int
    clear: int
    refused: int
    unreachable: int
    left: int


class Overview:
    """Follows a run by its events; nothing here grows slower with the number of accounts."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._unsent = run.prepared.plan.unsent  # the report counts them, too
        self._unsent_told = False
        self.accounts = len(run.cases) + len(self._unsent)
        self._marks: dict[int, Mark] = {}
        if run.prepared.unfinished is not None:  # else no account has come to anything yet
            self._marks = {case.account.id: Mark.of(case) for case in run.cases}
        self.marks = Counter(self._marks.values()) or Counter({Mark(): len(run.cases)})
        self._troubled: dict[Outcome, dict[int, Case]] = {}
        self._told: dict[Outcome, tuple[int, float]] = {}

    def observe(self, case: Case) -> None:
        """Count an account anew."""
        id_, after = case.account.id, Mark.of(case)
        before = self._marks.get(id_, Mark())
        if before == after:
            return
        self._marks[id_] = after
        self.marks[before] -= 1
        self.marks[after] += 1
        if before.trouble is not None:
            self._troubled[before.trouble].pop(id_, None)
        if after.trouble is not None:
            self._troubled.setdefault(after.trouble, {})[id_] = case

    def count(self, is_so: Callable[[Mark], bool]) -> int:
        """Count the accounts of which it is so."""
        return sum(count for mark, count in self.marks.items() if is_so(mark))

    @property
    def progress(self) -> Progress:
        """Give the counts of this moment."""
        return Progress(
            elapsed_s=self._run.elapsed_s,
            accounts=self.accounts,
            sent=self.count(lambda mark: mark.was_sent),
            clear=self.count(lambda mark: mark.standing is Standing.CLEAR),
            refused=self.count(lambda mark: mark.verdict is Verdict.REFUSED),
            unreachable=self.count(lambda mark: mark.outcome is Outcome.UNREACHABLE) + len(self._unsent),
            left=self.count(lambda mark: not mark.is_concluded),
        )

    @property
    def is_untouched(self) -> bool:
        """Whether nothing at all has left this machine."""
        return not self.count(lambda mark: mark.was_sent or mark.is_sending)

    def status(self) -> str:
        """Give the counts in one line; what nobody has to hear of is left out."""
        now, under_way = self.progress, self.count(lambda mark: mark.is_sending and not mark.was_sent)
        words = [f"sent {now.sent:,}/{now.accounts:,}", f"clear {now.clear:,}", f"left {now.left:,}"]
        more = {"under way": under_way, "REFUSED": now.refused, "NOT SENT": now.unreachable}
        return "  ".join([*words, *(f"{what} {count:,}" for what, count in more.items() if count)])

    def so_far(self) -> str:
        """Give the verdict that the run would have if nothing more happened, and what it is made of."""
        found = Counter[Verdict]()
        for mark, count in self.marks.items():
            found[mark.verdict] += count
        found[Verdict.UNKNOWN] += len(self._unsent)
        found = +found
        each = ", ".join(f"{found[verdict]:,} {verdict}" for verdict in WORST_FIRST if verdict in found)
        return f"{worst(*found).upper()} SO FAR  {each} of {counted(found.total())}"

    def news(self) -> Iterable[str]:
        """Give, once and again where there are more of them, the accounts that a person must see to now."""
        elapsed_s = self._run.elapsed_s
        if not self._unsent_told:
            self._unsent_told = True
            yield from self._words_of_unsent()
        for outcome, cases in self._troubled.items():
            count, again_s = self._told.get(outcome, (0, 0.0))
            if len(cases) > count and elapsed_s >= again_s:
                self._told[outcome] = (len(cases), elapsed_s + _AGAIN_S)
                yield self._words(outcome, list(cases.values()))

    def _words(self, outcome: Outcome, cases: list[Case]) -> str:
        whom, how_many = _named([*map(_name, cases[:_NAMED_MOST])], len(cases)), f"{counted(len(cases))} so far"
        if outcome in REFUSED:
            contact = self._run.prepared.settings.broker.contact
            step = next_step(cases[0], Verdict.REFUSED, contact).partition(", quoting ")[0].removesuffix(".")
            return f"REFUSED  {how_many} ({outcome}): {whom}. {step}."
        why = cases[-1].attempts[-1].error
        return f"NOT SENT  {how_many} ({why}): {whom}. Nothing of it left this machine; it is tried again."

    def _words_of_unsent(self) -> Iterable[str]:
        causes: dict[str, list[Unsent]] = {}
        for one in self._unsent:
            causes.setdefault(one.why, []).append(one)
        contact = self._run.prepared.settings.broker.contact
        for why, found in list(causes.items())[:_CAUSES_MOST]:
            told = [unsent_of(one, contact) for one in found[:_NAMED_MOST]]
            whom = _named([str(one.id or one.name) for one in told], len(found))
            yield f"NOT SENT  {counted(len(found))} ({why.removesuffix('.')}): {whom}. {told[0].next_step}"
        if rest := sum(map(len, list(causes.values())[_CAUSES_MOST:])):
            yield f"NOT SENT  {counted(rest)} for other reasons. Type panic check."


def _named(words: list[str], among: int) -> str:
    more = among - len(words)
    return f"{', '.join(words)} and {more:,} more" if more else ", ".join(words)


def _name(case: Case) -> str:
    request = next((one.request_id for one in reversed(case.attempts)), "")
    pieces = (str(case.account.id), clip(case.account.name, 40), request and f"[request {request}]")
    return " ".join(filter(None, pieces))
