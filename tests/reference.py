"""docs/reference.md, whole from the code: exit codes, commands, variables, settings, metrics."""

import argparse
import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from panic.broker.outcomes import EXIT_CODES
from panic.cli.arguments import Parser
from panic.cli.commands import parser
from panic.config import Channel, Credential, Grant, Hook, Provider, Schedule, Token
from panic.config.document import toml
from panic.config.loading import SECTIONS, overridable
from panic.service import metrics

VARIABLES = {
    "PANIC_CONFIG": "The settings, where `--config` names none.",
    "PANIC_TOKEN": "The token of `panic sessions`, where `--token` names no file.",
    "PANIC_TRACEBACK": "Not empty: where panic itself failed, the traceback follows.",
    "PANIC_<SECTION>_<KEY>": "A setting, see below. An empty one is unset, one that means nothing a mistake.",
    "CLEAR_STREET_API_KEY": "The key, where a credential says `env` and this name; it may say another.",
    "XDG_CONFIG_HOME": "Where the user's settings are: `panic/panic.toml` in it.",
    "HOME": "Where they are without it: `.config/panic/panic.toml` in it. Also `~` in file names.",
    "SUDO_USER": "Who presses, for the record, beside the id that the system tells.",
    "LOGNAME": "The same, where that is not set.",
    "USER": "The same, where neither is set.",
    "NO_COLOR": "Not empty: no colour.",
    "TERM": "`dumb`: no colour.",
    "DISPLAY": "There is a screen on which `panic drill --room` may open a browser.",
    "WAYLAND_DISPLAY": "The same.",
    "HTTPS_PROXY": "The proxy to the broker, `NO_PROXY` its exceptions, if `[broker] environment_proxy` is true.",
}
"""The environment variables that are read, and what they do."""

_NAMED: Mapping[str, type[BaseModel]] = {
    "credentials.NAME": Credential,
    "tokens.NAME": Token,
    "identity": Provider,
    "identity.grants.GROUP": Grant,
    "hooks.NAME": Hook,
    "notify.NAME": Channel,
    "schedules": Schedule,
}
_CODES = {
    **{code: f"verdict {verdict}" for verdict, code in EXIT_CODES.items()},
    64: "the command is wrong; nothing was sent",
    70: "panic itself failed",
    78: "settings, roster or keys cannot be used; nothing was sent",
    130: "a second Ctrl-C ended it at once",
    143: "a second SIGTERM ended it at once",
}


def reference() -> str:
    """Give the whole page."""
    text = f"""\
# Reference

Made from the code by `make docs`. [Configuration](configuration.md) has reasons, `panic COMMAND --help` examples.

## Exit codes

{_table(("exit", "meaning"), sorted(_CODES.items()))}

Each command says below what they mean for it.

## Commands

Every command takes these:

{_options(parser())}
{"".join(map(_command, sorted(_every(parser()), key=lambda one: one.prog)))}
## Environment variables

{_table(("variable", "what it does"), ((f"`{name}`", what) for name, what in VARIABLES.items()))}

## Settings

The first sentences; defaults and reasons are in [configuration](configuration.md).

{_table(("setting", "variable", "default", "what"), _settings())}

## Metrics

`GET /metrics` of `panic serve`.

{_table(("metric", "type", "labels", "what"), _metrics())}
"""
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, ("---",) * len(head), *rows))


def _every(of: Parser) -> Iterator[Parser]:
    for one in of.commands.values():
        yield from _every(one) if one.commands else (one,)


def _command(one: Parser) -> str:
    what = (one.description or "").partition("\n")[0]
    codes = " · ".join(line.strip() for line in (one.epilog or "").splitlines()[1:])
    names = " ".join(str(place.metavar or f"{{{','.join(place.choices or ())}}}") for place in one.places)
    parts = (f"\n### {one.prog} {names}".rstrip(), what, _options(one, parser()), codes and f"Exits: {codes}")
    return "\n\n".join(filter(None, parts)) + "\n"


def _options(one: Parser, but: Parser | None = None) -> str:
    known = but.options if but else {}
    rows = [(f"`{place.metavar}`", "", _escaped(place.help)) for place in one.places if place.metavar and but]
    rows += [
        (f"`{', '.join(option.option_strings)}`", _takes(option), _escaped(option.help))
        for option in dict.fromkeys(one.options.values())
        if option.option_strings[-1] not in known
    ]
    return _table(("option", "takes", "what"), rows) if rows else ""


def _takes(option: argparse.Action) -> str:
    return _escaped(option.metavar or ", ".join(option.choices or ()) if option.nargs != 0 else "")


def _escaped(words: object) -> str:
    return str(words or "").replace("|", "\\|")


def _settings() -> Iterator[tuple[str, str, str, str]]:
    for section, model in {**SECTIONS, **_NAMED}.items():
        what, heard = _sentences(model), overridable(model) if section in SECTIONS else ()
        for key, info in model.model_fields.items():
            variable = f"`PANIC_{section}_{key}`".upper() if key in heard and key != "base_url" else ""
            default = "required" if info.is_required() else _escaped(toml(info.get_default()))
            yield f"`{section}.{key}`", variable, default, _escaped(what[key])


def _sentences(model: type[BaseModel]) -> dict[str, str]:
    """The first sentence of what the code says of each key; it stands below it."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (lines,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(lines, ast.ClassDef)
        for key, text in pairwise(lines.body):
            if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr):
                words = " ".join(ast.literal_eval(text.value).split())
                found[key.target.id] = f"{words.partition('. ')[0].rstrip('.')}."
    return found


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    made = metrics.Metrics()
    labels = {one._name: one._labelnames for one in vars(made).values() if isinstance(one, MetricWrapperBase)}
    labels |= {name: (label,) for name, label in metrics.LABELS.items()} | {
        "panic_notifications_failed": ("channel",)
    }
    gauges = {name: {"": 0.0} if name in metrics.LABELS else 0.0 for name in metrics.GAUGES}
    lines = made.render(gauges, {"": 0}).decode().splitlines()
    types = dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))
    for line in sorted(lines):
        if line.startswith("# HELP "):
            name, what = line.removeprefix("# HELP ").split(" ", 1)
            its = labels.get(name.removesuffix("_total"), ())
            yield f"`{name}`", types[name], ", ".join(its), what
