"""The sections of the settings that a press needs, each setting with its unit, default and reason."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from panic.config.address import safe_base_url

IN_STATE_FOLDER: Final = "in the state folder"
"""Marks a setting, as `Annotated` has it: a relative name starts where panic keeps its own files."""

StateFile = Annotated[Path | None, IN_STATE_FOLDER]


class Section(BaseModel):
    """Frozen, closed and silent about its input, which may hold a password."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class MistakeError(ValueError):
    """What somebody wrote cannot be meant so; `key` is the wrong one, "" for the section as a whole."""

    def __init__(self, what: str, remedy: str, key: str = "") -> None:
        super().__init__(f"{what}. {remedy}")
        self.what, self.remedy, self.key = what, remedy, key


class Broker(Section):
    """Which broker panic speaks to, and how; a ConfigurationError where `base_url` is unsafe."""

    base_url: str
    """https address without `/v1`. No default: a kill switch never guesses whom it is talking to."""

    contact: str = ""
    """Whom to call at the broker, one line. Default: nobody. A report that is not clear prints it."""

    ca_file: Path | None = None
    """PEM file of the authorities to trust. Default: the system's. For a proxy that opens TLS."""

    requests_per_second: float | None = Field(default=None, ge=0.1, le=100_000)
    """Requests a second that the broker lets one key make. Default: learned from its answers."""

    environment_proxy: bool = False
    """Whether HTTPS_PROXY and its kin count. Default: no. A stray one would swallow a press."""

    max_answer_bytes: int = Field(default=4 << 20, ge=1 << 10, le=64 << 20)
    """Bytes read of one answer. Default: 4 MiB, about 4,000 orders. An endless body must not fill memory."""

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        return safe_base_url(url)

    @field_validator("contact")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Credential(Section):
    """Where one API key is found, read again at every press: exactly one of the two."""

    env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        repr=False,  # somebody will paste the key itself
        description="Give the name of an environment variable",
    )
    """Name of an environment variable. Default: none. The official SDK reads CLEAR_STREET_API_KEY."""

    file: Path | None = None
    """File that holds the key and nothing else, mode 600. Default: none. Can be renewed without a restart."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Credential":
        if (self.env is None) == (self.file is None):
            raise ValueError("a credential names either env or file")
        return self


class RosterFile(Section):
    """Where the list of accounts is."""

    file: Path = Path("accounts.csv")
    """CSV file. Default: accounts.csv beside the settings. Read again at every press."""


class Run(Section):
    """How a run behaves unless its press says otherwise."""

    concurrency: int = Field(default=64, ge=1, le=1000)
    """Requests in flight. Default: 64. Clears 1,000 accounts in seconds and stays far below file limits."""

    attempt_s: float = Field(default=5.0, gt=0, le=15)
    """Seconds for one HTTP request. Default: 5. A hung connection must leave time to try again."""

    deadline_s: float = Field(default=120.0, gt=0, le=86_400)
    """Seconds for the whole run, unless the broker is slow. Default: 120."""

    longest_s: float = Field(default=1800.0, gt=0, le=86_400)
    """Seconds to which a run is put off behind a slow broker. Default: 1800. A press with a deadline is not."""

    poll_first_s: float = Field(default=0.5, gt=0, le=60)
    """Seconds from a cancel to the first look. Default: 0.5. Most cancels are done by then."""

    poll_max_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds between looks at most, growing. Default: 5. Spares the rate limit for the cancels."""

    watch_s: float = Field(default=15.0, ge=0, le=86_400)
    """Seconds to keep looking after the first clear. Default: 15. A running strategy sends new orders."""


class StateFolder(Section):
    """Where panic keeps its own files."""

    folder: Path | None = None
    """For ledger and latch. Default: that of the settings. Service and shell find it in the same place."""


class LedgerFiles(Section):
    """Where every run is put on record."""

    file: StateFile = None
    """SQLite file on a local disk. Default: ledger.db in the state folder. Survives the process, and proves."""

    signing_key: Path | None = None
    """PEM file of an Ed25519 key, mode 600. Default: none. Who writes the ledger alone makes no history."""


class LatchFile(Section):
    """Where strategies read whether they are stopped."""

    file: StateFile = None
    """Text file. Default: panic.latch in the state folder. `press --latch` engages it, `reset` ends that."""

    resets: int = Field(default=1, ge=1, le=2)
    """How many people a reset takes. Default: 1. With 2, nobody lets strategies trade again alone."""
