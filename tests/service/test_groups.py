"""A token that is limited to groups sees the runs of these alone, wherever runs are shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from panic.run.check import CheckReport, only
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import EVERYTHING, JOE, QUICK, House, house
from tests.service.room.page import opened

STAYS = {"reason": "x", "watch_s": 60}
SCOPES = {
    "all": {"all": True},
    "west": {"groups": ["West"]},
    "both": {"accounts": [1, 2]},
    "east": {"accounts": [1]},
}
PATHS = ("", "/report", "/board", "/accounts", "/accounts/1")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service of the accounts 1 (East) and 2 (West)."""
    async with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize("is_here", [True, False], ids=["at the desk", "on record"])
async def test_runs_of_other_groups_are_not_shown(it: House, is_here: bool):
    """Neither listed nor by their ids; one of more groups is none of theirs."""
    runs = {}
    for name, scope in SCOPES.items():
        how = {"filters": {"side": "BUY"}, "watch_s": 0, "wait": 30}  # so that each is a run of its own
        runs[name] = (await it.press({**EVERYTHING, **how, "scope": scope})).json["run_id"]
    if not is_here:
        it.forget()
    listed = [
        {one["run_id"] for one in (await it.ask("GET", "/v1/runs?limit=5", token=token)).json["runs"]}
        for token in ("east", "viewer")
    ]
    shown = {
        (name, path)
        for name, run in runs.items()
        for path in PATHS
        if (await it.ask("GET", f"/v1/runs/{run}{path}", token="east")).status == 200
    }

    assert [{runs["east"]}, set(runs.values())] == listed
    assert {("east", path) for path in PATHS} == shown
    stream = await it.ask("GET", f"/v1/events?run={runs['west']}", token="east")
    resumed = await it.ask("POST", f"/v1/runs/{runs['west']}/resume", token="east")

    assert (403, 403) == (stream.status, resumed.status)
    assert "is of other groups than East, or of more" in stream.problem("forbidden")["detail"]


async def test_evidence_which_holds_what_others_wrote_meanwhile_is_not_for_them(it: House):
    """It has no gap: between the rows of a run stand those of others, and who did what."""
    run = (await it.press({**QUICK, "scope": SCOPES["east"], "wait": 30}, token="east")).json["run_id"]
    refused = await it.ask("GET", f"/v1/runs/{run}/evidence", token="east")

    assert "what others wrote meanwhile" in refused.problem("forbidden")["detail"]
    assert 200 == (await it.ask("GET", f"/v1/runs/{run}/evidence", token="viewer")).status


async def test_a_press_for_their_groups_joins_no_run_that_they_may_not_see(it: House):
    """Its report would tell of all; another's press for the same joins it."""
    whole = (await it.press({**STAYS, "scope": {"all": True}})).json["run_id"]
    body = {**QUICK, "scope": {"groups": ["East"]}}
    own = await it.press({**body, "wait": 30}, token="east")
    other = (await it.press(body)).json

    assert own.json["run_id"] != whole == other["run_id"]
    assert [1] == [one["id"] for one in own.fits("Report")["accounts"]]
    assert 200 == (await it.ask("GET", f"/v1/runs/{own.json['run_id']}", token="east")).status


async def test_the_current_state_names_no_run_of_other_groups(it: House):
    """Neither in the room, nor in its stream, nor in the status; and it is said that there may be others."""
    await it.press({**STAYS, "scope": {"groups": ["West"]}})
    east = (await it.press({**STAYS, "scope": {"groups": ["East"]}})).json["run_id"]
    async with opened(it, token="east") as page, opened(it) as other:
        await until(lambda: "room" in page.kinds and "room" in other.kinds)
        told = [[one["run_id"] for one in seen.latest("room")["live"]] for seen in (page, other)]
    room, status = [(await it.ask("GET", path, token="east")).json for path in ("/v1/room", "/v1/status")]

    assert [[east]] * 3 == [told[0], *([one["run_id"] for one in seen["live"]] for seen in (room, status))]
    assert 2 == len(told[1])
    assert (None, True) == (room["last"], "of these alone" in room["last_problem"])


async def test_a_plan_is_told_of_their_own_accounts_alone(it: House):
    """As a press is, which they may not make for others."""
    told = [await it.ask("POST", "/v1/plan", {"scope": scope}, token="east") for scope in SCOPES.values()]

    assert [403, 403, 403, 200] == [one.status for one in told]
    assert [1] == told[-1].fits("PlanReport")["accounts"]


async def test_a_check_tells_of_their_own_accounts_alone(tmp_path: Path):
    """What is wrong with others is not theirs; of none it says that nothing was checked."""
    async with house(tmp_path, account(1), account(2, Fault("status", status=401, on="GET"))) as it:
        east, all_ = [(await it.ask("POST", "/v1/check", token=one)).fits("CheckReport") for one in ("east", JOE)]
    none = only(TypeAdapter(CheckReport).validate_python(all_), ())

    assert ([1], [2, 1]) == tuple([row["id"] for row in one["accounts"]] for one in (east, all_))
    assert ({"ok": 1}, 0, 40) == (east["states"], east["exit_code"], all_["exit_code"])
    assert (10, (), True) == (none.exit_code, none.accounts, "nothing was checked" in none.warnings[0])


async def test_a_stream_ends_where_the_groups_of_its_token_change(it: House):
    """It would show what is not theirs any more; the page comes again by itself."""
    async with opened(it, token="east") as page:
        await page.has("room")
        it.firm.settings.write_text(it.firm.settings.read_text().replace('groups = ["East"]', 'groups = ["West"]'))
        await it.standby.reload()
        await until(lambda: page.is_over)


async def test_it_is_told_when_each_value_of_a_token_was_last_used(it: House):
    """Since the service started; programs, and who is limited to groups, see their own token alone."""
    await it.ask("GET", "/v1/runs", token="viewer")
    told = {
        token: (await it.ask("GET", "/v1/tokens", token=token)).fits("TokensView") for token in ("boss", "east")
    }
    robot = (await it.ask("GET", "/v1/tokens", token="robot")).json
    used = {one["name"]: one["values"][0]["last_used_at"] is not None for one in told["boss"]["tokens"]}

    assert {"viewer": True, "joe": False, "boss": True, "east": False} == {
        name: used[name] for name in ("viewer", "joe", "boss", "east")
    }
    assert [["east"], ["robot"]] == [[one["name"] for one in seen["tokens"]] for seen in (told["east"], robot)]
    assert told["east"]["tokens"][0]["values"][0]["digest"].startswith("sha256:")
    assert {15} == {len(one["values"][0]["digest"]) for one in told["boss"]["tokens"]}
