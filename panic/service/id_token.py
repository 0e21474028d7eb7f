"""Identity tokens of OpenID Connect: who signed in, by a token that the provider signed. Pure.

joserfc checks signature and claims; here stand the algorithms and the claims that count. It is an extra, so that
nothing else needs it.
"""

import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from panic.config import Provider
from panic.kit.words import clip
from panic.service.auth import Member

ALGORITHMS: Final = ("RS256", "ES256", "PS256")
"""Signatures with a public key, by name: with `none` or an HMAC anybody could write a token."""

SKEW_S: Final = 60
"""How far the provider's clock may be off, seconds."""

_KINDS: Final = ("RSA", "EC")
_SUBJECT_MOST: Final = 255
"""As OpenID Connect has it."""


class TokenError(Exception):
    """An identity token does not prove who signed in; the message says why, and quotes nothing."""


class UnknownKeyError(TokenError):
    """It is signed with a key that is not among these: the provider may have a new one."""


class Proof(NamedTuple):
    """Who signed in, and when they last proved who they are, Unix time; None where the token does not say."""

    member: Member
    proved_at: float | None


def prove(token: str, keys: Mapping[str, Any], provider: Provider, nonce: str, now: float) -> Proof:
    """Check an identity token against the provider's keys (its JWK set) and what was asked for at `now`.

    Raises:
        UnknownKeyError: None of the keys is the one that it names.
        TokenError: It is not valid, not of this provider, not for us or not for this sign-in.
    """
    from joserfc import errors, jwt  # noqa: PLC0415  (an extra)
    from joserfc.jwk import KeySet  # noqa: PLC0415

    must: jwt.ClaimsOption = {"essential": True}
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=SKEW_S,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        sub=must,
        exp=must,
        iat=must,
        nonce=must,
    )
    try:
        found = KeySet.import_key_set({"keys": [key for key in _listed(keys) if key.get("kty") in _KINDS]})
        claims = jwt.decode(token, found, algorithms=ALGORITHMS).claims
        registry.validate(claims)
    except errors.InvalidKeyIdError:
        raise UnknownKeyError("its key is not among the provider's") from None
    except errors.JoseError as error:
        raise TokenError(_words(error)) from None
    except (KeyError, TypeError, ValueError) as error:  # keys or a token that are none
        raise TokenError(f"it cannot be read ({type(error).__name__})") from None
    _require_this_sign_in(claims, provider, nonce)
    return Proof(_member(claims, provider), _time(claims.get("auth_time"), now))


def _listed(keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = keys.get("keys")
    return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []


def _words(error: Any) -> str:
    claim = f" ({error.claim})" if isinstance(getattr(error, "claim", None), str) else ""
    return f"{error.error}{claim}"


def _require_this_sign_in(claims: Mapping[str, Any], provider: Provider, nonce: str) -> None:
    given = claims["nonce"]
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise TokenError("it is for another sign-in (nonce)")
    party = claims.get("azp", provider.client_id)
    is_shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if party != provider.client_id or (is_shared and "azp" not in claims):
        raise TokenError("it was made for another program (azp)")
    if len(claims["sub"]) > _SUBJECT_MOST or not claims["sub"].isprintable():
        raise TokenError("it names nobody (sub)")


def _member(claims: Mapping[str, Any], provider: Provider) -> Member:
    named, groups = claims.get(provider.name_claim), claims.get(provider.groups_claim)
    name = clip(named, 100).strip() if isinstance(named, str) else ""
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    subject = claims["sub"]
    return Member(
        provider.authority,
        provider.issuer,
        subject,
        name or subject,
        frozenset(group for group in listed if isinstance(group, str)),
    )


def _time(given: object, now: float) -> float | None:
    """Give a time that was; None for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if 0 < given <= now + SKEW_S else None
