"""`panic drill`: a run against the embedded simulator, or with --room the control room around it."""

import argparse

from panic.kit.errors import UsageError

# A drill at the terminal needs nothing of the service.
# ruff: noqa: PLC0415


def do_drill(options: argparse.Namespace) -> int:
    """Practise at the terminal, or in the control room."""
    if options.room:
        from panic.cli.room import do_room

        return do_room(options)
    if options.port is not None or options.no_open:
        option = "--no-open" if options.port is None else "--port"
        raise UsageError(f"{option} is for the control room. Add --room, or leave {option} out")
    from panic.cli.practice import do_drill

    return do_drill(options)
