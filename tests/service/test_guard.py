"""Who may do what over HTTP, under which name, and what every answer carries."""

from pathlib import Path
from typing import Any

import pytest

from panic.service.app import OPERATIONS
from panic.service.audit import Audit
from tests.service.house import QUICK, bearer, house


async def test_nobody_does_anything_without_a_token_and_a_viewer_only_looks(tmp_path: Path):
    """401 says how to come back, 403 which role is needed, for every route; two tokens at once are none."""
    async with house(tmp_path) as it:
        for one in [one for one in OPERATIONS if one.role]:
            path = one.path.replace("{id}", "last").replace("{account}", "1")
            answer = await it.ask(one.method, path, token="")

            assert answer.problem("unauthenticated")
            assert 'Bearer realm="panic"' == answer.headers["WWW-Authenticate"]
            if one.role != "viewer":
                answer = await it.ask(one.method, path, {}, token="viewer")

                assert f"the role {one.role}" in answer.problem("forbidden")["remedy"]
        (await it.press(token="", Authorization="Bearer nobody")).problem("unauthenticated")
        twice = [("Authorization", "Bearer x"), *bearer("joe").items()]
        async with it.client.get("/v1/runs", headers=twice) as response:
            assert 401 == response.status

        assert {} == it.desk.live


async def test_only_who_proved_something_is_kept_alive(tmp_path: Path):
    """Others would ask on and on over a thousand connections, and every press would wait among them."""
    async with house(tmp_path) as it:
        strangers = [
            await it.ask("GET", path, token=token)
            for path, token in (("/healthz", ""), ("/", ""), ("/nothing", ""), ("/v1/runs", ""), ("/v1/runs", "x"))
        ]
        known = await it.ask("GET", "/v1/runs", token="viewer")

        assert [{"close"}] * 5 == [{one.headers.get("Connection")} for one in strangers]
        assert "close" != known.headers.get("Connection")


async def test_a_token_of_a_group_presses_that_group(tmp_path: Path):
    """And nothing beside it, dry run or not; a run of everybody it does not resume."""
    scopes: list[dict[str, Any]] = [{"groups": ["East"]}, {"accounts": [1]}, {"groups": ["West"]}, {"all": True}]
    async with house(tmp_path) as it:
        pressed = [(await it.press({**QUICK, "scope": one}, token="east")).status for one in scopes]
        dry = [(await it.press({**QUICK, "scope": one, "dry_run": True}, token="east")).status for one in scopes]
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        it.forget()
        resumed = await it.ask("POST", f"/v1/runs/{run_id}/resume", token="east")

        assert [202, 202, 403, 403] == pressed
        assert [200, 200, 403, 403] == dry
        assert "or of more" in resumed.problem("forbidden")["detail"]


async def test_only_our_names_lead_here(tmp_path: Path):
    """A rebound name is refused before anything is looked at; loopback counts, and what the settings list."""
    async with house(tmp_path, more='allowed_hosts = ["panic.example"]') as it:
        for host in ("evil.example", "localhost.evil.example", "evil.example:8787", "[::1", ""):
            answer = await it.press(Host=host)

            assert "allowed_hosts" in answer.problem("wrong_host")["remedy"]
        assert {} == it.desk.live
        for host in ("localhost", "127.0.0.1:8787", "PANIC.example."):
            assert 202 == (await it.press(Host=host)).status


async def test_every_answer_carries_the_headers_that_keep_browsers_quiet(tmp_path: Path):
    """Errors, documents and probes; a request is called as its sender calls it, unless that could lie."""
    names = ("Cache-Control", "X-Content-Type-Options", "X-Frame-Options", "Server", "X-Request-Id")
    async with house(tmp_path) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        for path in ("/healthz", "/nothing", "/openapi.json", "/metrics", f"/v1/runs/{run_id}/report"):
            headers = (await it.ask("GET", path, X_Request_Id="mine-1")).headers

            assert ("no-store", "nosniff", "DENY", "panic", "mine-1") == tuple(headers[name] for name in names)
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors 'none'")
        odd = await it.ask("GET", "/healthz", X_Request_Id="a b\tc")

        assert 16 == len(odd.headers["X-Request-Id"])


async def test_a_flood_of_refusals_fills_no_ledger():
    """Three of a kind a second are on record, the rest are counted, and the next one tells how many there were."""
    now, told = [0.0], list[dict[str, Any]]()
    audit = Audit(lambda _, body: told.append(body), str, lambda: now[0])
    for _ in range(10):
        audit.record_some("refused", {})
    audit.record_some("another", {})
    now[0] = 1.5
    audit.record_some("refused", {})
    audit.flush()

    assert [0, 0, 0, 0, 7] == [one["unrecorded_before"] for one in told]


async def test_no_key_goes_on_record():
    """However deep it stands in what is told, and whoever put it there."""
    told = list[dict[str, Any]]()
    audit = Audit(lambda _, body: told.append(body), lambda text: text.replace("secret", "[key]"))
    audit.record("press", {"by": "a secret", "more": [{"said": ("secret", 7)}]})
    audit.flush()

    assert [{"by": "a [key]", "more": [{"said": ["[key]", 7]}], "what": "press"}] == told


async def test_a_record_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The press is taken, and answered."""
    async with house(tmp_path) as it:

        def fail(_text: str) -> str:
            raise OSError

        monkeypatch.setattr(it.audit, "_scrub", fail)

        assert 202 == (await it.press()).status


async def test_on_record_is_who_called_behind_a_proxy_of_ours(tmp_path: Path):
    """By what our proxy wrote, which comes last; where none is trusted, the proxy itself."""
    for more, address in (("", "127.0.0.1"), ('trusted_proxies = ["127.0.0.0/8"]', "198.51.100.1")):
        (folder := tmp_path / address).mkdir()
        async with house(folder, more=more) as it:
            pressed = await it.press(X_Forwarded_For="203.0.113.9, 198.51.100.1")
            refused = await it.press(token="", X_Forwarded_For="203.0.113.9, 198.51.100.1")
            told = [facts["from"] for _, facts in it.told]

        assert ([202, 401], [address, address]) == ([pressed.status, refused.status], told)


async def test_a_token_that_somebody_pastes_is_not_put_on_record(tmp_path: Path):
    """Neither as the reason nor as the name: not in the answer, the report, the room or the audit."""
    async with house(tmp_path) as it:
        words = {"reason": "the token is boss-secret-token", "by": "joe-secret-token"}
        started = await it.press({**QUICK, **words})
        live = it.live(started.json["run_id"])
        await it.over(live.run.id)
        report = await it.ask("GET", started.json["links"]["report"], token="viewer")
        room = await it.ask("GET", "/v1/room", token="viewer")
        trigger = report.json["trigger"]
        everything = [started.body, report.body, room.body, str(it.told).encode(), str(it.recorded).encode()]

    kept = live.run.story.pressed.trigger
    assert ("the token is [token]", "joe on behalf of [token]") == (trigger["reason"], trigger["by"])
    assert ("the token is [token]", "joe on behalf of [token]") == (kept.reason, kept.by)
    assert [] == [one for one in everything if b"secret-token" in one]
