"""All settings of one file together."""

from pathlib import Path

from pydantic import Field

from panic.config.kinds import Section
from panic.config.sections import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Run, StateFolder
from panic.config.service import Channel, Hook, Schedule, SelfTest, Service, Token
from panic.kit.errors import Problem


class Settings(Section):
    """All settings of one file, or built in code: `Settings(broker=…, credentials=…, roster=…)`.

    Attributes:
        file: Where they were read; None when built in code.
        problems: Every mistake that was replaced by a default or ignored.
        credentials: Name, as the roster's `credential` column has it, to the place of its key.
        lines: Where in the file each section and key stands; of a schedule, ("[[schedules]]", its name).
        state: Where the files are that panic keeps, unless they are named one by one.
        digest: "sha256:" and the hexadecimal digest of the file's bytes; empty when built in code.
        ledger: Settings built in code keep no ledger unless they name a file.
        latch: Settings built in code have no latch unless they name a file.
        tokens: Name to who may ask the service for what.
        hooks: Name, as in the address that a risk system calls, to what that sets off.
        channels: Name to whom to notify; [notify.NAME] in the file.
        schedules: What comes by the clock, each under a name of its own; [[schedules]] in the file.
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
    tokens: dict[str, Token] = Field(default_factory=dict)
    hooks: dict[str, Hook] = Field(default_factory=dict)
    channels: dict[str, Channel] = Field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    self_test: SelfTest = SelfTest()
