"""`panic config show`: every setting in force, and where it was said. It asks nobody, and reads no key."""

import argparse
import json
import os
from dataclasses import asdict
from functools import partial

from panic import config
from panic.cli import output
from panic.cli.tables.config import config_table
from panic.config.effective import DEFAULT, Setting, effective
from panic.kit import logs
from panic.kit.errors import ConfigurationError


def do_show(options: argparse.Namespace) -> int:
    """Print every setting, whatever is wrong with some; the exit code tells whether a press could use them."""
    logs.configure(options.log_level)
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
    output.show(json.dumps(document, indent=2), partial(config_table, settings, problems), options)
    return 0 if found.is_usable else ConfigurationError.exit_code


def _file(options: argparse.Namespace, found: config.Survey) -> Setting:
    """Which file it is, told as a setting."""
    origin = "environment PANIC_CONFIG" if os.environ.get("PANIC_CONFIG") else DEFAULT
    origin = "--config" if options.config else origin
    return Setting("settings", str(found.document.file.absolute()), origin)
