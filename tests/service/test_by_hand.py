"""What a hook or a schedule that was refused tells a person to type must press, as it stands there."""

import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import config
from panic.notify import Notice
from panic.orders import Filters
from panic.plan import Scope
from panic.service.by_hand import by_hand
from panic.service.clockwork import Clockwork
from panic.service.desk import Desk
from panic.service.standby import Standby
from panic.simulator import Simulator
from tests.cli.support import Firm, account, panic, sent, simulate
from tests.service.support import sections, serving
from tests.service.test_clockwork import DUE

TOKEN = "a-bearer-secret-for-tests-only"
BREACH = {"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "Loss"}}]}
KEYS = """[credentials.default]
file = "panic.key"
[credentials.dead]
file = "no-such.key"
"""
ROWS = ("1,East,,", "2,West,,", "3,Gone,,yes", "4,Dead,dead,")
EVERYBODY = {1, 2}

REFUSED: dict[str, tuple[str, set[int]]] = {
    "group": ('groups = ["Wets"]', EVERYBODY),
    "one-group": ('groups = ["East", "Wets"]', EVERYBODY),
    "quoted": ('groups = ["it\'s; $(x)"]', EVERYBODY),
    "account": ("accounts = [9]", EVERYBODY),
    "one-account": ("accounts = [2, 9]", {2}),
    "excluded": ("accounts = [1, 3]", {1}),
    "excluded-group": ('groups = ["Gone"]', EVERYBODY),
    "no-key": ('groups = ["Dead"]', EVERYBODY),
    "both": ('groups = ["West"]\naccounts = [9]', {2}),
    "filtered": ('groups = ["Wets"]\nside = "BUY"\ntype = "LIMIT"\ninstruments = ["AAPL", "BRK B"]', EVERYBODY),
    "latched": ('groups = ["Wets"]\nlatch = true', EVERYBODY),
}
"""Hooks and schedules that a press refuses: how they are set, and whom the command that they tell must reach."""


def firm_of(folder: Path, simulator: Simulator, more: str) -> Firm:
    """A firm of two accounts that can be pressed, one that is excluded and one without a key."""
    (folder / "hook.secret").touch(mode=0o600)
    (folder / "hook.secret").write_text(TOKEN)
    columns = "id,group,credential,excluded"
    return Firm(folder, simulator.base_url, ROWS, columns, credentials=KEYS, more=sections(more))


async def reaches(told: str, firm: Firm, simulator: Simulator) -> set[int]:
    """Type what somebody is told to type, and give the accounts that it cancelled in."""
    found = re.search(r"panic press .*$", told)
    assert found is not None, told
    before = len(sent(simulator, "DELETE"))
    done = await panic(*firm.lines(*shlex.split(found[0])[1:]), cwd=firm.folder)
    assert done.code not in {64, 70, 78}, done.err
    return set(sent(simulator, "DELETE")[before:])


async def test_what_a_refused_hook_tells_to_type_presses(tmp_path: Path):
    """Typed at a shell beside the service that refused."""
    hooks = "".join(
        f'[hooks.{name}]\nscheme = "bearer"\nsecrets = [{{ file = "hook.secret" }}]\n{text}\n'
        for name, (text, _) in REFUSED.items()
    )
    async with simulate(*map(account, (1, 2, 3, 4))) as simulator:
        firm, refused, reached = firm_of(tmp_path, simulator, hooks), {}, {}
        async with serving(firm) as service:
            for name in REFUSED:
                bearer = f"Bearer {TOKEN}"
                answer = await service.ask("POST", f"/v1/hooks/{name}", BREACH, who="", Authorization=bearer)
                refused[name] = answer.status
                reached[name] = await reaches(answer.body["remedy"], firm, simulator)

    assert dict.fromkeys(REFUSED, 503) == refused
    assert {name: ids for name, (_, ids) in REFUSED.items()} == reached


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=1)], ids=["refused", "late"])
async def test_what_a_schedule_that_did_not_run_tells_to_type_presses(tmp_path: Path, late: timedelta):
    """In the page, whether it was refused or comes too late."""
    when = 'at = "15 minutes before close"\ncancels_gtc_and_close_orders = true'
    schedules = "".join(f'[[schedules]]\nname = "{name}"\n{when}\n{text}\n' for name, (text, _) in REFUSED.items())
    now, told, reached = [DUE - timedelta(seconds=1)], list[Notice](), {}
    async with simulate(*map(account, (1, 2, 3, 4))) as simulator:
        firm = firm_of(tmp_path, simulator, schedules)
        standby = Standby(config.load(firm.settings, {}), {})
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
        for notice in told:
            reached[notice.key.split()[1].split("/")[0]] = await reaches(notice.text, firm, simulator)

    assert {name: ids for name, (_, ids) in REFUSED.items()} == reached


@pytest.mark.parametrize(
    ("scope", "found", "words"),
    [
        (
            Scope(accounts=(1, 2), filters=Filters(instrument_ids=("A B",), instrument_type="INDEX")),
            ...,
            "type: panic press --account 1 --account 2 --instrument 'A B' --instrument-type INDEX --reason breach",
        ),
        (Scope(groups=("-odd", "$x")), ..., "type: panic press --group=-odd --group '$x' --reason breach"),
        (
            Scope(groups=("x",)),
            Scope(all=True),
            "type the nearest that works: panic press --all --reason breach",
        ),
        (Scope(groups=("x",)), None, "no press works until what panic check lists is corrected"),
    ],
)
def test_the_words(scope: Scope, found: Any, words: str):
    """As the command line understands them, and at the end, where they are copied from."""
    told = by_hand(scope, scope if found is ... else found, latch=False, reason="breach")

    assert told.startswith("cancel at the broker")
    assert told.endswith(words)
