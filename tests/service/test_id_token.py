"""What an identity token proves, and that no forger's proves anything."""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA512
from joserfc import jwt
from joserfc.jwk import OctKey

from panic.config import Grant, Provider
from panic.service.id_token import ALGORITHMS, Proof, TokenError, UnknownKeyError, prove
from panic.service.room.begun import base64url
from tests.service.room.idp import CURVE, KEY, OTHER

NOW = 1_800_000_000
ISSUER = "https://login.example.com"
PROVIDER = Provider(issuer=ISSUER, client_id="panic", grants={"desk": Grant(roles=("presser",))})
Sign = Callable[[dict[str, Any]], str]


def signed(alg: str = "RS256", kid: str = "one", key: Any = KEY) -> Sign:
    """Sign as a library does."""
    return lambda claims: jwt.encode({"alg": alg, "kid": kid}, claims, key, algorithms=[alg])


def by_hand(header: dict[str, str], sign: Callable[[bytes], bytes]) -> Sign:
    """Sign as no library would."""

    def make(claims: dict[str, Any]) -> str:
        words = b".".join(base64url(json.dumps(part).encode()).encode() for part in (header, claims))
        return f"{words.decode()}.{base64url(sign(words))}"

    return make


def with_the_public_key(words: bytes) -> bytes:
    """The old confusion: the public key, which everybody has, as the secret of an HMAC."""
    return hmac.digest(KEY.as_pem(private=False), words, "sha256")


def rs512(words: bytes) -> bytes:
    assert KEY.private_key is not None
    return KEY.private_key.sign(words, PKCS1v15(), SHA512())


@dataclass
class Forgery:
    """A token that says something else, is signed otherwise, or is to be checked with other keys."""

    said: Mapping[str, Any] = field(default_factory=dict)
    sign: Sign = field(default_factory=signed)
    keys: list[Any] = field(default_factory=lambda: [KEY.as_dict(private=False)])

    def prove(self) -> Proof:
        """Check it."""
        must = {"iss": ISSUER, "aud": "panic", "sub": "u-1", "exp": NOW + 300, "iat": NOW, "nonce": "n"}
        claims = {name: value for name, value in {**must, **self.said}.items() if value is not None}
        return prove(self.sign(claims), {"keys": self.keys}, PROVIDER, "n", NOW)


SHARED = OctKey.import_key("s" * 32, {"kid": "one"})
FORGED = {
    "nonce": Forgery({"nonce": "another"}),
    "no nonce": Forgery({"nonce": None}),
    "issuer": Forgery({"iss": "https://evil.example"}),
    "no issuer": Forgery({"iss": None}),
    "audience": Forgery({"aud": "another"}),
    "no audience": Forgery({"aud": None}),
    "two audiences": Forgery({"aud": ["panic", "another"]}),
    "another party": Forgery({"aud": ["panic", "another"], "azp": "another"}),
    "expired": Forgery({"exp": NOW - 3600}),
    "no expiry": Forgery({"exp": None}),
    "expiry is no number": Forgery({"exp": float("nan")}),
    "not yet": Forgery({"nbf": NOW + 3600}),
    "issued in the future": Forgery({"iat": NOW + 3600}),
    "nobody": Forgery({"sub": ""}),
    "no subject": Forgery({"sub": None}),
    "alg none": Forgery(sign=by_hand({"alg": "none"}, lambda _: b"")),
    "alg HS256 with the public key": Forgery(sign=by_hand({"alg": "HS256", "kid": "one"}, with_the_public_key)),
    "alg HS256 with a key it published": Forgery(
        sign=signed("HS256", key=SHARED), keys=[SHARED.as_dict(private=True)]
    ),
    "alg RS512": Forgery(sign=by_hand({"alg": "RS512", "kid": "one"}, rs512)),
    "another's key": Forgery(sign=signed(key=OTHER)),
    "no token": Forgery(sign=lambda _: "x.y.z"),
    "no JSON": Forgery(sign=lambda _: ""),
    "no keys": Forgery(keys=[]),
    "odd keys": Forgery(keys=[7, {}, {"kty": "RSA"}, {"kty": 7}]),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_token_that_proves_nothing_is_refused(forged: str):
    """Whatever is wrong with it, the words quote nothing."""
    with pytest.raises(TokenError) as refused:
        FORGED[forged].prove()

    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(("alg", "key"), [("RS256", KEY), ("PS256", OTHER), ("ES256", CURVE)])
def test_a_token_of_a_key_that_is_published_proves_who_signed_in(alg: str, key: Any):
    """By each of the algorithms that count; a key that is not among these may be a new one."""
    sign = signed(alg, str(key.kid), key)
    found = Forgery({"groups": "desk"}, sign, [key.as_dict(private=False)]).prove()

    assert alg in ALGORITHMS
    assert ("u-1", frozenset({"desk"}), None) == (found.member.subject, found.member.groups, found.proved_at)
    if key is not KEY:
        with pytest.raises(UnknownKeyError):
            Forgery(sign=sign).prove()


@pytest.mark.parametrize(
    ("said", "proved_at"), [(NOW - 9, NOW - 9), (NOW + 61, None), (0, None), (True, None), ("now", None)]
)
def test_when_somebody_proved_who_they_are_is_a_time_that_was(said: object, proved_at: float | None):
    """One that is still to come, or is no number, proves nothing."""
    assert proved_at == Forgery({"auth_time": said}).prove().proved_at
