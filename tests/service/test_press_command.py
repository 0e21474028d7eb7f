"""What a hook or a schedule that was refused tells a person to type must press, as it stands there."""

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from panic import config
from panic.accounts import roster
from panic.accounts.plan import Scope, pressable, scope_of
from panic.cli.commands import parser
from panic.cli.press import _press_of
from panic.config import Hook
from panic.run.press import Press, prepare
from panic.service.desk import Desk
from panic.service.notify import Notice
from panic.service.press_command import press_command
from panic.service.schedule.clockwork import Clockwork
from panic.service.standby import Standby
from tests.cli.support import Firm
from tests.service.support import sections
from tests.service.test_clockwork import DUE

TOKEN = "a-bearer-secret-for-tests-only"
KEYS = '[credentials.default]\nfile = "panic.key"\n[credentials.dead]\nfile = "no-such.key"\n'
ROWS = ("1,East,,", "2,West,,", "3,Gone,,yes", "4,Dead,dead,", "5,it's; $(x),,")
EVERYBODY = {1, 2, 5}

REFUSED: dict[str, tuple[dict[str, object], set[int], str]] = {
    "group": ({"groups": ["Wets"]}, EVERYBODY, "type the nearest that works: "),
    "quoted": ({"groups": ["it's; $(x)"]}, {5}, "type: panic press --group "),
    "account": ({"accounts": [9]}, EVERYBODY, "nearest"),
    "excluded": ({"accounts": [1, 3]}, {1}, "nearest"),
    "no-key": ({"groups": ["Dead"]}, EVERYBODY, "nearest"),
    "filtered": (
        {"groups": ["West"], "side": "BUY", "type": "LIMIT", "instruments": ["AAPL", "BRK B"]},
        {2},
        "--instrument AAPL --instrument 'BRK B' --side BUY --type LIMIT",
    ),
    "latched": ({"groups": ["Wets"], "latch": True}, EVERYBODY, "--latch --reason breach"),
}
"""Hooks, whom the command that is told must reach, and what stands in it."""


def firm_of(folder: Path, more: str = "") -> Firm:
    """A firm of three accounts that can be pressed, one that is excluded and one without a key."""
    (folder / "hook.secret").touch(mode=0o600)
    (folder / "hook.secret").write_text(TOKEN)
    columns = "id,group,credential,excluded"
    return Firm(folder, "http://127.0.0.1:1", ROWS, columns, credentials=KEYS, more=sections(more))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_told_to_type_presses(tmp_path: Path, name: str):
    """The command line understands it, filters and all, and it reaches whom it can."""
    fields, reached, words = REFUSED[name]
    firm = firm_of(tmp_path)
    settings = config.load(firm.settings, {})
    hook = Hook.model_validate({"scheme": "bearer", "secrets": [{"file": "hook.secret"}], **fields})
    accounts = roster.load(firm.roster, settings.credentials)
    told = press_command(hook, lambda scope: pressable(scope, accounts, {"default"}), "breach")
    command = re.search(r"panic press .*$", told)
    assert command is not None, told
    press = _press_of(parser().parse_args(shlex.split(command[0])[1:]))

    assert told.startswith("cancel at the broker")
    assert words in told
    assert (scope_of(hook).filters, hook.latch, "breach") == (press.scope.filters, press.latch, press.reason)
    assert reached == {one.id for one in prepare(settings, Press(press.scope, "x"), {}).plan.accounts}


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=1)], ids=["refused", "late"])
async def test_what_a_schedule_that_did_not_run_tells_to_type(tmp_path: Path, late: timedelta):
    """In the page, whether it was refused or comes too late: what it meant, as near as can be."""
    when = 'at = "15 minutes before close"\ncancels_gtc_and_close_orders = true'
    schedule = f'[[schedules]]\nname = "cleanup"\n{when}\ngroups = ["West"]\naccounts = [9]\n'
    now, told = [DUE - timedelta(seconds=1)], list[Notice]()
    standby = Standby(config.load(firm_of(tmp_path, schedule).settings, {}), {})
    await standby.start()
    desk = Desk(standby)
    clockwork = Clockwork(desk, standby, told.append, lambda *_: None, lambda: now[0])
    try:
        await clockwork.learn()
        for moment in (now[0], DUE + late):
            now[0] = moment
            await clockwork.turn()
    finally:
        await clockwork.close()
        await desk.close()
        await standby.close()

    assert "type the nearest that works: panic press --group West --reason" in told[0].text


@pytest.mark.parametrize(
    ("pressable_now", "words"),
    [
        (lambda scope: scope, "type: panic press --group=-odd --group '$x' --reason breach"),
        (lambda _: None, "no press works until what panic check lists is corrected"),
    ],
)
def test_odd_words(pressable_now: Callable[[Scope], Scope | None], words: str):
    """A group that looks like a flag; and where nothing can be typed that is said."""
    hook = Hook.model_validate({"scheme": "bearer", "secrets": [{"file": "x"}], "groups": ["-odd", "$x"]})

    assert press_command(hook, pressable_now, "breach").endswith(words)
