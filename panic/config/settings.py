"""All the settings of one file."""

from pathlib import Path

from pydantic import Field

from panic.config.identity import Provider
from panic.config.sections import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Run, Section, StateFolder
from panic.config.service import Channel, Hook, Schedule, SelfTest, Service, Token
from panic.kit.errors import Problem


class Settings(Section):
    """All settings of one file, or built in code: `Settings(broker=…, credentials=…, roster=…)`.

    Attributes:
        file: Where they were read; None when built in code, and then there is no ledger and latch but by name.
        problems: Every mistake that was replaced by a default or ignored.
        lines: Where in the file each section and key stands; of a schedule, ("[[schedules]]", its name).
        digest: "sha256:" and the hexadecimal digest of the file's bytes; empty when built in code.
    """

    file: Path | None = None
    digest: str = ""
    lines: dict[tuple[str, ...], int] = Field(default_factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()
    broker: Broker
    credentials: dict[str, Credential] = Field(default_factory=dict)
    roster: RosterFile
    run: Run = Run()
    state: StateFolder = StateFolder()
    ledger: LedgerFiles = LedgerFiles()
    latch: LatchFile = LatchFile()
    service: Service = Service()
    identity: Provider | None = None
    tokens: dict[str, Token] = Field(default_factory=dict)
    hooks: dict[str, Hook] = Field(default_factory=dict)
    channels: dict[str, Channel] = Field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    self_test: SelfTest = SelfTest()

    @property
    def token_digests(self) -> frozenset[str]:
        """The digests of all tokens: a text that holds a token can be told by them."""
        return frozenset(digest for token in self.tokens.values() for digest in token.digest)
