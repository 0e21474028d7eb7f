"""The sections of the settings about what happens by itself: schedules, and the service's test of itself."""

from pydantic import Field, field_validator, model_validator

from panic.config.at import At, MistakeError, parse
from panic.config.kinds import (
    Accounts,
    Deadline,
    Groups,
    Instruments,
    InstrumentType,
    Seconds,
    Side,
    Type,
)
from panic.config.sections import Section

SHORTEST_TEST_S = 30


class Schedule(Section):
    """A press, or a drill, that comes by the clock; a MistakeError where it cannot be meant so."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="a plain name of its own")
    """What it is called. No default. It stands on record with every run, and no two have the same."""

    at: str = Field(description='a time, such as "16:10 America/New_York on weekdays" or "5 minutes before close"')
    """When it runs. No default."""

    all: bool = False
    """Press every account. Default: no."""

    groups: Groups = ()
    """Press the accounts of these groups. Default: none."""

    accounts: Accounts = ()
    """Press these accounts. Default: none."""

    side: Side = ""
    """Only orders of this side. Default: every side."""

    type: Type = ""
    """Only orders of this type. Default: every type."""

    instrument_type: InstrumentType = ""
    """Only orders in instruments of this type. Default: every type."""

    instruments: Instruments = ()
    """Only orders in these instruments. Default: every instrument."""

    watch_s: Seconds = 0.0
    """Seconds to keep looking after the first clear. Default: 0. At the end of a day nothing sends new orders."""

    deadline_s: Deadline | None = None
    """Seconds for the whole run. Default: as [run] has it."""

    latch: bool = False
    """Whether to leave the scope engaged. Default: no. A person must then end that, every time."""

    drill: bool = False
    """Whether it is a drill, against the simulator. Default: no. Its scope then means nothing."""

    cancels_gtc_and_close_orders: bool = False
    """That whoever wrote it knows what it cancels. No press without: the broker's call spares no order."""

    @field_validator("at")
    @classmethod
    def _says_a_time(cls, at: str) -> str:
        parse(at)
        return at

    @model_validator(mode="after")
    def _is_meant(self) -> "Schedule":
        if self.drill:
            return self
        some = bool(self.groups or self.accounts)
        if self.all == some:
            has = "both all and some" if some else "no"
            raise MistakeError(f"it names {has} accounts to press", "Write all = true, or else groups or accounts")
        if not self.cancels_gtc_and_close_orders:
            key = "cancels_gtc_and_close_orders"
            what = f"{key} is not true, and the broker's call cannot spare good-till-cancel and on-close orders"
            raise MistakeError(what, f"Write {key} = true if they may be cancelled too", key)
        return self

    @property
    def when(self) -> At:
        """What `at` says, understood."""
        return parse(self.at)


class SelfTest(Section):
    """How the service tests, while nothing happens, whether a press would work."""

    every_s: float = Field(default=300.0, description="0, or a number from 30 to 86400")
    """Seconds between two tests. Default: 300; 0 is never. A dead key is found before the press."""

    share: float = Field(default=0.1, ge=0.01, le=1)
    """The part of the broker's rate that a test may take. Default: 0.1. It must never slow down a press."""

    rate: float = Field(default=50.0, gt=0, le=10_000)
    """Requests a second that the broker is taken to allow. Default: 50. It publishes none."""

    @field_validator("every_s")
    @classmethod
    def _is_off_or_rare(cls, every_s: float) -> float:
        if every_s and not SHORTEST_TEST_S <= every_s <= 86_400:  # noqa: PLR2004  (a day, as everywhere)
            raise ValueError("a test comes every 30 to 86400 seconds, or never")
        return every_s
