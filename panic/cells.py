"""What one line and one cell of a spreadsheet's export mean: text in, a value or `UnreadableError` out."""

import csv
import re
from collections.abc import Iterator

from panic.words import shown

DEFAULT_PRIORITY = 100
LARGEST_PRIORITY = 1_000_000
_LARGEST_ID = 2**63 - 1
_LONGEST_NUMBER = len(str(_LARGEST_ID))
_LONGEST_ROW = 80
# The apostrophe and the narrow spaces are how Switzerland and France group digits.
_GROUPED = re.compile("[0-9]{1,3}([,'\u2019 \u00a0\u2009\u202f])[0-9]{3}(?:\\1[0-9]{3})*")
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]*)?[eE]\+?[0-9]+")
_NOTHING = ' \t,;"\u00a0\x0b\x0c'
_SEPARATOR = re.compile(r'"?sep=."?\s*', re.IGNORECASE)
_YES_OR_NO = {
    "": False,
    "no": False,
    "false": False,
    "0": False,
    "yes": True,
    "true": True,
    "1": True,
    "x": True,
}


class UnreadableError(Exception):
    """A row cannot be fired.

    Attributes:
        account: The id that it means; None when that cannot be read.
        hidden: A part of the row that could be a key.
    """

    def __init__(self, what: str, remedy: str, account: int | None = None, hidden: str = "") -> None:
        super().__init__(what)
        self.what, self.remedy, self.account, self.hidden = what, remedy, account, hidden


def decode(data: bytes) -> tuple[str, str, int | None]:
    """The text of a file with plain line ends; what was wrong with its encoding, if anything, and where."""
    wide, wrong, line = data.startswith((b"\xff\xfe", b"\xfe\xff")), "", None
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"the roster is not {'UTF-16' if wide else 'UTF-8'} text; names may look wrong"
        line = None if wide else data.count(b"\n", 0, error.start) + 1
        text = data.decode("utf-16", "replace") if wide else _western(data)
    return text.replace("\r\n", "\n").replace("\r", "\n"), wrong, line


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def rows(text: str) -> Iterator[tuple[int, str]]:
    """Every line that says something, with its number; `sep=;` is said to Excel only."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(_NOTHING) and not line.lstrip(' \t"').startswith("#") and not _SEPARATOR.fullmatch(line):
            yield number, line


def split(row: str, delimiter: str) -> list[str]:
    """The cells of a row; where quotes do not match, each delimiter counts."""
    quotes = row.count('"')
    if quotes and quotes % 2 == 0:
        try:
            cells = next(csv.reader([row], delimiter=delimiter, skipinitialspace=True))
        except csv.Error:  # a cell of more than 131,072 characters
            cells = row.split(delimiter)
        return [cell.strip() for cell in cells]
    return [cell.strip() for cell in row.split(delimiter)]


def plain(text: str) -> str:
    """`text` on one line: a control character would garble a report or a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text).strip()


def clipped(row: str, hidden: str) -> str:
    """A row as a report may show it, without the part that could be a key."""
    if hidden:
        row = row.replace(hidden, "****") if hidden in row else "****"
    text = plain(row)
    return text if len(text) <= _LONGEST_ROW else f"{text[: _LONGEST_ROW - 1]}…"


def account_id(text: str) -> int:
    """The account number in a cell.

    Raises:
        UnreadableError: there is none, or it may have been rounded.
    """
    digits = text
    if not (text.isascii() and text.isdigit()):
        if not _GROUPED.fullmatch(text):
            raise UnreadableError(*_no_number(text))
        digits = re.sub("[^0-9]", "", text)
    digits = digits.lstrip("0") or "0"
    if len(digits) <= _LONGEST_NUMBER and 0 < int(digits) <= _LARGEST_ID:
        return int(digits)
    raise UnreadableError(f"the id {shown(text)} is out of range", f"An id is from 1 to {_LARGEST_ID}.")


def _no_number(text: str) -> tuple[str, str]:
    if not text:
        return "the id is empty", "Fill it in or remove the row."
    if _ROUNDED.fullmatch(text):
        remedy = "Excel has rounded it: make the column text and enter the id again."
        return f"the id {shown(text)} has an exponent", remedy
    remedy = "Write the digits only, as the broker's account list has them."
    return f"the id {shown(text)} is not a whole number above 0", remedy


def priority(text: str) -> int | None:
    """0 to 1,000,000, the default for an empty cell, None for anything else."""
    if not text:
        return DEFAULT_PRIORITY
    known = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if known and int(text) <= LARGEST_PRIORITY else None


def yes_or_no(text: str) -> bool | None:
    """None when the cell says neither."""
    return _YES_OR_NO.get(text.lower())
