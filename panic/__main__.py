"""The command `panic`, also as `python -m panic`."""

import sys


def main() -> int:
    """Run the command line and give its exit code."""
    from panic.cli import run  # noqa: PLC0415  (importing this module must cost nothing)
    from panic.kit.process import keep_to_itself  # noqa: PLC0415

    keep_to_itself()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
