"""`panic init`: from nothing to a press that would work, in one command, and never over a file."""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from panic.cli import init
from panic.simulator import Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import KEY, account, contents, names, simulate

NAMES = {1: "Momentum, US", 2: 'The "hedge"', 3: "Closed one"}


@pytest.fixture
def broker() -> Iterator[Simulator]:
    """A broker with two active accounts and one that is closed."""
    accounts = [account(id_, name=name, status="CLOSED" if id_ == 3 else "ACTIVE") for id_, name in NAMES.items()]
    with beside(simulate(*accounts)) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\n"))


def words(folder: Path, url: str, *more: str) -> tuple[str, ...]:
    """Type it for settings in a folder that is not there yet."""
    return ("--config", str(folder / "panic.toml"), "init", "--base-url", url, *more)


def test_a_firm_is_ready_for_a_press(tmp_path: Path, broker: Simulator):
    """Settings, key, roster and latch are there, for their owner alone, and check agrees."""
    folder = tmp_path / "new"
    done = typed(*words(folder, broker.base_url, "--contact", 'the "desk"'))
    checked = typed("--config", str(folder / "panic.toml"), "check")
    latched = typed("--config", str(folder / "panic.toml"), "latch")

    assert (0, 0, 0) == (done.code, checked.code, latched.code), done.err + checked.err
    assert [] == [one for one in ("accounts.csv", "panic.key", "panic.toml", "panic.latch") if one not in done.out]
    assert f"accounts.csv, 2 accounts of {broker.base_url}\n" in done.out
    assert done.out.endswith(f"next: panic --config {folder}/panic.toml check\n")
    rows = ["id,name,group,owner,priority", '1,"Momentum, US",,,', '2,"The ""hedge""",,,']
    assert rows == (folder / "accounts.csv").read_text().splitlines()
    modes = {
        name: stat.S_IMODE((folder / name).stat().st_mode) for name in ("panic.key", "panic.toml", "accounts.csv")
    }
    assert {0o600} == set(modes.values())
    assert KEY not in done.out + done.err


def test_what_is_there_is_never_written_over(tmp_path: Path, broker: Simulator):
    """Settings that are there end it; a key or a roster that is there is kept and used."""
    (tmp_path / "panic.key").write_text(KEY)
    (tmp_path / "accounts.csv").write_text("id\n1\n")
    before = contents(tmp_path)
    first, after = typed(*words(tmp_path, broker.base_url, "--key", "/nowhere")), contents(tmp_path)
    second = typed(*words(tmp_path, broker.base_url))

    assert (0, 64) == (first.code, second.code)
    assert before.items() <= after.items()
    assert 2 == first.out.count("kept  ")
    assert f"{tmp_path}/panic.toml is there already, and stays as it is." in second.err
    assert after == contents(tmp_path)


@pytest.mark.parametrize(
    ("key", "url", "said"),
    [
        ("another.key-that-the-broker-does-not-know", "BROKER", "did not list its accounts for this key: "),
        (KEY, "http://127.0.0.1:1", "did not list its accounts for this key: "),
        (KEY, "EMPTY", "it shows none that is active"),
        ("", "BROKER", "the key on standard input is empty"),
        ("two words", "BROKER", "the key on standard input holds a blank"),
        (KEY, "http://evil.example", "base_url"),
    ],
)
def test_what_cannot_work_makes_nothing(
    tmp_path: Path, broker: Simulator, monkeypatch: pytest.MonkeyPatch, key: str, url: str, said: str
):
    """A wrong key or address is found at once, and not by the first press."""
    monkeypatch.setattr("sys.stdin", io.StringIO(key))
    with beside(simulate()) as nobody:
        url = {"BROKER": broker.base_url, "EMPTY": nobody.base_url}.get(url, url)
        done = typed(*words(tmp_path / "new", url))

    assert (78, "", []) == (done.code, done.out, names(tmp_path))
    assert said in done.err
    assert not key or key not in done.err


def test_a_key_is_typed_without_an_echo(tmp_path: Path, broker: Simulator, monkeypatch: pytest.MonkeyPatch):
    """At a terminal it is asked for, and never in the arguments."""
    monkeypatch.setattr("panic.kit.terminal.is_terminal", lambda _: True)
    monkeypatch.setattr(init, "getpass", lambda prompt: KEY if "not shown" in prompt else "")

    assert 0 == typed(*words(tmp_path, broker.base_url)).code
    assert f"{KEY}\n" == (tmp_path / "panic.key").read_text()


@pytest.mark.parametrize(("user", "folder"), [(1000, "xdg/panic"), (0, "etc")])
def test_the_place_is_where_every_command_looks(
    tmp_path: Path, broker: Simulator, monkeypatch: pytest.MonkeyPatch, user: int, folder: str
):
    """The user's; root's settings are everybody's. Nothing needs to be named afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("panic.config.loading.SYSTEM", tmp_path / "etc")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    done = typed(*words(tmp_path, broker.base_url)[2:], env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")})

    assert (0, True) == (done.code, done.out.endswith("next: panic check\n"))
    assert "panic.toml" in names(tmp_path / folder)
    assert ("chown -R USER" in done.out) is (user == 0)
