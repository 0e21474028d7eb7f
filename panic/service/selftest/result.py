"""What the last self-test found, in a small file beside the ledger, so that it can be told without the service."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.config import Settings
from panic.config.own_files import SELF_TEST
from panic.kit.files import read_regular, replace
from panic.kit.words import ago
from panic.run.check import State
from panic.service.selftest.findings import Finding

_STALE_INTERVALS = 2
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """What the last self-test that came to its end found, worst first.

    `interval_s` is the longest that there should be from one to the next; `proven_at` is when all was last well.
    """

    schema: Literal["panic-self-test/1"]
    finished_at: AwareDatetime
    took_s: float
    interval_s: float
    base_url: str
    exit_code: int
    proven_at: AwareDatetime | None
    accounts: int
    states: dict[State, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a press would work everywhere."""
        return not any(one.is_alarming for one in self.findings)

    @property
    def good(self) -> int:
        """How many accounts can be pressed."""
        return self.states.get(State.OK, 0)

    @property
    def none_could_be_pressed(self) -> bool:
        """Whether there are accounts, and every one is refused or out of reach."""
        lost = self.states.get(State.REFUSED, 0) + self.states.get(State.UNREACHABLE, 0)
        return 0 < self.accounts == lost

    def age_s(self, now: datetime) -> float:
        """How long ago it was, seconds; a clock that was set back makes it no younger than now."""
        return max((now - self.finished_at).total_seconds(), 0.0)

    def is_stale(self, now: datetime) -> bool:
        """Whether the next one is long overdue."""
        return self.age_s(now) > _STALE_INTERVALS * self.interval_s

    def exit_code_at(self, now: datetime) -> int:
        """Give the exit code as of now."""
        return max(self.exit_code, EXIT_CODES[Verdict.UNVERIFIED]) if self.is_stale(now) else self.exit_code

    def headline(self, now: datetime) -> str:
        """Say how things stand, in one line."""
        count = f"{self.good:,} of {self.accounts:,}"
        if self.ok:
            return f"last proven {ago(self.age_s(now))}, {count}"
        at = self.proven_at
        proven = f"last proven {ago((now - at).total_seconds())}" if at else "never proven"
        return f"not proven {ago(self.age_s(now))}, {count}; {proven}"


_RESULT: TypeAdapter[SelfTestResult] = TypeAdapter(SelfTestResult)


def place(settings: Settings) -> Path | None:
    """Give where the last self-test is kept; None where the settings name no ledger."""
    ledger = settings.ledger.file
    return None if ledger is None else ledger.with_name(SELF_TEST)


def read(file: Path) -> SelfTestResult | None:
    """Read the file; None where there is none, or nothing that can be believed."""
    try:
        return _RESULT.validate_json(read_regular(file, _LARGEST)[0])
    except (OSError, ValidationError):
        return None


def write(file: Path, result: SelfTestResult) -> None:
    """Replace the file, so that nobody reads half of one; an OSError leaves the old one."""
    replace(file, to_json(result))


def to_json(result: SelfTestResult) -> bytes:
    """Write what the last self-test found as JSON."""
    return _RESULT.dump_json(result, indent=2)
