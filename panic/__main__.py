"""The command `panic`, also as `python -m panic`."""

import os
import sys
from typing import Final

INTERRUPTED: Final = 130
"""The exit code of Ctrl-C before anything could be sent."""


def main() -> int:
    """Run the command line and give its exit code."""
    try:
        from panic.cli import run  # noqa: PLC0415  (importing this module must cost nothing)
        from panic.kit.process import keep_to_itself  # noqa: PLC0415

        keep_to_itself()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    code = run(sys.argv[1:])
    if code == INTERRUPTED:
        os._exit(code)  # a large roster takes seconds to let go of, and nobody waits for anything else
    return code


if __name__ == "__main__":
    sys.exit(main())
