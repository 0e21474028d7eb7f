"""The systemd unit starts what there is, and nothing in it contradicts panic."""

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from panic.cli.commands import parser
from panic.config import load
from tests import ROOT
from tests.cli.support import PRESS, account, panic, simulate
from tests.config.conftest import GOOD
from tests.service.support import firm, serving

UNIT = ROOT / "config" / "panic.service"
CLEANUP = UNIT.with_name("panic-cleanup.service")


def unit(file: Path = UNIT) -> dict[str, list[str]]:
    """Give the settings of its sections, each with all of its values."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_it_starts_the_service():
    """Its command is one that panic understands, and it is told to read its settings anew by SIGHUP."""
    words = shlex.split(unit()["ExecStart"][0])

    assert "panic" == Path(words[0]).name
    assert "serve:do_serve" == parser().parse_args(words[1:]).command
    assert ["/bin/kill -HUP $MAINPID"] == unit()["ExecReload"]


def recommended(file: Path) -> str:
    """What its header says to write into the settings."""
    lines = [line.removeprefix("#     ") for line in file.read_text().splitlines() if line.startswith("#     ")]
    return "\n".join(line for line in lines if line.startswith("[") or " = " in line)


@pytest.mark.parametrize("file", [UNIT, CLEANUP])
def test_it_leaves_the_paths_to_the_settings(tmp_path: Path, file: Path):
    """It says where the settings are and no more; with what its header recommends all is in the state folder."""
    (tmp_path / "panic.toml").write_text(f"{GOOD}{recommended(UNIT)}\n")
    settings = load(tmp_path / "panic.toml", {})

    assert ["PANIC_CONFIG=/etc/panic/panic.toml"] == unit(file)["Environment"]
    assert () == settings.problems
    assert Path("/var/lib/panic/ledger.db") == settings.ledger.file
    assert Path("/var/lib/panic/panic.latch") == settings.latch.file


async def test_a_person_at_a_shell_presses_with_the_same_files(tmp_path: Path):
    """A service that is started as the unit does knows of the shell's run, and its latch is the one engaged."""

    def here(text: str) -> str:
        return text.replace("/etc/panic", str(tmp_path / "etc")).replace("/var/lib/panic", str(tmp_path / "state"))

    words = shlex.split(unit()["ExecStart"][0])[1:]
    env = dict(here(pair).split("=", 1) for pair in unit()["Environment"])
    (tmp_path / "etc").mkdir()
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path / "etc", simulator, [1], ledger=here(recommended(UNIT)))
        shell = {"PANIC_CONFIG": env["PANIC_CONFIG"]}
        await panic("latch", "--create", cwd=tmp_path, env=shell)
        async with serving(one, words, env=env) as service:
            done = await panic(*PRESS, "--latch", cwd=tmp_path, env=shell)
            runs = await service.ask("GET", "/v1/runs")
            latch = await service.ask("GET", "/v1/latch")

    run = done.report["run_id"]
    assert (0, [run]) == (done.code, [one["run_id"] for one in runs.body["runs"]]), done.err
    assert [run] == [hold["run"] for hold in latch.body["holds"]]
    assert str(tmp_path / "state/panic.latch") == latch.body["file"]


def test_it_may_do_little():
    """It runs as nobody in particular, gains nothing, and sees a read-only system; its sections are a unit's."""
    sections = configparser.RawConfigParser(strict=False)
    sections.read(UNIT)
    little = {"User": ["panic"], "NoNewPrivileges": ["yes"], "ProtectSystem": ["strict"], "Restart": ["always"]}

    assert {**little, "CapabilityBoundingSet": [""]}.items() <= unit().items()
    assert ["Unit", "Service", "Install"] == sections.sections()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("file", [UNIT, CLEANUP], ids=lambda file: file.name)
def test_where_systemd_is_installed_it_finds_little_exposed(file: Path):
    """2.0 of 10, or better."""
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout[-300:] + done.stderr


def test_what_the_service_calls_is_not_forbidden():
    """Its processes for looking take a lower priority, and the filter that forbids such calls allows that."""
    allowed, *more = unit()["SystemCallFilter"]

    assert "@system-service" == allowed
    assert more.index("~@privileged @resources") < more.index("setpriority")


def test_it_is_asked_how_it_is_and_not_ended_for_it():
    """Image and unit ask the running service; a unit that does not answer yet may still press."""
    (asked,) = unit()["ExecStartPost"]
    words = shlex.split(asked.removeprefix("-"))

    assert asked.startswith("-")
    assert "health:do_health" == parser().parse_args(words[1:]).command
    assert 'CMD ["panic", "health"]' in (ROOT / "Dockerfile").read_text()
