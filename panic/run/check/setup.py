"""What a check works with: roster and keys, as much of them as can be read, and every mistake."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from panic.accounts.roster import Account, Roster
from panic.accounts.roster import load as load_roster
from panic.config import Settings
from panic.config.secret import Key, read_all
from panic.kit.errors import ConfigurationError, Problem


@dataclass(frozen=True, slots=True)
class Setup:
    """Roster and keys of a firm.

    Attributes:
        roster: None where it cannot be read.
        keys: The usable ones, by the credential's name.
        problems: Every mistake that is known; whoever checks decides whether they forbid it.
    """

    roster: Roster | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def accounts(self) -> list[Account]:
        """The accounts to ask about."""
        return [] if self.roster is None else [one for one in self.roster.accounts if not one.excluded]


def read_setup(settings: Settings, env: Mapping[str, str]) -> Setup:
    """Read roster and keys, and collect every mistake in them and in the settings; it may take a while."""
    keys, problems = read_all(settings.credentials, env)
    problems = [*settings.problems, *problems]
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
    except ConfigurationError as error:
        return Setup(None, keys, (*problems, *error.problems))
    return Setup(roster, keys, (*problems, *roster.problems))
