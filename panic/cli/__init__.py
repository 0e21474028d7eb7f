"""The command line: it parses the arguments, carries out the command and prints the report.

Cold starts must be fast, and `panic --help` needs nothing: a command is imported when it is carried out.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from panic.cli.commands import parser
from panic.kit import terminal
from panic.kit.errors import PanicError

_CANCELLING = frozenset({"press", "resume"})
"""The commands whose work must be done by hand when panic itself fails."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command and give its exit code."""
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        if arguments[:1] == ["complete"]:  # what is typed may be anything: no parser must see it
            return int(import_module("panic.cli.completion").complete(arguments[1:]))
        options = parser().parse_args(arguments)
        import_module("panic.kit.logs").configure(options.log_level or "warning")
        module, function = options.command.split(":")
        code: int = getattr(import_module(f"panic.cli.{module}"), function)(options)
    except PanicError as error:
        is_worth_saying = error.exit_code in {64, 78} and {"evidence", "init"}.isdisjoint(arguments)
        terminal.say(f"panic: {error}\nNothing was sent." if is_worth_saying else f"panic: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        loop = sys.modules.get("panic.cli.loop")
        has_sent = loop is not None and loop.Sending.has_begun
        what = "; if a press was under way, look at the broker" if has_sent else ". Nothing was sent."
        terminal.say(f"panic: interrupted{what}")
        return 130
    except Exception as error:
        by_hand = "" if _CANCELLING.isdisjoint(arguments) else " Cancel at the broker by hand, now."
        terminal.say(f"panic: panic itself failed: {type(error).__name__}.{by_hand}")
        if os.environ.get("PANIC_TRACEBACK"):
            raise
        return 70
    else:
        return code
    finally:
        terminal.errors.drain()
