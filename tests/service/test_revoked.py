"""Rights that new settings take away are gone at once, also where the rest is refused; and people hear of it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from panic import config, latch
from panic.config import Grant, Hook, Settings, Token
from panic.run.engagement import Engagement, look
from panic.service import body as bodies
from panic.service.standby.rights import narrowed
from tests.cli.support import PATIENCE_S, account, simulate, until
from tests.service.house import QUICK, House, bearer, house
from tests.service.room.page import opened
from tests.service.support import firm, listening, serving

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
SECRETS = 'secrets = [{ env = "ONE" }, { env = "TWO" }]'
TOKEN = f'[tokens.joe]\ndigest = ["{A}", "{B}"]\nroles = ["presser", "resetter"]\ngroups = ["East", "West"]\n'
HOOK = f"[hooks.risk]\nall = true\n{SECRETS}\n"
TWO = "[latch]\nresets = 2\n"
PEOPLE = """[identity]
issuer = "https://login.example.com"
client_id = "client"
[identity.grants.desk]
roles = ["presser", "resetter"]
"""


def settings(folder: Path, text: str) -> tuple[Settings, config.Survey]:
    """What a file says."""
    file = folder / "panic.toml"
    file.write_text(f'[broker]\nbase_url = "http://127.0.0.1:1"\n{text}')
    survey = config.survey(file, {})
    return survey.settings, survey


EARLY, LATE = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        (TOKEN, TOKEN, TOKEN),
        (TOKEN, "", ""),
        (TOKEN, TOKEN.replace("roles", "rolls"), ""),
        (TOKEN, TOKEN.replace('"resetter"', '"viewer"'), TOKEN.replace(', "resetter"', "")),
        (TOKEN, TOKEN.replace(A, C), TOKEN.replace(f'"{A}", ', "")),
        (TOKEN, TOKEN.replace('"West"', '"North"'), TOKEN.replace(', "West"', "")),
        (TOKEN, TOKEN.partition("groups")[0], TOKEN),
        (TOKEN.partition("groups")[0], TOKEN, TOKEN),
        (TOKEN, f"{TOKEN}person = false", f"{TOKEN}person = false"),
        (TOKEN, f"{TOKEN}expires = {LATE}", f"{TOKEN}expires = {LATE}"),
        (f"{TOKEN}expires = {EARLY}", f"{TOKEN}expires = {LATE}", f"{TOKEN}expires = {EARLY}"),
        (f"{TOKEN}not_before = {EARLY}", f"{TOKEN}not_before = {LATE}", f"{TOKEN}not_before = {LATE}"),
        ("", TOKEN, ""),
        (HOOK, "", ""),
        (HOOK, HOOK.replace("all", "al"), HOOK),
        (HOOK, HOOK.replace("TWO", "THREE"), HOOK.replace(', { env = "TWO" }', "")),
        (HOOK, HOOK.replace("ONE", "X").replace("TWO", "Y"), ""),
        ("", HOOK, ""),
        (PEOPLE, "", ""),
        (PEOPLE, PEOPLE.replace("issuer", "isuer"), ""),
        (PEOPLE, PEOPLE.replace("client", "another"), ""),
        (PEOPLE, PEOPLE.replace("desk", "risk"), ""),
        (PEOPLE, PEOPLE.replace('"resetter"', '"viewer"'), PEOPLE.replace(', "resetter"', "")),
        (PEOPLE, f'{PEOPLE}groups = ["East"]', f'{PEOPLE}groups = ["East"]'),
        (PEOPLE, PEOPLE.replace("[identity]", '[identity]\ngroups_claim = "roles"'), ""),
        ("", TWO, TWO),
        (TWO, TWO.replace("2", "3"), TWO),
        (TOKEN + HOOK, "[tokens", TOKEN + HOOK),
    ],
)
def test_nobody_has_more_rights_than_both_settings_give(tmp_path: Path, old: str, new: str, left: str):
    """A token with a mistake goes, a hook with one stays; what cannot be read takes nothing away."""
    before, expected = settings(tmp_path, old)[0], settings(tmp_path, left)[0]
    found, fewer = narrowed(before, settings(tmp_path, new)[1])

    assert (expected.tokens, expected.hooks) == (found.tokens, found.hooks)
    assert (expected.identity, expected.latch.resets) == (found.identity, found.latch.resets)
    assert (found is before) == (not fewer)


def test_every_setting_that_gives_a_right_is_looked_at():
    """A new one is to be thought of where rights are taken away."""
    assert {"roles", "groups"} == set(Grant.model_fields)
    assert {"digest", "roles", "groups", "person", "not_before", "expires"} == set(Token.model_fields)
    rule = {"all", "groups", "accounts", "side", "type", "instrument_type", "instruments"}
    more = {"watch_s", "deadline_s", "latch", "on_odd", "tolerance_s", "scheme", "secrets"}
    assert rule | more == set(Hook.model_fields)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service of two accounts."""
    async with house(tmp_path) as made:
        yield made


async def joe_loses(it: House) -> None:
    """Take the token of joe out of the settings, beside a mistake in the roster."""
    text = it.firm.settings.read_text()
    it.firm.settings.write_text(text[: text.index("[tokens.joe]")] + text[text.index("[tokens.risk]") :])
    it.firm.roster.write_text(f"{it.firm.roster.read_text()}x,East\n")
    found = await it.standby.reload()

    assert (True, ("[tokens.joe]",)) == (bool(found.problems), found.fewer)


async def test_a_token_is_gone_although_the_reload_is_refused(it: House):
    """Everything else stays as it was."""
    await joe_loses(it)
    refused, other = await it.press(), await it.press(token="boss")

    assert refused.problem("unauthenticated")
    assert 202 == other.status
    assert [1, 2] == [one.account.id for one in it.live(other.json["run_id"]).run.cases]


async def test_what_somebody_lost_while_their_body_came_they_cannot_use(
    it: House, monkeypatch: pytest.MonkeyPatch
):
    """The body of a press ends after its token."""
    arrived, wait = asyncio.Event(), bodies.arrival

    async def arrival(request: web.Request) -> None:
        arrived.set()
        await wait(request)

    monkeypatch.setattr(bodies, "arrival", arrival)
    reader, writer = await asyncio.open_connection(it.client.host, it.client.port)
    body = json.dumps({"scope": {"all": True}, "reason": "x"}).encode()
    head = f"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer('joe')['Authorization']}\r\n"
    writer.write(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:5]
    )
    await arrived.wait()
    await joe_loses(it)
    writer.write(body[5:])
    status = await reader.readline()
    writer.close()

    assert (b"HTTP/1.1 401 Unauthorized\r\n", {}) == (status, it.desk.live)


async def test_what_somebody_lost_while_their_reset_was_judged_they_cannot_use(
    it: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole ledger is read, which may take half a minute; neither a token nor its groups outlive it."""
    latch.create(tmp_path / "panic.latch")
    await it.press({**QUICK, "scope": {"groups": ["East"]}, "latch": True, "wait": 30})
    east = it.standby.settings.tokens["east"]
    answers = []
    for left in ({}, {"east": east.model_copy(update={"groups": ("West",)})}):

        def judged(settings: Settings, left: dict[str, Token] = left, **how: bool) -> Engagement:
            it.standby.settings = settings.model_copy(update={"tokens": left})
            return look(settings, **how)

        monkeypatch.setattr("panic.service.api.latch.look", judged)
        before = it.standby.settings
        body = {"reason": "over", "scope": {"groups": ["East"]}}
        answers.append(await it.ask("POST", "/v1/reset", body, token="east"))
        it.standby.settings = before

    answers[0].problem("unauthenticated")
    answers[1].problem("forbidden")
    assert latch.read(tmp_path / "panic.latch").engaged


async def test_a_stream_ends_with_the_token_that_opened_it(it: House):
    """Also one that was opened with the token itself; another's is told all the while."""
    async with opened(it, token="joe") as page, opened(it, token="boss") as other:
        await page.has("room")
        await joe_loses(it)
        await until(lambda: page.is_over)
        await other.hears("room")

        assert not other.is_over


async def test_people_hear_that_a_reload_was_refused_and_that_one_was_not(tmp_path: Path):
    """By notification, on the page and in the log; who lost rights is named, and a good reload is the end."""
    told = asyncio.Queue[str]()

    async def take(request: web.Request) -> web.Response:
        told.put_nowait(await request.text())
        return web.Response()

    async with simulate(account(1)) as simulator, listening(take) as url:
        (tmp_path / "url").write_text(url.replace("http", "json"))
        (tmp_path / "url").chmod(0o600)
        one = firm(tmp_path, simulator, [1], more='[notify.ops]\nurl = { file = "url" }\n')
        good = one.settings.read_text()
        one.settings.write_text(f"{good}{TOKEN}")
        calm = {"PYTHONWARNINGS": "default"}  # the library that delivers is warned of what it uses itself
        async with serving(one, env=calm) as service:
            one.settings.write_text(good)
            one.roster.write_text("id\n1\nx\n")
            service.process.signal(signal.SIGHUP)
            await service.process.says("rights were taken away: [tokens.joe]")
            await service.process.says("not reloaded")
            page, room = (
                await asyncio.wait_for(told.get(), PATIENCE_S),
                (await service.ask("GET", "/v1/room")).text,
            )
            one.roster.write_text("id\n1\n")
            service.process.signal(signal.SIGHUP)
            await service.process.says("panic: reloaded")
            over = await asyncio.wait_for(told.get(), PATIENCE_S)

    assert "The settings were NOT reloaded" in page
    assert "[tokens.joe]" in page
    assert "could not be loaded again" in room
    assert "OVER  The settings were NOT reloaded" in over
