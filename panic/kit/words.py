"""Makes foreign text fit to show: one line, printable, of bounded length."""

import difflib
from collections.abc import Collection
from decimal import Decimal

SHOWN_MOST = 200
"""Characters: enough to read out over the phone, too few to flood a report."""

_LONGEST_NAME = 40


def clean(words: str) -> str:
    """Replace what could steer a terminal or turn a line around; line breaks stay."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() or c == "\n" else " " for c in words)


def clip(words: str, most: int = SHOWN_MOST) -> str:
    """Give one printable line of at most `most` characters. Remove secrets first: clipping may leave a part."""
    line = clean(words[: 2 * most]).replace("\n", " ")
    return line if len(line) <= most else line[: most - 1] + "…"


def on_behalf(who: str, whom: str) -> str:
    """Say who did something, as far as that is known, and on whose behalf, as they say. Not clipped."""
    named = clean(" ".join(whom.split()))
    return f"{who} on behalf of {named}" if named else who


def shown(value: object, limit: int = 40) -> str:
    """A value from a file, quoted, printable and clipped."""
    try:
        text = repr(value) if not isinstance(value, bool) else str(value).lower()
    except (ValueError, RecursionError):  # more digits than Python prints; tables within tables without end
        return "too large to show"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def closest(name: str, known: Collection[str]) -> str:
    """Give the known name that a misspelt one looks like, whatever its case; "" for none."""
    name, folded = name[:_LONGEST_NAME], {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name, known, 1)
    close = close or [folded[one] for one in difflib.get_close_matches(name.casefold(), folded, 1)]
    return close[0] if close else ""


def did_you_mean(name: str, known: Collection[str], otherwise: str = "") -> str:
    """A sentence that suggests a known name for a misspelt one."""
    close = closest(name, known)
    return f"Did you mean {close}?" if close else otherwise or f"Known are: {', '.join(known)}."


def counted(count: int, what: str = "account") -> str:
    """Count something in words: "1 account", "4,812 open orders"."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def money(dollars: Decimal) -> str:
    """Say how much money it is, as people do: $3,400 or $41.2 M."""
    for unit, size in (("B", 10**9), ("M", 10**6)):
        if dollars >= size:
            return f"${dollars / size:,.1f} {unit}"
    return f"${dollars:,.0f}"


def ago(seconds: float) -> str:
    """Say how long ago something was."""
    seconds = max(seconds, 0.0)
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{int(seconds)} s ago"
