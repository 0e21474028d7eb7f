"""Heads signed with Ed25519: who can write the ledger, but not read the key, cannot make another history of it.

Each stands in a line of a file beside the ledger: the head, a blank, and the signature of its text in base64.
`openssl pkeyutl -verify -rawin` checks it as well.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from panic.config import LedgerFiles
from panic.kit.errors import Problem, UsageError
from panic.kit.files import open_to_others, read_regular, why
from panic.kit.words import clip
from panic.ledger.events import Head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# The library is an extra, and takes a tenth of a second to import.
# ruff: noqa: PLC0415

_LARGEST = 1 << 16
"""Bytes of a key's file."""


def beside(ledger: Path) -> Path:
    """Name the file of a ledger's signed heads."""
    return ledger.with_name(f"{ledger.name}.heads")


def problems(ledger: LedgerFiles) -> Iterator[Problem]:
    """Say why heads cannot be signed, or who else could sign them."""
    if (key := ledger.signing_key) is None:
        return
    try:
        _private(key)
    except UsageError as error:
        yield Problem(str(error), "Correct it, or signing_key in [ledger]; runs go on without.", key)
    else:
        yield from open_to_others(key)


def sign(ledger: Path, key: Path, head: Head) -> str:
    """Put a signed head beside a ledger; give its line."""
    line = f"{head} {b64encode(_private(key).sign(str(head).encode())).decode()}"
    with open(beside(ledger), "a", encoding="ascii", opener=partial(os.open, mode=0o600)) as stream:
        stream.write(f"{line}\n")
    return line


def signed(lines: Iterable[str], key: Path) -> list[Head]:
    """Give the heads whose signatures are right, by a private or a public key; the others are left out."""
    from cryptography.exceptions import InvalidSignature

    found, heads = _key(key), list[Head]()
    public = found.public_key() if hasattr(found, "public_key") else found
    for line in lines:
        text, _, signature = line.strip().partition(" ")
        with suppress(ValueError, InvalidSignature):
            head = Head.parse(text)
            public.verify(b64decode(signature, validate=True), str(head).encode())
            heads.append(head)
    return heads


def signed_beside(ledger: LedgerFiles) -> list[Head]:
    """Give the heads beside a ledger that its key has signed; none without a key, or where nothing can be read."""
    with suppress(OSError, UsageError):
        if ledger.signing_key is not None and ledger.file is not None:
            with beside(ledger.file).open(encoding="ascii", errors="replace") as lines:
                return signed(lines, ledger.signing_key)
    return []


def _private(file: Path) -> "Ed25519PrivateKey":
    found = _key(file)  # it says where the library is missing
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(found, Ed25519PrivateKey):
        return found
    raise UsageError(f"{clip(str(file))} is a public key: give the private one")


def _key(file: Path) -> "Ed25519PrivateKey | Ed25519PublicKey":
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UsageError("signed heads need a library: install panic[sign]") from None
    try:
        text, _ = read_regular(file, _LARGEST)
    except OSError as error:
        raise UsageError(f"the key {clip(str(file))} cannot be read: {why(error)}") from None
    loads = (partial(serialization.load_pem_private_key, password=None), serialization.load_pem_public_key)
    for load in loads:
        with suppress(ValueError, TypeError):  # it is of the other kind, or has a password
            found = load(text)
            if isinstance(found, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
                return found
    raise UsageError(f"{clip(str(file))} is no Ed25519 key in PEM: openssl genpkey -algorithm ed25519 -out FILE")
