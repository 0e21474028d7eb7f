"""The API: presses over HTTP, as a program or a person asks for them."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from panic.engine.forecast import Forecast
from panic.engine.lanes import Lanes
from panic.service.api.press import KEPT_MOST, KEPT_S, KEY, Keys
from panic.service.api.views import started
from panic.simulator import Fault
from tests.cli.support import account, sent, valid
from tests.service.house import EVERYTHING, QUICK, Answer, bearer, house

ONE, OTHER = started("one"), started("other")


async def test_a_press_starts_a_run_and_says_where_it_is(tmp_path: Path):
    """202 with links; the report behind them is the run's, and on record is who pressed, and for whom."""
    async with house(tmp_path) as it:
        answer = await it.press({**QUICK, "by": "Ann\nRisk"}, X_Request_Id="abc-1")
        started = answer.fits("Started")
        await it.over(started["run_id"])
        report = valid((await it.ask("GET", started["links"]["report"], token="viewer")).body.decode())
        ((kind, told),) = it.told

        assert (202, f"/v1/runs/{started['run_id']}") == (answer.status, answer.headers["Location"])
        assert (False, False) == (started["joined"], started["resent"])
        assert ("clear", "api", "joe on behalf of Ann Risk") == (
            report["verdict"],
            report["trigger"]["source"],
            report["trigger"]["by"],
        )
        assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
        assert ("press", "joe on behalf of Ann Risk", "abc-1") == (kind, told["by"], told["request_id"])
        assert (started["run_id"], "all accounts") == (told["run_id"], told["scope"])


async def test_a_press_may_wait_for_the_report(tmp_path: Path):
    """With `wait`; what takes longer is answered with 202, and the run is not ended by it."""
    async with house(tmp_path, account(1), account(2, Fault("hang", times=1))) as it:
        east = {**QUICK, "scope": {"groups": ["East"]}}
        asked = await it.press({**east, "wait": 30})
        longer = await it.press({**QUICK, "deadline_s": 1, "wait": 0.05})

        assert (200, "clear") == (asked.status, valid(asked.body.decode())["verdict"])
        assert (202, False) == (longer.status, it.live(longer.json["run_id"]).is_over)


async def test_what_is_asked_for_is_planned_and_sent(tmp_path: Path):
    """As `panic press --dry-run --format json` has it, with how long it takes where the pace is known."""
    everything = {"scope": {"all": True}}
    async with house(tmp_path) as it:
        dry = (await it.press({**QUICK, "dry_run": True})).fits("PlanReport")
        east = (await it.ask("POST", "/v1/plan", {"scope": {"groups": ["East"]}}, token="viewer")).json
        unpaced, it.standby.lanes = it.standby.lanes, Lanes(most=0.5)
        paced = (await it.ask("POST", "/v1/plan", everything)).json["forecast"]
        unread = (await it.press({**QUICK, "dry_run": True, "verify": False})).json["forecast"]
        before, it.standby.lanes = sent(it.simulator, "DELETE"), unpaced
        await it.press({**QUICK, "filters": {"side": "BUY", "instruments": ["AAPL"]}, "wait": 30})
        queries = [one.query for one in it.simulator.requests if one.method == "DELETE"]

    assert ([1, 2], None, [1]) == (dry["accounts"], dry["forecast"], east["accounts"])
    assert [asdict(Forecast(0.5, 4.0, 8.0)), asdict(Forecast(0.5, 4.0, 4.0))] == [paced, unread]
    assert [] == before
    assert {"side": "BUY", "instrument_ids": "AAPL"} == {**queries[0]} == {**queries[1]}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────

MISTAKES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"body/scope", "body/reason"}),
    ({**EVERYTHING, "scope": {"accounts": [0, "1", 1.5, True]}}, {f"body/scope/accounts/{n}" for n in range(4)}),
    ({**EVERYTHING, "reason": "  "}, {"body/reason"}),
    ({**EVERYTHING, "deadline_s": 0, "watch": 3}, {"body/deadline_s", "body/watch"}),
    ({**EVERYTHING, "filters": {"side": "buy"}}, {"body/filters/side"}),
    ({**EVERYTHING, "filters": {"instruments": ["A,B"]}}, {"body/filters/instruments/0"}),
    ({**EVERYTHING, "verify": "no"}, {"body/verify"}),
]
SCOPES: list[tuple[dict[str, Any], str]] = [
    ({}, "no scope: say all, groups NAME or accounts ID; there is no default"),
    ({"all": True, "accounts": [1]}, "all covers every account already: leave out groups and accounts, or all"),
    ({"groups": ["Est"]}, "Did you mean East?"),
]


async def test_every_mistake_is_listed_with_its_place(tmp_path: Path):
    """A body that is not understood presses nothing; what the roster does not know is said in the API's words."""
    async with house(tmp_path) as it:
        for body, where in MISTAKES:
            problem = (await it.press(body)).problem("malformed")

            assert where == {one["where"] for one in problem["errors"]}
        for scope, words in SCOPES:
            problem = (await it.press({**QUICK, "scope": scope})).problem("unprocessable")

            assert words in problem["detail"]
        assert {} == it.desk.live


async def test_a_press_that_could_reach_nobody_is_a_problem_of_ours(tmp_path: Path):
    """Without a key 503 lists what to mend; nothing was sent. One that is stopping names the command line."""
    async with house(tmp_path) as it:
        loaded = it.standby._files.loaded
        await it.standby.close()
        it.standby._files.loaded = replace(loaded, keys={})
        problem = (await it.press()).problem("unusable")
        it.standby._files.loaded = loaded
        await it.desk.close()
        stopping = (await it.press()).problem("stopping")

        assert problem["errors"]
        assert "panic press" in stopping["remedy"]


BODIES = [
    ({"Content-Type": "text/plain"}, b"{}", "unsupported_type"),
    ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"no gzip", "unsupported_type"),
    ({"Content-Type": "application/json"}, b"{" * 70_000, "too_large"),
    ({"Content-Type": "application/json"}, b"\xff\xfe", "malformed"),
    ({"Content-Type": "application/json"}, b"[" * 60_000, "malformed"),
    ({"Content-Type": "application/json"}, b"", "malformed"),
]


async def test_a_body_that_is_none_is_a_clients_mistake(tmp_path: Path):
    """Never a 5xx; one without a length is not read to its end."""

    async def endless():
        for _ in range(200):
            yield b" " * 1000

    async with house(tmp_path) as it:
        for headers, data, code in [*BODIES, ({"Content-Type": "application/json"}, endless(), "too_large")]:
            how = {**bearer("joe"), **headers}
            async with it.client.post("/v1/runs", data=data, headers=how) as response:
                assert code == (await response.json())["code"]
        assert {} == it.desk.live


async def test_an_unknown_path_method_and_word_are_problems(tmp_path: Path):
    """404, and 405 with what is allowed; `limt` is a mistake, not a default, and nobody says one thing twice."""
    async with house(tmp_path) as it:
        (await it.ask("GET", "/nothing")).problem("not_found")
        refused = await it.ask("PUT", "/v1/runs")
        head = await it.ask("HEAD", "/v1/runs")
        refused.problem("method_not_allowed")
        problem = (await it.ask("GET", "/v1/runs?limt=5")).problem("malformed")
        (await it.ask("GET", "/v1/runs?limit=1&limit=2")).problem("malformed")
        (await it.ask("GET", "/v1/latch?x=1")).problem("malformed")

        assert "GET, HEAD, POST" == refused.headers["Allow"]
        assert (200, b"") == (head.status, head.body)
        assert ["query/limt"] == [one["where"] for one in problem["errors"]]


# ── repeats ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_idempotency_key_presses_once(tmp_path: Path):
    """The same key and body are one run, also after its end; another body is refused, another token's key not."""
    async with house(tmp_path) as it:
        (await it.press({**QUICK, "scope": {"groups": ["No"]}}, Idempotency_Key="k1")).problem("unprocessable")
        (await it.press({**QUICK, "dry_run": True}, Idempotency_Key="a key")).problem("malformed")
        first = await it.press(Idempotency_Key="k1")
        await it.over(first.json["run_id"])
        again = await it.press({**QUICK, "wait": 30}, Idempotency_Key="k1")
        other = await it.press({**QUICK, "reason": "another"}, Idempotency_Key="k1")
        theirs = await it.press(Idempotency_Key="k1", token="boss")
        other.problem("key_reused")

        assert (200, first.json["run_id"]) == (again.status, again.json["run_id"])
        assert first.json["run_id"] != theirs.json["run_id"]
        assert ["press", "press"] == it.kinds()


async def test_whoever_lost_an_answer_learns_whether_the_press_arrived(tmp_path: Path):
    """By its key, also of one that joined a run, and after a restart; never by somebody else's."""
    runs, found = list[str](), list[list[str | None]]()
    for _ in ("before", "after a restart"):
        async with house(tmp_path) as it:
            if not runs:
                runs = [(await it.press(Idempotency_Key=key)).json["run_id"] for key in ("a", "b")]
            asked = [("a", "joe"), ("b", "joe"), ("c", "joe"), ("a", "boss")]
            answers = [await it.ask("GET", "/v1/press", token=by, Idempotency_Key=key) for key, by in asked]
            arrivals = [one.fits("Arrival") for one in answers]
            found.append([one["run_id"] for one in arrivals])
            (await it.ask("GET", "/v1/press")).problem("malformed")
            for run in it.desk.live:
                await it.over(run)

        assert [True, True, False, False] == [one["at"] is not None for one in arrivals]

    assert [[*runs, None, None]] * 2 == found


def test_a_key_is_kept_for_its_time_and_its_token_alone():
    """And may then stand for something else; where there are very many the oldest are forgotten."""
    now, joe, ann = [0.0], ("token", "joe"), ("token", "ann")
    keys = Keys(lambda: now[0])
    keys.keep(joe, "k", "body", ONE)
    now[0] = KEPT_S - 1
    found = [keys.find(joe, "k"), keys.find(ann, "k")]
    now[0] = KEPT_S
    found.append(keys.find(joe, "k"))
    keys.keep(joe, "k", "body", OTHER)
    found.append(keys.find(joe, "k"))
    for n in range(KEPT_MOST):
        keys.keep(joe, str(n), "body", ONE)

    expected = [(0.0, "body", ONE), None, None, (KEPT_S, "body", OTHER)]
    assert expected == [one and (one.at, one.digest, one.started) for one in found]
    assert [False, True] == [keys.find(joe, key) is not None for key in ("k", "0")]


@pytest.mark.parametrize(
    ("words", "right"), [("k", 1), ("x" * 255, 1), ("", 0), ("x" * 256, 0), ("a b", 0), ("ü", 0)]
)
def test_what_a_key_may_be(words: str, right: int):
    """Visible ASCII, so that it means the same on every way here."""
    assert bool(right) == bool(re.fullmatch(KEY, words))


async def test_a_programs_token_has_two_runs_at_a_time(tmp_path: Path):
    """The third filter is refused, and told how to press all the same; a person's third one is a run."""
    async with house(tmp_path) as it:

        async def presses(token: str) -> list[Answer]:
            asked = ({**EVERYTHING, "filters": {"instruments": [symbol]}} for symbol in (f"{token}A", "B", "C"))
            return [await it.press(one, token=token) for one in asked]

        program, person = await presses("risk"), await presses("joe")
        program[2].problem("throttled")

    assert [202, 202, 429] == [one.status for one in program]
    assert ("5", [202] * 3) == (program[2].headers["Retry-After"], [one.status for one in person])
    assert "Press all accounts without filters" in program[2].json["remedy"]
