"""The systemd unit starts what there is, and nothing in it contradicts panic."""

import configparser
import shlex
from pathlib import Path

from panic.cli.words import parser
from panic.config import load

UNIT = Path(__file__).parent.parent / "config" / "panic.service"


def unit() -> dict[str, list[str]]:
    """Give the settings of its sections, each with all of its values."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_it_starts_the_service():
    """Its command is one that panic understands, and it is told to read its settings anew by SIGHUP."""
    words = shlex.split(unit()["ExecStart"][0])

    assert "panic" == Path(words[0]).name
    assert callable(parser().parse_args(words[1:]).command)
    assert ["/bin/kill -HUP $MAINPID"] == unit()["ExecReload"]


def test_its_environment_means_something(tmp_path: Path):
    """Every PANIC_ variable that it sets is one that panic reads."""
    example = UNIT.parent / "panic.example.toml"
    (tmp_path / "panic.toml").write_text(example.read_text())
    env = dict(pair.split("=", 1) for pair in unit()["Environment"])
    settings = load(tmp_path / "panic.toml", {**env, "CLEAR_STREET_API_KEY": "an-id.a-secret"})

    assert () == settings.problems
    assert Path("/var/lib/panic/ledger.db") == settings.ledger.file
    assert Path("/var/lib/panic/service.db") == settings.service.store


def test_it_may_do_little():
    """It runs as nobody in particular, gains nothing, and sees a read-only system."""
    found = unit()

    assert (["panic"], ["yes"], ["strict"], [""]) == (
        found["User"],
        found["NoNewPrivileges"],
        found["ProtectSystem"],
        found["CapabilityBoundingSet"],
    )
    assert ["always"] == found["Restart"]


def test_it_can_be_parsed():
    """Its sections are those of a unit."""
    sections = configparser.RawConfigParser(strict=False)
    sections.read(UNIT)

    assert ["Unit", "Service", "Install"] == sections.sections()
