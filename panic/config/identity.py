"""The section [identity]: the firm's identity provider, and what its groups may do here."""

from typing import Annotated

from pydantic import Field, field_validator

from panic.config.address import is_safe_address
from panic.config.sections import Credential, MistakeError, Section
from panic.config.service import Items, Role

_Text = Annotated[str, Field(min_length=1, max_length=200)]
_SCOPE = r"^[!#-\[\]-~]+$"
"""As RFC 6749 has it."""


class Grant(Section):
    """What whoever is in one group of the provider may do."""

    roles: Items[Role] = Field(min_length=1, description='Give roles = ["viewer"], or "presser", or "resetter"')
    """What it allows. No default: a right is given, not assumed. Each of them may look."""

    groups: Items[_Text] | None = Field(default=None, min_length=1)
    """The groups of the roster whose accounts these roles are for. Default: every account."""


class Provider(Section):
    """Where people sign in with OpenID Connect. A section with a mistake is left out whole."""

    issuer: str = Field(
        description='Give the address of the provider, such as issuer = "https://login.example.com"'
    )
    """Its address, exactly as it names itself. No default. Its configuration is read from below it."""

    client_id: str = Field(min_length=1, max_length=200, description='Give client_id = "panic", as it is there')
    """What panic is called there. No default. A token that was made for another program is refused."""

    client_secret: Credential | None = Field(
        default=None,
        repr=False,  # somebody will paste the secret itself
        description='Give a place, such as client_secret = { file = "FILE" } or { env = "VARIABLE" }',
    )
    """Where the client's secret is. Default: none, for a public client. The code's proof (PKCE) is sent anyway."""

    scopes: Items[Annotated[str, Field(pattern=_SCOPE)]] = ("profile", "email")
    """What is asked for beside openid. Default: profile, email. Some providers tell groups only if asked for."""

    groups_claim: str = Field(default="groups", min_length=1)
    """Where the identity token lists somebody's groups. Default: groups."""

    name_claim: str = Field(default="preferred_username", min_length=1)
    """Where it names them, for people who read the record. Default: preferred_username; without it, sub."""

    fresh_s: float = Field(default=300.0, ge=30, le=3600)
    """Seconds since somebody proved who they are until a reset asks for that anew. Default: 300."""

    grants: dict[str, Grant] = Field(
        min_length=1, description='Add [identity.grants."GROUP"] and its roles below it'
    )
    """What each group of the provider allows. No default: whoever is in none of them is not let in."""

    @property
    def authority(self) -> tuple[str, str, str]:
        """By whose word, to whom, and by which claim people are in groups: with another they sign in anew."""
        return self.issuer, self.client_id, self.groups_claim

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, issuer: str) -> str:
        if "?" in issuer or not is_safe_address(issuer):
            raise MistakeError(
                "it must begin with https:// and have no query", "Write it as the provider names itself", "issuer"
            )
        return issuer
