"""The API: presses, runs and reports over HTTP, as a program or a person asks for them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from panic.simulator import Fault
from tests.cli.support import account, sent, valid
from tests.service.house import EVERYTHING, QUICK, house


async def test_a_press_starts_a_run_and_says_where_it_is(tmp_path: Path):
    """202 with links; the report behind them is the run's, and every account was sent a DELETE."""
    async with house(tmp_path) as it:
        answer = await it.press()
        started = answer.fits("Started")
        await it.over(started["run_id"])
        report = await it.ask("GET", started["links"]["report"], token="viewer")

        assert (202, f"/v1/runs/{started['run_id']}") == (answer.status, answer.headers["Location"])
        assert (False, False) == (started["joined"], started["resent"])
        assert ("clear", "api", "joe") == (
            valid(report.body.decode())["verdict"],
            report.json["trigger"]["source"],
            report.json["trigger"]["by"],
        )
        assert [1, 2] == sorted(sent(it.simulator, "DELETE"))


@pytest.mark.parametrize(("body", "header"), [({"wait": 30}, {}), ({}, {"Prefer": "respond-async, wait=30"})])
async def test_a_press_may_wait_for_the_report(tmp_path: Path, body: dict[str, Any], header: dict[str, str]):
    """With `wait`, or as a preference, the report comes back as soon as there is one."""
    async with house(tmp_path) as it:
        answer = await it.press({**QUICK, **body}, **header)

        assert (200, "clear") == (answer.status, valid(answer.body.decode())["verdict"])
        assert "wait=30" == answer.headers["Preference-Applied"]


async def test_waiting_ends_when_it_was_to_end(tmp_path: Path):
    """A run that takes longer is answered with 202, and goes on."""
    async with house(tmp_path, account(1, Fault("hang", times=1))) as it:
        answer = await it.press({**QUICK, "deadline_s": 1, "wait": 0.05})
        live = it.live(answer.json["run_id"])

        assert (202, False) == (answer.status, live.is_over)


async def test_a_dry_run_sends_nothing(tmp_path: Path):
    """It is answered with the plan, as `panic press --dry-run --format json` prints it."""
    async with house(tmp_path) as it:
        pressed = await it.press({**QUICK, "dry_run": True})
        planned = await it.ask("POST", "/v1/plan", {"scope": {"groups": ["East"]}}, token="viewer")

        assert [1, 2] == pressed.fits("PlanReport")["accounts"]
        assert [1] == planned.fits("PlanReport")["accounts"]
        assert [] == sent(it.simulator, "DELETE")


async def test_filters_reach_the_broker(tmp_path: Path):
    """What is asked for is what is sent."""
    async with house(tmp_path) as it:
        await it.press({**QUICK, "filters": {"side": "BUY", "instruments": ["AAPL"]}, "wait": 30})
        queries = [one.query for one in it.simulator.requests if one.method == "DELETE"]

        assert {"side": "BUY", "instrument_ids": "AAPL"} == {**queries[0]} == {**queries[1]}


async def test_every_press_is_on_record_with_who(tmp_path: Path):
    """The token's name and on whose behalf, the run, and which request it was."""
    async with house(tmp_path) as it:
        answer = await it.press({**QUICK, "by": "Ann\nRisk"}, X_Request_Id="abc-1")
        kind, told = it.told[0]

        assert ("press", "joe on behalf of Ann Risk", "abc-1") == (kind, told["by"], told["request_id"])
        assert (answer.json["run_id"], "all accounts") == (told["run_id"], told["scope"])


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {"body/scope", "body/reason"}),
        ({**EVERYTHING, "scope": {}}, {"body/scope"}),
        ({**EVERYTHING, "scope": {"all": True, "accounts": [1]}}, {"body/scope"}),
        (
            {**EVERYTHING, "scope": {"accounts": [0, "1", 1.5, True]}},
            {f"body/scope/accounts/{n}" for n in range(4)},
        ),
        ({**EVERYTHING, "reason": "  "}, {"body/reason"}),
        ({**EVERYTHING, "deadline_s": 0, "watch": 3}, {"body/deadline_s", "body/watch"}),
        ({**EVERYTHING, "filters": {"side": "buy"}}, {"body/filters/side"}),
        ({**EVERYTHING, "filters": {"instruments": ["A,B"]}}, {"body/filters/instruments/0"}),
        ({**EVERYTHING, "verify": "no"}, {"body/verify"}),
    ],
)
async def test_every_mistake_is_listed_with_its_place(tmp_path: Path, body: dict[str, Any], where: set[str]):
    """A body that is not understood presses nothing."""
    async with house(tmp_path) as it:
        problem = (await it.press(body)).problem("malformed")

        assert where == {one["where"] for one in problem["errors"]}
        assert {} == it.desk.live


async def test_a_scope_that_the_roster_does_not_know_is_refused_in_the_words_of_the_api(tmp_path: Path):
    """422, and no flag of the command line in it."""
    async with house(tmp_path) as it:
        problem = (await it.press({**QUICK, "scope": {"groups": ["Est"]}})).problem("unprocessable")

        assert problem["detail"].startswith("groups 'Est' is not in")
        assert "did you mean 'East'?" in problem["detail"]


async def test_a_press_that_could_reach_nobody_is_a_problem_of_ours(tmp_path: Path):
    """Without a key 503 lists what to mend; nothing was sent."""
    async with house(tmp_path) as it:
        it.firm.key.write_text("two words\n")
        await it.standby.close()
        it.standby._files.loaded = type(it.standby._files.loaded)(it.standby._files.loaded.roster, {})
        problem = (await it.press()).problem("unusable")

        assert problem["errors"]


@pytest.mark.parametrize(
    ("headers", "data", "code"),
    [
        ({"Content-Type": "text/plain"}, b"{}", "unsupported_type"),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, b"{}", "unsupported_type"),
        ({"Content-Type": "application/json"}, b"{" * 70_000, "too_large"),
        ({"Content-Type": "application/json"}, b"\xff\xfe", "malformed"),
        ({"Content-Type": "application/json"}, b"[" * 60_000, "malformed"),
        ({"Content-Type": "application/json"}, b"", "malformed"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"no gzip", "unsupported_type"),
    ],
)
async def test_a_body_that_is_none_is_a_clients_mistake(
    tmp_path: Path, headers: dict[str, str], data: bytes, code: str
):
    """Never a 5xx."""
    async with house(tmp_path) as it:
        how = {"Authorization": "Bearer joe-secret-token", **headers}
        async with it.client.post("/v1/runs", data=data, headers=how) as response:
            found = await response.json()

        assert code == found["code"]
        assert {} == it.desk.live


async def test_a_body_without_a_length_is_bounded_too(tmp_path: Path):
    """It is not read to its end."""

    async def endless():
        for _ in range(200):
            yield b" " * 1000

    async with house(tmp_path) as it:
        how = {"Authorization": "Bearer joe-secret-token", "Content-Type": "application/json"}
        async with it.client.post("/v1/runs", data=endless(), headers=how) as response:
            found = await response.json()

        assert (413, "too_large") == (response.status, found["code"])


async def test_an_unknown_path_and_method_are_problems(tmp_path: Path):
    """404, and 405 with what is allowed; OPTIONS says the same, and HEAD is GET without a body."""
    async with house(tmp_path) as it:
        (await it.ask("GET", "/nothing")).problem("not_found")
        refused = await it.ask("PUT", "/v1/runs")
        options = await it.ask("OPTIONS", "/v1/runs", token="")
        head = await it.ask("HEAD", "/v1/runs")
        refused.problem("method_not_allowed")

        assert "GET, HEAD, OPTIONS, POST" == refused.headers["Allow"] == options.headers["Allow"]
        assert (204, 200, b"") == (options.status, head.status, head.body)


async def test_an_unknown_word_in_the_query_is_named(tmp_path: Path):
    """`limt` is a mistake, not a default; and nobody says one thing twice."""
    async with house(tmp_path) as it:
        problem = (await it.ask("GET", "/v1/runs?limt=5")).problem("malformed")
        (await it.ask("GET", "/v1/runs?limit=1&limit=2")).problem("malformed")
        (await it.ask("GET", "/v1/latch?x=1")).problem("malformed")

        assert ["query/limt"] == [one["where"] for one in problem["errors"]]


async def test_a_service_that_stops_says_so(tmp_path: Path):
    """503 with the command that still works."""
    async with house(tmp_path) as it:
        await it.desk.close()
        problem = (await it.press()).problem("stopping")

        assert "panic press" in problem["remedy"]


# ── repeats ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_idempotency_key_presses_once(tmp_path: Path):
    """The same key and body are one run, also after its end; another body is refused, another token's key not."""
    async with house(tmp_path) as it:
        first = await it.press(Idempotency_Key="k1")
        await it.over(first.json["run_id"])
        again = await it.press({**QUICK, "wait": 30}, Idempotency_Key="k1")
        other = await it.press({**QUICK, "reason": "another"}, Idempotency_Key="k1")
        theirs = await it.press(Idempotency_Key="k1", token="boss")
        other.problem("key_reused")

        assert (200, first.json["run_id"]) == (again.status, again.json["run_id"])
        assert first.json["run_id"] != theirs.json["run_id"]
        assert ["press", "press"] == it.kinds()


async def test_a_refused_press_uses_no_key_up(tmp_path: Path):
    """Whoever mends the body may send it again under the same key."""
    async with house(tmp_path) as it:
        (await it.press({**QUICK, "scope": {"groups": ["No"]}}, Idempotency_Key="k")).problem("unprocessable")
        (await it.press({**QUICK, "dry_run": True}, Idempotency_Key="a key")).problem("malformed")
        mended = await it.press(Idempotency_Key="k")

        assert 202 == mended.status


async def test_a_hundred_identical_presses_of_a_program_are_one_run(tmp_path: Path):
    """All are answered, and only the first sends."""
    async with house(tmp_path) as it:
        answers = await asyncio.gather(*(it.press(token="risk") for _ in range(100)))

        assert {202} == {one.status for one in answers}
        assert 1 == len({one.json["run_id"] for one in answers})
        assert 99 == sum(one.json["joined"] for one in answers)
