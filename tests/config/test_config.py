"""Settings: what is taken, what is reported, and the little that stops a press."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account, Roster
from panic.config import (
    Broker,
    Channel,
    Credential,
    Hook,
    LatchFile,
    LedgerFiles,
    RosterFile,
    Run,
    Schedule,
    SelfTest,
    Service,
    Settings,
    StateFolder,
    Token,
    load,
)
from panic.config.document import expected, toml
from panic.kit.errors import ConfigurationError, Problem
from panic.orders import Filters
from tests import ROOT

URL = "https://api.clearstreet.com"
GOOD = f'[broker]\nbase_url = "{URL}"\n[credentials.default]\nenv = "KEY"\n'
SECTIONS: dict[str, type[BaseModel]] = {
    "broker": Broker,
    "credentials": Credential,
    "roster": RosterFile,
    "run": Run,
    "state": StateFolder,
    "ledger": LedgerFiles,
    "latch": LatchFile,
    "service": Service,
    "tokens": Token,
    "hooks": Hook,
    "notify": Channel,
    "schedules": Schedule,
    "self_test": SelfTest,
}
NAMED = ("tokens", "hooks", "notify")
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def settings(tmp_path: Path):
    """Load settings from a text, as if it stood in a file."""

    def read(text: str | bytes, env: dict[str, str] | None = None):
        file = tmp_path / "panic.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, env or {})

    return read


Load = Callable[..., Settings]


def told(problems: Iterable[Problem], folder: Path):
    """The problems as an operator reads them, without the folder of this test."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def test_the_least_that_is_needed_leaves_the_defaults(settings: Load, tmp_path: Path):
    """A file with an address and a credential is enough and has no problem."""
    loaded = settings(GOOD)

    assert () == loaded.problems
    assert Broker(base_url=URL) == loaded.broker
    assert {"default": Credential(env="KEY")} == loaded.credentials
    assert tmp_path / "accounts.csv" == loaded.roster.file
    assert Run() == loaded.run
    assert tmp_path / "panic.toml" == loaded.file


def test_a_wrong_value_in_code_does_not_echo_its_neighbours():
    """What pydantic prints could hold a password."""
    with pytest.raises(ValidationError) as caught:
        Broker.model_validate({"base_url": b"\xffhunter2", "contact": 5})

    assert "hunter2" not in str(caught.value)


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

    assert [f"panic.toml:{message}"] == told(loaded.problems, tmp_path)
    assert {"default": Credential(env="KEY")}.items() <= loaded.credentials.items()
    assert ({}, {}, {}, ()) == (loaded.tokens, loaded.hooks, loaded.channels, loaded.schedules)


def test_a_fatal_mistake_hides_no_other(settings: Load):
    """What stops a press comes first, the others follow in the order of their lines."""
    with pytest.raises(ConfigurationError) as caught:
        settings("[run]\nwatch_s = -1\nconcurrency = 2000\nwat_s = 1\n")

    assert [None, None, 2, 3, 4] == [problem.line for problem in caught.value.problems]


def test_a_setting_that_lost_its_section_is_led_home(settings: Load, tmp_path: Path):
    """A key above the first header belongs somewhere."""
    loaded = settings(f"concurrency = 5\n{GOOD}")

    message = "panic.toml:1: there is no section or setting 'concurrency'. Move it below [run]."
    assert [message] == told(loaded.problems, tmp_path)


@pytest.mark.parametrize("text", ["", "[credentials]\n"])
def test_no_credential_is_a_problem(settings: Load, text: str):
    """The roster will then say of each account that it cannot be fired."""
    loaded = settings(f'[broker]\nbase_url = "{URL}"\n{text}')

    assert ["no credential is named, so that no account can be reached"] == [p.what for p in loaded.problems]


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
        (b"a = " + b"[" * 100_000, "the settings are nested too deeply"),
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


def test_a_missing_file_names_the_example(tmp_path: Path):
    """The remedy is a command away."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "no.toml", {})

    expected_text = (
        "no.toml: the settings cannot be read: no such file or directory. "
        "Copy config/panic.example.toml to no.toml, or name another in PANIC_CONFIG."
    )
    assert [expected_text] == told(caught.value.problems, tmp_path)


def test_authorities_that_are_certificates_are_taken(settings: Load, tmp_path: Path):
    """A proxy that opens TLS has its own."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    loaded = settings(GOOD.replace("[credentials", "ca_file = 'ca.pem'\n[credentials"))

    assert () == loaded.problems
    assert tmp_path / "ca.pem" == loaded.broker.ca_file


def test_the_environment_beats_the_file(settings: Load):
    """Each setting has its variable; an empty one counts as unset."""
    env = {
        "PANIC_RUN_CONCURRENCY": "7",
        "PANIC_RUN_WATCH_S": "",
        "PANIC_BROKER_CONTACT": "desk\tone\n",
        "PANIC_BROKER_ENVIRONMENT_PROXY": "yes",
        "PANIC_ROSTER_FILE": "here.csv",
    }
    loaded = settings(f"{GOOD}[run]\nconcurrency = 5\nwatch_s = 3\n", env)

    assert () == loaded.problems
    assert (7, 3.0) == (loaded.run.concurrency, loaded.run.watch_s)
    assert ("desk one", True) == (loaded.broker.contact, loaded.broker.environment_proxy)
    assert Path("here.csv") == loaded.roster.file


def test_a_wrong_value_in_the_environment_leaves_that_of_the_file(settings: Load):
    """It gives way to what was decided on a quiet day, not to the default."""
    loaded = settings(f"{GOOD}[run]\nconcurrency = 5\n", {"PANIC_RUN_CONCURRENCY": "many"})

    message = (
        "PANIC_RUN_CONCURRENCY is 'many'. "
        "Set it to a whole number from 1 to 1000, or unset it; until then it is ignored."
    )
    assert 5 == loaded.run.concurrency
    assert [message] == [str(problem) for problem in loaded.problems]


def test_a_variable_that_means_nothing_is_told(settings: Load):
    """A misspelt override would otherwise be believed in."""
    env = {"PANIC_RUN_CONCURENCY": "7", "PANIC_X": "1", "PANIC_CONFIG": "x", "KEY": "k", "PANIC_KEY": "k"}
    loaded = settings(GOOD.replace("KEY", "PANIC_KEY"), env)

    assert [
        "the environment variable 'PANIC_RUN_CONCURENCY' means nothing. Did you mean PANIC_RUN_CONCURRENCY?",
        "the environment variable 'PANIC_X' means nothing. Unset it.",
    ] == [str(problem) for problem in loaded.problems]


@pytest.mark.parametrize("stray", ["https://evil.example", "https://joe:hunter2@evil.example", "nonsense"])
def test_a_stray_address_does_not_redirect_a_press(settings: Load, stray: str):
    """The file wins, and the difference is told without the address."""
    loaded = settings(GOOD, {"PANIC_BROKER_BASE_URL": stray})

    message = (
        "PANIC_BROKER_BASE_URL differs from the settings' base_url. "
        "Unset it, or correct the file; the file's address is used."
    )
    assert URL == loaded.broker.base_url
    assert [message] == [str(problem) for problem in loaded.problems]


def test_the_address_of_the_environment_is_used_where_the_file_has_none(settings: Load):
    """And is checked like any other."""
    text = GOOD.replace("base_url", "# base_url")

    assert URL == settings(text, {"PANIC_BROKER_BASE_URL": URL}).broker.base_url
    with pytest.raises(ConfigurationError, match="PANIC_BROKER_BASE_URL: base_url would send"):
        settings(text, {"PANIC_BROKER_BASE_URL": "http://x.example"})


def test_files_start_in_the_folder_of_the_settings(
    settings: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So that a service and a person in another directory mean the same one."""
    monkeypatch.setenv("HOME", "/home/joe")
    names = {"a": "a.key", "b": "/b.key", "c": "~/c.key"}
    files = "".join(f"[credentials.{name}]\nfile = '{file}'\n" for name, file in names.items())
    found = settings(f"{GOOD}{files}").credentials

    assert [tmp_path / "a.key", Path("/b.key"), Path("/home/joe/c.key")] == [found[c].file for c in "abc"]


def test_the_file_is_found_by_argument_then_variable_then_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The nearest word counts."""
    (tmp_path / "config").mkdir()
    for name in ("a.toml", "b.toml", "config/panic.toml"):
        (tmp_path / name).write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    env = {"PANIC_CONFIG": "b.toml"}
    found = [load(Path("a.toml"), env).file, load(env=env).file, load(env={"PANIC_CONFIG": ""}).file]

    assert [Path("a.toml"), Path("b.toml"), Path("config/panic.toml")] == found


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


def test_the_example_file_shows_every_setting_with_its_default(settings: Load):
    """People copy it: taking a mark away must change nothing, and the examples must be right."""
    text = (ROOT / "config/panic.example.toml").read_text()
    bare = re.sub(r"(?m)^# (\w+ = |\[)", r"\1", text)
    shown = tomllib.loads(bare)

    loaded = load(ROOT / "config/panic.example.toml", {})

    assert () == loaded.problems
    assert set(SECTIONS) == set(shown)
    for name in set(SECTIONS) - {"credentials", "schedules", *NAMED}:
        assert list(SECTIONS[name].model_fields) == list(shown[name])
    for name in NAMED:
        assert [list(SECTIONS[name].model_fields)] == [list(example) for example in shown[name].values()]
    assert [list(Schedule.model_fields)] == [list(example) for example in shown["schedules"]]
    assert Run() == Run(**shown["run"]) == loaded.run
    assert Broker(base_url=URL) == Broker(**{**shown["broker"], "ca_file": None}) == loaded.broker
    assert RosterFile() == RosterFile(**shown["roster"])
    assert loaded.ledger.file == ROOT / "config" / shown["ledger"]["file"]
    assert loaded.latch.file == ROOT / "config" / shown["latch"]["file"]
    assert Service() == Service(**{**shown["service"], **dict.fromkeys(_FILES_OF_SERVICE), "allowed_hosts": ()})
    assert SelfTest() == SelfTest(**shown["self_test"]) == loaded.self_test
    assert ({}, {}, {}, ()) == (loaded.tokens, loaded.hooks, loaded.channels, loaded.schedules)
    assert ["panic.toml"] == [p.file.name for p in settings(bare).problems if p.file]  # its ca_file is not there


_FILES_OF_SERVICE = ("tls_certificate", "tls_key")


STATE = '[state]\nfolder = "kept"\n'


@pytest.mark.parametrize(
    ("text", "env", "folder"),
    [
        ("", {}, ""),
        (STATE, {}, "kept/"),
        (STATE, {"PANIC_STATE_FOLDER": "/elsewhere"}, "kept/"),
        ("", {"PANIC_STATE_FOLDER": "/elsewhere"}, "/elsewhere/"),
        ("[state]\nfolder = 5\n", {}, ""),
    ],
)
def test_what_panic_keeps_is_in_the_state_folder(
    settings: Load, tmp_path: Path, text: str, env: dict[str, str], folder: str
):
    """Beside the settings unless they say otherwise; the environment is heard only where they say nothing."""
    loaded = settings(GOOD + text, env)

    found = (loaded.ledger.file, loaded.latch.file)
    assert tuple(tmp_path / f"{folder}{name}" for name in ("ledger.db", "panic.latch")) == found
    assert tmp_path / folder == loaded.state.folder


def test_names_of_what_panic_keeps_start_in_the_state_folder(settings: Load, tmp_path: Path):
    """All others start beside the settings, as does the folder itself."""
    names = '[ledger]\nfile = "a.db"\n[latch]\nfile = "/b.latch"\n[service]\ntls_key = "d.key"\n'
    loaded = settings(f'{names}[roster]\nfile = "e.csv"\n{GOOD}{STATE}')

    assert (tmp_path / "kept/a.db", Path("/b.latch")) == (loaded.ledger.file, loaded.latch.file)
    assert (tmp_path / "d.key", tmp_path / "e.csv") == (loaded.service.tls_key, loaded.roster.file)


def test_the_page_on_configuration_tells_the_truth():
    """Its tables name every setting, what it takes and its default, in the order of the code."""
    page = (ROOT / "docs/configuration.md").read_text()
    settings = page.partition("## Settings")[2].partition("\n## ")[0]
    found = {
        section.partition("\n")[0]: re.findall(r"(?m)^\| `(\w+)` \| (.*?) \| (.*?) \| .+ \|$", section)
        for section in settings.split("### ")[1:]
    }

    assert {*SECTIONS, _BOTH} == found.keys()
    models: dict[str, type[BaseModel]] = {**SECTIONS, _BOTH: Hook}
    for name, model in models.items():
        common = Hook.model_fields.keys() & Schedule.model_fields.keys() - {"watch_s"}
        keys = [key for key in model.model_fields if name not in _PRESSING or (key in common) is (name == _BOTH)]
        assert [_row(model, key) for key in keys] == found[name]
    assert [_row(Hook, row[0]) for row in found[_BOTH]] == [_row(Schedule, row[0]) for row in found[_BOTH]]


_BOTH = "hooks and schedules"
_PRESSING = ("hooks", "schedules", _BOTH)


def _row(model: type[BaseModel], key: str) -> tuple[str, str, str]:
    info = model.model_fields[key]
    return key, expected(model, key), "required" if info.is_required() else toml(info.get_default())


SERVICE = """
[service]
host = "0.0.0.0"
allowed_hosts = ["panic.example.com", "fd00::1"]
tls_certificate = "panic.pem"
tls_key = "panic.key"
[tokens.desk-1]
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
roles = ["viewer", "presser"]
groups = ["arb"]
[hooks.risk]
secrets = [{ file = "risk.secret" }, { env = "PANIC_RISK" }]
accounts = [7]
[notify.pager]
url = { env = "PANIC_PAGER" }
tells = ["page"]
"""


def test_what_the_service_needs_is_read_beside_what_a_press_needs(settings: Load, tmp_path: Path):
    """And the variables that hold its secrets mean something."""
    loaded = settings(GOOD + SERVICE, {"PANIC_RISK": "x", "PANIC_PAGER": "y", "PANIC_SERVICE_PORT": "0"})

    assert () == loaded.problems
    assert ("0.0.0.0", 0) == (loaded.service.host, loaded.service.port)  # noqa: S104  (read, and not listened at)
    assert ("panic.example.com", "fd00::1") == loaded.service.allowed_hosts
    assert (tmp_path / "panic.pem", tmp_path / "panic.key") == (
        loaded.service.tls_certificate,
        loaded.service.tls_key,
    )
    assert {"desk-1": Token(digest=DIGEST, roles=("viewer", "presser"), groups=("arb",))} == loaded.tokens
    assert (Credential(file=tmp_path / "risk.secret"), Credential(env="PANIC_RISK")) == (
        loaded.hooks["risk"].secrets
    )
    assert ((7,), "press", 300.0) == tuple(
        getattr(loaded.hooks["risk"], key) for key in ("accounts", "on_odd", "tolerance_s")
    )
    assert {"pager": Channel(url=Credential(env="PANIC_PAGER"), tells=("page",))} == loaded.channels


_TOKEN = f"[tokens.desk]\ndigest = '{DIGEST}'\n"


@given(st.text())
@example("\U00013440")  # unassigned in the table of one Unicode, and a mark in the next
def test_a_hook_takes_no_instrument_that_a_press_refuses(instrument: str):
    """A breach is no time to find that out."""
    what = {"all": True, "secrets": [{"env": "A"}], "instruments": [instrument]}
    try:
        Hook.model_validate(what)
    except ValidationError:
        return
    roster = Roster(Path("a.csv"), "", 0.0, (Account(1),), (), ())

    assert (Account(1),) == plan(
        roster, Scope(all=True, filters=Filters(instrument_ids=(instrument,))), {"default"}
    ).accounts


def test_a_token_under_two_names_lets_nobody_in(settings: Load):
    """Nobody could say on record who pressed."""
    roles = "roles = ['viewer']\n"
    loaded = settings(f"{GOOD}{_TOKEN}{roles}{_TOKEN.replace('desk', 'other')}{roles}")

    assert ["[tokens.desk] and [tokens.other] are the same token"] == [p.what for p in loaded.problems]
    assert {} == loaded.tokens


@pytest.mark.parametrize("name", ["PANIC_SERVICE_ALLOWED_HOSTS", "PANIC_TOKENS_DESK", "PANIC_NOTIFY_URL"])
def test_no_variable_gives_a_list_a_token_or_a_channel(settings: Load, name: str):
    """A stray environment must let nobody in."""
    loaded = settings(GOOD + SERVICE, {name: "x"})

    assert [f"the environment variable '{name}' means nothing"] == [problem.what for problem in loaded.problems]


def test_a_pasted_secret_does_not_show(settings: Load):
    """Neither in what is printed of the settings nor in what pydantic says of a mistake in code."""
    with pytest.raises(ValidationError) as caught:
        Token(digest="hunter2", roles=("viewer",))
    loaded = settings(GOOD + SERVICE)

    assert "hunter2" not in str(caught.value)
    assert "0000" not in repr(loaded)


_SCHEDULE = "[[schedules]]\nname = 'cleanup'\n"
_AT = "at = '5 minutes before close'\n"
_KNOWS = "cancels_gtc_and_close_orders = true\n"


def test_schedules_and_the_self_test_are_read(settings: Load):
    """A press by the clock, a drill that needs no scope, and a test that is off."""
    text = f"""
        {_SCHEDULE}{_AT}{_KNOWS}groups = ["arb"]
        [[schedules]]
        name = "practice"
        at = "07:00 Europe/London on monday, friday"
        drill = true
        [self_test]
        every_s = 0
    """
    loaded = settings(GOOD + text, {"PANIC_SELF_TEST_SHARE": "0.5"})

    assert () == loaded.problems
    assert ["cleanup", "practice"] == [schedule.name for schedule in loaded.schedules]
    assert (("arb",), 0.0, None) == (
        loaded.schedules[0].groups,
        loaded.schedules[0].watch_s,
        loaded.schedules[0].deadline_s,
    )
    assert ["5 minutes before close", "07:00 Europe/London on monday, friday"] == [
        str(schedule.when) for schedule in loaded.schedules
    ]
    assert SelfTest(every_s=0, share=0.5, rate=50) == loaded.self_test


def test_a_mistake_in_one_schedule_spares_the_others_and_has_its_own_line(settings: Load):
    """The second of them is the one that is wrong."""
    good = f"{_SCHEDULE}{_AT}{_KNOWS}all = true\n"
    loaded = settings(f"{GOOD}{good}{good.replace('cleanup', 'late').replace('5 minutes', '601 minutes')}")

    assert ["cleanup"] == [schedule.name for schedule in loaded.schedules]
    assert [12] == [problem.line for problem in loaded.problems]


def test_of_two_schedules_of_one_name_the_first_runs(settings: Load, tmp_path: Path):
    """A key that two of them had would keep one from running without a word."""
    good = f"{_SCHEDULE}{_AT}{_KNOWS}all = true\n"
    loaded = settings(f"{GOOD}{good}{good.replace('before', 'after')}")

    assert ["5 minutes before close"] == [schedule.at for schedule in loaded.schedules]
    assert [
        (
            "panic.toml:11: [[schedules]] cleanup: there is one of this name above. "
            "Give each its own name; until then only the first runs."
        )
    ] == told(loaded.problems, tmp_path)


@pytest.mark.parametrize(("every_s", "problems"), [(0, 0), (30, 0), (86_400, 0), (29.9, 1), (-1, 1), (86_401, 1)])
def test_the_self_test_comes_every_thirty_seconds_at_most(settings: Load, every_s: float, problems: int):
    """Or never; what is out of bounds is the default."""
    loaded = settings(f"{GOOD}[self_test]\nevery_s = {every_s}\n")

    assert problems == len(loaded.problems)
    assert (300.0 if problems else every_s) == loaded.self_test.every_s
