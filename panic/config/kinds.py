"""Kinds of values used in several sections: lists, and the choice of accounts and orders."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES

IN_STATE_FOLDER: Final = "in the state folder"
"""Marks a setting, as `Annotated` has it: a relative name starts where panic keeps its own files."""

_LARGEST_ACCOUNT = (1 << 63) - 1
_INSTRUMENT = r"^[^\s,\p{C}]+(?: [^\s,\p{C}]+)*$"  # what a press takes: it must not be refused in a breach


def _list(value: object) -> object:
    """A list of the file, frozen."""
    return tuple(value) if isinstance(value, list) else value


def _one_of(words: Sequence[str]) -> str:
    """The pattern of one of these words, or of none."""
    return f"^({'|'.join(words)}|)$"


def _printable(text: str) -> str:
    """Check a text against this Python's character table, as a press does: the pattern's may be newer."""
    if not text.isprintable():
        raise ValueError("it cannot be printed")
    return text


_Item = TypeVar("_Item")
Items = Annotated[tuple[_Item, ...], BeforeValidator(_list)]
Text = Annotated[str, Field(min_length=1)]

Groups = Annotated[Items[Text], Field(description="a list of groups of the roster")]
_Accounts = Annotated[
    Items[Annotated[int, Field(ge=1, le=_LARGEST_ACCOUNT)]], Field(description="a list of account ids")
]
_Instruments = Annotated[
    Items[Annotated[str, Field(pattern=_INSTRUMENT), AfterValidator(_printable)]],
    Field(description="a list of symbols or UUIDs"),
]


class Section(BaseModel):
    """Frozen, closed and silent about its input, which may hold a password."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class MistakeError(ValueError):
    """What somebody wrote cannot be meant so; `key` is the wrong one, "" for the section as a whole."""

    def __init__(self, what: str, remedy: str, key: str = "") -> None:
        super().__init__(f"{what}. {remedy}")
        self.what, self.remedy, self.key = what, remedy, key


class Rule(Section):
    """A press that no person makes: its scope, and how it differs from [run]."""

    all: bool = False
    """Press every account. Default: no."""

    groups: Groups = ()
    """Press the accounts of these groups. Default: none."""

    accounts: _Accounts = ()
    """Press these accounts. Default: none."""

    side: str = Field(default="", pattern=_one_of(SIDES), description=", ".join(SIDES))
    """Only orders of this side. Default: every side."""

    type: str = Field(default="", pattern=_one_of(TYPES), description=", ".join(TYPES))
    """Only orders of this type. Default: every type."""

    instrument_type: str = Field(
        default="", pattern=_one_of(INSTRUMENT_TYPES), description=", ".join(INSTRUMENT_TYPES)
    )
    """Only orders in instruments of this type. Default: every type."""

    instruments: _Instruments = ()
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
