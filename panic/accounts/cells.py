"""What one line and one cell of a spreadsheet's export mean: text in, a value or `UnreadableError` out."""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress

from panic.kit.words import clip, shown

DEFAULT_PRIORITY = 100
LARGEST_PRIORITY = 1_000_000
_LARGEST_ID = 2**63 - 1
_LONGEST_NUMBER = len(str(_LARGEST_ID))
_LONGEST_ROW = 80
# How Excel groups digits: in English, and as in Switzerland and France.
_GROUPED = re.compile("[0-9]{1,3}([,'\u2019 \u00a0\u202f])[0-9]{3}(?:\\1[0-9]{3})*")
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]*)?[eE]\+?[0-9]+")
_BLANK = ' \t,;"\u00a0\x0b\x0c'
YES_OR_NO = {**dict.fromkeys(("", "no", "false", "0"), False), **dict.fromkeys(("yes", "true", "1", "x"), True)}


class UnreadableError(Exception):
    """A row cannot be fired; `hidden` is a part of it that could be a key."""

    def __init__(self, what: str, remedy: str, account: int | None = None, hidden: str = "") -> None:
        super().__init__(what)
        self.what, self.remedy, self.account, self.hidden = what, remedy, account, hidden


def decode(data: bytes) -> tuple[str, str, int | None]:
    """The text of a file with plain line ends, and what is wrong with its encoding, on which line.

    That is no error: ids are digits in any encoding.
    """
    encoding, otherwise = "utf-8-sig", "cp1252"  # the latter is what Excel writes as plain "CSV"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = otherwise = "utf-16"
    wrong, line = "", None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = None if encoding == otherwise else data.count(b"\n", 0, error.start) + 1
        wrong = f"the roster is not {encoding[:6].upper().rstrip('-')} text; names may look wrong"
        text = data.decode(otherwise, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n"), wrong, line


def rows(text: str) -> Iterator[tuple[int, str]]:
    """Every non-empty line, with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip(_BLANK) and not line.lstrip(' \t"').startswith("#"):
            yield number, line


def split(row: str, delimiter: str) -> list[str]:
    """The cells of a row; if a quote is not closed, each delimiter counts."""
    if '"' not in row:
        return [cell.strip() for cell in row.split(delimiter)]
    if row.count('"') % 2 == 0:
        with suppress(csv.Error):  # a cell of more than 131,072 characters
            return [cell.strip() for cell in next(csv.reader([row], delimiter=delimiter, skipinitialspace=True))]
    return [cell.strip().strip('"').strip() for cell in row.split(delimiter)]


def clipped(row: str, hidden: str) -> str:
    """A row as a report may show it, without the part that could be a key."""
    if hidden:
        row = row.replace(hidden, "****") if hidden in row else "****"
    return clip(row, _LONGEST_ROW).strip()


def account_id(text: str) -> int:
    """The account number in a cell; an UnreadableError where there is none, or it may have been rounded."""
    if not text:
        raise UnreadableError("the id is empty", "Fill it in or remove the row.")
    if _ROUNDED.fullmatch(text):
        remedy = "Excel has rounded it: make the column text and enter the id again."
        raise UnreadableError(f"the id {shown(text)} has an exponent", remedy)
    digits = re.sub("[^0-9]", "", text) if _GROUPED.fullmatch(text) else text
    if not _is_digits(digits):
        remedy = "Write the digits only, as the broker's account list has them."
        raise UnreadableError(f"the id {shown(text)} is not a whole number above 0", remedy)
    digits = digits.lstrip("0") or "0"
    if len(digits) <= _LONGEST_NUMBER and 0 < int(digits) <= _LARGEST_ID:
        return int(digits)
    raise UnreadableError(f"the id {shown(text)} is out of range", f"An id is from 1 to {_LARGEST_ID}.")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def priority(text: str) -> int | None:
    """0 to 1,000,000, the default for an empty cell, None for anything else."""
    if not text:
        return DEFAULT_PRIORITY
    is_known = _is_digits(text) and len(text) <= _LONGEST_NUMBER and int(text) <= LARGEST_PRIORITY
    return int(text) if is_known else None
