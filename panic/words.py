"""Words from outside, made fit to be shown: one line, printable, of bounded length."""

SHOWN_MOST = 200
"""Characters: enough to read out over the phone, too few to flood a report."""


def clean(words: str) -> str:
    """Replace what could steer a terminal or turn a line around; line breaks stay."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() or c == "\n" else " " for c in words)


def clip(words: str, most: int = SHOWN_MOST) -> str:
    """Give one printable line of at most `most` characters. Take secrets out first: half a key is a key's half."""
    line = clean(words[: 2 * most]).replace("\n", " ")
    return line if len(line) <= most else line[: most - 1] + "…"
