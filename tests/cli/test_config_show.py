"""`panic config show`: every setting in force and where it was said, whatever is wrong, and never a secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from panic.config.loading import SECTIONS
from tests.cli.inside import typed
from tests.cli.support import KEY, Firm
from tests.config.test_service import SERVICE

DIGEST = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
SCHEDULES = """
[[schedules]]
name = "never"
at = "when pigs fly"
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
all = true
cancels_gtc_and_close_orders = true
"""


def shown(firm: Firm, **env: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the document."""
    done = typed(*firm.lines("config", "show"), env=env)
    return done.code, json.loads(done.out)


def told(document: dict[str, Any], folder: Path) -> dict[str, tuple[Any, str]]:
    """Value and origin by name, without the folder of this test."""
    settings = json.loads(json.dumps(document["settings"]).replace(f"{folder}/", ""))
    return {one["name"]: (one["value"], one["origin"]) for one in settings}


def test_every_setting_is_shown_with_its_origin(tmp_path: Path):
    """File and line, variable, or default; the environment beats the file in all but the state folder."""
    more = f'[state]\nfolder = "state"\n[latch]\nfile = "of.strategies"\n{SERVICE}{SCHEDULES}'
    firm = Firm(tmp_path, "https://api.clearstreet.com", [1], more=more)
    env = {"RUN_WATCH_S": "3", "STATE_FOLDER": "/elsewhere", "LEDGER_FILE": "/var/ledger.db"}
    code, document = shown(firm, **{f"PANIC_{name}": value for name, value in env.items()})
    found = told(document, tmp_path)
    lines = firm.settings.read_text().splitlines()

    def said(line: str) -> str:
        return f"panic.toml:{lines.index(line) + 1}"

    assert (0, True, "panic-config/1") == (code, document["usable"], document["schema"])
    assert {
        "settings": ("panic.toml", "--config"),
        "broker.base_url": ("https://api.clearstreet.com", "panic.toml:2"),
        "run.poll_first_s": (0.05, said("poll_first_s = 0.05")),
        "run.watch_s": (3.0, "environment PANIC_RUN_WATCH_S"),
        "run.concurrency": (64, "default"),
        "state.folder": ("state", said('folder = "state"')),
        "latch.file": ("state/of.strategies", said('file = "of.strategies"')),
        "ledger.file": ("/var/ledger.db", "environment PANIC_LEDGER_FILE"),
        "service.tls_certificate": ("panic.pem", said('tls_certificate = "panic.pem"')),
        "schedules.cleanup.name": ("cleanup", said('name = "cleanup"')),
    }.items() <= found.items()
    assert 1 == len(document["problems"])
    assert "schedules.never.name" not in found
    assert {f"{name}.{key}" for name, model in SECTIONS.items() for key in model.model_fields} <= found.keys()


def test_no_secret_is_shown(tmp_path: Path):
    """Of keys, addresses and digests only where they are read; a key pasted in place of a name is not."""
    pasted = 'env = "sk_live_51Hq8zKeyPastedHere"\n'
    firm = Firm(tmp_path, "http://127.0.0.1:1", [1], credentials=f"[credentials.default]\n{pasted}", more=SERVICE)
    firm.settings.write_text(firm.settings.read_text() + '[credentials.file]\nfile = "panic.key"\n')
    env = {"PANIC_RISK": "the-secret-of-the-hook", "PANIC_PAGER": "https://hooks.example/the-secret-address"}
    _, document = shown(firm, **env)
    found = told(document, tmp_path)
    everything = json.dumps(document) + typed(*firm.lines("config", "show", "--format", "table"), env=env).out

    assert "panic.key" == found["credentials.file.file"][0]
    assert ["file risk.secret", "environment PANIC_RISK"] == found["hooks.risk.secrets"][0]
    assert "environment PANIC_PAGER" == found["notify.pager.url"][0]
    assert "(not shown)" == found["tokens.desk-1.digest"][0] == found["credentials.default.env"][0]
    assert [] == [one for one in ("sk_live", "the-secret", DIGEST, KEY) if one in everything]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "the settings cannot be read"),
        ("[broker\n", "this is not TOML"),
        ("[run]\nconcurrency = 7\n", "[broker] names no base_url"),
        ('[run]\nconcurrency = 7\n[broker]\nbase_url = "http://joe:hunter2@evil.example"\n', "base_url"),
    ],
)
def test_settings_that_cannot_be_used_are_shown_as_far_as_they_go(tmp_path: Path, text: str | None, problem: str):
    """The exit code is 78; what is wrong stands first, and the rest below it."""
    firm = Firm(tmp_path, "http://127.0.0.1:1", [1])
    if text is None:
        firm.settings.unlink()
    else:
        firm.settings.write_text(text)
    code, document = shown(firm)
    found, table = told(document, tmp_path), typed(*firm.lines("config", "show", "--format", "table"))

    assert (78, 78, False) == (code, table.code, document["usable"])
    assert problem in document["problems"][0]
    assert table.out.startswith("! ")
    assert "latch.file" in table.out
    assert ((7, "panic.toml:2") if text and "concurrency" in text else (64, "default")) == found["run.concurrency"]
    assert ("panic.latch", "default") == found["latch.file"]
    assert "hunter2" not in table.out + json.dumps(document)


def test_settings_that_nobody_named_are_named(tmp_path: Path):
    """From any directory the runbook's command works; where the settings are not in sight, it is said which."""
    (tmp_path / "panic").mkdir()
    firm = Firm(tmp_path / "panic", "http://127.0.0.1:1", [1])
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    found = {one["name"]: one for one in json.loads(typed("config", "show", env=env).out)["settings"]}["settings"]
    planned = typed("press", "--all", "--reason", "x", "--dry-run", env=env)
    named = typed(*firm.lines("press", "--all", "--reason", "x", "--dry-run"), env=env)

    assert (0, f"panic: the settings are {firm.settings}\n") == (planned.code, planned.err)
    assert (0, "") == (named.code, named.err)
    assert str(firm.settings) == found["value"]
    assert f"the first of config/panic.toml, {firm.settings}, /etc/panic/panic.toml" == found["origin"]
