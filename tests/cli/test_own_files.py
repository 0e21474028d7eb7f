"""No command writes over a file of panic's own, whatever it is called; and a dry run writes none at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from panic.config import load
from panic.config.own_files import own_files, refuse_own
from panic.kit.errors import UsageError
from tests.cli.inside import beside, typed
from tests.cli.support import PRESS, Firm, account, closed_port, contents, names, sent, simulate, told, valid

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
    *(f"state/ledger.db{end}" for end in ("", "-wal", "-shm", ".heads")),
    "state/panic.latch",
    "state/panic.latch.lock",
    "state/selftest.json",
    "state/calendar.json",
    "state/clock.json",
    "state/pace.json",
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
    found = Firm(tmp_path, NOBODY, [1], run=quick, more=f"{FILES}")
    (tmp_path / "state").mkdir()
    for name in OWN[3:]:
        (tmp_path / name).write_text("what must stay")
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_no_command_writes_over_the_roster(firm: Firm, name: str, taken: str):
    """It is refused before anything is done, with the file and a remedy."""
    before = contents(firm.folder)
    words = [word.replace("TAKEN", taken) for word in WRITERS[name]]
    done = typed(*firm.lines(*words, str(firm.roster)))

    assert 64 == done.code, done.err
    assert f"{firm.roster} is the roster: panic's own. Name a new file\n" in done.err
    assert before == contents(firm.folder)


def _linked(target: Path, link: Callable[[Path, Path], None]) -> Path:
    link(target, target.parent / f"{target.name}.other")
    return target.parent / f"{target.name}.other"


DISGUISES: dict[str, Callable[[Path], Path]] = {
    "its name": lambda file: file,
    "a link": lambda file: _linked(file, os.symlink),
    "a way round": lambda file: file.parent / "." / ".." / file.parent.name / file.name,
    "other letters": lambda file: file.with_name(file.name.upper()),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("there", [True, False])
def test_every_file_that_panic_knows_is_its_own(firm: Firm, disguise: str, *, there: bool):
    """By whatever name, and whether it is there already or not, as a ledger before the first press."""
    settings = load(firm.settings, {})
    for name in OWN:
        file = firm.folder / name
        if not there:
            file.unlink()
        with pytest.raises(UsageError, match=r"panic's own\. Name a new file"):
            refuse_own(DISGUISES[disguise](file), settings, "--output")


def test_the_list_is_whole(firm: Firm):
    """What is tried here is what there is, but for SQLite's fourth file, and the authorities that nobody has."""
    listed = {str(file.relative_to(firm.folder)) for _, file in own_files(load(firm.settings, {}))}

    assert {*OWN} == {name for name in listed if not name.endswith("-journal")}


@pytest.mark.parametrize("words", [PRESS, ("reset", "--reason", "quiet", "--force", "nothing runs")])
def test_a_dry_run_writes_nothing(firm: Firm, words: tuple[str, ...]):
    """It prints what it would do, and says that the file is not written."""
    for name in names(firm.folder / "state"):
        (firm.folder / "state" / name).unlink()
    before, plan = contents(firm.folder), firm.folder / "plan.json"
    done = typed(*firm.lines(*words, "--dry-run", "--output", str(plan)))

    assert (0, True) == (done.code, bool(done.out))
    assert f"panic: --output {plan} is not written: a dry run writes nothing\n" in done.err
    assert before == contents(firm.folder)


@pytest.mark.parametrize(("name", "is_written"), [("accounts.csv", False), ("report.json", True)])
def test_a_press_fires_whatever_its_output_names(tmp_path: Path, name: str, *, is_written: bool):
    """Only its report is not written over the roster: nothing may stop or delay a press. Any other file is."""
    with beside(simulate(account(1))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        (tmp_path / "report.json").write_text("yesterday's")
        roster = firm.roster.read_bytes()
        done = typed(*firm.lines(*PRESS, "--output", str(tmp_path / name)))

    assert 0 == done.code, done.err
    assert [1] == sent(simulator, "DELETE")
    assert ("panic's own" in done.err) is not is_written
    assert roster == firm.roster.read_bytes()
    report = valid((tmp_path / name).read_text() if is_written else done.out)
    assert "clear" == told(report, 1)["verdict"]
