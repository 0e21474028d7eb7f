"""What people read of the settings is true: the example file and the page on configuration."""

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel

from panic.config import (
    Broker,
    Channel,
    Credential,
    Grant,
    Hook,
    Provider,
    RosterFile,
    Run,
    Schedule,
    SelfTest,
    Service,
    Token,
    load,
)
from panic.config.document import toml
from panic.config.loading import SECTIONS as FIXED
from tests import ROOT

URL = "https://api.clearstreet.com"
_NAMED: dict[str, type[BaseModel]] = {
    "credentials": Credential,
    "tokens": Token,
    "identity": Provider,
    "hooks": Hook,
    "notify": Channel,
    "schedules": Schedule,
}
SECTIONS: dict[str, type[BaseModel]] = {**FIXED, **_NAMED}
NAMED = ("tokens", "hooks", "notify")


def test_the_example_file_shows_every_setting_with_its_default(tmp_path: Path):
    """People copy it: taking a mark away must change nothing, and the examples must be right."""
    text = (ROOT / "config/panic.example.toml").read_text()
    bare = re.sub(r"(?m)^# (\w+ = |\[)", r"\1", text)
    shown = tomllib.loads(bare)

    loaded = load(ROOT / "config/panic.example.toml", {})

    assert () == loaded.problems
    assert set(SECTIONS) == set(shown)
    for name in FIXED:
        assert list(SECTIONS[name].model_fields) == list(shown[name])
    for name in NAMED:
        assert [list(SECTIONS[name].model_fields)] == [list(example) for example in shown[name].values()]
    assert list(Provider.model_fields) == list(shown["identity"])
    assert [list(Grant.model_fields)] == [list(one) for one in shown["identity"]["grants"].values()]
    assert Provider(**shown["identity"]) == Provider.model_validate(
        {key: shown["identity"][key] for key in ("issuer", "client_id", "client_secret", "grants")}
    )
    assert [list(Schedule.model_fields)] == [list(example) for example in shown["schedules"]]
    assert Run() == Run(**shown["run"]) == loaded.run
    broker = {**shown["broker"], "ca_file": None, "requests_per_second": None}
    assert Broker(base_url=URL) == Broker(**broker) == loaded.broker
    assert RosterFile() == RosterFile(**shown["roster"])
    assert loaded.ledger.file == ROOT / "config" / shown["ledger"]["file"]
    assert loaded.latch.file == ROOT / "config" / shown["latch"]["file"]
    unset = {
        "tls_certificate": None,
        "tls_key": None,
        "tls_client_ca": None,
        "allowed_hosts": (),
        "trusted_proxies": (),
    }
    assert Service() == Service(**{**shown["service"], **unset})
    assert SelfTest() == SelfTest(**shown["self_test"]) == loaded.self_test
    assert ({}, {}, {}, (), None) == (
        loaded.tokens,
        loaded.hooks,
        loaded.channels,
        loaded.schedules,
        loaded.identity,
    )
    (tmp_path / "panic.toml").write_text(bare)
    assert 1 == len(load(tmp_path / "panic.toml", {}).problems)  # its ca_file is not there


def test_the_page_on_configuration_tells_the_truth():
    """Its tables name every setting once, with its default, in the order of the code."""
    page = (ROOT / "docs/configuration.md").read_text()
    settings = page.partition("## Settings")[2].partition("\n## ")[0]
    found = {
        section.partition("\n")[0]: re.findall(r"(?m)^\| `(\w+)` \| (.*?) \| .+ \| .+ \|$", section)
        for section in settings.split("### ")[1:]
    }
    common = [key for key in Hook.model_fields if key in Schedule.model_fields and key != "watch_s"]
    models: dict[str, type[BaseModel]] = {**SECTIONS, "identity.grants": Grant, "hooks and schedules": Hook}
    keys = {name: list(model.model_fields) for name, model in models.items()}
    for name in ("hooks", "schedules"):
        keys[name] = [key for key in keys[name] if key not in common]
    keys["hooks and schedules"] = common

    assert {name: [_row(models[name], key) for key in keys[name]] for name in models} == found


def _row(model: type[BaseModel], key: str) -> tuple[str, str]:
    info = model.model_fields[key]
    return key, "required" if info.is_required() else toml(info.get_default())
