"""Settings: what is taken, what is reported, and the little that stops a press."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from panic.config import Broker, Credential, Run, load
from panic.kit.errors import ConfigurationError
from tests import ROOT
from tests.config.conftest import GOOD, URL, Load


def test_the_least_that_is_needed_leaves_the_defaults(settings: Load, tmp_path: Path):
    """A file with an address and a credential is enough and has no problem; no account is reached without one."""
    loaded, bare = settings(GOOD), settings(f'[broker]\nbase_url = "{URL}"\n[credentials]\n')

    assert () == loaded.problems
    assert (Broker(base_url=URL), {"default": Credential(env="KEY")}) == (loaded.broker, loaded.credentials)
    assert (tmp_path / "accounts.csv", Run()) == (loaded.roster.file, loaded.run)
    assert ["no credential is named, so that no account can be reached"] == [p.what for p in bare.problems]


def mistakes() -> Iterator[tuple[str, str]]:
    """What somebody wrote, and what is told of it."""
    for case in (ROOT / "tests/config/mistakes.txt").read_text().split("\n\n")[1:]:
        text, mark, message = case.partition("\n! ")
        if mark:
            yield text, message.strip()


@pytest.mark.parametrize(("text", "message"), list(mistakes()))
def test_a_mistake_is_told_with_line_value_and_remedy(settings: Load, tmp_path: Path, text: str, message: str):
    """The rest still counts; half of a token, a hook or a schedule does not: it would press something else."""
    loaded = settings(GOOD.replace("[credentials", f"{text}\n[credentials"))

    assert [f"panic.toml:{message}"] == [str(problem).replace(f"{tmp_path}/", "") for problem in loaded.problems]
    assert {"default": Credential(env="KEY")}.items() <= loaded.credentials.items()
    assert ({}, {}, {}, ()) == (loaded.tokens, loaded.hooks, loaded.channels, loaded.schedules)


def test_a_fatal_mistake_hides_no_other(settings: Load):
    """What stops a press comes first, the others follow in the order of their lines."""
    with pytest.raises(ConfigurationError) as caught:
        settings("[run]\nwatch_s = -1\nconcurrency = 2000\nwat_s = 1\n")

    assert [None, None, 2, 3, 4] == [problem.line for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[run]\n# concurrency = 5\n\n  concurrency = 0", 8),
        ("run.concurrency = 0", None),
        ("run = { concurrency = 0 }", 1),
        ("[ run ] # limits\n'concurrency'=0", 6),
        ("[run]\nconcurrency =\t0 # = [x]", 6),
    ],
)
def test_the_line_of_a_mistake_is_found(settings: Load, text: str, line: int | None):
    """Comments, quotes and blanks do not mislead; an inline table has one line."""
    above = line in {1, None}
    loaded = settings(f"{text}\n{GOOD}" if above else f"{GOOD}{text}\n")

    assert [line or 1] == [problem.line for problem in loaded.problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[broker\n", "this is not TOML: Expected ']' at the end of a table declaration"),
        ("a = [", "this is not TOML: Invalid value"),
        (b"a = '\xff'", "the settings are not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "this is not TOML: maximum recursion depth exceeded"),
        ("# nothing\n", "[broker] names no base_url"),
        (GOOD.replace("base_url", "base"), "[broker] names no base_url"),
        (GOOD.replace("https", "http"), "[broker] base_url would send the key unencrypted"),
        ("[broker]\nbase_url = 5", "[broker] base_url is not a plain address of a host"),
    ],
)
def test_only_what_makes_sending_unsafe_or_impossible_raises(settings: Load, text: str | bytes, message: str):
    """The first problem says why nothing was sent."""
    with pytest.raises(ConfigurationError) as caught:
        settings(text)

    assert message == caught.value.problems[0].what


def test_the_environment_beats_the_file(settings: Load):
    """Each setting has its variable; an empty one counts as unset, and a wrong one leaves what the file says."""
    env = {
        "PANIC_RUN_CONCURRENCY": "7",
        "PANIC_RUN_WATCH_S": "",
        "PANIC_RUN_DEADLINE_S": "many",
        "PANIC_BROKER_CONTACT": "desk\tone\n",
        "PANIC_BROKER_ENVIRONMENT_PROXY": "yes",
        "PANIC_ROSTER_FILE": "here.csv",
    }
    loaded = settings(f"{GOOD}[run]\nconcurrency = 5\nwatch_s = 3\ndeadline_s = 77\n", env)

    assert ["PANIC_RUN_DEADLINE_S is 'many'"] == [problem.what for problem in loaded.problems]
    assert (7, 3.0, 77.0) == (loaded.run.concurrency, loaded.run.watch_s, loaded.run.deadline_s)
    assert ("desk one", True) == (loaded.broker.contact, loaded.broker.environment_proxy)
    assert Path("here.csv") == loaded.roster.file


def test_a_variable_that_means_nothing_is_told(settings: Load):
    """A misspelt override would otherwise be believed in; none gives a list, a token or a channel."""
    env = {
        "PANIC_RUN_CONCURENCY": "7",
        "PANIC_SERVICE_ALLOWED_HOSTS": "x",
        "PANIC_TOKENS_DESK": "1",
        "PANIC_CONFIG": "x",
        "KEY": "k",
        "PANIC_KEY": "k",
    }
    loaded = settings(GOOD.replace("KEY", "PANIC_KEY"), env)

    assert ["PANIC_RUN_CONCURENCY", "PANIC_SERVICE_ALLOWED_HOSTS", "PANIC_TOKENS_DESK"] == [
        problem.what.split("'")[1] for problem in loaded.problems
    ]
    assert "Did you mean PANIC_RUN_CONCURRENCY?" == loaded.problems[0].remedy


@pytest.mark.parametrize("stray", ["https://joe:hunter2@evil.example", "http://x.example"])
def test_a_stray_address_does_not_redirect_a_press(settings: Load, stray: str):
    """The file wins, and the difference is told without the address; where it has none, one is checked."""
    loaded, text = settings(GOOD, {"PANIC_BROKER_BASE_URL": stray}), GOOD.replace("base_url", "# base_url")

    assert URL == loaded.broker.base_url == settings(text, {"PANIC_BROKER_BASE_URL": URL}).broker.base_url
    assert ["PANIC_BROKER_BASE_URL differs from the settings' base_url"] == [p.what for p in loaded.problems]
    with pytest.raises(ConfigurationError, match="PANIC_BROKER_BASE_URL: base_url"):
        settings(text, {"PANIC_BROKER_BASE_URL": stray})


def test_files_start_in_the_folder_of_the_settings(
    settings: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So that a service and a person in another directory mean the same one; what panic keeps, in its own."""
    monkeypatch.setenv("HOME", "/home/joe")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    names = {"a": "a.key", "b": "/b.key", "c": "~/c.key"}
    files = "".join(f"[credentials.{name}]\nfile = '{file}'\n" for name, file in names.items())
    keeps = '[state]\nfolder = "kept"\n[ledger]\nfile = "a.db"\n[latch]\nfile = "/b.latch"\n'
    beside = '[service]\ntls_key = "d.key"\n[roster]\nfile = "e.csv"\n'
    found = settings(keeps + beside + files + GOOD.replace("[cred", "ca_file = 'ca.pem'\n[cred"))

    assert () == found.problems
    assert ["a.key", "/b.key", "/home/joe/c.key"] == [_within(tmp_path, found.credentials[c].file) for c in "abc"]
    kept = (found.ledger.file, found.latch.file)
    assert ["kept/a.db", "/b.latch"] == [_within(tmp_path, file) for file in kept]
    others = (found.service.tls_key, found.roster.file, found.broker.ca_file)
    assert ["d.key", "e.csv", "ca.pem"] == [_within(tmp_path, file) for file in others]


def _within(folder: Path, file: Path | None) -> str:
    return str(file).removeprefix(f"{folder}/")


def test_the_file_is_found_by_argument_then_variable_then_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The nearest word counts, then the nearest file: in this directory, the user's, the system's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("panic.config.loading.SYSTEM", tmp_path / "etc")
    env = {"PANIC_CONFIG": "", "HOME": str(tmp_path / "home")}
    with pytest.raises(
        ConfigurationError, match=rf"Nor is there one in {tmp_path}/home/\.config/panic or {tmp_path}/etc"
    ):
        load(env=env)
    found = []
    for name in ("etc/panic.toml", "home/.config/panic/panic.toml", "xdg/panic/panic.toml", "config/panic.toml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(GOOD)
        env |= {"XDG_CONFIG_HOME": str(tmp_path / "xdg")} if "xdg" in name else {}
        found.append(_within(tmp_path, load(env=env).file))
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD)
    named = [load(Path("a.toml"), {"PANIC_CONFIG": "b.toml"}).file, load(env={"PANIC_CONFIG": "b.toml"}).file]

    assert [
        "etc/panic.toml",
        "home/.config/panic/panic.toml",
        "xdg/panic/panic.toml",
        "config/panic.toml",
    ] == found
    assert [Path("a.toml"), Path("b.toml")] == named


def test_settings_that_may_not_be_read_are_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever has lost the right to their own would press at another broker, by the system's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("panic.config.loading.SYSTEM", tmp_path / "etc")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/panic.toml").write_text(GOOD)
    (tmp_path / "panic").symlink_to("panic")  # nobody can look into it, root neither
    env = {"XDG_CONFIG_HOME": str(tmp_path)}

    with pytest.raises(ConfigurationError, match=f"{tmp_path}/panic/panic.toml: the settings cannot be read"):
        load(env=env)


@given(st.text() | st.text(alphabet="[]{}=.,\"'\n #ab1_"))
def test_no_text_does_anything_but_load_or_raise_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
):
    """A press ends with settings or with a remedy."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(GOOD + text, encoding="utf-8", errors="replace", newline="")
    try:
        loaded = load(file, {})
    except ConfigurationError as error:
        assert error.problems  # noqa: PT017 - either end is right
    else:
        assert loaded.broker.base_url


def test_what_panic_keeps_is_in_the_state_folder(settings: Load, tmp_path: Path):
    """Beside the settings unless they say otherwise; the environment is heard only where they say nothing."""
    elsewhere = {"PANIC_STATE_FOLDER": "/elsewhere"}
    cases = [
        ("", {}, ""),
        ('[state]\nfolder = "kept"\n', elsewhere, "kept/"),
        ("", elsewhere, "/elsewhere/"),
        ("[state]\nfolder = 5", {}, ""),
    ]
    for text, env, folder in cases:
        loaded = settings(GOOD + text, env)
        found = (loaded.ledger.file, loaded.latch.file, loaded.state.folder)
        assert tuple(tmp_path / f"{folder}{name}" for name in ("ledger.db", "panic.latch", "")) == found
