"""Who may ask the service for what, and under which name. Pure.

Asking fails closed: a token that is not known, a name that is not ours or an account that may not be theirs is
refused. The scope of a hook is not asked about here: the settings wrote it.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from panic.address import canonical
from panic.config import Role, Service, Token
from panic.plan import Scope
from panic.roster import Roster

_LISTED_MOST = 10
_LARGEST_PORT = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, as a token told.

    Attributes:
        name: Of the token, as in [tokens.NAME].
        roles: What it allows; "viewer" is always among them.
        groups: Whose accounts it may press; None for every account.
        person: Whether a person holds it.
    """

    name: str
    roles: frozenset[str]
    groups: frozenset[str] | None = None
    person: bool = True


class Tokens:
    """The tokens of the settings, which know them by their digests only."""

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self._known = [
            (bytes.fromhex(t.digest.removeprefix("sha256:")), _identity(n, t)) for n, t in tokens.items()
        ]

    def identify(self, authorization_header: str) -> Identity | None:
        """Say whose token "Bearer TOKEN" is; None for nobody's.

        Every token is compared, and each in the same time, so that the time says nothing about any.
        """
        scheme, _, token = authorization_header.strip(" \t").partition(" ")
        try:
            digest = hashlib.sha256(token.strip(" \t").encode()).digest()
        except UnicodeEncodeError:  # bytes that were no UTF-8
            return None
        found = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found if scheme.lower() == "bearer" else None


def _identity(name: str, token: Token) -> Identity:
    groups = None if token.groups is None else frozenset(token.groups)
    return Identity(name, frozenset({*token.roles, "viewer"}), groups, token.person)


def may(identity: Identity, role: Role) -> str:
    """Say why somebody may not do what takes `role`, and what to do about it; empty where they may."""
    if role in identity.roles:
        return ""
    verb = {"viewer": "look", "presser": "press", "resetter": "end the engaged state"}[role]
    remedy = f"give it the role {role} in the settings, [tokens.{identity.name}], or ask somebody who has it"
    return f"the token {identity.name} may not {verb}: {remedy}"


def may_press(identity: Identity, scope: Scope, roster: Roster) -> str:
    """Say why somebody may not press this scope, and what to do about it; empty where they may.

    An account that the roster does not show in one of their groups is not theirs; nor is one in an unreadable row.
    """
    refusal = may(identity, "presser")
    if refusal or identity.groups is None:
        return refusal
    ours = identity.groups
    if scope.all:
        return _not_theirs(identity, "all accounts")
    groups = [group for group in scope.groups if group not in ours]
    if groups:
        return _not_theirs(identity, f"the group {_listed(groups)}")
    theirs = {account.id for account in roster.accounts if account.group in ours}
    ids = [str(id_) for id_ in scope.accounts if id_ not in theirs]
    return _not_theirs(identity, f"the account {_listed(ids)}") if ids else ""


def _not_theirs(identity: Identity, what: str) -> str:
    remedy = "press these, or ask somebody whose token is not limited"
    return (
        f"the token {identity.name} may not press {what}, only {_listed(sorted(identity.groups or ()))}: {remedy}"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_MOST} more" if len(names) > _LISTED_MOST else ""
    return f"{', '.join(names[:_LISTED_MOST])}{more}"


def host_is_allowed(host_header: str, service: Service, bound: Sequence[str]) -> bool:
    """Whether the service may be asked for by this name, which a page that somebody opened could have chosen.

    Args:
        host_header: As it came: a name or an address, with or without port.
        service: Whose `allowed_hosts` count, and whose `host`.
        bound: The addresses that it listens at. Where that is every one of this machine, any address counts: what
            rebinds a name is never an address.
    """
    host = _host(host_header)
    if not host:
        return False
    ours = {canonical(name) for name in ("localhost", service.host, *service.allowed_hosts, *bound)}
    at_all = any(isinstance(name, IPv4Address | IPv6Address) and name.is_unspecified for name in ours)
    name = canonical(host)
    return name in ours or (at_all and not isinstance(name, str))


def _host(header: str) -> str:
    """The host of a Host header, without brackets and port; empty when it is none."""
    if header.startswith("["):
        host, bracket, port = header[1:].partition("]")
        if not bracket or ":" not in host or (port and not port.startswith(":")):
            return ""
        port = port[1:]
    else:
        host, _, port = header.partition(":")
    is_port = not port or (port.isascii() and port.isdigit() and int(port[:6]) <= _LARGEST_PORT)
    return host if host.isascii() and is_port else ""
