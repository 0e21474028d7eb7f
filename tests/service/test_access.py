"""Who may ask the service for what: whom a token stands for, what they may press, under which names it answers."""

import hashlib
import hmac
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.config import Service, Token
from panic.plan import Scope
from panic.roster import Account, Roster
from panic.service.auth import Identity, Tokens, host_is_allowed, may, may_press

ROSTER = Roster(
    file=Path("accounts.csv"),
    digest="",
    modified_at=0.0,
    accounts=(Account(1, group="arb"), Account(2, group="equities"), Account(3)),
    bad_rows=(),
    problems=(),
)
EVERYBODY = Identity("desk", frozenset({"viewer", "presser"}))
ARB = Identity("arb", frozenset({"viewer", "presser"}), frozenset({"arb"}))


def a_token(text: str, *roles: Any, **fields: Any) -> Token:
    """The settings' token whose bearer has `text`."""
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return Token(digest=digest, roles=roles or ("viewer",), **fields)


TOKENS = Tokens(
    {
        "desk": a_token("one", "presser", "resetter"),
        "algo": a_token("two", "presser", groups=("arb",), person=False),
        "wall": a_token("drei ß", "viewer"),
    }
)


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        ("Bearer one", Identity("desk", frozenset({"viewer", "presser", "resetter"}))),
        ("bearer two", Identity("algo", frozenset({"viewer", "presser"}), frozenset({"arb"}), person=False)),
        ("BEARER  drei ß ", Identity("wall", frozenset({"viewer"}))),
        ("Bearer One", None),
        ("Bearer one two", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic one", None),
        ("one", None),
        ("", None),
        ("Bearer \udcff", None),
    ],
)
def test_a_token_stands_for_whom_the_settings_say(header: str, identity: Identity | None):
    """The token is taken as it is, and whoever may do anything may look."""
    assert identity == TOKENS.identify(header)


def test_a_digest_is_no_token():
    """Whoever reads the settings cannot press with what stands there."""
    digest = a_token("one").digest

    assert [None, None] == [TOKENS.identify(f"Bearer {word}") for word in (digest, digest.partition(":")[2])]


def test_without_tokens_nobody_is_let_in():
    """Settings that name none authorise none."""
    assert Tokens({}).identify("Bearer one") is None


@given(st.text())
def test_no_header_does_anything_but_name_nobody(header: str):
    """Whatever comes over the wire; the tokens of this test are longer than any text made up."""
    tokens = Tokens({"desk": a_token(f"{header}.", "presser")})

    assert tokens.identify(header) is None
    assert tokens.identify(f"Bearer {header}") is None


@pytest.mark.parametrize("header", ["Bearer one", "Bearer drei ß", "Bearer none", "Basic one"])
def test_every_token_is_compared_whoever_asks(header: str, monkeypatch: pytest.MonkeyPatch):
    """So that the time tells neither which of them it was nor that it was none."""
    compared: list[bytes] = []
    really = hmac.compare_digest

    def counted(known: bytes, digest: bytes) -> bool:
        compared.append(known)
        return really(known, digest)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    TOKENS.identify(header)

    assert 3 == len(set(compared)) == len(compared)


@pytest.mark.parametrize(
    ("role", "refusal"),
    [
        ("viewer", ""),
        (
            "presser",
            (
                "the token wall may not press: "
                "give it the role presser in the settings, [tokens.wall], or ask somebody who has it"
            ),
        ),
        (
            "resetter",
            (
                "the token wall may not end the engaged state: "
                "give it the role resetter in the settings, [tokens.wall], or ask somebody who has it"
            ),
        ),
    ],
)
def test_a_viewer_may_only_look(role: Any, refusal: str):
    """A right is given, not assumed."""
    wall = Identity("wall", frozenset({"viewer"}))

    assert refusal == may(wall, role)


@pytest.mark.parametrize("scope", [Scope(all=True), Scope(groups=("arb",)), Scope(accounts=(1,)), Scope()])
def test_who_may_not_press_may_press_nothing(scope: Scope):
    """Resetting is no pressing either."""
    resetter = Identity("night", frozenset({"viewer", "resetter"}))

    assert may_press(resetter, scope, ROSTER).startswith("the token night may not press: give it the role presser")


@pytest.mark.parametrize(
    "scope", [Scope(all=True), Scope(groups=("arb", "nowhere")), Scope(accounts=(1, 2, 3, 99)), Scope()]
)
def test_a_token_without_groups_may_press_everything(scope: Scope):
    """What is in the roster is not its question."""
    assert "" == may_press(EVERYBODY, scope, ROSTER)


@pytest.mark.parametrize(
    ("scope", "what"),
    [
        (Scope(groups=("arb",)), ""),
        (Scope(accounts=(1,)), ""),
        (Scope(groups=("arb",), accounts=(1,)), ""),
        (Scope(all=True), "all accounts"),
        (Scope(groups=("arb", "equities")), "the group equities"),
        (Scope(groups=("Arb",)), "the group Arb"),
        (Scope(accounts=(1, 2)), "the account 2"),
        (Scope(accounts=(3,)), "the account 3"),
        (Scope(accounts=(99,)), "the account 99"),
        (Scope(groups=("arb",), accounts=(2, 3)), "the account 2, 3"),
        (Scope(accounts=tuple(range(2, 14))), "the account 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"),
    ],
)
def test_a_limited_token_may_press_its_groups_only(scope: Scope, what: str):
    """Neither all, nor an account that is in no group or not known."""
    remedy = "press these, or ask somebody whose token is not limited"
    refusal = f"the token arb may not press {what}, only arb: {remedy}" if what else ""

    assert refusal == may_press(ARB, scope, ROSTER)


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
    accounts = tuple(Account(id_, group=group) for id_, group in roster.items())
    scope = Scope(groups=tuple(groups), accounts=tuple(ids))
    covered = {roster.get(id_, "") for id_ in ids} | set(groups)
    someone = Identity("x", frozenset({"presser"}), ours)
    found = Roster(Path("a.csv"), "", 0.0, accounts, (), ())

    assert (covered <= ours) == (may_press(someone, scope, found) == "")


HERE = Service(allowed_hosts=("panic.example.com", "Kill.Example.COM.", "10.0.0.7"))


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "localhost:8787",
        "LOCALHOST.",
        "127.0.0.1",
        "127.0.0.1:8787",
        "[::1]",
        "[::1]:8787",
        "[0:0:0:0:0:0:0:1]:1",
        "[::ffff:127.0.0.1]",
        "panic.example.com",
        "Panic.Example.com.:443",
        "kill.example.com",
        "10.0.0.7:443",
        "panic.example.com:",
    ],
)
def test_the_service_answers_to_its_names(header: str):
    """In any case, with a port or a last dot, however an address is written."""
    assert host_is_allowed(header, HERE, ("127.0.0.1", "::1"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":8787",
        "evil.example",
        "panic.example.com.evil.example",
        "evil.panic.example.com",
        "panic.example.com..",
        "panic.example.com:443:1",
        "panic.example.com:x",
        "panic.example.com:99999",
        "panic.example.com@evil.example",
        " panic.example.com",
        "panic.example.com/",
        "10.0.0.8",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "::1",
        "[::1",
        "[::1]8787",
        "[::2]",
        "[localhost]",
        "\u212aill.example.com",  # the sign of the kelvin, a small k to some
    ],
)
def test_the_service_answers_to_no_other_name(header: str):
    """A page that somebody opened cannot reach it under a name of its own."""
    assert not host_is_allowed(header, HERE, ("127.0.0.1", "::1"))


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])  # noqa: S104  (nothing listens)
def test_where_it_listens_at_every_address_any_address_counts(bound: str):
    """What rebinds a name is a name."""
    allowed = [
        host_is_allowed(header, HERE, (bound,)) for header in ("192.0.2.7:8787", "[2001:db8::1]", "evil.example")
    ]

    assert [True, True, False] == allowed


@given(st.ip_addresses(), st.integers(0, 65_535))
def test_the_bound_address_always_counts(address: Any, port: int):
    """Whichever it is, and no other beside it."""
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)

    assert host_is_allowed(f"{host}:{port}", Service(), (str(address),))


@given(st.text())
def test_no_header_is_more_than_a_name(header: str):
    """Whatever comes over the wire is a name of ours or is not."""
    if not header.startswith("[") and header.lower().partition(":")[0].removesuffix(".") not in {
        "localhost",
        "127.0.0.1",
    }:
        assert not host_is_allowed(header, Service(), ())
