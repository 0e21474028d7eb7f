"""Who may do what over HTTP, under which name, and what every answer carries."""

from pathlib import Path
from typing import Any

import pytest

from panic.service.api.document import OPERATIONS
from panic.service.parts import Record
from tests.service.house import QUICK, bearer, house

_GUARDED = [one for one in OPERATIONS if one.role]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nobody", "Basic am9lOnNlY3JldA==", "joe-secret-token", "Bearer \xff"]
)
async def test_nobody_does_anything_without_a_token(tmp_path: Path, authorization: str):
    """401 says how to come back, for every route that needs a token; nothing is pressed."""
    async with house(tmp_path) as it:
        headers = {"Authorization": authorization} if authorization else {}
        for one in _GUARDED:
            answer = await it.ask(one.method, one.path.replace("{id}", "last"), token="", **headers)

            assert "unauthenticated" == answer.problem("unauthenticated")["code"]
            assert 'Bearer realm="panic"' == answer.headers["WWW-Authenticate"]
        assert {} == it.desk.live


async def test_two_tokens_at_once_are_none(tmp_path: Path):
    """Which of them counts is nobody's guess."""
    async with house(tmp_path) as it:
        headers = [("Authorization", "Bearer x"), *bearer("joe").items()]
        async with it.client.get("/v1/runs", headers=headers) as response:
            assert 401 == response.status


@pytest.mark.parametrize("one", [one for one in _GUARDED if one.role != "viewer"], ids=lambda one: one.id)
async def test_who_may_only_look_does_nothing_else(tmp_path: Path, one: Any):
    """403 names the role that is needed."""
    async with house(tmp_path) as it:
        answer = await it.ask(one.method, one.path.replace("{id}", "last"), {}, token="viewer")

        assert f"the role {one.role}" in answer.problem("forbidden")["remedy"]


@pytest.mark.parametrize(
    ("scope", "status"),
    [({"groups": ["East"]}, 202), ({"accounts": [1]}, 202), ({"groups": ["West"]}, 403), ({"all": True}, 403)],
)
async def test_a_token_of_a_group_presses_that_group(tmp_path: Path, scope: dict[str, Any], status: int):
    """And nothing beside it, dry run or not."""
    async with house(tmp_path) as it:
        pressed = await it.press({**QUICK, "scope": scope}, token="east")
        dry = await it.press({**QUICK, "scope": scope, "dry_run": True}, token="east")

        assert status == pressed.status
        assert (403 if status == 403 else 200) == dry.status


async def test_a_token_of_a_group_resumes_no_run_beyond_it(tmp_path: Path):
    """The run's scope is what counts."""
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        it.forget()
        answer = await it.ask("POST", f"/v1/runs/{run_id}/resume", token="east")

        assert "all accounts" in answer.problem("forbidden")["detail"]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:8787", "[::1", ""])
async def test_another_name_leads_nowhere(tmp_path: Path, host: str):
    """A rebound name is refused before anything is looked at, with or without a token."""
    async with house(tmp_path) as it:
        answer = await it.press(Host=host)

        assert "allowed_hosts" in answer.problem("wrong_host")["remedy"]
        assert {} == it.desk.live


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8787", "PANIC.example."])
async def test_our_names_lead_here(tmp_path: Path, host: str):
    """Loopback, and what the settings list."""
    async with house(tmp_path, more='allowed_hosts = ["panic.example"]') as it:
        assert 202 == (await it.press(Host=host)).status


async def test_every_answer_carries_the_headers_that_keep_browsers_quiet(tmp_path: Path):
    """Errors, documents and probes; a request is called as its sender calls it."""
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        paths = ("/healthz", "/nothing", "/openapi.json", "/metrics", f"/v1/runs/{run_id}/report")
        for path in paths:
            headers = (await it.ask("GET", path, X_Request_Id="mine-1")).headers

            assert ("no-store", "nosniff", "DENY", "panic", "mine-1") == tuple(
                headers[name]
                for name in (
                    "Cache-Control",
                    "X-Content-Type-Options",
                    "X-Frame-Options",
                    "Server",
                    "X-Request-Id",
                )
            )
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors 'none'")


async def test_a_request_id_that_could_lie_is_replaced(tmp_path: Path):
    """It ends up on record."""
    async with house(tmp_path) as it:
        answer = await it.ask("GET", "/healthz", X_Request_Id="a b\tc")

        assert 16 == len(answer.headers["X-Request-Id"])


async def test_tokens_count_as_the_settings_in_force_have_them(tmp_path: Path):
    """After a reload an old token opens nothing."""
    async with house(tmp_path) as it:
        before = await it.ask("GET", "/v1/runs")
        text = it.firm.settings.read_text()
        it.firm.settings.write_text(text[: text.index("[tokens.joe]")])
        reloaded = await it.standby.reload()
        after = await it.ask("GET", "/v1/runs")

        assert ((), 200, 401) == (reloaded.problems, before.status, after.status)


async def test_a_flood_of_refusals_fills_no_ledger(tmp_path: Path):
    """Three a second are on record, the rest counted in the metrics."""
    async with house(tmp_path) as it:
        for _ in range(20):
            await it.press(token="viewer")

        assert 3 <= it.kinds().count("refused") <= 6
        assert 20 == it.counted("panic_presses_refused_total", why="forbidden")


def test_refusals_that_were_not_recorded_are_told_with_the_next():
    """So that the record says how many there were."""
    now, told = [0.0], list[dict[str, Any]]()
    record = Record(lambda _, body: told.append(body), lambda: now[0])
    for _ in range(10):
        record.refusal({})
    now[0] = 1.5
    record.refusal({})

    assert [0, 0, 0, 7] == [one["unrecorded_before"] for one in told]


async def test_a_record_that_fails_stops_nothing(tmp_path: Path):
    """The press goes on."""
    async with house(tmp_path) as it:

        def fail(_kind: str, _body: dict[str, Any]) -> None:
            raise OSError

        it.parts.record._audit = fail

        assert 202 == (await it.press()).status
