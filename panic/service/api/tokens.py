"""The tokens that let somebody in, and when each was used: what is not used any more can go."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from aiohttp import web

from panic.config import Settings, Token
from panic.service.api.answers import document
from panic.service.auth import Identity
from panic.service.operations import Operation

_SHOWN: Final = len("sha256:") + 8


@dataclass(frozen=True, slots=True)
class ValueView:
    """One value of a token: the beginning of its digest, and when it was last used since the service started."""

    digest: str
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenView:
    """What a token allows, and when; why it does `not_count` now, empty if it does."""

    name: str
    roles: tuple[str, ...]
    groups: tuple[str, ...] | None
    person: bool
    not_before: datetime | None
    expires: datetime | None
    not_count: str
    values: tuple[ValueView, ...]


@dataclass(frozen=True, slots=True)
class TokensView:
    """The tokens of the settings; uses are known since this service started."""

    schema: Literal["panic-tokens/1"]
    since: datetime
    tokens: tuple[TokenView, ...]


@dataclass
class Tokens:
    """Notes which tokens are used, and lists them."""

    _settings: Callable[[], Settings]
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))
    _used: dict[str, datetime] = field(default_factory=dict)

    def note(self, identity: Identity) -> None:
        """Note that somebody used a token, or a session that stands for one."""
        if identity.digest:
            self._used[identity.digest] = datetime.now(UTC)

    @Operation("GET", "/v1/tokens", "viewer", {200: TokensView})
    async def tokens(self, _: web.Request, identity: Identity) -> web.Response:
        """The tokens, and when each was last used. Programs, and who is limited to groups, see their own."""
        tokens = self._settings().tokens
        sees_all = identity.person and identity.groups is None
        shown = {name: one for name, one in tokens.items() if sees_all or identity.digest in one.digest}
        return document(TokensView("panic-tokens/1", self._since, tuple(self._viewed(shown.items()))))

    def _viewed(self, tokens: Iterable[tuple[str, Token]]) -> Iterable[TokenView]:
        now = datetime.now(UTC)
        for name, one in tokens:
            values = tuple(ValueView(digest[:_SHOWN], self._used.get(digest)) for digest in one.digest)
            when = (one.not_before, one.expires, one.refusal(now))
            yield TokenView(name, one.roles, one.groups, one.person, *when, values)
