"""A reset that takes two people: each asks for the same, in the same way, within a quarter of an hour."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic.accounts.plan import Scope
from panic.config import Grant, LatchFile, Provider, survey
from panic.kit.errors import ConfigurationError, UsageError
from panic.ledger import history
from panic.run import reset
from panic.run.asked import WITHIN, Person, pending, user
from tests.run.conftest import ANN, BOB, Firm
from tests.run.test_engagement import ALL, NOTHING, OPEN


@pytest.fixture
def two(firm: Firm) -> Firm:
    """A firm in which a reset takes two people."""
    firm.settings = firm.settings.model_copy(update={"latch": LatchFile(file=firm.file, resets=2)})
    return firm


def test_one_person_asks_and_another_ends_it(two: Firm):
    """Both are on record; nothing ends before, however often the first asks."""
    two.press("r1")
    for _ in range(2):
        asked = two.asks()
        state = reset.carry_out(two.settings, asked)
        view = asked.view(state)

        assert state.engaged
        assert (False, True, True, None) == (view.done, view.awaits_another, view.engaged_now, view.asked_by)
    (shown, _) = two.looks().view("panic.latch").asked
    second = two.asks(person=BOB)

    assert ("Ann", "all is well", ("all accounts",)) == (shown.by, shown.reason, shown.ends)
    assert not reset.carry_out(two.settings, second).engaged
    assert ("Ann", False) == (second.document.asked_by, second.document.awaits_another)
    assert ["asked", "asked", "intended", "done"] == two.states()
    assert [("Ann", ""), ("Bob", "Ann")] == [(one["by"], one["asked_by"]) for one in two.resets()[1:3]]
    assert NOTHING == two.looks()


@pytest.mark.parametrize(
    "person", [ANN, Person("user", "Bob"), Person("https://login.example.com", "Bob"), Person("token", "Ann")]
)
def test_one_person_is_not_two_by_another_way_in(two: Firm, person: Person):
    """Who has a token may have a user and a sign-in as well."""
    two.press("r1")
    two.ends()

    assert two.ends(person=person).engaged
    assert not two.ends(person=BOB).engaged


def test_another_person_confirms_what_was_asked_and_nothing_else(two: Firm):
    """Not another part, nor what was engaged since; and each of them must know better where there is a doubt."""
    two.press("r1", Scope(groups=("arb",)))
    two.press("r2", Scope(accounts=(7,)), second=10)
    two.ends(Scope(groups=("arb",)))

    assert two.ends(Scope(accounts=(7,)), person=BOB).engaged
    assert two.ends(person=BOB).engaged
    two.press("r3", Scope(groups=("arb",)), OPEN, second=20)
    with pytest.raises(UsageError, match="run r3 ended open"):
        two.asks(Scope(groups=("arb",)), person=BOB)
    assert ["asked"] * 3 == two.states()


def test_a_word_for_less_ends_no_more(two: Firm):
    """Since it was given the latch was lost, so that everything is engaged, or a doubt came up."""
    two.press("r1", Scope(groups=("arb",)))
    two.ends()
    two.file.unlink()

    assert two.ends(person=BOB).problem
    assert not two.ends().engaged
    two.press("r2", Scope(groups=("arb",)), second=10)
    two.ends()
    two.press("r3", ALL, OPEN, second=20, latched=False)

    assert two.ends(person=BOB, force="I know better").engaged
    assert not two.ends(force="so do I").engaged


def test_the_word_of_who_may_not_reset_any_more_does_not_count(two: Firm):
    """Their token is gone, has expired or only looks; their provider is another, or grants it to nobody."""
    two.press("r1")
    two.ends()
    ann, before = two.settings.tokens["Ann"], two.settings
    changes: list[dict[str, Any]] = [{"expires": datetime.now(UTC)}, {"roles": ("viewer",)}]
    for tokens in ({}, *({"Ann": ann.model_copy(update=less)} for less in changes)):
        two.settings = before.model_copy(update={"tokens": tokens})
        assert not two.looks().asked
    two.settings = before
    issuer = "https://login.example.com"
    two.ends(person=Person(issuer, "u-1"))
    found = []
    for role in ("resetter", "presser"):
        grants = {"x": Grant(roles=(role,))}
        identity = Provider(issuer=issuer, client_id="panic", grants=grants)
        two.settings = before.model_copy(update={"identity": identity})
        found.append([one.by for one in two.looks().asked])

    assert [["Ann", "u-1"], ["Ann"]] == found


@pytest.mark.parametrize(
    ("text", "env", "told"),
    [
        ('[latch]\nresets = "2"', {}, "resets is '2'"),
        ("[latch]\nresets = 3", {}, "resets is 3"),
        ("[latch]\nreset = 2", {}, "no setting 'reset'"),
        ("[[latch]]\nresets = 2", {}, "latch is not a section"),
        ("[latches]\nresets = 2", {}, "no section or setting 'latches'"),
        ("", {"PANIC_LATCH_RESETS": "two"}, "PANIC_LATCH_RESETS is 'two'"),
    ],
)
def test_where_a_mistake_may_hide_that_it_takes_two_people_nobody_resets(
    firm: Firm, tmp_path: Path, text: str, env: dict[str, str], told: str
):
    """One would do by default. A mistake elsewhere keeps nobody from it."""
    firm.press("r1")
    found = []
    for more in (text, "[run]\nwatch_s = -1"):
        file = tmp_path / "panic.toml"
        file.write_text(f'[broker]\nbase_url = "https://api.example.com"\n[credentials.a]\nenv = "A"\n{more}\n')
        found.append(survey(file, env if more == text else {}).settings.problems)
    firm.settings = firm.settings.model_copy(update={"problems": found[0]})
    with pytest.raises(ConfigurationError, match=f"{told}.*Nothing is reset before that"):
        firm.asks()
    firm.settings = firm.settings.model_copy(update={"problems": found[1]})

    assert [1, 1] == [len(problems) for problems in found]
    assert not firm.ends().engaged


def test_a_word_waits_a_quarter_of_an_hour_and_ends_one_reset(two: Firm):
    """After that it is asked anew; so it is for what is engaged again, even a latch that is gone."""
    two.press("r1")
    two.file.unlink()
    two.ends()
    events, tick = history.headings(two.settings.ledger).events, timedelta(microseconds=1)
    asked = datetime.fromisoformat(events[-1].at)
    waiting = [len(pending(events, asked + later)) for later in (WITHIN, WITHIN + tick, -tick)]
    ended = two.ends(person=BOB)
    two.file.unlink()

    assert ([1, 0, 0], False) == (waiting, ended.engaged)
    assert two.ends(force="it is gone").engaged
    two.put("reset", {"state": "asked", "by": 7})
    two.put("reset", "asked")
    assert 1 == len(two.looks().asked)


def test_a_user_of_this_machine_is_who_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the system says of the login, and nothing that the environment says; else whom everybody becomes."""
    login = tmp_path / "loginuid"
    monkeypatch.setattr("panic.kit.process._LOGIN", login)
    monkeypatch.setenv("SUDO_USER", "somebody")
    found = [user()]
    for said in ("1001", str((1 << 32) - 1), "x"):
        login.write_text(said)
        found.append(user())
    us = Person("user", str(os.getuid()))

    assert [us, Person("user", "1001"), us, us] == found
