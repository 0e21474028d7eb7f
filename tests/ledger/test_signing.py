"""Signed heads: what stands beside the ledger, and whom it convinces."""

import subprocess
from base64 import b64decode
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from panic.config import LedgerFiles
from panic.kit.errors import UsageError
from panic.ledger import signing
from panic.ledger.events import GENESIS, Head
from tests.ledger.support import begun


def key_in(file: Path) -> Path:
    """A key of its own; its public half stands beside it, as FILE.pub."""
    made = Ed25519PrivateKey.generate()
    file.touch(mode=0o600)
    file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.with_name(f"{file.name}.pub").write_bytes(public)
    return file


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFiles:
    return LedgerFiles(file=tmp_path / "ledger.db", signing_key=key_in(tmp_path / "key"))


def heads_of(ledger: LedgerFiles, count: int = 2) -> list[Head]:
    """So many heads, each signed."""
    assert ledger.file is not None
    assert ledger.signing_key is not None
    with closing(begun(ledger.file, 1)) as store:
        heads = [Head(n, store.append([]).hash) for n in range(1, count + 1)]
    for head in heads:
        signing.sign(ledger.file, ledger.signing_key, head)
    return heads


def test_heads_are_signed_in_a_file_that_openssl_checks_too(ledger: LedgerFiles, tmp_path: Path):
    """Whoever has the public key alone can check them."""
    heads = heads_of(ledger)
    lines = (tmp_path / "ledger.db.heads").read_text().splitlines()
    text, _, signature = lines[0].partition(" ")
    (tmp_path / "text").write_text(text)
    (tmp_path / "signature").write_bytes(b64decode(signature))
    check = ("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pub")
    done = subprocess.run(
        [*check, "-in", "text", "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False
    )

    assert 0o600 == (tmp_path / "ledger.db.heads").stat().st_mode & 0o777
    assert heads == signing.signed_beside(ledger) == signing.signed(lines, tmp_path / "key.pub")
    assert b"Success" in done.stdout


def test_what_the_key_did_not_sign_counts_for_nothing(ledger: LedgerFiles, tmp_path: Path):
    """Another key's, one that was moved to another head, and what is no head at all."""
    (first, second), file = heads_of(ledger), tmp_path / "ledger.db.heads"
    lines = file.read_text().splitlines()
    moved = f"{second} {lines[0].partition(' ')[2]}"
    odd = [moved, "", "7:xy z", f"{GENESIS} !!", f"{GENESIS}", "\0" * 9]

    assert [first] == signing.signed([*odd, lines[0]], tmp_path / "key")
    assert [] == signing.signed(lines, key_in(tmp_path / "other"))
    file.unlink()
    assert [] == signing.signed_beside(ledger) == signing.signed_beside(LedgerFiles(file=ledger.file))


def test_a_key_that_cannot_be_used_is_said_and_one_that_others_can_read(ledger: LedgerFiles, tmp_path: Path):
    """With what to do; a public key signs nothing."""
    key, rsa = tmp_path / "key", generate_private_key(65537, 2048)
    (tmp_path / "rsa").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for name, words in (("none", "cannot be read"), ("rsa", "is no Ed25519 key"), ("key.pub", "is a public key")):
        (found,) = signing.problems(LedgerFiles(signing_key=tmp_path / name))
        assert words in found.what
    with pytest.raises(UsageError, match="is no Ed25519 key"):
        signing.signed([], tmp_path / "rsa")
    assert [] == [*signing.problems(LedgerFiles()), *signing.problems(ledger)]
    key.chmod(0o640)

    assert ["others than its owner can read the key"] == [one.what for one in signing.problems(ledger)]
