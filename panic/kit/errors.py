"""All of panic's exceptions, in one tree.

    PanicError               70  panic itself failed
    ├── UsageError           64  the command line or the call asks for something that makes no sense
    └── ConfigurationError   78  the settings, the roster or a credential cannot be used

The lower two mean that nothing was sent. Their text names the file, the line and the value, and ends with the
remedy. What goes wrong with one account is no exception: it is an outcome in the report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_LINES_MOST = 3


class PanicError(Exception):
    """Panic itself failed."""

    exit_code = 70


class UsageError(PanicError):
    """The request makes no sense as it stands; `mistakes` are where it is wrong and what, one by one, if known."""

    exit_code = 64

    def __init__(self, text: str = "", mistakes: Sequence[tuple[str, str]] = ()) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its remedy: in a file, at a key of a section of the settings, of an account, or of none.

    `what` names the offending value, without a full stop; the remedy is a sentence, and lines count from 1.
    """

    what: str
    remedy: str
    file: Path | None = None
    line: int | None = None
    section: str = field(default="", compare=False)
    key: str = field(default="", compare=False)
    account: int | None = field(default=None, kw_only=True)

    @property
    def text(self) -> str:
        """What is wrong, and with which account."""
        return self.what if self.account is None else f"account {self.account}: {self.what}"

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.text}. {self.remedy}"


def by_cause(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Make one problem of those that one remedy mends: they differ in line and account alone."""
    causes: dict[tuple[object, ...], list[Problem]] = {}
    for one in problems:
        is_alone = one.line is None and one.account is None
        causes.setdefault((one.what, one.remedy, one.file, is_alone and len(causes)), []).append(one)
    return tuple(_joined(*found) for found in causes.values())


def _joined(first: Problem, *more: Problem) -> Problem:
    if not more:
        return first
    lines = ", ".join(str(one.line) for one in more[:_LINES_MOST] if one.line)
    where = f" (line{'s' * (len(more) > 1)} {lines}{', …' * (len(more) > _LINES_MOST)})" if lines else ""
    whose = "this line" if first.account is None else f"account {first.account}"
    return replace(first, what=f"{whose} and {len(more):,} more{where}: {first.what}", account=None)


class ConfigurationError(PanicError):
    """Settings, roster or credentials cannot be used; lists every cause at once."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = by_cause(problems)
        super().__init__("\n".join(map(str, self.problems)))
