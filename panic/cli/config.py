"""`panic config show`: every setting in force, and where it comes from. It makes no request and reads no key."""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from panic import config
from panic.cli import output
from panic.cli.tables.drawing import Text
from panic.config.effective import DEFAULT, Setting, effective
from panic.kit.errors import ConfigurationError


def do_show(options: argparse.Namespace) -> int:
    """Print every setting, even if some are wrong; the exit code says whether a press could use them."""
    found = config.survey(options.config)
    output.guard(options, found.settings)
    settings = [_file(options, found), *effective(found)]
    problems = [str(problem) for problem in found.settings.problems]
    document = {
        "schema": "panic-config/1",
        "usable": found.is_usable,
        "settings": [asdict(one) for one in settings],
        "problems": problems,
    }
    output.show(json.dumps(document, indent=2), config_table(settings, problems), options)
    return 0 if found.is_usable else ConfigurationError.exit_code


def _file(options: argparse.Namespace, found: config.Survey) -> Setting:
    """The settings file itself, shown as a setting."""
    origin = "environment PANIC_CONFIG" if os.environ.get("PANIC_CONFIG") else DEFAULT
    origin = "--config" if options.config else origin
    return Setting("settings", str(found.document.file.absolute()), origin)


def config_table(settings: Sequence[Setting], problems: Sequence[str]) -> Iterable[RenderableType]:
    """Give every setting with its value and origin, below what is wrong."""
    yield from (Text(f"! {problem}", style="yellow") for problem in problems)
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for one in settings:
        said = "dim" if one.origin == DEFAULT else "bold"
        table.add_row(Text(one.name), Text(_words(one.value), style=said), Text(one.origin, style=said))
    yield table


def _words(value: Any) -> str:
    if value is None or value in ("", []):
        return "unset"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
