"""What a hook or a schedule that was refused tells a person to type must press, as it stands there."""

import re
import shlex
from typing import Any

import pytest

from panic.accounts.plan import Scope, scope_of
from panic.cli.commands import parser
from panic.cli.press import _press_of
from panic.config import Hook
from panic.service.press_command import press_command


def a_hook(**fields: Any) -> Hook:
    """A hook with this scope."""
    return Hook.model_validate({"scheme": "bearer", "secrets": [{"file": "hook.secret"}], **fields})


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"all": True}, "panic press --all --reason breach"),
        ({"groups": ["it's; $(x)", "-odd"], "accounts": [7]}, None),
        ({"groups": ["West"], "latch": True}, "panic press --group West --latch --reason breach"),
        (
            {"groups": ["West"], "side": "BUY", "instruments": ["AAPL", "BRK B"]},
            "panic press --group West --instrument AAPL --instrument 'BRK B' --side BUY --reason breach",
        ),
    ],
)
def test_what_is_told_to_type_presses_what_was_meant(fields: dict[str, Any], command: str | None):
    """The command line understands it, filters and all, whatever a group is called."""
    hook = a_hook(**fields)
    told = press_command(hook, lambda scope: scope, "breach")
    found = re.search(r"panic press .*$", told)
    assert found is not None, told
    press = _press_of(parser().parse_args(shlex.split(found[0])[1:]))

    assert told.startswith("cancel at the broker, or type: ")
    assert command in (None, found[0])
    assert (scope_of(hook), hook.latch, "breach") == (press.scope, press.latch, press.reason)


@pytest.mark.parametrize(
    ("nearest", "told"),
    [
        (
            Scope(groups=("x",)),
            "or type the nearest that works: panic press --group x --reason r",
        ),
        (None, "no press works until what panic check lists is corrected"),
    ],
)
def test_what_works_now_is_told(nearest: Scope | None, told: str):
    """The nearest scope, and where nothing can be typed that is said."""
    assert press_command(a_hook(all=True), lambda _: nearest, "r").endswith(told)
