"""The sections that only the service needs: what is taken, and what is left out."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account, Roster
from panic.config import Broker, Channel, Credential, Hook, SelfTest, Token
from panic.orders import Filters
from tests.config.conftest import DIGEST, GOOD, Load

SERVICE = """
[service]
host = "0.0.0.0"
allowed_hosts = ["panic.example.com", "fd00::1"]
trusted_proxies = ["10.0.0.7", "fd00::/8"]
tls_certificate = "panic.pem"
tls_key = "panic.key"
[tokens.desk-1]
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
roles = ["viewer", "presser"]
groups = ["arb"]
[hooks.risk]
secrets = [{ file = "risk.secret" }, { env = "PANIC_RISK" }]
accounts = [7]
[notify.pager]
url = { env = "PANIC_PAGER" }
tells = ["page"]
"""


def test_what_the_service_needs_is_read_beside_what_a_press_needs(settings: Load, tmp_path: Path):
    """And the variables that hold its secrets mean something."""
    loaded = settings(GOOD + SERVICE, {"PANIC_RISK": "x", "PANIC_PAGER": "y", "PANIC_SERVICE_PORT": "0"})

    assert () == loaded.problems
    assert ("0.0.0.0", 0) == (loaded.service.host, loaded.service.port)  # noqa: S104  (read, and not listened at)
    assert ("panic.example.com", "fd00::1") == loaded.service.allowed_hosts
    assert ("10.0.0.7", "fd00::/8") == loaded.service.trusted_proxies
    assert tmp_path / "panic.pem" == loaded.service.tls_certificate
    assert {"desk-1": Token(digest=(DIGEST,), roles=("viewer", "presser"), groups=("arb",))} == loaded.tokens
    secrets = (Credential(file=tmp_path / "risk.secret"), Credential(env="PANIC_RISK"))
    assert {"risk": Hook(secrets=secrets, accounts=(7,))} == loaded.hooks
    assert {"pager": Channel(url=Credential(env="PANIC_PAGER"), tells=("page",))} == loaded.channels


_TOKEN = f"[tokens.desk]\ndigest = '{DIGEST}'\n"


@given(st.text())
@example("\U00013440")  # unassigned in the table of one Unicode, and a mark in the next
def test_a_hook_takes_no_instrument_that_a_press_refuses(instrument: str):
    """A breach is no time to find that out."""
    what = {"all": True, "secrets": [{"env": "A"}], "instruments": [instrument]}
    try:
        Hook.model_validate(what)
    except ValidationError:
        return
    roster = Roster(Path("a.csv"), "", 0.0, (Account(1),), (), ())

    assert (Account(1),) == plan(
        roster, Scope(all=True, filters=Filters(instrument_ids=(instrument,))), {"default"}
    ).accounts


def test_a_token_under_two_names_lets_nobody_in(settings: Load):
    """Nobody could say on record who pressed."""
    roles = "roles = ['viewer']\n"
    loaded = settings(f"{GOOD}{_TOKEN}{roles}{_TOKEN.replace('desk', 'other')}{roles}")

    assert 2 * [True] == ["is the same token as another" in problem.what for problem in loaded.problems]
    assert {} == loaded.tokens


def test_a_pasted_secret_does_not_show(settings: Load):
    """Neither in what is printed of the settings nor in what pydantic says of a mistake in code."""
    for model, fields in ((Token, {"digest": "hunter2"}), (Broker, {"base_url": b"\xffhunter2", "contact": 5})):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(fields)
        assert "hunter2" not in str(caught.value)
    loaded = settings(GOOD + SERVICE)

    assert "0000" not in repr(loaded)


_SCHEDULE = "[[schedules]]\nname = 'cleanup'\n"


_AT = "at = '5 minutes before close'\n"


_KNOWS = "cancels_gtc_and_close_orders = true\n"


def test_schedules_and_the_self_test_are_read(settings: Load):
    """A press by the clock, a drill that needs no scope, and a test that is off."""
    text = f"""
        {_SCHEDULE}{_AT}{_KNOWS}groups = ["arb"]
        [[schedules]]
        name = "practice"
        at = "07:00 Europe/London on monday, friday"
        drill = true
        [self_test]
        every_s = 0
    """
    loaded = settings(GOOD + text, {"PANIC_SELF_TEST_SHARE": "0.5"})

    assert () == loaded.problems
    assert ["cleanup", "practice"] == [schedule.name for schedule in loaded.schedules]
    assert (("arb",), 0.0) == (loaded.schedules[0].groups, loaded.schedules[0].watch_s)
    assert "07:00 Europe/London on monday, friday" == str(loaded.schedules[1].when)
    assert SelfTest(every_s=0, share=0.5, rate=50) == loaded.self_test


def test_a_mistake_in_one_schedule_spares_the_others(settings: Load):
    """It has a line of its own; of two of one name, one would keep the other from running without a word."""
    good = f"{_SCHEDULE}{_AT}{_KNOWS}all = true\n"
    wrong = good.replace("cleanup", "late").replace("5 minutes", "601 minutes")
    loaded = settings(f"{GOOD}{good}{wrong}{good.replace('before', 'after')}")

    assert ["5 minutes before close"] == [schedule.at for schedule in loaded.schedules]
    assert [12, 16] == [problem.line for problem in loaded.problems]
    assert "[[schedules]] cleanup: there is one of this name above" == loaded.problems[1].what
