"""All of panic's exceptions, in one tree.

    PanicError               70  panic itself failed
    ├── UsageError           64  the command line or the call asks for something that makes no sense
    └── ConfigurationError   78  the settings, the roster or a credential cannot be used

The lower two mean that nothing was sent. Their text names the file, the line and the value, and ends with the
remedy. What goes wrong with one account is no exception: it is an outcome in the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


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
    """One mistake and its remedy, in a file and at a key of a section of the settings, or in neither.

    `what` names the offending value, without a full stop; the remedy is a sentence, and lines count from 1.
    """

    what: str
    remedy: str
    file: Path | None = None
    line: int | None = None
    section: str = field(default="", compare=False)
    key: str = field(default="", compare=False)

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.what}. {self.remedy}"


class ConfigurationError(PanicError):
    """Settings, roster or credentials cannot be used; lists every mistake at once."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
