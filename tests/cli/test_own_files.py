"""No command writes over a file of panic's own, whatever it is called; and a dry run writes none at all."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panic import background, cli
from panic.config import load
from panic.config.own import own_files
from tests.cli.support import PRESS, Firm, account, closed_port, names, panic, sent, simulate, told, valid

NOBODY = f"http://127.0.0.1:{closed_port()}"
FILES = """
[state]
folder = "state"
[service]
tls_certificate = "tls.pem"
tls_key = "tls.key"
[hooks.risk]
secrets = [{ file = "hook.secret" }]
all = true
[notify.desk]
url = { file = "desk.url" }
"""
OWN = (
    "panic.toml",
    "accounts.csv",
    "panic.key",
    "hook.secret",
    "desk.url",
    "tls.pem",
    "tls.key",
    *(f"state/ledger.db{end}" for end in ("", "-wal", "-shm")),
    "state/second.db",
    "state/panic.latch",
    "state/panic.latch.lock",
    "state/service.db",
    "state/selftest.json",
    "state/calendar.json",
    "state/clock.json",
)
WRITERS = {
    "press, only planned": (*PRESS, "--dry-run", "--output"),
    "check": ("check", "--output"),
    "runs": ("runs", "--output"),
    "show": ("show", "last", "--output"),
    "schedule": ("schedule", "--output"),
    "latch": ("latch", "--output"),
    "reset": ("reset", "--reason", "all is quiet", "--output"),
    "evidence export": ("evidence", "export", "last", "--output"),
    "evidence verify": ("evidence", "verify", "evidence", "--output"),
    "evidence backup": ("evidence", "backup"),
    "drill": ("drill", "--accounts", "1", "--output"),
    "drill, its ledger": ("drill", "--accounts", "1", "--ledger"),
    "drill in the room": ("drill", "--room", "--no-open", "--port", "TAKEN", "--ledger"),
}


@pytest.fixture
def firm(tmp_path: Path) -> Firm:
    """A firm with every kind of file that there is; its broker is gone."""
    quick = "attempt_s = 0.1\ndeadline_s = 0.2\n"
    found = Firm(tmp_path, NOBODY, [1], run=quick, more=f'{FILES}[ledger]\nfallback = "second.db"\n')
    (tmp_path / "state").mkdir()
    for name in OWN[3:]:
        (tmp_path / name).write_text("what must stay")
    return found


@pytest.fixture
def taken() -> Iterator[str]:
    """A port where somebody listens: what would serve there until a signal ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that is in a folder."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_no_command_writes_over_the_roster(firm: Firm, name: str, taken: str, capsys: pytest.CaptureFixture[str]):
    """It is refused before anything is done, with the file and a remedy."""
    before = contents(firm.folder)
    words = [word.replace("TAKEN", taken) for word in WRITERS[name]]
    code = cli.run(firm.lines(*words, str(firm.roster)))
    said = capsys.readouterr().err

    assert 64 == code, said
    assert f"{firm.roster} is the roster: panic's own. Name a new file\n" in said
    assert before == contents(firm.folder)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("there", [True, False])
def test_every_file_that_panic_knows_is_its_own(
    firm: Firm, name: str, capsys: pytest.CaptureFixture[str], *, there: bool
):
    """Whether it is there already or not, as a ledger before the first press."""
    if not there and name not in OWN[:3]:
        (firm.folder / name).unlink()
    before = contents(firm.folder)
    code = cli.run(firm.lines("runs", "--output", str(firm.folder / name)))

    assert 64 == code
    assert "panic's own. Name a new file\nNothing was sent." in capsys.readouterr().err
    assert before == contents(firm.folder)


def test_the_list_is_whole(firm: Firm):
    """What is tried here is what there is, but for SQLite's fourth file, and the authorities that nobody has."""
    listed = {str(file.relative_to(firm.folder)) for _, file in own_files(load(firm.settings, {}))}
    of_sqlite = {f"state/{name}.db{end}" for name in ("ledger", "second", "service") for end in ("-wal", "-shm")}

    assert {*OWN, *of_sqlite} == {name for name in listed if not name.endswith("-journal")}


DISGUISES: dict[str, Callable[[Path], Path]] = {
    "a link": lambda roster: _linked(roster, os.symlink),
    "a second name": lambda roster: _linked(roster, os.link),
    "a way round": lambda roster: roster.parent / "state" / ".." / roster.name,
    "a link to its folder": lambda roster: _linked(roster.parent, os.symlink) / roster.name,
    "other letters": lambda roster: roster.with_name("Accounts.CSV"),
}


def _linked(target: Path, link: Callable[[Path, Path], None]) -> Path:
    link(target, target.parent / f"{target.name}.other")
    return target.parent / f"{target.name}.other"


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_file_is_known_by_any_name(firm: Firm, disguise: str, capsys: pytest.CaptureFixture[str]):
    """The message says which of panic's files it really is."""
    other = DISGUISES[disguise](firm.roster)
    code = cli.run(firm.lines("runs", "--output", str(other)))

    assert 64 == code
    assert f"{other} is the roster, {firm.roster}: panic's own." in capsys.readouterr().err


@pytest.mark.parametrize("settings", ["missing", "broken"])
def test_a_drill_needs_no_settings_and_spares_what_they_would_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str, capsys: pytest.CaptureFixture[str], settings: str
):
    """A roster is its own beside settings that are wrong, and beside none."""
    (tmp_path / "config").mkdir()
    roster = tmp_path / "config" / "accounts.csv"
    roster.write_text("id\n1\n")
    if settings == "broken":
        (tmp_path / "config" / "panic.toml").write_text("[broker\n")
    monkeypatch.chdir(tmp_path)
    codes = [
        cli.run(["drill", "--accounts", "1", "--output", str(roster)]),
        cli.run(["simulate", "--accounts", "1", "--port", taken, "--write", "config"]),
    ]

    assert [64, 64] == codes
    assert 2 == capsys.readouterr().err.count(
        "accounts.csv is the roster" if settings == "missing" else "own. Name"
    )
    assert "id\n1\n" == roster.read_text()


@pytest.mark.parametrize("words", [PRESS, ("reset", "--reason", "quiet", "--force", "nothing runs")])
def test_a_dry_run_writes_nothing(firm: Firm, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    """It prints what it would do, and says that the file is not written."""
    for name in names(firm.folder / "state"):
        (firm.folder / "state" / name).unlink()
    before, plan = contents(firm.folder), firm.folder / "plan.json"
    code = cli.run(firm.lines(*words, "--dry-run", "--output", str(plan)))
    shown = capsys.readouterr()

    assert (0, True) == (code, bool(shown.out))
    assert f"panic: --output {plan} is not written: a dry run writes nothing\n" in shown.err
    assert before == contents(firm.folder)


def test_where_nobody_can_tell_in_time_whose_a_file_is_it_is_left_alone(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """On a disk that hangs the command goes on without it."""

    def hangs(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(background, "within", hangs)
    target = firm.folder / "report.json"
    code = cli.run(firm.lines(*PRESS, "--dry-run", "--output", str(target)))

    assert 0 == code
    assert "is not written" in capsys.readouterr().err
    assert not target.exists()


async def test_a_press_fires_whatever_its_output_names(tmp_path: Path):
    """Only its report is not written: nothing else may stop or delay a press."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        roster = firm.roster.read_bytes()
        done = await panic(*firm.lines(*PRESS, "--output", str(firm.roster)), cwd=tmp_path)

    assert 0 == done.code, done.err
    assert [1] == sent(simulator, "DELETE")
    assert "clear" == told(done.report, 1)["verdict"]
    assert f"{firm.roster} is the roster: panic's own. Name a new file" in done.err
    assert roster == firm.roster.read_bytes()


async def test_a_report_goes_into_any_other_file(tmp_path: Path):
    """One that is there already, too."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        (tmp_path / "report.json").write_text("yesterday's")
        done = await panic(*firm.lines(*PRESS, "--output", "report.json"), cwd=tmp_path)

    assert 0 == done.code, done.err
    assert "clear" == told(valid((tmp_path / "report.json").read_text()), 1)["verdict"]
