"""The files that are panic's own: they are never overwritten, and service and shell should share them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from panic.config.settings import Settings
from panic.kit.errors import UsageError
from panic.kit.words import clip

CALENDAR, CLOCK, PACE, SELF_TEST = "calendar.json", "clock.json", "pace.json", "selftest.json"
"""What is kept beside the ledger."""

_OF_LEDGER = ("", "-wal", "-shm", "-journal", ".heads")


def own_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Give every file that panic reads or keeps, whether it exists or not, each after a short description."""
    yield from ((what, file) for what, file in _named(settings) if file is not None)


def _named(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    yield "the settings", settings.file
    yield "the roster", settings.roster.file
    yield "[broker] ca_file", settings.broker.ca_file
    yield "[service] tls_certificate", settings.service.tls_certificate
    yield "[service] tls_key", settings.service.tls_key
    yield "[ledger] signing_key", settings.ledger.signing_key
    yield "[service] tls_client_ca", settings.service.tls_client_ca
    for name, credential in settings.credentials.items():
        yield f"the secret of [credentials.{name}]", credential.file
    for name, hook in settings.hooks.items():
        yield from ((f"the secret of [hooks.{name}]", place.file) for place in hook.secrets)
    for name, channel in settings.channels.items():
        yield f"the secret of [notify.{name}]", channel.url.file
    if settings.identity and settings.identity.client_secret:
        yield "the secret of [identity]", settings.identity.client_secret.file
    if (ledger := settings.ledger.file) is not None:
        yield from (("the ledger", ledger.with_name(ledger.name + end)) for end in _OF_LEDGER)
        beside = (CALENDAR, CLOCK, PACE, SELF_TEST)
        yield from (("kept beside the ledger", ledger.with_name(name)) for name in beside)
    if (latch := settings.latch.file) is not None:
        yield from (("the latch", latch.with_name(latch.name + end)) for end in ("", ".lock"))


def shared(settings: Settings) -> Iterator[tuple[str, str, Path]]:
    """Give the pairs of panic's own files that are one file, by name or by link. It may hang with a disk."""
    seen: dict[str, str] = {}
    for what, file in own_files(settings):
        place = os.path.realpath(file).casefold()
        kind = what.partition(" of ")[0]  # hooks may share a secret
        if seen.setdefault(place, kind) != kind:
            yield seen[place], what, file


def refuse_own(path: Path, settings: Settings, word: str) -> None:
    """Raise a UsageError where a file to write, named by `word`, is panic's own. It may hang with a disk."""
    for what, file in own_files(settings):
        if is_same(path, file):
            place = "" if os.fspath(path) == os.fspath(file) else f", {clip(str(file))}"
            raise UsageError(f"{word} {clip(str(path))} is {what}{place}: panic's own. Name a new file")


def is_same(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, or would if it were there; links and case make no difference."""
    try:
        if os.path.realpath(one).casefold() == os.path.realpath(other).casefold():  # some disks know no case
            return True
        return one.samefile(other)
    except (OSError, ValueError):  # one is not there, or no name at all
        return False


def fingerprints(settings: Settings) -> dict[str, str]:
    """Give ledger and latch fingerprints: equal for the same file, and revealing nothing else.

    By the folder's identity, so that mounts and links make no difference. It may hang with a disk.
    """
    files = {"ledger": settings.ledger.file, "latch": settings.latch.file}
    return {what: _fingerprint(file) for what, file in files.items() if file is not None}


def _fingerprint(file: Path) -> str:
    real, place = file.absolute(), ""
    with suppress(OSError, ValueError):  # no folder, or no name at all
        real = Path(os.path.realpath(file))
        folder = real.parent.stat()
        place = f"{folder.st_dev} {folder.st_ino}"
    place = place or str(real.parent)
    return hashlib.sha256(os.fsencode(f"{place} {real.name}")).hexdigest()[:16]
