"""A set-up that is broken is never ready: check and service name every mistake at once, and what to do."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from panic import latch
from panic.config import load
from panic.service import readiness
from panic.simulator import Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import KEY, Firm, account, simulate, until
from tests.service.hooks.support import SECRET, TOKEN
from tests.service.house import house

pytestmark = pytest.mark.usefixtures("the_library_is_loaded")

ROSTER = """\
id,name,group,owner,priority,credential,excluded
1,Alpha,East,jo,1,default,
2,Beta,West,,100,other,
3,Gamma,Closed,,,,yes
4,Delta,"East",,,,
"""

SETTINGS = """\
[broker]
base_url = "BASE_URL"
contact = "the desk, +1 555 0100"
[credentials.default]
file = "default.key"
[credentials.other]
env = "OTHER_KEY"
[roster]
file = "accounts.csv"
[run]
concurrency = 8
[ledger]
file = "ledger.db"
[latch]
file = "panic.latch"
[service]
host = "0.0.0.0"
tls_certificate = "tls.pem"
tls_key = "tls.key"
[tokens.desk]
digest = "sha256:DIGEST"
roles = ["presser"]
groups = ["East"]
[hooks.risk]
secrets = [{ file = "risk.secret" }]
groups = ["East", "West"]
side = "BUY"
[hooks.alerts]
scheme = "bearer"
secrets = [{ env = "ALERTS_SECRET" }]
accounts = [2, 4]
latch = true
[notify.pager]
url = { file = "pager.url" }
[notify.chat]
url = { env = "CHAT_URL" }
tells = ["verdict"]
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
groups = ["West"]
type = "LIMIT"
cancels_gtc_and_close_orders = true
[[schedules]]
name = "rehearsal"
at = "06:00 America/New_York on weekdays"
drill = true
"""

_ISSUED = trustme.CA().issue_cert("panic.example.com")
_FILES = {
    "accounts.csv": ROSTER,
    "panic.toml": SETTINGS.replace("DIGEST", hashlib.sha256(b"a token").hexdigest()),
    "default.key": KEY,
    "risk.secret": SECRET,
    "pager.url": "json://127.0.0.1:1/",
    "tls.pem": _ISSUED.cert_chain_pems[0].bytes().decode(),
    "tls.key": _ISSUED.private_key_pem.bytes().decode(),
}
_ENV = {"OTHER_KEY": KEY, "ALERTS_SECRET": TOKEN, "CHAT_URL": "json://127.0.0.1:1/", "COLUMNS": "999"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Simulator]:
    """A broker with the four accounts."""
    with beside(simulate(*map(account, (1, 2, 3, 4)))) as simulator:
        yield simulator


@dataclass
class Setup:
    """A set-up on disk in which everything is used, and how to break it."""

    folder: Path
    patch: pytest.MonkeyPatch

    def put(self, name: str, text: str | bytes, mode: int = 0o600) -> None:
        """Write a file anew."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        file.touch(mode)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def swap(self, name: str, old: str, new: str) -> None:
        """Write something else in a file."""
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new, 1))

    def check(self) -> tuple[int, str]:
        """Type `panic check`, and give its exit code and all that it says, without the name of the folder."""
        env = {name: text for name, text in os.environ.items() if name in _ENV or name.startswith("PANIC_")}
        done = typed("--config", str(self.folder / "panic.toml"), "check", "--format", "table", env=env)
        return done.code, (done.out + done.err).replace(f"{self.folder}/", "")


@pytest.fixture
def setup(tmp_path: Path, broker: Simulator, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """A good one."""
    one = Setup(tmp_path, monkeypatch)
    for name, text in _FILES.items():
        one.put(name, text.replace("BASE_URL", broker.base_url))
    latch.create(tmp_path / "panic.latch")
    for name, value in _ENV.items():
        monkeypatch.setenv(name, value)
    return one


Break = Callable[[Setup], object]


def lose(name: str) -> Break:
    """Remove a file."""
    return lambda setup: (setup.folder / name).unlink()


def put(name: str, text: str | bytes) -> Break:
    """Write a file anew."""
    return lambda setup: setup.put(name, text)


def swap(old: str, new: str, name: str = "panic.toml") -> Break:
    """Write something else in a file."""
    return lambda setup: setup.swap(name, old, new)


_NOBODY = put("accounts.csv", "id,group,excluded\n1,East,yes\n")
_OTHER_KEY = put("tls.key", trustme.CA().issue_cert("x.test").private_key_pem.bytes())
_NO_TLS = swap('tls_certificate = "tls.pem"\ntls_key = "tls.key"\n', "")
_NO_FILE = "the key file cannot be read: no such file or directory"
BROKEN: dict[str, tuple[Break, str, str]] = {
    "key unnamed": (swap("other", "othr", "accounts.csv"), "account 2: the credential 'othr'", "default, other"),
    "all excluded": (_NOBODY, "accounts.csv: a press for all accounts: no account of this", "not excluded"),
    "no key": (lose("default.key"), f"default.key: credential default: {_NO_FILE}", "Put the key there"),
    "hook's group": (swap('["East", "West"]', '["Eats"]'), "26: [hooks.risk]: group 'Eats' is", "mean East?"),
    "excluded": (swap("[2, 4]", "[2, 3]"), "[hooks.alerts]: account 3 is", "Take the mark away"),
    "no secret": (lose("risk.secret"), f"risk.secret: credential 1 of hook risk: {_NO_FILE}", "Put the key"),
    "schedule": (swap('= ["West"]', '= ["Wets"]'), "toml:38: [[schedules]] cleanup: group 'Wets' is", "West?"),
    "token": (swap('= ["East"]', '= ["Esat"]'), "panic.toml:23: [tokens.desk]: group 'Esat' is", "mean East?"),
    "no address": (lose("pager.url"), f"pager.url: credential notify.pager: {_NO_FILE}", "Put the key"),
    "another key": (_OTHER_KEY, "certificate and key tls.key cannot be used: KEY_VALUES", "Give the two PEM"),
    "no TLS": (_NO_TLS, "panic.toml:16: at 0.0.0.0 without TLS, tokens", "Until then the service does not start"),
    "ledger": (put("ledger.db", "x" * 5000), "the ledger is in trouble: ", "Mend it, or name another"),
    "latch": (put("panic.latch", "disengaged"), "the latch is not whole", "Type panic latch"),
    "variable": (
        lambda setup: setup.patch.setenv("PANIC_RUN_CONCURENCY", "3"),
        "the environment variable 'PANIC_RUN_CONCURENCY' means nothing",
        "Did you mean PANIC_RUN_CONCURRENCY?",
    ),
}


def test_a_good_one_is_ready(setup: Setup):
    """Although everything there is to set up is used."""
    code, said = setup.check()

    assert 0 == code, said
    assert said.startswith("READY  a press would work everywhere: 3 of 3 accounts can be read")
    assert "!" not in said


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_not(setup: Setup, name: str):
    """What is wrong and what to do stand in one line, and the exit code is no 0."""
    spoil, what, remedy = BROKEN[name]
    spoil(setup)
    code, said = setup.check()

    assert 0 != code, said
    assert [line for line in said.splitlines() if what in line and remedy in line], said
    assert "READY  a press would" not in said.replace("NOT READY", "")
    assert not any(secret in said for secret in (KEY, SECRET, TOKEN))


def test_all_of_it_is_told_at_once(setup: Setup):
    """Whatever does not hide the rest: nobody mends one thing a time and types it again."""
    names = {*BROKEN} - {"all excluded", "no key", "no TLS", "variable"}
    for name in names:
        BROKEN[name][0](setup)
    code, said = setup.check()

    assert 78 == code
    assert [] == [name for name in names if BROKEN[name][1] not in said]


# ── the service ─────────────────────────────────────────────────────────────────────────────────────────────

_HOOK = '[hooks.risk]\nscheme = "bearer"\nsecrets = [{ file = "risk.secret" }]\ngroups = ["East"]\n'


async def test_the_service_and_its_self_test_judge_alike(tmp_path: Path):
    """503 and why; what exactly is for whoever has a token. A person's press goes all the same."""
    words = "[hooks.risk]: group 'Eats' is not in"
    async with house(tmp_path, more=_HOOK.replace("East", "Eats")) as it:
        ready = await it.ask("GET", "/readyz", token="")
        status = await it.ask("GET", "/v1/status", token="viewer")
        pressed = await it.press()
        report = await it.live(pressed.json["run_id"]).finished()
        loaded = it.standby.setup()

    assert (503, False, "configuration") == (ready.status, ready.json["ready"], ready.json["why"])
    assert words in "\n".join(status.json["standby"]["problems"])
    assert [problem for problem in loaded.problems if words in str(problem)]
    assert (202, "clear") == (pressed.status, report.verdict)


async def test_what_is_mended_or_breaks_is_noticed_while_it_serves(tmp_path: Path):
    """Within a moment, without a reload: files of hooks, and groups of the roster."""
    secret = tmp_path / "risk.secret"
    async with house(tmp_path, more=_HOOK) as it:

        async def why() -> str:
            words: str = (await it.ask("GET", "/readyz", token="")).json["why"]
            return words

        broken = await why()
        secret.touch(0o600)
        secret.write_text(TOKEN)
        await until(lambda: not it.standby.not_ready)
        mended = await why()
        it.firm.roster.write_text(it.firm.roster.read_text().replace("East", "Esat"))
        await until(lambda: bool(it.standby.not_ready))
        problems = it.standby.status()["problems"]

    assert ("configuration", "") == (broken, mended)
    assert any("[hooks.risk]: group 'East' is not in" in problem for problem in problems)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[latch]\nfile = "accounts.csv"\n', "[latch] file {}/accounts.csv is the roster"),
        ('[roster]\nfile = "panic.key"\n', "the roster and the secret of"),
        ('[service]\nhost = "203.0.113.9"\nbehind_proxy = true\n' + _HOOK, "203.0.113.9 is no address of this"),
    ],
)
def test_what_would_fail_only_later_is_no_readiness(tmp_path: Path, more: str, words: str):
    """Two files in one place, and an address where no hook arrives."""
    firm = Firm(tmp_path, "http://127.0.0.1:1", [1], more=more)
    settings = load(firm.settings, {})
    found = [*settings.problems, *readiness.read_setup(settings, {}).problems]

    assert [one for one in found if words.format(tmp_path) in str(one)]
    assert more.startswith("[latch]") == (settings.latch.file is None)
