"""Every command in a process of its own; what is pressed at night, and what serves, from a cold start."""

import signal
from collections.abc import Iterator
from typing import Final

import pytest

from tests.cli.inside import beside, typed
from tests.cli.ledgers import SETTINGS
from tests.cli.support import PRESS, Firm, account, panic, simulate, started

LATCHED: Final = '[latch]\nfile = "latch.json"\n'
SCHEDULED: Final = """
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
all = true
cancels_gtc_and_close_orders = true
"""
EXPORT: Final = ("evidence", "export", "last", "--output")
ENGAGED: Final = 20
NOT_ANCHORED: Final = 10
IS_FINISHED: Final = 64
IS_THERE: Final = 64

ENDING: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "press": (PRESS, 0),
    "press, only planned": ((*PRESS, "--dry-run"), 0),
    "resume": (("resume", "last"), IS_FINISHED),
    "check": (("check",), 0),
    "runs": (("runs",), 0),
    "show": (("show", "last"), 0),
    "schedule": (("schedule",), 0),
    "latch": (("latch",), ENGAGED),
    "reset": (("reset", "--all", "--reason", "all is quiet"), 0),
    "evidence, exported": (("evidence", "export", "last"), 0),
    "evidence, copied": (("evidence", "backup", "copy.db"), 0),
    "evidence, verified": (("evidence", "verify", "evidence"), NOT_ANCHORED),
    "token": (("token", "desk"), 0),
    "config": (("config", "show"), 0),
    "init": (("init", "--base-url", "https://api.clearstreet.com"), IS_THERE),
    "drill": (("drill", "--accounts", "5", "--faults", "none"), 0),
}
STAYING: Final = {
    "serve": ("serve",),
    "simulate": ("simulate", "--accounts", "3", "--port", "0"),
    "drill in the room": ("drill", "--room", "--accounts", "3", "--port", "0", "--no-open"),
}


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A firm with a schedule, a run on record, its evidence, and a latch that is engaged."""
    folder = tmp_path_factory.mktemp("firm")
    with beside(simulate(account(1))) as simulator:
        more = f"{SETTINGS}{LATCHED}{SCHEDULED}[service]\nport = 0\n"
        one = Firm(folder, simulator.base_url, [1], more=more)
        for words in (("latch", "--create"), (*PRESS, "--latch"), (*EXPORT, str(folder / "evidence"))):
            typed(*one.lines(*words))
        yield one


@pytest.mark.parametrize("name", ENDING)
async def test_a_command_that_ends(firm: Firm, name: str):
    """It does what it is for, or says why not."""
    words, code = ENDING[name]
    done = await panic(*firm.lines(*words), cwd=firm.folder, cold=name == "press")

    assert code == done.code, done.err
    assert "Warning" not in done.err


@pytest.mark.parametrize("name", STAYING)
async def test_a_command_that_stays(firm: Firm, name: str):
    """It serves until it is told to end."""
    async with started(*firm.lines(*STAYING[name]), cwd=firm.folder, cold=name == "serve") as process:
        await process.says("http://127.0.0.1")
        process.signal(signal.SIGTERM)
        done = await process.finish()

    assert 0 == done.code, done.err
