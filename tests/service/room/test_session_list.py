"""Sessions are listed and ended: one's own, and by whoever may reset, those that reach no further."""

from pathlib import Path

import pytest

from panic.service.auth import Identity
from panic.service.room.session_list import may_end
from tests.cli.support import until
from tests.service.house import bearer, house
from tests.service.room.page import Browser, opened
from tests.service.room.test_signing import later


async def test_sessions_are_told_to_their_own_and_to_whoever_may_reset(tmp_path: Path):
    """With who, from where and since when, and with nothing that a cookie follows from."""
    async with house(tmp_path) as it:
        joe, phone, boss = Browser(it), Browser(it), Browser(it)
        for browser, name in ((joe, "joe"), (phone, "joe"), (boss, "boss")):
            await browser.sign_in(name)
        later(it, 901)
        await phone.sign_in("joe")
        mine, all_ = [await one.ask("GET", "/v1/sessions") for one in (joe, boss)]
        told = [answer.fits("SessionRows")["sessions"] for answer in (mine, all_)]
        by_token = (await it.ask("GET", "/v1/sessions", token="viewer")).json["sessions"]

    assert [["joe", "joe"], ["joe", "boss", "joe"]] == [[one["name"] for one in rows] for rows in told]
    assert [(True, False), (False, True)] == [(one["may_act"], one["this"]) for one in told[0]]
    assert {("127.0.0.1", "")} == {(one["address"], one["issuer"]) for rows in told for one in rows}
    assert 3 == len({one["id"] for one in told[1]})
    assert [] == by_token
    assert not [one for one in (joe, phone, boss) if one.cookie.partition("=")[2] in mine.body.decode()]


async def test_an_ended_session_is_out_with_its_streams_and_on_record(tmp_path: Path):
    """Nobody else's is ended but by whoever may reset, and was there lately."""
    async with house(tmp_path) as it:
        joe, east, boss = Browser(it), Browser(it), Browser(it)
        for browser, name in ((joe, "joe"), (east, "east"), (boss, "boss")):
            await browser.sign_in(name)
        rows = (await boss.ask("GET", "/v1/sessions")).json["sessions"]
        ids = {one["name"]: one["id"] for one in rows}
        async with opened(it, token="", Cookie=joe.cookie) as page:
            await page.has("room")
            (await joe.ask("POST", "/v1/sessions/end", {"id": ids["east"]})).problem("not_found")
            robot = await it.ask("POST", "/v1/sessions/end", {"id": ids["east"]}, token="robot")
            robot.problem("not_found")
            later(it, 901)
            (await boss.ask("POST", "/v1/sessions/end", {"id": ids["joe"]})).problem("idle")
            await boss.sign_in("boss")
            ended = await boss.ask("POST", "/v1/sessions/end", {"id": ids["joe"]})
            await until(lambda: page.is_over)
        (await joe.ask("GET", "/v1/session")).problem("unauthenticated")
        own = await it.ask("POST", "/v1/sessions/end", {"id": ids["east"]}, **bearer("east"))
        told = [one for kind, one in it.told if kind == "session_ended"]

    assert (204, 204) == (ended.status, own.status)
    assert [("boss", "joe", ids["joe"]), ("east", "east", ids["east"])] == [
        (one["token"], one["of"], one["session"]) for one in told
    ]


EAST, WEST = frozenset({"East"}), frozenset({"West"})


def _who(name: str, *roles: str, person: bool = True, **limits: frozenset[str] | None) -> Identity:
    """Somebody with these roles, each for all accounts unless it is limited."""
    every = {"viewer": None, **dict.fromkeys(roles), **limits}
    return Identity(name, frozenset(every), every["viewer"], person, "idp", name, every)


DESK, EASTERN = _who("desk", viewer=EAST), _who("east", "resetter", viewer=EAST, resetter=EAST)


@pytest.mark.parametrize(
    ("mine", "other", "may"),
    [
        (_who("boss", "resetter"), _who("ann", "presser"), True),
        (_who("boss", "resetter"), DESK, True),
        (_who("boss", "resetter", person=False), DESK, False),
        (_who("ann", "presser"), DESK, False),
        (EASTERN, DESK, True),
        (EASTERN, _who("both", viewer=EAST | WEST), False),
        (EASTERN, _who("ann"), False),
        (EASTERN, _who("ann", "presser", presser=EAST), False),
        (_who("looks", "resetter", resetter=EAST), _who("west", viewer=WEST), False),
        (_who("looks", "resetter", resetter=EAST), DESK, True),
        (DESK, _who("desk"), True),
    ],
)
def test_whoever_may_reset_ends_sessions_of_no_further_reach(mine: Identity, other: Identity, may: bool):
    """By the groups that they may reset, and against all that the other may look at; one's own always."""
    assert may is may_end(mine, other)
