r"""The latch: a durable file that a press with `--latch` leaves behind, for strategies to check.

It is a small local file. Missing, unreadable or not whole means engaged, for everything. It is UTF-8 text:

    engaged
    all<TAB>RUN<TAB>TIME
    group<TAB>NAME<TAB>RUN<TAB>TIME
    account<TAB>ID<TAB>RUN<TAB>TIME
    end CRC

The first line is `engaged` or `disengaged`. One line follows for each scope that is engaged, with the run that
engaged it and the ISO time of the press. The last line is the word `end` and the CRC-32 (as zlib and gzip have
it, eight lower-case hexadecimal digits) of all bytes before it. Every line ends with a line feed, names hold no
control characters, and no file is longer than 1 MiB. A disengaged latch is therefore always the same 24 bytes:

    printf 'disengaged\nend 94defd48\n' | cmp -s - panic.latch || stop_trading

That is the least a strategy should test, in any language: read 25 bytes, and trade only if there are exactly
these 24. The first byte alone is one flipped bit away from saying the opposite: `d` is 0x64, `e` is 0x65.
A strategy that may trade while others are stopped reads all lines, stops unless the CRC is right, and stops if
`all`, its group or its account is listed.

Open the file anew for each test, and give a container its folder, never the file alone: each change is a new
file under the old name, and a reader that holds the old one sees no change.
"""

from panic.latch.change import LatchError, create, engage, release
from panic.latch.text import Hold, State, holds, listed, read

__all__ = ["Hold", "LatchError", "State", "create", "engage", "holds", "listed", "read", "release"]
