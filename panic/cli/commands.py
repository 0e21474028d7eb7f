"""Each command, its options, and the function that carries it out."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from panic._version import VERSION
from panic.cli.arguments import (
    Joined,
    Parser,
    Several,
    account_ids,
    capitals,
    number,
    port,
    positive,
    seconds,
    symbols,
)
from panic.cli.examples import EXAMPLES
from panic.cli.exit_codes import EXIT_CODES

_RUN = "the run's id, the start of it, or `last`"
_TEXT: dict[str, Any] = {"action": Joined, "nargs": "+", "default": "", "metavar": "TEXT"}


def parser() -> Parser:
    """Build the command-line parser; in the options it returns, `command` is the function to call."""
    parser = Parser(
        prog="panic",
        description=_described("panic", "cancel every open order in every Clear Street account, and prove it"),
        epilog=_coded("panic"),
    )
    parser.add_argument("--version", action="version", version=f"panic {VERSION}")
    parser.set_defaults(config=None, log_level="")
    _common_options(parser)
    add = partial(_command, _commands(parser))
    _init(add("init", "init:do_init", "make settings, key, roster and latch, once"))
    _press(add("press", "press:do_press", "cancel every open order of a scope"))
    _resume(add("resume", "press:do_resume", "complete a run whose process died"))
    _runs(add("runs", "history:do_runs", "list the runs on record, unfinished ones first"))
    _show(add("show", "history:do_show", "print the report of a run again, from the ledger"))
    _latch(add("latch", "latch:do_latch", "show what is engaged, or set the latch up"))
    _reset(add("reset", "latch:do_reset", "end the engaged state"))
    _token(add("token", "token:do_token", "make a token for the service, and show it once"))
    _evidence(add("evidence", "", "export the ledger's record to a file that anybody can check"))
    _orders(add("orders", "orders:do_orders", "show every open order of a scope; only reads"))
    _check(add("check", "check:do_check", "check whether a press would work everywhere; only reads"))
    config = partial(_command, _commands(add("config", "", "the settings in force")))
    _output_options(config("show", "config:do_show", "every setting in force, and where it comes from"))
    _drill(add("drill", "drill:do_drill", "practise a whole press on the embedded simulator"))
    add("serve", "serve:do_serve", "run the service: API, hooks, control room")
    _health(add("health", "health:do_health", "ask the running service how it is"))
    _sessions(add("sessions", "sessions:do_sessions", "list who is signed in, or end it"))
    _schedule(add("schedule", "schedule:do_schedule", "show when schedules run next, and why"))
    what = "print a script for the shell, which completes options, groups, accounts and runs"
    shell = add("completion", "completion:do_completion", what)
    shell.add_argument("shell", choices=("bash", "zsh"), help="such as: source <(panic completion bash)")
    _simulate(add("simulate", "drill:do_simulate", "serve a simulated broker on loopback"))
    return parser


def _init(parser: Parser) -> None:
    add = parser.add_argument
    where = "the broker's address, such as https://api.clearstreet.com"
    add("--base-url", required=True, metavar="URL", help=where)
    key = "file that holds the key (default: it is asked for, or read from standard input)"
    add("--key", type=Path, metavar="FILE", help=key)
    add(
        "--contact",
        default="",
        metavar="TEXT",
        help="whom to call at the broker; a report that is not clear says it",
    )


def _press(parser: Parser) -> None:
    add = parser.add_argument
    _scope(parser.add_argument_group("scope (required; there is no default)"))
    add("--reason", **_TEXT, help="why; required, goes into the report")
    add("--by", default="", metavar="NAME", help="on whose behalf; user, id and host are always recorded")
    _filters(parser)
    how = parser.add_argument_group("how").add_argument
    how("--deadline", type=number, metavar="S", help="end the run after S seconds (default: from settings)")
    how("--concurrency", type=int, metavar="N", help="most requests in flight (default: from settings)")
    how("--watch", type=number, metavar="S", help="read on for S seconds after the first clear (settings)")
    how("--latch", action="store_true", help="leave the scope engaged: see panic latch")
    how("--no-verify", action="store_true", help="do not read; the verdict is unverified at best")
    how(
        "--dry-run",
        action="store_true",
        help="print the plan and what is open; only reads (0, or 30: not all could be reached)",
    )
    _output_options(parser)


def _scope(group: Any) -> None:
    every, several = group.add_argument, {"nargs": "+", "default": []}
    every("--all", action="store_true", help="every account of the roster")
    every("--group", **several, action="extend", metavar="G", help="every account of a group; repeatable")
    ids = {**several, "action": Several, "type": account_ids}
    every("--account", **ids, metavar="ID", help="one account, or several: 1,2; repeatable")


def _filters(parser: Parser) -> None:
    only = parser.add_argument_group("only these orders (default: every order)").add_argument
    only("--side", type=capitals, default="", metavar="SIDE", help="BUY or SELL; short sales are SELL")
    only("--type", type=capitals, default="", metavar="TYPE", help="MARKET, LIMIT, STOP, STOP_LIMIT, …")
    kinds = "COMMON_STOCK, INDEX, OPTION or CASH"
    only("--instrument-type", type=capitals, default="", metavar="TYPE", help=kinds)
    several: dict[str, Any] = {"action": Several, "type": symbols, "nargs": "+", "default": []}
    only("--instrument", **several, metavar="ID", help="a symbol or UUID, or several: A,B; repeatable")


def _orders(parser: Parser) -> None:
    _scope(parser.add_argument_group("scope (required; there is no default)"))
    _filters(parser)
    _output_options(parser, "csv")


def _check(parser: Parser) -> None:
    text = "show what the service's last self-test found; makes no request"
    parser.add_argument("--last", action="store_true", help=text)
    _output_options(parser)


def _resume(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("--by", default="", metavar="NAME", help="on whose behalf")
    _output_options(parser)


def _runs(parser: Parser) -> None:
    parser.add_argument("--limit", type=positive, default=20, metavar="N", help="list at most N (20)")
    _ledger(parser)
    _output_options(parser)


def _show(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help=_RUN)
    _heads(parser)
    _ledger(parser)
    _output_options(parser, "csv")


def _heads(parser: Parser) -> None:
    head = "a ledger head that was kept elsewhere; repeatable"
    parser.add_argument("--head", action="append", default=[], metavar="N:HASH", help=head)


def _ledger(parser: Parser) -> None:
    what = "another ledger, such as an older one (default: from settings)"
    parser.add_argument("--ledger", type=Path, metavar="FILE", help=what)


def _evidence(parser: Parser) -> None:
    add = partial(_command, _commands(parser))
    export = add("export", "evidence:do_export", "write the evidence of a run or a period")
    export.add_argument("run", metavar="RUN", nargs="?", help=_RUN)
    export.add_argument("--from", dest="since", metavar="DATE", help="from this day or time on, UTC")
    export.add_argument("--to", dest="until", metavar="DATE", help="before this day or time, UTC")
    export.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: standard output)")
    what = "check whether it was altered; needs no settings and no ledger"
    verify = add("verify", "evidence:do_verify", what)
    verify.add_argument("file", type=Path, metavar="FILE", help="what export wrote")
    _heads(verify)
    what = "signed heads, the file LEDGER.heads beside the ledger; with --key"
    verify.add_argument("--signed", type=Path, metavar="FILE", help=what)
    verify.add_argument("--key", type=Path, metavar="PEM", help="the public key of whoever signed them")
    _output_options(verify)
    backup = add("backup", "evidence:do_backup", "copy the ledger while it is in use")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file")
    backup.add_argument("--format", choices=("table", "json"), help="default: table on a terminal")


def _latch(parser: Parser) -> None:
    parser.add_argument("--create", action="store_true", help="create the latch, disengaged (once)")
    _output_options(parser)


def _reset(parser: Parser) -> None:
    _scope(parser.add_argument_group("what to end (default: everything that is engaged)"))
    parser.add_argument("--reason", **_TEXT, help="why; required, goes on record")
    parser.add_argument("--force", **_TEXT, help="why to end it without proof that it is clear")
    parser.add_argument("--by", default="", metavar="NAME", help="on whose behalf")
    parser.add_argument("--dry-run", action="store_true", help="print what it would do and change nothing")
    _output_options(parser)


def _token(parser: Parser) -> None:
    add, roles = parser.add_argument, ("viewer", "presser", "resetter")
    add("name", metavar="NAME", help="whose token it is; put on record with every press")
    role = "what it allows besides looking: viewer, presser or resetter; repeatable (default: viewer)"
    add("--role", action="append", default=[], choices=roles, metavar="R", help=role)
    group = "press accounts of this group only; repeatable (default: every account)"
    add("--group", action="append", default=[], metavar="G", help=group)
    add("--automated", action="store_true", help="held by a program: its identical presses count as one")


def _health(parser: Parser) -> None:
    add = parser.add_argument
    add("--ready", action="store_true", help="ask for more: that it is ready, so that a press would work")
    add("--wait", type=seconds, default=0.0, metavar="S", help="until it is so, for S seconds at most (0)")


def _sessions(parser: Parser) -> None:
    add = parser.add_argument
    what = "end a session: its id, or a name for all of theirs; repeatable"
    add("--end", action="append", default=[], metavar="ID|NAME", help=what)
    add("--token", type=Path, metavar="FILE", help="file of your token, mode 600 (else the variable PANIC_TOKEN)")
    what = "PEM file of your certificate and key, where the service asks for one"
    add("--certificate", type=Path, metavar="FILE", help=what)
    _output_options(parser)


def _schedule(parser: Parser) -> None:
    parser.add_argument("--count", type=positive, default=3, metavar="N", help="show N runs of each (3)")
    what = "ask the broker what each would cancel if it ran now"
    parser.add_argument("--orders", action="store_true", help=what)
    _output_options(parser)


def _firm(parser: Parser) -> None:
    add = parser.add_argument
    add("--accounts", type=positive, default=300, metavar="N", help="accounts of the made-up firm (300)")
    add("--seed", type=int, default=1, metavar="N", help="seed from which everything random is derived (1)")
    add("--latency", type=seconds, default=0.02, metavar="S", help="seconds until an answer arrives (0.02)")
    faults = "typical (the default without --rate), none, or kinds of fault, comma-separated"
    add("--faults", default="", metavar="KINDS", help=faults)
    add(
        "--rate",
        type=positive,
        metavar="N",
        help="let N requests a second through, 429 beyond (default: no limit)",
    )
    add("--burst", type=positive, metavar="N", help="and N at once after a pause (default: a second's worth)")


def _drill(parser: Parser) -> None:
    _firm(parser)
    ledger = "keep the drill's ledger in FILE (default: discard it)"
    parser.add_argument("--ledger", type=Path, metavar="FILE", help=ledger)
    room = parser.add_argument_group("in the control room, the page of panic serve")
    room.add_argument("--room", action="store_true", help="serve it with the simulator, until Ctrl-C")
    room.add_argument("--port", type=port, metavar="N", help="on 127.0.0.1 (8788; 0 for any)")
    room.add_argument("--no-open", action="store_true", help="do not open a browser")
    _output_options(parser)


def _simulate(parser: Parser) -> None:
    _firm(parser)
    parser.add_argument("--port", type=port, default=8790, metavar="N", help="on 127.0.0.1 (8790; 0 for any)")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write settings, roster and key for it to DIR")


# ── values and options that several have ────────────────────────────────────────────────────────────────────


def _command(commands: Any, name: str, do: str, what: str) -> Parser:
    """Add a command that `do`, a "module:function" under `panic.cli`, carries out; give its parser."""
    parser: Parser = commands.add_parser(name, help=what)
    parser.description, parser.epilog = _described(parser.prog, what), _coded(parser.prog)
    _common_options(parser)
    parser.set_defaults(command=do)
    return parser


def _described(command: str, what: str) -> str:
    examples = "\n  ".join(["", *EXAMPLES.get(command, ())])
    return f"{what[0].upper()}{what[1:]}.\n{examples}".rstrip()


def _coded(command: str) -> str:
    return f"exit codes:\n{EXIT_CODES[command]}" if command in EXIT_CODES else ""


def _commands(parser: Parser) -> Any:
    return parser.add_subparsers(metavar="COMMAND", required=True)


def _common_options(parser: Parser) -> None:
    # They may come before or after the command.
    nothing = argparse.SUPPRESS  # else the later parser's default would undo what the earlier one read
    where = "settings (else PANIC_CONFIG, else config/, ~/.config/panic/ or /etc/panic/panic.toml)"
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--config", type=Path, metavar="FILE", default=nothing, help=where)
    parser.add_argument(
        "--log-level", choices=levels, default=nothing, help="what to log on standard error (warning; serve: info)"
    )


def _output_options(parser: Parser, *more: str) -> None:
    shown = "default: table on a terminal, json in a pipe"
    parser.add_argument("--format", choices=("table", "json", *more), help=shown)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the whole report there, as JSON")
