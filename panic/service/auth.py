"""Who may do what with the service, and under which name. Pure.

Authorisation fails closed: an unknown token, a host name that is not ours or an account that may not be theirs
is refused. The scope of a hook is not asked about here: the settings wrote it.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from aiohttp import web

from panic.accounts.plan import Scope
from panic.accounts.roster import Roster
from panic.config import Provider, Token
from panic.config.address import canonical
from panic.kit.words import on_behalf
from panic.report.document import ScopeReport
from panic.run.asked import BEARER
from panic.service.problems import ProblemError

SHORTEST: Final = 16
"""Characters of the shortest token that counts; `panic token` makes 43. What is shorter can be guessed."""

_LISTED_MOST = 10
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]{0,5})?")


CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="panic"'}

ROLE: Final = web.RequestKey("role", str)
"""The role in which a request was let in; none where its caller proved nothing."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a token's name, or who signed in. No `groups` means every account; "viewer" is always a role.

    Attributes:
        issuer: Who says that it is them; empty where it is a token of the settings.
        subject: Who they are there, for good: a name can be given to somebody else.
        limits: The groups of each role, where they differ.
        digest: That of the token's value that they gave.
    """

    name: str
    roles: frozenset[str]
    groups: frozenset[str] | None = None
    person: bool = True
    issuer: str = ""
    subject: str = ""
    limits: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    digest: str = field(default="", compare=False, repr=False)

    @property
    def called(self) -> str:
        """What to call them in a sentence."""
        return self.name if self.issuer else f"the token {self.name}"

    @property
    def on_record(self) -> dict[str, str]:
        """What the audit says of them."""
        who = {"issuer": self.issuer, "subject": self.subject} if self.issuer else {}
        return {"token": self.name, **who}

    @property
    def key(self) -> tuple[str, str]:
        """What tells them from all others for good: their issuer and subject, or "token" and its name."""
        return (self.issuer, self.subject) if self.issuer else (BEARER, self.name)

    def is_same(self, other: "Identity") -> bool:
        """Whether it is the same token, or the same person of the provider."""
        return self.key == other.key

    def in_role(self, role: str) -> "Identity":
        """Give who they are for what takes this role: with the groups of that role alone."""
        return replace(self, groups=self.limits[role]) if role in self.limits else self

    def acting_for(self, whom: str) -> str:
        """Say who does something: the token, and on whose behalf."""
        return on_behalf(self.name, whom)


@dataclass(frozen=True, slots=True)
class Member:
    """Who signed in with the identity provider, and their groups by its word; `authority` is its own."""

    authority: tuple[str, str, str]
    issuer: str
    subject: str
    name: str
    groups: frozenset[str]


AGAIN: Final[web.RequestKey[Callable[[], Identity]]] = web.RequestKey("again")
"""Of a request that was let in: says who asks by the rights of this moment, or raises what it was refused with."""


def again(request: web.Request) -> Identity:
    """Say once more who asks: rights may have been taken away while a body came, or while somebody listens."""
    return request[AGAIN]()


def is_still(request: web.Request, identity: Identity) -> bool:
    """Whether a caller who was let in as somebody still would be, with the same rights."""
    try:
        return again(request) == identity
    except ProblemError:
        return False


def identify(tokens: Mapping[str, Token], authorization: str, now: datetime) -> Identity | None:
    """Say whose token "Bearer TOKEN" is; None for nobody's. One that does not count now is `unauthenticated`.

    Every token is compared, and each in the same time, so that the time says nothing about any.
    """
    scheme, _, text = authorization.strip(" \t").partition(" ")
    text = text.strip(" \t")
    try:
        digest = hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError:  # bytes that were no UTF-8
        return None
    found = None
    for name, token in tokens.items():
        for known in token.digest:
            if hmac.compare_digest(bytes.fromhex(known.removeprefix("sha256:")), digest):
                found = bearer_of(name, token, known)
    if found is None or scheme.lower() != "bearer":
        return None
    why = tokens[found.name].refusal(now)
    if len(text) < SHORTEST:
        why = f"is shorter than {SHORTEST} characters, and can be guessed"
    if why:
        remedy = "Make another with panic token, or have the settings changed."
        raise ProblemError("unauthenticated", f"the token {found.name} {why}", remedy=remedy, headers=CHALLENGE)
    return found


def bearer_of(name: str, token: Token, digest: str) -> Identity:
    """Say who a token's bearer is."""
    groups = None if token.groups is None else frozenset(token.groups)
    return Identity(name, frozenset({*token.roles, "viewer"}), groups, token.person, digest=digest)


def identity_of(member: Member, provider: Provider | None) -> Identity | None:
    """Say who a member is by the settings in force; None where nothing is granted to them."""
    if provider is None or provider.authority != member.authority:
        return None
    grants = [grant for name, grant in provider.grants.items() if name in member.groups]
    limits: dict[str, frozenset[str] | None] = {}
    for grant in grants:
        ours = None if grant.groups is None else frozenset(grant.groups)
        for role in {*grant.roles, "viewer"}:
            before = limits.get(role, frozenset())
            limits[role] = None if ours is None or before is None else before | ours
    if not grants:
        return None
    name = f"{member.name} ({member.issuer})"
    most = limits.get("presser", limits["viewer"])
    return Identity(name, frozenset(limits), most, True, member.issuer, member.subject, limits)


def require_role(identity: Identity, role: str) -> None:
    """Raise `forbidden` where somebody may not do what takes `role`."""
    if role not in identity.roles:
        verb = {"viewer": "look", "presser": "press", "resetter": "end the engaged state"}[role]
        whom, where = (
            ("one of their groups", "identity.grants") if identity.issuer else ("it", f"tokens.{identity.name}")
        )
        remedy = f"Give {whom} the role {role} in the settings, [{where}], or ask somebody who has it."
        raise ProblemError("forbidden", f"{identity.called} may not {verb}", remedy=remedy)


@dataclass(frozen=True, slots=True)
class Reach:
    """The groups of somebody who is limited to them, and the ids of their accounts."""

    groups: frozenset[str]
    ids: frozenset[int]


def reach_of(identity: Identity, roster: Roster | None) -> Reach | None:
    """Give what somebody is limited to; None for nothing."""
    if identity.groups is None:
        return None
    accounts = roster.accounts if roster else ()
    return Reach(identity.groups, frozenset(one.id for one in accounts if one.group in identity.groups))


def covers(reach: Reach | None, scope: Scope | ScopeReport) -> bool:
    """Whether a scope is of these groups alone: who is limited to them may press it, and see its runs."""
    if reach is None:
        return True
    return not scope.all and reach.groups.issuperset(scope.groups) and reach.ids.issuperset(scope.accounts)


def require_scope(identity: Identity, scope: Scope, roster: Roster | None) -> Reach | None:
    """Raise `forbidden` where a scope is not somebody's; give what they are limited to.

    An account that the roster does not show in one of their groups is not theirs; nor is one in an unreadable row.
    """
    reach = reach_of(identity, roster)
    if reach is not None and not covers(reach, scope):
        groups = [group for group in scope.groups if group not in reach.groups]
        ids = [str(id_) for id_ in scope.accounts if id_ not in reach.ids]
        named = f"the group {_listed(groups)}" if groups else f"the account {_listed(ids)}"
        what = f"{identity.called} is not for {'all accounts' if scope.all else named}"
        remedy = "Press these, or ask somebody whose token is not limited."
        raise ProblemError("forbidden", f"{what}, only for {_listed(sorted(reach.groups))}", remedy=remedy)
    return reach


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_MOST} more" if len(names) > _LISTED_MOST else ""
    return f"{', '.join(names[:_LISTED_MOST])}{more}"


def caller(peer: str, forwarded: Iterable[str], trusted: Iterable[str]) -> str:
    """Give the address of who called, by X-Forwarded-For, right to left, as far as trusted proxies wrote it."""
    networks = [ip_network(one) for one in trusted]
    hops = [one.strip() for line in forwarded for one in line.split(",")]
    address = peer
    while hops and _is_within(address, networks):
        found = _HOST.fullmatch(hop := hops.pop())
        named = canonical(hop if found is None else found[1] or found[2])
        if isinstance(named, str):  # "unknown", or anything
            break
        address = str(named)
    return address


def _is_within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    known = canonical(address)
    return not isinstance(known, str) and any(known in network for network in networks)


def host_is_allowed(host_header: str, names: Iterable[str]) -> bool:
    """Whether the service may be asked for by this Host, which a page that somebody opened could have chosen.

    It is reached as `localhost` and by `names`. Where it listens at every address of this machine, any address
    counts: what rebinds a name is never an address.
    """
    found = _HOST.fullmatch(host_header)
    host = (found[1] or found[2]) if found else ""
    if not host or not host.isascii():
        return False
    ours = {canonical(name) for name in ("localhost", *names)}
    at_all = any(isinstance(name, IPv4Address | IPv6Address) and name.is_unspecified for name in ours)
    name = canonical(host)
    return name in ours or (at_all and not isinstance(name, str))
