"""Who sent a call: every signature of the reference signer counts, and nothing else does."""

import base64
import copy
import hmac
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.service.hooks import signatures
from panic.service.hooks.bodies import Meaning, understand
from panic.service.hooks.signatures import BEARER, STANDARD, Kind, Secrets, Verified, flaw, verify, weakness
from tests import ROOT
from tests.service.hooks.support import BREACH, NOW, OTHER, SECRET, TOKEN, lists, sign

HELD = Secrets(STANDARD, [SECRET])
TOLERANCE_S = 300.0


def check(
    headers: dict[str, str], body: bytes | None = BREACH, held: Secrets = HELD, now: float = NOW
) -> Verified:
    """Verify a call whose headers came once each."""
    return verify(held, lists(headers), body, now, TOLERANCE_S)


def raw(id_: str, stamp: str, body: bytes = BREACH) -> dict[str, str]:
    """Sign what the reference signer would not."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id_}.{stamp}.".encode("utf-8", "surrogateescape") + body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": id_, "webhook-timestamp": stamp, "webhook-signature": signature}


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(codec="utf-8")), st.from_regex(signatures._ID, fullmatch=True))
def test_what_the_reference_signer_signs_is_authentic(body: str, id_: str):
    """Whatever the body is."""
    assert Verified(Kind.AUTHENTIC, id_, NOW) == check(sign(body.encode(), id_), body.encode())


def test_the_example_of_the_specification_is_authentic():
    """Its secret, id, timestamp, body and signature are printed there."""
    held = Secrets(STANDARD, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert Kind.AUTHENTIC is check(headers, b'{"test": 2432232314}', held, 1614265330).kind


@pytest.mark.parametrize("signers", [(SECRET,), (OTHER,), (SECRET, OTHER), (OTHER, SECRET)])
def test_while_one_secret_replaces_another_both_count(signers: tuple[str, ...]):
    """On our side, and where the sender signs with both."""
    headers = sign(BREACH, "msg_1", NOW, *signers)

    assert Kind.AUTHENTIC is check(headers, held=Secrets(STANDARD, [SECRET, OTHER])).kind
    assert (SECRET in signers) == (check(headers).kind is Kind.AUTHENTIC)


@pytest.mark.parametrize("text", [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("=")])
def test_a_secret_may_be_spelled_as_the_reference_library_takes_it(text: str):
    """Without its prefix or its padding."""
    assert not flaw(STANDARD, text) + weakness(STANDARD, text)
    assert Kind.AUTHENTIC is check(sign(BREACH), held=Secrets(STANDARD, [text])).kind


@pytest.mark.parametrize(
    ("scheme", "text", "wrong"),
    [
        (STANDARD, "whsec_", "is empty"),
        (STANDARD, "whsec_no base64!", "is not 'whsec_' and base64 after it"),
        (STANDARD, "whsec_é", "is not 'whsec_' and base64 after it"),
        (STANDARD, "whsec_a", "is not 'whsec_' and base64 after it"),
        (BEARER, "anything", ""),
    ],
)
def test_a_secret_that_cannot_be_used_is_told(scheme: str, text: str, wrong: str):
    """In words."""
    assert wrong == flaw(scheme, text)


@pytest.mark.parametrize(("scheme", "text"), [(STANDARD, "whsec_c2hvcnQ="), (BEARER, "short")])
def test_a_short_secret_is_told(scheme: str, text: str):
    """It can be used all the same."""
    assert ("", "is shorter than 24 bytes") == (flaw(scheme, text), weakness(scheme, text))


@pytest.mark.parametrize("off_s", [-301, -300, 0, 300, 301])
def test_the_clocks_may_differ_by_the_tolerance(off_s: int):
    """In both directions, and not by a second more."""
    verified = check(sign(BREACH, at=NOW + off_s))

    assert (Kind.AUTHENTIC if abs(off_s) <= TOLERANCE_S else Kind.LATE) is verified.kind
    assert ("msg_1", NOW + off_s) == (verified.id, verified.timestamp)


@pytest.mark.parametrize(
    "stamp", ["", "0", "-1", "1e9", "1800000000.0", "01800000000", "\uff11\uff18\uff10\uff10", "nan", "9" * 13]
)
def test_a_timestamp_is_a_plain_number(stamp: str):
    """What the reference reads as a float is well signed and refused."""
    assert Kind.MALFORMED is check(raw("msg_1", stamp)).kind


@pytest.mark.parametrize("id_", ["", "a.b", "a b", "é", "a\tb", "\udcff", "x" * 256])
def test_an_id_is_plain_and_bounded(id_: str):
    """A dot would let one call be read as another; what is well signed is told from what is forged."""
    assert Kind.MALFORMED is check(raw(id_, str(NOW))).kind


def test_the_parts_of_a_call_cannot_be_shifted():
    """What is signed for one id, time and body counts for no other split of the same text."""
    headers = raw("a", str(NOW), b"1.2")
    shifted = headers | {"webhook-id": f"a.{NOW}", "webhook-timestamp": "1"}

    assert Kind.AUTHENTIC is check(headers, b"1.2").kind
    assert Kind.MALFORMED is check(shifted, b"2").kind


def _with_signature(value: str, headers: dict[str, str]) -> dict[str, str]:
    return headers | {"webhook-signature": value}


def _mutations() -> dict[str, Callable[[dict[str, str]], dict[str, str]]]:
    signature = sign(BREACH)["webhook-signature"]
    found: dict[str, str] = {
        "missing": "",
        "no version": signature.removeprefix("v1,"),
        "another version": signature.replace("v1,", "v2,"),
        "asymmetric": signature.replace("v1,", "v1a,"),
        "upper case": signature.replace("v1", "V1"),
        "no padding": signature.rstrip("="),
        "other last bits": f"{signature[:-2]}{chr(ord(signature[-2]) + 1)}=",
        "urlsafe": signature.replace("+", "-").replace("/", "_") + "-",
        "a comma more": signature.replace(",", ",,"),
        "a comma between": f"v1,AAAA,{signature[3:]}",
        "seventeen": " ".join(["v1,AAAA"] * 16 + [signature]),
        "long": "v1,AAAA " * 1000 + signature,
        "not ASCII": "v1,é",
        "a lone surrogate": "v1,\ud800",
        "truncated": signature[:-1],
    }
    changes: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
        name: partial(_with_signature, value) for name, value in found.items()
    }
    changes["another id"] = lambda headers: headers | {"webhook-id": "msg_2"}
    changes["another time"] = lambda headers: headers | {"webhook-timestamp": str(NOW + 1)}
    changes["no headers"] = lambda _: {}
    changes["the secret as bearer"] = lambda _: {"authorization": f"Bearer {SECRET}"}
    return changes


@pytest.mark.parametrize("change", _mutations().values(), ids=_mutations())
def test_what_is_not_signed_exactly_is_forged(change: Callable[[dict[str, str]], dict[str, str]]):
    """One signature has one spelling."""
    assert Verified(Kind.FORGED) == check(change(sign(BREACH)))


def test_another_body_is_forged():
    """Also one that did not arrive."""
    assert Kind.FORGED is check(sign(BREACH), BREACH + b" ").kind
    assert Kind.FORGED is check(sign(b""), None).kind


def test_a_header_that_comes_twice_says_nothing():
    """Two readers could believe two different ones."""
    for name in sign(BREACH):
        headers = lists(sign(BREACH))
        headers[name] *= 2

        assert Kind.FORGED is verify(HELD, headers, BREACH, NOW, TOLERANCE_S).kind


def test_two_thousand_mutations_are_forged():
    """A byte changed, dropped or added anywhere in headers or body."""
    rng, genuine, passed = random.Random(4), sign(BREACH), 0
    for _ in range(2000):
        headers, body = dict(genuine), bytearray(BREACH)
        name = rng.choice([*headers, "body"])
        if name == "body":
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        else:
            at, value = rng.randrange(len(headers[name])), headers[name]
            headers[name] = value[:at] + rng.choice(["", "0", "A", ".", ",", " "]) + value[at + rng.randrange(2) :]
        if body == BREACH and _has_the_signature(headers, genuine):
            continue
        passed += check(headers, bytes(body)).kind is not Kind.FORGED

    assert 0 == passed


def _has_the_signature(headers: dict[str, str], genuine: dict[str, str]) -> bool:
    """Whether only something was added beside the genuine signature, which stays authentic."""
    rest = {name: value for name, value in headers.items() if name != "webhook-signature"}
    return rest.items() <= genuine.items() and genuine["webhook-signature"] in headers["webhook-signature"].split(
        " "
    )


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "authorization"]),
        st.lists(st.text(), max_size=2),
    ),
    st.none() | st.binary(),
    st.sampled_from([HELD, Secrets(BEARER, [TOKEN])]),
)
def test_nothing_makes_it_raise(headers: dict[str, list[str]], body: bytes | None, held: Secrets):
    """And nothing that was made up is authentic."""
    assert Kind.FORGED is verify(held, headers, body, NOW, TOLERANCE_S).kind


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}"])
def test_a_bearer_secret_is_authentic(header: str):
    """Without an id or a time; any of several secrets counts."""
    held = Secrets(BEARER, ["an-older-one-for-the-rotation", TOKEN])

    assert Verified(Kind.AUTHENTIC) == check({"authorization": header}, None, held)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} ", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_another_authorization_is_forged(header: str):
    """Exactly the secret counts."""
    assert Verified(Kind.FORGED) == check({"authorization": header}, held=Secrets(BEARER, [TOKEN]))


def test_a_signature_does_not_open_a_hook_for_bearers():
    """A secret is of one scheme."""
    assert Kind.FORGED is check(sign(BREACH), held=Secrets(BEARER, [SECRET])).kind


def test_secrets_cannot_be_printed():
    """Neither they nor what is made of them."""
    printed = f"{HELD} {HELD!r} {copy.copy(HELD)} {dir(HELD)}"

    assert SECRET not in printed
    assert "not-a-real-key" not in printed


@pytest.mark.skipif(not shutil.which("openssl"), reason="the example of the docs needs openssl")
def test_the_docs_sign_by_hand_what_is_authentic(tmp_path: Path):
    """As it stands there, with a `curl` that prints what it is given."""
    page = (ROOT / "docs" / "hooks.md").read_text()
    script = page.partition("<!-- by hand: begin -->\n```sh\n")[2].partition("```")[0]
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    curl = 'curl() { printf "%s\\n" "$@"; }\n'
    script = script.replace("/etc/panic/hook-desk.secret", str(tmp_path / "secret"))
    done = subprocess.run(["sh", "-ec", curl + script], capture_output=True, text=True, check=True, timeout=30)
    words = done.stdout.splitlines()
    body = words[words.index("--data-raw") + 1].encode()
    headers = dict(word.split(": ", 1) for word in words if word.startswith("webhook-"))

    assert Kind.AUTHENTIC is check(headers, body, now=int(headers["webhook-timestamp"])).kind
    assert Meaning.TEST is understand(body).meaning
