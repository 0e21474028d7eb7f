"""The identity provider, asked: only where it says that it is, within bounds, and never in a flood."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from panic.config import Grant, Provider
from panic.service.provider import ProviderClient, ProviderError
from tests.service.room import idp as provider
from tests.service.room.idp import CLIENT, SECRET, Idp

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    async with provider.provider() as made:
        yield made


def client_of(idp: Idp) -> ProviderClient:
    grants = {"desk": Grant(roles=("presser",))}
    return ProviderClient(Provider(issuer=idp.url, client_id=CLIENT, grants=grants), proxy=False)


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "https://user@evil.example/"},
        {"authorization_endpoint": None},
        {"claims_supported": "x" * 300_000},
    ],
)
async def test_a_provider_that_is_another_or_not_private_or_endless_is_not_asked(idp: Idp, said: dict[str, Any]):
    """Nothing beyond where it is."""
    idp.configuration = said
    with pytest.raises(ProviderError):
        await client_of(idp).keys()

    assert [DISCOVERY] == idp.asked


async def test_no_redirect_of_the_provider_is_followed(idp: Idp):
    """It could lead to whoever stands in between."""
    idp.configuration = {"jwks_uri": f"{idp.url}/moved"}
    with pytest.raises(ProviderError, match="answered 307"):
        await client_of(idp).keys()

    assert [DISCOVERY, "/moved"] == idp.asked


async def test_a_provider_that_does_not_answer_is_not_flooded(idp: Idp, monkeypatch: pytest.MonkeyPatch):
    """Strangers who ask again and again within a moment reach it once."""
    monkeypatch.setattr("panic.service.provider._FAILED_S", 1e9)
    idp.is_down, client = True, client_of(idp)
    for _ in range(20):
        with pytest.raises(ProviderError, match="does not answer"):
            await client.endpoints()

    assert {DISCOVERY} == set(idp.asked)
    assert len(idp.asked) <= 2  # a client may repeat a GET once


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_proves_itself_as_the_provider_takes_it(idp: Idp, way: str):
    """In a header, in the form, or not at all where it has no secret: the code's own proof goes along anyway."""
    idp.way, digest = way, hashlib.sha256(b"verifier").digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    idp.codes["code"] = {
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "redirect_uri": "https://panic/back",
        "nonce": "n",
    }
    secret = "" if way == "none" else SECRET

    assert await client_of(idp).redeem("code", "verifier", "https://panic/back", secret)
