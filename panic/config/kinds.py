"""What settings of several sections take: lists, and what tells which orders of which accounts are meant."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES

_LARGEST_ACCOUNT = (1 << 63) - 1
_INSTRUMENT = r"^[^\s,\p{C}]+(?: [^\s,\p{C}]+)*$"  # what a press takes: it must not be refused in a breach


def _list(value: object) -> object:
    """A list of the file, frozen."""
    return tuple(value) if isinstance(value, list) else value


def _one_of(words: Sequence[str]) -> str:
    """The pattern of one of these words, or of none."""
    return f"^({'|'.join(words)}|)$"


def _printable(text: str) -> str:
    """A text by this Python's table of characters, by which a press judges: the pattern's may be newer."""
    if not text.isprintable():
        raise ValueError("it cannot be printed")
    return text


_Item = TypeVar("_Item")
Items = Annotated[tuple[_Item, ...], BeforeValidator(_list)]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Deadline = Annotated[float, Field(gt=0, le=86_400)]

Groups = Annotated[Items[Text], Field(description="a list of groups of the roster")]
Accounts = Annotated[
    Items[Annotated[int, Field(ge=1, le=_LARGEST_ACCOUNT)]], Field(description="a list of account ids")
]
Side = Annotated[str, Field(pattern=_one_of(SIDES), description=", ".join(SIDES))]
Type = Annotated[str, Field(pattern=_one_of(TYPES), description=", ".join(TYPES))]
InstrumentType = Annotated[str, Field(pattern=_one_of(INSTRUMENT_TYPES), description=", ".join(INSTRUMENT_TYPES))]
Instruments = Annotated[
    Items[Annotated[str, Field(pattern=_INSTRUMENT), AfterValidator(_printable)]],
    Field(description="a list of symbols or UUIDs"),
]
