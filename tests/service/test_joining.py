"""A press is a part of a run under way only where it loses nothing."""

from dataclasses import replace
from typing import Any

import pytest

from panic.accounts.plan import Scope, plan
from panic.config.secret import Key
from panic.orders import Filters
from panic.run.press import Prepared, Press
from panic.service.live import asks_the_same, loses_nothing
from tests.engine.test_engine import prepared
from tests.kit.builders import a_bad_row

READY = prepared("http://127.0.0.1:1", (1, 2))
ALL, NARROW, BOTH = Scope(all=True), Scope(accounts=(1,)), Scope(accounts=(1, 2))
FILTERED = Scope(all=True, filters=Filters(side="BUY"))


def of(scope: Scope = ALL, ready: Prepared = READY, **how: Any) -> Prepared:
    press = Press(scope, "a test", **{"watch_s": 4.0, "deadline_s": 60.0, **how})
    return replace(ready, press=press, plan=plan(ready.roster, scope, ready.keys))


def other_broker() -> Prepared:
    """The same place, of which the settings now say something else."""
    broker = READY.settings.broker.model_copy(update={"contact": "somebody else"})
    return replace(READY, settings=READY.settings.model_copy(update={"broker": broker}))


UNREADABLE = replace(READY, roster=replace(READY.roster, bad_rows=(a_bad_row(3, text="x1,Nobody"),)))


@pytest.mark.parametrize(
    ("run", "press", "same", "shares"),
    [
        pytest.param(of(), of(), True, True, id="the same"),
        pytest.param(of(), of(BOTH), False, True, id="named, of all"),
        pytest.param(of(), of(NARROW), False, True, id="narrower"),
        pytest.param(of(), of(NARROW, watch_s=900.0), False, False, id="narrower, watches longer"),
        pytest.param(of(), of(NARROW, deadline_s=900.0), False, False, id="narrower, later deadline"),
        pytest.param(of(), of(watch_s=900.0), False, True, id="as wide, watches longer"),
        pytest.param(of(NARROW), of(), False, False, id="wider"),
        pytest.param(of(NARROW), of(BOTH), False, False, id="more accounts"),
        pytest.param(of(BOTH), of(), False, False, id="all, of those named"),
        pytest.param(of(FILTERED), of(), False, False, id="of a filtered one"),
        pytest.param(of(), of(FILTERED), False, False, id="filtered"),
        pytest.param(of(FILTERED), of(FILTERED), True, False, id="filtered alike"),
        pytest.param(of(verify=False), of(), False, False, id="of an unverified one"),
        pytest.param(of(), of(verify=False), False, False, id="unverified"),
        pytest.param(of(), of(latch=True), False, True, id="asks for the latch"),
        pytest.param(of(latch=True), of(), True, True, id="the latch is engaged already"),
        pytest.param(of(), replace(of(), keys={"default": Key("sim2.key2")}), False, False, id="another key"),
        pytest.param(replace(of(), keys={}), of(), False, False, id="of one without a key"),
        pytest.param(of(), of(ready=other_broker()), False, False, id="another broker"),
        pytest.param(of(), of(ready=UNREADABLE), False, False, id="a row that nobody can read"),
    ],
)
def test_a_press_that_would_lose_something_gets_a_run_of_its_own(
    run: Prepared, press: Prepared, same: bool, shares: bool
):
    """It never joins one that is narrower, filtered, unverified or sent otherwise, nor draws a wider one out."""
    assert same == asks_the_same(run, press)
    assert shares == loses_nothing(run, press, deadline_s=60.0, watch_s=4.0)
