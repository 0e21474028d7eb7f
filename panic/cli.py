"""The command line: words in, a run of the one use-case, a report out."""

import argparse
import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from panic import terminal
from panic._version import VERSION
from panic.errors import PanicError, UsageError

if TYPE_CHECKING:
    from panic.report import Report
    from panic.run import Prepared, Press, Run

_T = TypeVar("_T")

# A command imports what it needs itself: starting cold counts, and `panic --help` needs nothing.
# ruff: noqa: PLC0415

_EXIT_CODES = """exit codes:
  0 clear · 10 unverified · 20 open · 30 unknown · 40 refused
  64 usage, 78 configuration (both: nothing was sent) · 70 panic itself failed"""


_CHECK_CODES = """exit codes:
  0 a press would work everywhere · 10 drift, skew or something not learned
  30 somewhere no valid answer · 40 somewhere refused · 78 mistakes in the files"""

_DRILL_CODES = """exit codes:
  0 the report agrees with the simulator on every account · 1 it does not · 64 usage"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are usage errors (64), like all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


def run(arguments: Sequence[str]) -> int:
    """Carry out one command and give its exit code."""
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except PanicError as error:
        terminal.say(f"panic: {error}\nNothing was sent." if error.exit_code in {64, 78} else f"panic: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        terminal.say("panic: interrupted; if a press was under way, look at the broker")
        return 130
    except Exception as error:
        by_hand = " Cancel at the broker by hand, now." if "press" in arguments else ""
        terminal.say(f"panic: panic itself failed: {type(error).__name__}.{by_hand}")
        if os.environ.get("PANIC_TRACEBACK"):
            raise
        return 70
    finally:
        terminal.errors.drain()


# ── the words ───────────────────────────────────────────────────────────────────────────────────────────────


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="panic",
        description="Cancel every open order in every Clear Street account, and prove that they are gone.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"panic {VERSION}")
    parser.set_defaults(config=None, log_level="warning")
    _common_words(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    press = _command(commands, "press", _press, "cancel every open order of a scope", _EXIT_CODES)
    check = _command(commands, "check", _check, "would a press work everywhere? reads only", _CHECK_CODES)
    drill = _command(commands, "drill", _drill, "the whole job against the embedded simulator", _DRILL_CODES)
    simulate = _command(commands, "simulate", _simulate, "serve a simulated broker on loopback", "")
    _press_words(press)
    _output_words(check)
    _drill_words(drill)
    _simulate_words(simulate)
    return parser


def _common_words(parser: argparse.ArgumentParser) -> None:
    """Add what may stand before the command or after it."""
    nothing = argparse.SUPPRESS  # else the later parser's default would undo what the earlier one read
    where = "settings (else PANIC_CONFIG, else config/panic.toml)"
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--config", type=Path, metavar="FILE", default=nothing, help=where)
    parser.add_argument("--log-level", choices=levels, default=nothing, help="what to log on standard error")


def _command(
    commands: Any, name: str, do: Callable[[argparse.Namespace], int], words: str, codes: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _common_words(parser)
    parser.set_defaults(command=do)
    return parser


def _press_words(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_argument_group("scope (required; there is no default)")
    scope.add_argument("--all", action="store_true", help="every account of the roster")
    scope.add_argument(
        "--group", action="append", default=[], metavar="G", help="every account of a group; repeatable"
    )
    scope.add_argument(
        "--account",
        action="append",
        default=[],
        type=_account_id,
        metavar="ID",
        help="one account; repeatable",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; required, goes into the report")
    parser.add_argument("--by", default="", metavar="NAME", help="who presses (default: user@host)")
    only = parser.add_argument_group("only these orders (default: every order)")
    only.add_argument("--side", default="", metavar="SIDE", help="BUY, SELL, SELL_SHORT or OTHER")
    only.add_argument("--type", default="", metavar="TYPE", help="MARKET, LIMIT, STOP, STOP_LIMIT, …")
    only.add_argument("--instrument-type", default="", metavar="TYPE", help="COMMON_STOCK, INDEX, OPTION or CASH")
    only.add_argument(
        "--instrument", action="append", default=[], metavar="ID", help="a symbol or UUID; repeatable"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--deadline", type=float, metavar="S", help="the run ends after so many seconds (default: the settings')"
    )
    how.add_argument(
        "--concurrency", type=int, metavar="N", help="requests in flight at most (default: the settings')"
    )
    how.add_argument(
        "--watch", type=float, metavar="S", help="go on reading after the first clear (default: the settings')"
    )
    how.add_argument("--no-verify", action="store_true", help="do not read; the verdict is unverified at best")
    how.add_argument("--dry-run", action="store_true", help="print the plan and send nothing")
    _output_words(parser)


def _output_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), help="default: table on a terminal, json in a pipe")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the whole report there, as JSON")


def _firm_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accounts", type=_positive, default=300, metavar="N", help="accounts of the made-up firm (300)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="what everything random is derived from (1)"
    )
    parser.add_argument(
        "--latency", type=_seconds, default=0.02, metavar="S", help="seconds an answer travels (0.02)"
    )
    parser.add_argument(
        "--faults", default="typical", metavar="KINDS", help="typical, none, or kinds of fault, with commas"
    )


def _drill_words(parser: argparse.ArgumentParser) -> None:
    _firm_words(parser)
    _output_words(parser)


def _simulate_words(parser: argparse.ArgumentParser) -> None:
    _firm_words(parser)
    parser.add_argument("--port", type=_port, default=8790, metavar="N", help="on 127.0.0.1 (8790; 0 for any)")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write settings, roster and key for it there")


def _account_id(words: str) -> int:
    if not (words.isascii() and words.isdigit() and 0 < int(words[:20]) < 1 << 63):
        raise argparse.ArgumentTypeError(f"{words!r} is no account id: a positive whole number")
    return int(words)


def _positive(words: str) -> int:
    if not (words.isascii() and words.isdigit() and 0 < int(words[:9]) <= 1_000_000):  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: a whole number from 1 to 1,000,000")
    return int(words)


def _port(words: str) -> int:
    if not (words.isascii() and words.isdigit() and int(words[:6]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{words!r}: a port from 0 to 65535")
    return int(words)


def _seconds(words: str) -> float:
    seconds = float(words)
    if not 0 <= seconds <= 60:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: seconds from 0 to 60")
    return seconds


# ── press ───────────────────────────────────────────────────────────────────────────────────────────────────


def _press(options: argparse.Namespace) -> int:
    from panic import config, logs
    from panic.run import prepare

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes does not stop a press
    logs.configure(options.log_level)
    press = _press_of(options)
    settings = config.load(options.config)
    prepared = prepare(settings, press)
    if options.dry_run:
        return _dry_run(prepared, options)
    report = _run_loop(_with_progress(prepared, drill=False))
    _deliver(report, options)
    return report.exit_code


def _press_of(options: argparse.Namespace) -> "Press":
    from panic.orders import Filters
    from panic.plan import Scope
    from panic.run import Press

    filters = Filters(options.side, options.type, options.instrument_type, tuple(options.instrument))
    return Press(
        scope=Scope(options.all, tuple(options.group), tuple(options.account), filters),
        reason=options.reason,
        by=options.by,
        source="cli",
        deadline_s=options.deadline,
        concurrency=options.concurrency,
        watch_s=options.watch,
        verify=not options.no_verify,
    )


def _dry_run(prepared: "Prepared", options: argparse.Namespace) -> int:
    from panic.render import plan_table
    from panic.report import plan_json

    base_url = prepared.settings.broker.base_url
    document = plan_json(prepared.plan, base_url).decode()
    _save(document, options.output)
    colour = terminal.colour(sys.stdout)
    table = plan_table(prepared.plan, base_url, width=terminal.width(), colour=colour)
    terminal.out(document if _format(options) == "json" else table)
    for flag in prepared.flags:
        terminal.say(f"! {flag.text}")
    return 0


async def _with_progress(prepared: "Prepared", *, drill: bool) -> "Report":
    from panic.progress import Progress
    from panic.run import Run

    progress = Progress()
    run = Run(prepared, progress.observe, drill=drill)
    progress.run = run
    _obey_signals(run)
    async with progress:
        report = await run.go()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
    _ignore_signals()
    return report


def _obey_signals(run: "Run") -> None:
    """Let the first Ctrl-C or SIGTERM stop the run and report, the second end the process at once."""
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if run.engine.stopped:
            terminal.errors.drain(0.1)
            os._exit(128 + number)
        run.stop()
        terminal.say("panic: stopping: nothing more is sent; the report follows. Once more ends at once.")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


def _run_loop(work: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        result = runner.run(work)
        _ignore_signals()  # the runner has put its own handler back; the work is done
        return result


def _loop_factory() -> Any:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


def _format(options: argparse.Namespace) -> str:
    chosen: str | None = options.format
    return chosen or ("table" if terminal.is_terminal(sys.stdout) else "json")


def _deliver(report: "Report", options: argparse.Namespace) -> None:
    """Bring the report to its readers; whatever is broken on the way, the run is done and its exit code stands."""
    from panic.report import to_json

    try:
        document = to_json(report).decode()
        saved = _save(document, options.output)
        _print(report, document, options, saved=saved)
    except Exception as error:  # noqa: BLE001  (the run is over, and its verdict must still get out)
        terminal.say(f"panic: the report could not be shown: {type(error).__name__}")
        terminal.say(_closing(report))


def _print(report: "Report", document: str, options: argparse.Namespace, *, saved: bool) -> None:
    delivered = terminal.out(document if _format(options) == "json" else _table(report, sys.stdout))
    if not delivered and not saved:
        terminal.say(f"panic: standard output is gone; the report follows here\n{_table(report, sys.stderr)}")
    elif not terminal.is_terminal(sys.stdout) or not delivered:
        terminal.say(_closing(report))


def _closing(report: "Report") -> str:
    from panic.render import verdict_line

    code = "" if report.drill else f" (exit {report.exit_code})"
    return f"panic: {verdict_line(report).plain}{code}"


def _ignore_signals() -> None:
    """Let nothing interrupt the report, as when a pager that reads it is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _table(report: "Report", stream: Any) -> str:
    from panic.render import table

    return table(report, width=terminal.width(), colour=terminal.colour(stream))


def _a_file(path: Path) -> Path:
    """Give what a path leads to, so that a link stays a link; OSError for a directory or a device."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    return path


def _save(document: str, path: Path | None) -> bool:
    """Write the report beside its name and move it there, so that nobody reads half of one."""
    if path is None:
        return False
    part = None
    try:
        path = _a_file(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(document + "\n", encoding="utf-8")
        part.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            if part is not None:
                part.unlink()
        why = getattr(error, "strerror", None) or type(error).__name__
        terminal.say(f"panic: the report could not be written to {path} ({why}); it is on standard output only")
        return False
    return True


# ── check ───────────────────────────────────────────────────────────────────────────────────────────────────


def _check(options: argparse.Namespace) -> int:
    from panic import config, logs
    from panic.check import check, to_json
    from panic.render import check_table

    logs.configure(options.log_level)
    found = _run_loop(check(config.load(options.config), os.environ))
    document = to_json(found).decode()
    _save(document, options.output)
    colour = terminal.colour(sys.stdout)
    terminal.out(
        document if _format(options) == "json" else check_table(found, width=terminal.width(), colour=colour)
    )
    return found.exit_code


# ── drill and simulate ──────────────────────────────────────────────────────────────────────────────────────


def _drill(options: argparse.Namespace) -> int:
    from panic import drill, logs

    logs.configure(options.log_level)
    made_up = drill.firm(options.accounts, options.seed, options.faults)

    async def practise() -> tuple["Report", "drill.Examination"]:
        simulator = drill.simulator(made_up, seed=options.seed, latency_s=options.latency)
        async with simulator:
            report = await _with_progress(drill.prepare(made_up, simulator.base_url), drill=True)
            return report, drill.examine(report, made_up, simulator.truth)

    report, examination = _run_loop(practise())
    _deliver(report, options)
    text = "\n".join([*examination.disagreements[:20], str(examination)])
    (terminal.out if _format(options) == "table" else terminal.say)(text)
    return 0 if examination.passed else 1


def _simulate(options: argparse.Namespace) -> int:
    from panic import drill

    made_up = drill.firm(options.accounts, options.seed, options.faults)

    async def serve() -> int:
        simulator = drill.simulator(made_up, seed=options.seed, latency_s=options.latency, port=options.port)
        try:
            await simulator.start()
        except OSError as error:
            raise UsageError(
                f"--port {options.port}: {error.strerror or error}; name another, or 0 for any"
            ) from None
        terminal.say(f"a simulated broker with {options.accounts:,} accounts listens on {simulator.base_url}")
        if options.write is not None:
            settings = drill.write(made_up, simulator.base_url, options.write)
            terminal.say(f'try: panic --config {settings} press --all --reason "practice"')
        terminal.say("Ctrl-C ends it.")
        await _until_signal()
        await simulator.stop()
        return 0

    return _run_loop(serve())


async def _until_signal() -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()
