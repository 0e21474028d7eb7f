"""Who may ask the service for what: whom a token stands for, what they may press, under which names it answers."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.plan import Scope
from panic.accounts.roster import Account, Roster
from panic.config import Token
from panic.service.auth import Identity, caller, host_is_allowed, identify, require_role, require_scope
from panic.service.problems import ProblemError


def roster_of(groups: dict[int, str]) -> Roster:
    accounts = tuple(Account(id_, group=group) for id_, group in groups.items())
    return Roster(Path("accounts.csv"), "", 0.0, accounts, (), ())


ROSTER = roster_of({1: "arb", 2: "equities", 3: ""})
EVERYBODY = Identity("desk", frozenset({"viewer", "presser"}))
ARB = Identity("arb", frozenset({"viewer", "presser"}), frozenset({"arb"}))


def a_token(text: str, *roles: Any, **fields: Any) -> Token:
    """The settings' token whose bearer has `text`."""
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return Token(digest=(digest,), roles=roles or ("viewer",), **fields)


ONE, TWO, THREE, SHORT = "one-of-the-tokens", "two-of-the-tokens", "drei der Token ß", "fifteen-letters"
NOW, HOUR = datetime(2026, 11, 24, 10, tzinfo=UTC), timedelta(hours=1)
TOKENS = {
    "desk": a_token(ONE, "presser", "resetter"),
    "algo": a_token(TWO, "presser", groups=("arb",), person=False),
    "wall": a_token(THREE, "viewer"),
}


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        (f"Bearer {ONE}", Identity("desk", frozenset({"viewer", "presser", "resetter"}))),
        (f"bearer {TWO}", Identity("algo", frozenset({"viewer", "presser"}), frozenset({"arb"}), person=False)),
        (f"BEARER  {THREE} ", Identity("wall", frozenset({"viewer"}))),
        *(
            (f"Bearer {words}", None)
            for words in (ONE.upper(), f"{ONE} {TWO}", "", "\udcff", *TOKENS["desk"].digest)
        ),
        *((words, None) for words in ("Bearer", f"Basic {ONE}", ONE, "")),
    ],
)
def test_a_token_stands_for_whom_the_settings_say(header: str, identity: Identity | None):
    """The token is taken as it is, and whoever may do anything may look; a digest is no token."""
    assert identity == identify(TOKENS, header, NOW)


@pytest.mark.parametrize("header", [f"Bearer {ONE}", f"Bearer {THREE}", "Bearer none", f"Basic {ONE}"])
def test_every_token_is_compared_whoever_asks(header: str, monkeypatch: pytest.MonkeyPatch):
    """So that the time tells neither which of them it was nor that it was none."""
    compared: list[bytes] = []

    def counted(known: bytes, digest: bytes) -> bool:
        compared.append(known)
        return known == digest

    monkeypatch.setattr(hmac, "compare_digest", counted)
    identify(TOKENS, header, NOW)

    assert 3 == len(set(compared)) == len(compared)


@pytest.mark.parametrize(
    ("text", "fields", "why"),
    [
        (ONE, {}, ""),
        (ONE, {"not_before": NOW, "expires": NOW + HOUR}, ""),
        (ONE, {"not_before": NOW + HOUR}, "the token desk counts from 2026-11-24 11:00:00 UTC"),
        (ONE, {"expires": NOW}, "the token desk expired at 2026-11-24 10:00:00 UTC"),
        (SHORT, {}, "the token desk is shorter than 16 characters, and can be guessed"),
    ],
)
def test_a_token_counts_only_at_its_time_and_if_nobody_can_guess_it(text: str, fields: dict[str, Any], why: str):
    """Whoever has it is told why it does not count; nobody else hears of it."""
    tokens = {"desk": a_token(text, **fields)}

    assert why in refused(identify, tokens, f"Bearer {text}", NOW)
    assert ("" == why) == ("" == refused(identify, tokens, f"Bearer {text}", NOW))
    assert "" == refused(identify, tokens, f"Bearer {text}?", NOW)


def test_both_values_of_a_token_count_while_one_replaces_another():
    """For the same name, with the same rights."""
    old, new = (a_token(text).digest for text in (ONE, TWO))
    tokens = {"desk": Token(digest=(*old, *new), roles=("presser",))}
    found = [identify(tokens, f"Bearer {text}", NOW) for text in (ONE, TWO, THREE)]

    assert [("desk", *old), ("desk", *new), None] == [one and (one.name, one.digest) for one in found]


def refused(require: Callable[..., object], *what: Any) -> str:
    """Why somebody may not do something, and what to do; empty if they may."""
    try:
        require(*what)
    except ProblemError as error:
        return f"{error.status} {error.detail}. {error.remedy}"
    return ""


def test_a_viewer_may_only_look():
    """A right is given, not assumed."""
    wall = Identity("wall", frozenset({"viewer"}))
    remedy = "Give it the role presser in the settings, [tokens.wall], or ask somebody who has it."

    assert "" == refused(require_role, wall, "viewer")
    assert f"403 the token wall may not press. {remedy}" == refused(require_role, wall, "presser")
    assert "may not end the engaged state" in refused(require_role, wall, "resetter")


@pytest.mark.parametrize(
    ("scope", "what"),
    [
        (Scope(groups=("arb",), accounts=(1,)), ""),
        (Scope(all=True), "all accounts"),
        (Scope(groups=("arb", "equities", "Arb")), "the group equities, Arb"),
        (Scope(accounts=tuple(range(2, 14))), "the account 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"),
    ],
)
def test_a_limited_token_may_press_its_groups_only(scope: Scope, what: str):
    """Neither all, nor an account that is in no group or not known; one without groups may press everything."""
    words = "Press these, or ask somebody whose token is not limited."
    refusal = f"403 the token arb is not for {what}, only for arb. {words}" if what else ""

    assert refusal == refused(require_scope, ARB, scope, ROSTER)
    assert "" == refused(require_scope, EVERYBODY, scope, None)


_GROUPS = st.sampled_from(["arb", "equities", "options", ""])


@given(
    st.dictionaries(st.integers(1, 9), _GROUPS, min_size=1),
    st.frozensets(_GROUPS.filter(bool), min_size=1),
    st.lists(_GROUPS),
    st.lists(st.integers(1, 9)),
)
def test_what_a_limited_token_may_press_is_in_its_groups(
    roster: dict[int, str], ours: frozenset[str], groups: list[str], ids: list[int]
):
    """Whatever the scope: no account of another group is ever in what is allowed."""
    covered = {roster.get(id_, "") for id_ in ids} | set(groups)
    someone = Identity("x", frozenset(), ours)
    scope = Scope(groups=tuple(groups), accounts=tuple(ids))

    assert (covered <= ours) == ("" == refused(require_scope, someone, scope, roster_of(roster)))


NAMES = ("127.0.0.1", "::1", "panic.example.com", "Kill.Example.COM.", "10.0.0.7")


@pytest.mark.parametrize(
    ("names", "allowed", "refused"),
    [
        (
            NAMES,  # in any case, with a port or a last dot, however an address is written
            (
                "localhost LOCALHOST.:8787 127.0.0.1:8787 [0:0:0:0:0:0:0:1]:1 [::ffff:127.0.0.1] "
                "Panic.Example.com.:443 kill.example.com 10.0.0.7:443 panic.example.com:"
            ),
            (
                ":8787 panic.example.com.evil.example evil.panic.example.com panic.example.com.. "
                "panic.example.com:443:1 panic.example.com:x panic.example.com@evil.example panic.example.com/ "
                "10.0.0.8 127.1 2130706433 ::1 [::1 [::1]8787 [::2] [localhost] "
                "\u212aill.example.com"
            ),  # the sign of the kelvin, a small k to some
        ),
        (("0.0.0.0",), "192.0.2.7:8787 [2001:db8::1]", "evil.example"),  # noqa: S104  (nothing listens)
        (("::",), "192.0.2.7:8787 [2001:db8::1]", "evil.example"),
    ],
)
def test_the_service_answers_to_its_names_alone(names: tuple[str, ...], allowed: str, refused: str):
    """What rebinds a name is a name: where it listens at every address, any address counts."""
    assert [] == [header for header in allowed.split() if not host_is_allowed(header, names)]
    assert [] == [header for header in ("", *refused.split()) if host_is_allowed(header, names)]


TRUSTED = ("10.0.0.7", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # nobody in particular writes what they like
        ("10.0.0.7", [], "10.0.0.7"),
        ("10.0.0.7", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.7", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # what was there already, the caller wrote
        ("10.0.0.7", ["203.0.113.9", "198.51.100.1, fd00::2"], "198.51.100.1"),
        ("::ffff:10.0.0.7", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.7", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.7", ["203.0.113.9, unknown"], "10.0.0.7"),
        ("10.0.0.7", ["10.0.0.7, 10.0.0.7"], "10.0.0.7"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_who_called_is_told_by_trusted_proxies_alone(peer: str, forwarded: list[str], address: str):
    """Right to left, as far as they wrote it: the rest may be anything."""
    assert address == caller(peer, forwarded, TRUSTED)
    assert peer == caller(peer, forwarded, ())
