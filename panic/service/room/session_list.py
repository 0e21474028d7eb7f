"""/v1/sessions: which sessions are open, and their end: one's own, or with the role resetter others'."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from aiohttp import web

from panic.accounts.plan import Scope
from panic.service.api.answers import document
from panic.service.api.models import EndAsked, read
from panic.service.audit import Audit
from panic.service.auth import Identity, covers, reach_of
from panic.service.body import read_json
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.room.signing import Signing
from panic.service.sessions import SIGNED, Open

SESSIONS: Final = "/v1/sessions"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session.

    Attributes:
        id: What it is ended by; no cookie follows from it.
        address: From where it was begun.
        groups: Whose accounts it may press; null for every account.
        ends_at: At the latest; it ends before where the token or the grants do.
        may_act: Whether it may do more than look now.
        this: Whether it is the one that asks.
    """

    id: str
    name: str
    issuer: str
    roles: tuple[str, ...]
    groups: tuple[str, ...] | None
    address: str
    began_at: datetime
    ends_at: datetime
    may_act: bool
    this: bool


@dataclass(frozen=True, slots=True)
class SessionRows:
    """The open sessions, newest first: one's own, or with the role resetter those of no further reach."""

    schema: Literal["panic-sessions/1"]
    sessions: tuple[SessionRow, ...]


@dataclass
class SessionList:
    """Lists sessions and ends them."""

    _signing: Signing
    _audit: Audit

    @Operation("GET", SESSIONS, "viewer", {200: SessionRows})
    async def sessions(self, request: web.Request, identity: Identity) -> web.Response:
        """The open sessions: one's own, or with the role resetter those of no further reach."""
        sessions, who = self._signing.sessions, request.get(SIGNED)
        rows = [
            SessionRow(
                one.id,
                one.identity.name,
                one.identity.issuer,
                tuple(sorted(one.identity.roles)),
                None if one.identity.groups is None else tuple(sorted(one.identity.groups)),
                one.session.address,
                one.session.at,
                sessions.ends_at(one.session),
                may_act=sessions.acts_for_s(one.session) > 0,
                this=who is not None and one.session is who.session,
            )
            for one in self._theirs(identity)
        ]
        return document(SessionRows("panic-sessions/1", tuple(reversed(rows))))

    @Operation("POST", f"{SESSIONS}/end", "viewer", {204: None}, (404,), body=EndAsked)
    async def end_session(self, request: web.Request, identity: Identity) -> web.Response:
        """End a session: one's own, or with the role resetter one of no further reach."""
        asked = read(EndAsked, await read_json(request))
        found = next((one for one in self._theirs(identity) if one.id == asked.id), None)
        if found is None:
            raise ProblemError("not_found", "no such session of yours is open", remedy="Look at GET /v1/sessions.")
        if not found.identity.is_same(identity):
            self._signing.require_active(request)
        self._signing.sessions.forget(found.digest)
        self._audit.record_request(request, identity, "session_ended", of=found.identity.name, session=found.id)
        return web.Response(status=204)

    def _theirs(self, identity: Identity) -> list[Open]:
        return [one for one in self._signing.sessions.open() if may_end(identity, one.identity)]


def may_end(mine: Identity, other: Identity) -> bool:
    """Whether somebody may end another's session: their own, or as a person who may reset one of no further reach.

    What another reaches is what they may look at, which every role includes.
    """
    if mine.is_same(other):
        return True
    groups = other.in_role("viewer").groups
    whole = Scope(all=groups is None, groups=tuple(groups or ()))
    return "resetter" in mine.roles and mine.person and covers(reach_of(mine.in_role("resetter"), None), whole)
