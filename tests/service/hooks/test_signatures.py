"""Who sent a call: every signature of the reference signer counts, and nothing else does."""

import base64
import copy
import hmac
import shutil
import subprocess
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


@pytest.mark.parametrize("signers", [(SECRET,), (OTHER,), (SECRET, OTHER), (OTHER, SECRET)])
def test_while_one_secret_replaces_another_both_count(signers: tuple[str, ...]):
    """On our side, and where the sender signs with both."""
    headers = sign(BREACH, "msg_1", NOW, *signers)

    assert Kind.AUTHENTIC is check(headers, held=Secrets(STANDARD, [SECRET, OTHER])).kind
    assert (SECRET in signers) == (check(headers).kind is Kind.AUTHENTIC)


SHORT, ODD = "is shorter than 24 bytes", "is not 'whsec_' and base64 after it"


@pytest.mark.parametrize(
    ("scheme", "text", "wrong"),
    [
        *((STANDARD, text, ("", "")) for text in (SECRET.removeprefix("whsec_"), SECRET.rstrip("="))),
        *((STANDARD, text, (ODD, SHORT)) for text in ("whsec_", "whsec_é", "whsec_a")),
        (STANDARD, "whsec_c2hvcnQ=", ("", SHORT)),
        (BEARER, "short", ("", SHORT)),
    ],
)
def test_what_is_wrong_with_a_secret_is_told(scheme: str, text: str, wrong: tuple[str, str]):
    """A short one can be used all the same, and one without prefix or padding, as in the reference library."""
    is_authentic = check(sign(BREACH), held=Secrets(STANDARD, [text])).kind is Kind.AUTHENTIC

    assert wrong == (flaw(scheme, text), weakness(scheme, text))
    assert is_authentic == (wrong == ("", ""))


@pytest.mark.parametrize("off_s", [-301, -300, 0, 300, 301])
def test_the_clocks_may_differ_by_the_tolerance(off_s: int):
    """In both directions, and not by a second more."""
    verified = check(sign(BREACH, at=NOW + off_s))

    assert (Kind.AUTHENTIC if abs(off_s) <= TOLERANCE_S else Kind.LATE) is verified.kind
    assert ("msg_1", NOW + off_s) == (verified.id, verified.timestamp)


@pytest.mark.parametrize(
    ("id_", "stamp"),
    [
        *(
            ("msg_1", one)
            for one in ("", "0", "-1", "1e9", "1800000000.0", "01800000000", "\uff11", "nan", "9" * 13)
        ),
        *((one, str(NOW)) for one in ("", "a.b", "a b", "é", "a\tb", "\udcff", "x" * 256)),
    ],
)
def test_id_and_timestamp_are_plain_and_bounded(id_: str, stamp: str):
    """A dot would let one call be read as another; what is well signed is told from what is forged."""
    assert Kind.MALFORMED is check(raw(id_, stamp)).kind


SIGNATURE = sign(BREACH)["webhook-signature"]


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": "", "authorization": f"Bearer {SECRET}"},
        *(
            {"webhook-signature": one}
            for one in (
                SIGNATURE.removeprefix("v1,"),
                SIGNATURE.replace("v1,", "v2,"),
                SIGNATURE.replace("v1,", "v1a,"),
                SIGNATURE.replace("v1", "V1"),
                SIGNATURE.rstrip("="),
                f"{SIGNATURE[:-2]}{chr(ord(SIGNATURE[-2]) + 1)}=",
                f"v1,AAAA,{SIGNATURE[3:]}",
                " ".join(["v1,AAAA"] * 16 + [SIGNATURE]),
                "v1,AAAA " * 1000 + SIGNATURE,
                "v1,é",
                "v1,\ud800",
            )
        ),
    ],
)
def test_what_is_not_signed_exactly_is_forged(change: dict[str, str]):
    """One signature has one spelling; and so is another body, or one that did not arrive."""
    assert Verified(Kind.FORGED) == check(sign(BREACH) | change)
    assert Kind.FORGED is check(sign(BREACH), BREACH + b" ").kind
    assert Kind.FORGED is check(sign(b""), None).kind


def test_a_header_that_comes_twice_says_nothing():
    """Two readers could believe two different ones."""
    for name in sign(BREACH):
        headers = lists(sign(BREACH))
        headers[name] *= 2

        assert Kind.FORGED is verify(HELD, headers, BREACH, NOW, TOLERANCE_S).kind


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


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        *((one, Kind.AUTHENTIC) for one in (f"Bearer {TOKEN}", f"BEARER  {TOKEN}")),
        *((one, Kind.FORGED) for one in ("", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} ", "Bearer é")),
        (f"Bearer {TOKEN[:-1]}", Kind.FORGED),
    ],
)
def test_a_bearer_secret_is_exactly_one_of_several(header: str, kind: Kind):
    """Without an id or a time."""
    held = Secrets(BEARER, ["an-older-one-for-the-rotation", TOKEN])

    assert Verified(kind) == check({"authorization": header}, None, held)


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
