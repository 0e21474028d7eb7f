"""The secrets of the hooks: read again while the service runs, and never waited for long."""

import base64
import hmac
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from panic.config import Credential, Hook
from panic.service.hooks import keyring
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.signatures import BEARER, Kind, Secrets, verify
from tests.service.hooks.support import BREACH, HOOKS, NOW, OTHER, SECRET, TOKEN, lists, sign


def hook(file: Path, text: str, **more: Any) -> Hook:
    """A hook whose secret is in a file, before others."""
    file.write_text(text)
    file.chmod(0o600)
    return Hook(secrets=(Credential(file=file), *more.pop("secrets", ())), all=True, **more)


def opens(secrets: Secrets, secret: str = SECRET) -> bool:
    """Whether a call signed with a secret, or bearing it, is let in."""
    headers = sign(BREACH, "msg_1", NOW, secret) if secret != TOKEN else {"authorization": f"Bearer {TOKEN}"}
    return verify(secrets, lists(headers), BREACH, NOW, 5).kind is Kind.AUTHENTIC


def counted(monkeypatch: pytest.MonkeyPatch, go: threading.Event | None = None) -> list[int]:
    """Count how often secrets are read, each time not before it may."""
    times: list[int] = []
    read = keyring.read

    def count(hooks: Mapping[str, Hook], env: Mapping[str, str]) -> Any:
        times.append(1)
        if go is not None:
            go.wait(30)
        return read(hooks, env)

    monkeypatch.setattr(keyring, "read", count)
    return times


async def test_secrets_of_files_and_variables_count(tmp_path: Path):
    """Each opens its own hook and no other."""
    hooks = {
        "one": hook(tmp_path / "a", f"{SECRET}\n", secrets=(Credential(env="ANOTHER"),)),
        "two": hook(tmp_path / "b", TOKEN, scheme=BEARER),
    }
    ring = Keyring({"ANOTHER": OTHER})
    opened = {
        (name, text)
        for name in (*hooks, "three")
        for text in (SECRET, OTHER, TOKEN)
        if opens(await ring.of(hooks, name), text)
    }

    assert {("one", SECRET), ("one", OTHER), ("two", TOKEN)} == opened
    assert () == keyring.read(hooks, {"ANOTHER": OTHER})[1]


async def test_a_new_secret_counts_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And the old one no longer; what was read a moment ago is not read again, unless the settings are others."""
    hooks = {"one": hook(tmp_path / "a", SECRET)}
    ring, slow = Keyring({}, every_s=0), Keyring({}, every_s=60)
    before = await ring.of(hooks, "one")
    (tmp_path / "a").write_text(OTHER)
    after = await ring.of(hooks, "one")
    times = counted(monkeypatch)
    for _ in range(5):
        await slow.of(dict(hooks), "one")
    await slow.of({"renamed": hooks["one"]}, "renamed")

    assert (True, False) == (opens(before), opens(before, OTHER))
    assert (False, True) == (opens(after), opens(after, OTHER))
    assert 2 == len(times)


async def test_what_cannot_be_read_is_told_and_an_older_secret_counts_meanwhile(tmp_path: Path):
    """A weak one is told and used, one that cannot be used opens nothing; neither is printed."""
    hooks = {
        "one": hook(tmp_path / "a", SECRET),
        "two": hook(tmp_path / "b", "no-secret!"),
        "three": hook(tmp_path / "c", "weak", scheme=BEARER),
    }
    ring = Keyring({}, every_s=0)
    await ring.of(hooks, "one")
    (tmp_path / "a").unlink()
    kept = await ring.of(hooks, "one")
    dropped = await ring.of({"one": HOOKS["unset"]}, "one")
    problems = [problem.what for problem in keyring.read(hooks, {})[1]]

    assert (True, False) == (opens(kept), opens(dropped))
    assert [
        "credential 1 of hook one: the key file cannot be read: no such file or directory",
        "secret 1 of hook two is not 'whsec_' and base64 after it",
        "secret 1 of hook three is shorter than 24 bytes",
    ] == problems


async def test_files_that_hang_are_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is known goes on counting, and one thread at most hangs."""
    hooks, go = {"one": hook(tmp_path / "a", SECRET)}, threading.Event()
    ring = Keyring({}, every_s=0, patience_s=0.01)
    while not opens(await ring.of(hooks, "one")):
        pass
    times = counted(monkeypatch, go)
    found = [opens(await ring.of(hooks, "one")) for _ in range(3)]
    go.set()
    await ring.of(hooks, "one")

    assert [True] * 3 == found
    assert 1 <= len(times) <= 2


async def test_a_secret_opens_one_hook_alone(tmp_path: Path):
    """The first that names it; else who may call one could call another, and so could a copy of a call."""
    hooks = {"one": hook(tmp_path / "a", SECRET), "two": hook(tmp_path / "b", SECRET)}
    ring = Keyring({})
    opened = [opens(await ring.of(hooks, name)) for name in hooks]
    problems = [problem.what for problem in keyring.read(hooks, {})[1]]

    assert [True, False] == opened
    assert ["secret 1 of hook two is one of hook one too, and opens that one alone"] == problems


async def test_a_secret_that_the_settings_name_no_more_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """At once, also while files hang; nor does one of another scheme, read as if it were of this one."""
    file, go = tmp_path / "a", threading.Event()
    two = hook(file, TOKEN, scheme=BEARER, secrets=(Credential(env="A"),))
    ring = Keyring({"A": "another-bearer-secret-of-tests"}, every_s=0, patience_s=0.01)
    while not opens(await ring.of({"one": two}, "one"), TOKEN):
        pass
    counted(monkeypatch, go)
    fewer = await ring.of({"one": two.model_copy(update={"secrets": two.secrets[1:]})}, "one")
    other = await ring.of({"one": two.model_copy(update={"scheme": "standard-webhooks"})}, "one")
    go.set()
    content = f"msg_1.{NOW}.".encode() + BREACH
    mac = base64.b64encode(hmac.digest(b"", content, "sha256")).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": f"v1,{mac}"}
    empty = verify(other, lists(headers), BREACH, NOW, 5)

    assert (False, Kind.FORGED) == (opens(fewer, TOKEN), empty.kind)
