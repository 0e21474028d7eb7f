"""The sections of the settings that only the service needs: where it listens, whom it obeys, and its own clock."""

import re
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, field_validator, model_validator

from panic.config.sections import Credential, MistakeError, Section
from panic.config.times import At, parse
from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES

Role = Literal["viewer", "presser", "resetter"]
"""What a token's bearer may do: look; look and press; look and end the engaged state."""

Tells = Literal["start", "verdict", "flag", "page"]
"""What a channel is told: that a run began, how it ended, what is odd about it, and what somebody must see to."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = r"^([A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*)$"  # one colon alone would begin a port
_A_TIME = "Give a time with its zone, such as 2027-06-30T18:00:00Z"
_A_HOST = "Give host names or addresses, without a port"
_INSTRUMENT = r"^[^\s,\p{C}]+(?: [^\s,\p{C}]+)*$"  # what a press takes: it must not be refused in a breach


def _printable(text: str) -> str:
    """Check a text against this Python's character table, as a press does: the pattern's may be newer."""
    if not text.isprintable():
        raise ValueError("it cannot be printed")
    return text


def _network(text: str) -> str:
    ip_network(text)
    return text


def _one_of(words: Sequence[str]) -> str:
    """The pattern of one of these words, or of none."""
    return f"^({'|'.join(words)}|)$"


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


_Item = TypeVar("_Item")
Items = Annotated[tuple[_Item, ...], BeforeValidator(_frozen)]
_Text = Annotated[str, Field(min_length=1)]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_Account = Annotated[int, Field(ge=1, le=(1 << 63) - 1)]
_Instrument = Annotated[str, Field(pattern=_INSTRUMENT), AfterValidator(_printable)]


def is_plain_name(name: str) -> bool:
    """Whether `name` can stand for a token, a hook or a channel: in an address, in a log and on record."""
    return _PLAIN_NAME.fullmatch(name) is not None


class Service(Section):
    """Where the service listens, and how it keeps ready."""

    host: str = Field(default="127.0.0.1", pattern=_HOST, description=_A_HOST)
    """Address to listen at. Default: loopback. Anyone who can reach a kill switch can try it."""

    port: int = Field(default=8787, ge=0, le=65_535)
    """Port to listen at. Default: 8787. 0 is any that is free."""

    allowed_hosts: Items[Annotated[str, Field(pattern=_HOST)]] = Field(default=(), description=_A_HOST)
    """Names it may be asked for by. Default: its address and localhost, which always count. Stops rebinding."""

    tls_certificate: Path | None = None
    """PEM file of certificate and chain. Default: none, which only loopback or a proxy may have."""

    tls_key: Path | None = None
    """PEM file of its key, mode 600, without a password. Default: none."""

    tls_client_ca: Path | None = None
    """PEM file of authorities whose certificates callers must bring. Default: none. A token alone may leak."""

    behind_proxy: bool = False
    """Whether something in front speaks TLS. Default: no. Tokens must not travel in the clear."""

    trusted_proxies: Items[Annotated[str, AfterValidator(_network)]] = Field(
        default=(), description='Give addresses or networks, such as "10.0.0.7" or "10.0.0.0/24"'
    )
    """Whose X-Forwarded-For says who called, for the record. Default: nobody's. Anybody else could write any."""

    warm_connections: int = Field(default=8, ge=0, le=64)
    """Connections to the broker kept open. Default: 8. Spares the first DELETEs their handshakes."""

    session_idle_s: float = Field(default=900.0, ge=60, le=86_400)
    """Seconds without a deliberate act until a page only looks. Default: 900. Desks are left alone at times."""

    session_max_s: float = Field(default=43_200.0, ge=300, le=604_800)
    """Seconds until a page must be signed in to anew. Default: 43200, one shift. A stolen cookie must die."""


class Token(Section):
    """Who may ask the service for what: a bearer token, of which only the digest is here."""

    digest: Annotated[Items[_Digest], BeforeValidator(_listed)] = Field(
        min_length=1,
        max_length=2,
        repr=False,  # somebody will paste the token itself
        description="Give the line digest = that panic token printed",
    )
    """SHA-256 of the token, two while one replaces another. No default. A reader of the settings cannot press."""

    roles: Items[Role] = Field(min_length=1, description='Give roles = ["viewer"], or "presser", or "resetter"')
    """What it allows. No default: a right is given, not assumed. Each of them may look."""

    groups: Items[_Text] | None = Field(default=None, min_length=1)
    """The groups whose accounts it may press. Default: every account."""

    person: bool = True
    """Whether a person holds it. Default: yes. A program's identical presses are one, a person's never."""

    not_before: AwareDatetime | None = Field(default=None, description=_A_TIME)
    """From when it counts. Default: at once. One can be handed out before the day."""

    expires: AwareDatetime | None = Field(default=None, description=_A_TIME)
    """From when it does not count any more. Default: never. Somebody's who will leave dies by itself."""

    def refusal(self, now: datetime) -> str:
        """Say why it does not count now, in the middle of a sentence; empty if it does."""
        if self.not_before is not None and now < self.not_before:
            return f"counts from {self.not_before:%F %T %Z}"
        return f"expired at {self.expires:%F %T %Z}" if self.expires is not None and now >= self.expires else ""


class Rule(Section):
    """A press that no person makes: its scope, and how it differs from [run]."""

    all: bool = False
    """Press every account. Default: no."""

    groups: Items[_Text] = ()
    """Press the accounts of these groups. Default: none."""

    accounts: Items[_Account] = ()
    """Press these accounts. Default: none."""

    side: str = Field(default="", pattern=_one_of(SIDES), description="Give BUY or SELL")
    """Only orders of this side. Default: every side."""

    type: str = Field(default="", pattern=_one_of(TYPES))
    """Only orders of this type. Default: every type."""

    instrument_type: str = Field(default="", pattern=_one_of(INSTRUMENT_TYPES))
    """Only orders in instruments of this type. Default: every type."""

    instruments: Items[_Instrument] = ()
    """Only orders in these instruments. Default: every instrument."""

    watch_s: float | None = Field(default=None, ge=0, le=86_400)
    """Seconds to keep looking after the first clear. Default: as [run] has it."""

    deadline_s: float | None = Field(default=None, gt=0, le=86_400)
    """Seconds for the whole run. Default: as [run] has it."""

    latch: bool = False
    """Whether to leave the scope engaged. Default: no. A person must then end that, every time."""

    def check_scope(self) -> None:
        """Refuse a rule that names no accounts, or all and some of them."""
        some = bool(self.groups or self.accounts)
        if self.all == some:
            has = "both all and some" if some else "no"
            raise MistakeError(f"names {has} accounts to press", "Write all = true, or else groups or accounts.")


class _Signed(Section):
    secrets: Items[Credential] = Field(
        min_length=1,
        repr=False,  # somebody will paste a secret itself
        description='Give places, such as secrets = [{ file = "FILE" }] or [{ env = "VARIABLE" }]',
    )
    """Where the secrets are. No default. Two of them while one is being replaced."""

    scheme: Literal["standard-webhooks", "bearer"] = "standard-webhooks"
    """How the sender proves itself. Default: a signature. bearer is for senders that cannot sign."""


class Hook(Rule, _Signed):
    """What a risk system's breach sets off: a press of this scope, if it is signed with one of these secrets."""

    on_odd: Literal["press", "page"] = "press"
    """What an authentic body that is not understood sets off. Default: a press. Stopping fails open."""

    tolerance_s: float = Field(default=300.0, ge=5, le=3600)
    """Seconds that a signature's time may be off. Default: 300. An old message must not press again."""

    @model_validator(mode="after")
    def _has_a_scope(self) -> "Hook":
        self.check_scope()
        return self


class Channel(Section):
    """Who is told what happens."""

    url: Credential = Field(
        repr=False,  # somebody will paste the address itself
        description='Give a place, such as url = { file = "FILE" } or { env = "VARIABLE" }',
    )
    """Where the address to notify is found. No default. It is a secret: it holds the channel's key."""

    tells: Items[Tells] = Field(default=("start", "verdict", "flag", "page"), min_length=1)
    """What it is told. Default: everything."""


class _Timed(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Give a plain name of its own")
    """What it is called. No default. It stands on record with every run, and no two have the same."""

    at: str = Field(description='Give a time, such as at = "5 minutes before close"')
    """When it runs. No default."""

    @field_validator("at")
    @classmethod
    def _says_a_time(cls, at: str) -> str:
        parse(at)
        return at


class Schedule(Rule, _Timed):
    """A press, or a drill, that runs at set times."""

    watch_s: float = Field(default=0.0, ge=0, le=86_400)
    """Seconds to keep looking after the first clear. Default: 0. At the end of a day nothing sends new orders."""

    drill: bool = False
    """Whether it is a drill, against the simulator. Default: no. Its scope then means nothing."""

    cancels_gtc_and_close_orders: bool = False
    """Confirms that it may cancel these too; required for a press, since the broker's call spares no order."""

    @model_validator(mode="after")
    def _is_meant(self) -> "Schedule":
        if self.drill:
            return self
        self.check_scope()
        if not self.cancels_gtc_and_close_orders:
            key = "cancels_gtc_and_close_orders"
            what = f"{key} is not true, and the broker's call cannot spare good-till-cancel and on-close orders"
            raise MistakeError(what, f"Write {key} = true if they may be cancelled too.", key)
        return self

    @property
    def when(self) -> At:
        """What `at` says, understood."""
        return parse(self.at)


class SelfTest(Section):
    """How the service tests, while nothing happens, whether a press would work."""

    every_s: float = 300.0
    """Seconds between two tests. Default: 300; 0 is never. A dead key is found before the press."""

    share: float = Field(default=0.1, ge=0.01, le=1)
    """The part of the broker's rate that a test may take. Default: 0.1. It must never slow down a press."""

    rate: float = Field(default=50.0, gt=0, le=10_000)
    """Requests a second that the broker is taken to allow. Default: 50. It publishes none."""

    @field_validator("every_s")
    @classmethod
    def _is_off_or_rare(cls, every_s: float) -> float:
        if every_s and not 30 <= every_s <= 86_400:  # noqa: PLR2004  (half a minute, a day)
            raise ValueError("A test comes every 30 to 86400 seconds, or never")
        return every_s
