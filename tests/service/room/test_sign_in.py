"""Signing in with the firm's identity provider: who is let in, and what no forger gets."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from joserfc import jwt

from panic import latch
from tests.service.house import QUICK, House, house
from tests.service.room import idp as provider
from tests.service.room.idp import CURVE, SECRET, Idp, Person
from tests.service.room.test_signing import later

PROBLEM = "stale_sign_in"


@asynccontextmanager
async def served(folder: Path, idp: Idp, more: str = "") -> AsyncIterator[House]:
    secret = folder / "client.secret"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    async with house(folder, more=idp.settings(more)) as it:
        assert not it.standby.not_ready
        yield it


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    async with provider.provider() as made:
        yield made


@pytest.fixture
async def it(tmp_path: Path, idp: Idp) -> AsyncIterator[House]:
    async with served(tmp_path, idp) as made:
        yield made


def refusals(it: House) -> list[str]:
    return [body["code"] for kind, body in it.told if kind == "refused" and "sign_in" in body["code"]]


# ── who is let in ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_person_signs_in_and_is_on_record_with_the_issuer(it: House, idp: Idp):
    """With their name for people, and the provider's own for good; the press is theirs."""
    jane = Person(it)
    location = await jane.arrive("?page=runs/last")
    report = (await jane.ask("POST", "/v1/runs", {**QUICK, "wait": 30})).fits("Report")
    session = (await jane.ask("GET", "/v1/session")).fits("SessionView")
    told = dict(it.told)

    assert "/#/runs/last" == location
    assert ("room", f"jane ({idp.url})") == (report["trigger"]["source"], report["trigger"]["by"])
    assert (["presser", "viewer"], None, idp.url) == (session["roles"], session["groups"], session["issuer"])
    for kind in ("sign_in", "press"):
        assert (idp.url, "u-1") == (told[kind]["issuer"], told[kind]["subject"])
    assert "openid profile email" == jane.query["scope"]


async def test_a_press_never_waits_for_the_provider_and_tokens_open_without_it(it: House, idp: Idp):
    """Who is in presses and looks while it is down; who is not is told so, and gives a token."""
    jane, joe = Person(it), Person(it)
    await jane.arrive()
    idp.is_down, asked = True, len(idp.asked)
    pressed = await jane.press()
    looked = await jane.ask("GET", "/v1/runs")
    unasked = len(idp.asked) - asked
    it.standby.settings = it.standby.settings.model_copy(
        update={"identity": it.standby.settings.identity and it.standby.settings.identity.model_copy()}
    )
    await joe.begin()
    known = joe.location
    await joe.visit("/v1/sign-in/done?code=x&state=" + joe.query["state"])
    down = joe.location
    token = await joe.sign_in()

    assert (202, 200, 0) == (pressed.status, looked.status, unasked)
    assert known.startswith(f"{idp.url}/authorize?p=x&response_type=code&")
    assert "/#/sign-in/down" == down
    assert 200 == token.status


async def test_groups_of_the_provider_give_roles_each_for_its_own_accounts(it: House, idp: Idp):
    """Who presses in the East and resets everywhere does not press everywhere."""
    await _engaged(it)
    idp.claims["groups"] = ["east", "ends", "unknown", 7]
    jane = Person(it)
    await jane.arrive("?fresh=true")
    everywhere = await jane.press()
    east = await jane.ask("POST", "/v1/runs", {**QUICK, "scope": {"groups": ["East"]}})
    reset = await jane.ask("POST", "/v1/reset", {"reason": "over"})

    assert ["East"] == (jane.session or {})["groups"]
    assert "not for all accounts" in everywhere.problem("forbidden")["detail"]
    assert f"jane ({idp.url}) is not" in everywhere.json["detail"]
    assert (202, "nothing is engaged") == (east.status, reset.problem("conflict")["detail"][:18])


async def test_who_is_in_no_group_is_not_let_in_and_whose_group_goes_is_out_at_once(it: House, idp: Idp):
    """What is granted is what the settings grant now."""
    nobody, jane = Person(it), Person(it)
    await jane.arrive()
    for groups in (["unknown"], [], None, {"desk": True}, [["desk"]]):
        idp.claims["groups"] = groups
        assert "/#/sign-in/nobody" == await nobody.arrive()
    identity = it.standby.settings.identity
    assert identity is not None
    less = {name: grant for name, grant in identity.grants.items() if name != "desk"}
    for change in ({"grants": less}, {"groups_claim": "roles"}):
        idp.claims["groups"] = ["desk"]
        await jane.arrive()
        before = it.standby.settings
        it.standby.settings = before.model_copy(update={"identity": identity.model_copy(update=change)})
        (await jane.press()).problem("unauthenticated")
        it.standby.settings = before

    assert "" == nobody.cookie


async def test_a_name_is_no_proof_and_cannot_pass_for_a_token(it: House, idp: Idp):
    """Whatever it says, the issuer stands behind it; without one the subject is told."""
    for named, by in (("joe\u202e\n", "joe"), (7, "u-1"), (None, "u-1"), ("", "u-1")):
        idp.claims["preferred_username"] = named
        jane = Person(it)
        await jane.arrive()

        assert f"{by} ({idp.url})" == (jane.session or {})["name"]


async def test_two_people_of_one_name_are_two(it: House, idp: Idp):
    """A name can be chosen, or given to somebody else: neither presses, looks nor ends sessions as the other."""
    one, other = Person(it), Person(it)
    await one.arrive()
    idp.claims["sub"] = "u-2"
    await other.arrive()
    pressed = [
        (await person.ask("POST", "/v1/runs", {**QUICK, "reason": reason}, Idempotency_Key="k")).status
        for person, reason in ((one, "mine"), (one, "another"), (other, "theirs"))
    ]
    sessions = (await other.ask("GET", "/v1/sessions")).json["sessions"]

    assert [202, 422, 202] == pressed
    assert [True] == [row["this"] for row in sessions]


# ── a fresh sign-in ─────────────────────────────────────────────────────────────────────────────────────────


async def _engaged(it: House) -> None:
    latch.create(it.firm.folder / "panic.latch")


async def test_a_reset_takes_a_fresh_sign_in_and_a_press_does_not(it: House, idp: Idp):
    """The provider is asked for one, and must say that it was; a token is given or not, and that is all."""
    await _engaged(it)
    idp.claims["groups"] = ["boss"]
    body = {"reason": "over"}
    boss, by_token = Person(it), Person(it)
    await boss.arrive()
    stale = await boss.ask("POST", "/v1/reset", body)
    pressed = await boss.press()
    await boss.arrive("?fresh=true&page=latch")
    asked = (boss.query["prompt"], boss.query["max_age"], boss.location)
    fresh = await boss.ask("POST", "/v1/reset", body)
    later(it, 301)
    again = await boss.ask("POST", "/v1/reset", body)
    await by_token.sign_in("boss")
    token = await by_token.ask("POST", "/v1/reset", body)

    assert "fresh=true" in stale.problem(PROBLEM)["remedy"]
    assert (202, ("login", "0", "/#/latch")) == (pressed.status, asked)
    fresh.problem("conflict")
    again.problem(PROBLEM)
    token.problem("conflict")
    assert 2 == len(it.sessions)  # a fresh one replaces the one before


@pytest.mark.parametrize("proved", [None, -3600])
async def test_a_provider_that_asks_nobody_anew_is_not_believed(it: House, idp: Idp, proved: int | None):
    """An old time or none at all proves nothing."""
    idp.claims |= {"groups": ["boss"], "auth_time": proved and time.time() + proved}
    boss = Person(it)

    assert "/#/sign-in/stale" == await boss.arrive("?fresh=true")
    await boss.arrive()
    (await boss.ask("POST", "/v1/reset", {"reason": "over"})).problem(PROBLEM)


# ── what proves nothing ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_that_proves_nothing_lets_nobody_in(it: House, idp: Idp):
    """And the proper one does."""
    jane, forger = Person(it), Person(it)
    idp.claims["nonce"] = "another"
    assert "/#/sign-in/invalid" == await forger.arrive()
    assert ("", ["sign_in_invalid"], 0) == (forger.cookie, refusals(it), len(it.sessions))
    del idp.claims["nonce"]
    assert "/#/" == await jane.arrive()


async def test_a_new_key_of_the_provider_is_found_once_it_signs(
    it: House, idp: Idp, monkeypatch: pytest.MonkeyPatch
):
    """Its keys are read again for one that is unknown, but not for every stranger who names one."""
    jane = Person(it)
    await jane.arrive()
    idp.keys.append(CURVE.as_dict(private=False))
    idp.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": CURVE.kid}, claims, CURVE)
    early = await Person(it).arrive()
    monkeypatch.setattr("panic.service.provider._KEYS_S", 0.0)

    assert ("/#/sign-in/invalid", "/#/") == (early, await jane.arrive())
    assert 2 == idp.asked.count("/keys")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.replace("state=", "state=x"), "expired"),
        (lambda path: path.replace("state=", "other="), "expired"),
        (lambda path: path.replace("code=", "code=x"), "down"),
        (lambda path: path.replace("code=", "error=access_denied&other="), "refused"),
        (lambda path: path + "&iss=https://evil.example", "invalid"),
    ],
)
async def test_an_answer_that_nobody_asked_for_lets_nobody_in(it: House, spoil: Callable[[str], str], why: str):
    jane = Person(it)
    await jane.begin()
    await jane.visit(spoil(await jane.prove()))

    assert (f"/#/sign-in/{why}", "") == (jane.location, jane.cookie)


async def test_only_the_browser_that_began_a_sign_in_completes_it_and_once(
    it: House, idp: Idp, monkeypatch: pytest.MonkeyPatch
):
    """A forger cannot sign somebody else in as themselves, nor write the cookie; nor can anybody be late."""
    jane, forger = Person(it), Person(it)
    await forger.begin()
    theirs = await forger.prove()
    await jane.begin()
    mine, kept = await jane.prove(), jane.kept
    for cookie in ("", forger.kept[:-1] + "x", kept.replace(".", "x."), f"{kept}; {forger.kept}"):
        jane.kept = cookie
        await jane.visit(theirs)
        assert ("/#/sign-in/expired", "") == (jane.location, jane.cookie)
    jane.kept = kept
    with monkeypatch.context() as late:
        late.setattr("panic.service.room.sign_in.WITHIN_S", -1.0)
        await jane.visit(mine)
        assert "/#/sign-in/expired" == jane.location
    await jane.visit(mine)
    assert "/#/" == jane.location
    jane.kept, jane.cookie = kept, ""
    await jane.visit(mine)

    assert ("/#/sign-in/down", "") == (jane.location, jane.cookie)  # the provider takes a code once


@pytest.mark.parametrize(
    "page", ["//evil.example", "https://evil.example", "/\\evil.example", "a%23b", "a?b", "a%0d%0ab", "."]
)
async def test_the_way_back_leads_nowhere_else(it: House, page: str):
    """It is a part of our page, and what else could lead elsewhere is refused before the provider is asked."""
    jane = Person(it)
    status = await jane.begin(f"?page={page}")
    if status == 400:
        return
    await jane.visit(await jane.prove())

    assert jane.location == f"/#/{page}"  # behind the mark, nothing is an address


async def test_behind_a_proxy_the_way_back_and_the_cookie_are_of_tls(tmp_path: Path, idp: Idp):
    """The provider sends people to the name by which the proxy is asked."""
    (tmp_path / "client.secret").touch(0o600)
    (tmp_path / "client.secret").write_text(SECRET)
    more = f'behind_proxy = true\nallowed_hosts = ["panic.example"]\n{idp.settings()}'
    async with house(tmp_path, more=more) as it:
        headers = {"Host": "panic.example"}
        async with it.client.get("/v1/sign-in/begin", headers=headers, allow_redirects=False) as response:
            cookie, location = response.headers["Set-Cookie"], response.headers["Location"]

    assert "redirect_uri=https%3A%2F%2Fpanic.example%2Fv1%2Fsign-in%2Fdone&" in location
    assert cookie.startswith("__Host-panic-443-sign-in=")
    assert cookie.endswith("; HttpOnly; Max-Age=600; Path=/; SameSite=Lax; Secure")


async def test_without_a_provider_only_tokens_are_taken(tmp_path: Path):
    """It is off by default, and the page is told so."""
    async with house(tmp_path) as it:
        view = (await it.ask("GET", "/v1/sign-in", token="")).fits("SignInView")
        for path in ("begin", "done?code=x&state=y"):
            (await it.ask("GET", f"/v1/sign-in/{path}", token="")).problem("not_found")

    assert view["issuer"] is None


async def test_a_missing_library_is_told_before_anybody_signs_in(
    tmp_path: Path, idp: Idp, monkeypatch: pytest.MonkeyPatch
):
    """It is an extra."""
    monkeypatch.setattr("panic.service.readiness.find_spec", lambda _: None)
    (tmp_path / "client.secret").touch(0o600)
    (tmp_path / "client.secret").write_text(SECRET)
    async with house(tmp_path, more=idp.settings()) as it:
        problems = it.standby.status()["problems"]

    assert ["Install panic[oidc]" in one for one in problems] == [True]


async def test_the_clients_secret_is_judged_beforehand_and_shown_nowhere(tmp_path: Path, idp: Idp):
    """Readiness tells that nobody could sign in; afterwards neither audit nor answers hold it."""
    (tmp_path / "one").mkdir()
    async with house(tmp_path / "one", more=idp.settings()) as it:
        problems = it.standby.status()["problems"]
        ready = it.standby.not_ready
        await Person(it).arrive()
        told = str(it.told)

    assert "configuration" == ready
    assert ["identity" in one for one in problems] == [True]
    assert SECRET not in told
