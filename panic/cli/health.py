"""`panic health`: does the service of these settings answer? For containers, systemd and monitoring."""

import argparse
from functools import partial
from time import monotonic, sleep
from typing import Any, Final

from panic import config
from panic.cli import neighbour
from panic.config import Settings
from panic.kit import background, terminal

_ASK_S: Final = 5.0
_PAUSE_S: Final = 0.2


def do_health(options: argparse.Namespace) -> int:
    """Say how the service is; 0 if it answers, with --ready only if a press would work, else 1."""
    settings = config.survey(options.config).settings  # what is wrong with them is the service's to say
    ends_at = monotonic() + options.wait
    while True:
        words, is_well = _look(settings, is_ready=options.ready)
        if is_well or monotonic() >= ends_at:
            break
        sleep(_PAUSE_S)
    terminal.out(f"{neighbour.url_of(settings)}: {words}")
    return 0 if is_well else 1


def _look(settings: Settings, *, is_ready: bool) -> tuple[str, bool]:
    try:
        found: Any = background.within(partial(neighbour.ready, settings, _ASK_S), _ASK_S, "health")
        ready, why = bool(found["ready"]), str(found["why"])
    except Exception as error:  # noqa: BLE001  (whatever listens there may answer anything)
        cause = getattr(error, "reason", None) or error
        return f"no service of panic answers ({type(cause).__name__})", False
    if ready:
        return "ready: a press works", True
    return f"alive, not ready ({why}): see panic check; a person's press is accepted all the same", not is_ready
