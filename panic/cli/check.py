"""`panic check`: would a press work, everywhere, now?"""

import argparse
import os
from functools import partial

from panic import config, logs
from panic.check import check, to_json
from panic.cli import loop, output
from panic.render.check import check_table


def do_check(options: argparse.Namespace) -> int:
    """Check, print what was found and give its exit code."""
    logs.configure(options.log_level)
    found = loop.run(check(config.load(options.config), os.environ))
    output.show(to_json(found).decode(), partial(check_table, found), options)
    return found.exit_code
