"""`panic token`: a token is shown once, and the settings take what is printed beside it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic import cli
from panic.config import Settings, load
from panic.service.auth import Identity, identify
from tests.cli.inside import typed

GOOD = '[broker]\nbase_url = "https://api.clearstreet.com"\n[credentials.default]\nenv = "KEY"\n'


def pasted(said: str, file: Path) -> Settings:
    """The settings with the section that was printed."""
    file.write_text(f"{GOOD}{said[said.index('[tokens.') :]}", encoding="utf-8")
    return load(file, {})


@pytest.mark.parametrize(
    ("words", "identity"),
    [
        (("desk",), Identity("desk", frozenset({"viewer"}))),
        (("desk-1", "--role", "presser"), Identity("desk-1", frozenset({"viewer", "presser"}))),
        (
            ("joe.doe", "--role", "presser", "--role", "resetter", "--group", "a", "--group", "b"),
            Identity("joe.doe", frozenset({"viewer", "presser", "resetter"}), frozenset({"a", "b"})),
        ),
        (
            ("algo", "--role", "presser", "--automated", "--group", "arb"),
            Identity("algo", frozenset({"viewer", "presser"}), frozenset({"arb"}), person=False),
        ),
    ],
)
def test_what_is_printed_lets_its_bearer_in(tmp_path: Path, words: tuple[str, ...], identity: Identity):
    """The section can be pasted as it stands, and the token is that of the section."""
    done = typed("token", *words)
    settings = pasted(done.err, tmp_path / "panic.toml")

    assert (0, ()) == (done.code, settings.problems)
    assert re.fullmatch(r"[\w-]{43}\n", done.out)
    assert identity == identify(settings.tokens, f"Bearer {done.out.strip()}", datetime.now(UTC))


@settings(max_examples=15)
@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_any_group_can_be_pasted(tmp_path_factory: pytest.TempPathFactory, groups: list[str]):
    """Whatever the roster calls its groups."""
    done = typed("token", "desk", *(f"--group={group}" for group in groups))
    found = pasted(done.err, tmp_path_factory.getbasetemp() / "token.toml")

    assert (0, ()) == (done.code, found.problems)
    assert tuple(groups) == found.tokens["desk"].groups


def test_a_token_that_nobody_saw_is_an_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Its section would be pasted, and nobody could ever use it."""
    monkeypatch.setattr("sys.stdout", None)
    code = cli.run(("token", "desk"))
    said = capfd.readouterr().err

    assert (70, True, False) == (code, "standard output is gone" in said, "[tokens." in said)
