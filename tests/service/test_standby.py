"""What is kept ready for a press is what a press would have found, and is there when nothing else answers."""

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from panic.accounts.plan import Scope
from panic.broker.client import Broker
from panic.broker.outcomes import Outcome
from panic.config import load
from panic.kit.errors import ConfigurationError
from panic.ledger import reader
from panic.ledger.backlog import Trouble
from panic.report.document import Flag
from panic.run.press import Prepared, Press, prepare
from panic.service import standby as standby_module
from panic.service.standby import Standby
from panic.service.standby.health import Reloaded
from tests.broker.support import ID, PATIENCE_S, Line, Listener, cancel, envelope, http, listening
from tests.cli.support import KEY, Firm, closed_port, raw_server, until
from tests.ledger.support import rewrite

ALL = Press(Scope(all=True), "runaway algo")
TIME = http(200, {"data": {}, "error": None}, "Date: Tue, 24 Nov 2026 02:00:00 GMT")
DONE = http(200, envelope(ID))
NEW_KEY = "keyid43.zY3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX2"
WARM = 4
SERVICE = f"[service]\nwarm_connections = {WARM}\n"


def firm_of(folder: Path, base_url: str = "", rows: Any = (1, 2), **more: Any) -> Firm:
    """A firm whose service keeps a few connections."""
    return Firm(folder, base_url or f"http://127.0.0.1:{closed_port()}", rows, **{"more": SERVICE, **more})


@asynccontextmanager
async def ready(firm: Firm, env: dict[str, str] | None = None, **options: Any) -> AsyncIterator[Standby]:
    """A standby of the firm, started and at the end closed; it is as patient as a busy machine needs."""
    standby = Standby(load(firm.settings, {}), env or {}, **{"look_s": PATIENCE_S, **options})
    await standby.start()
    try:
        yield standby
    finally:
        await standby.close()


def fired(prepared: Prepared) -> list[int]:
    """The accounts that a press would send DELETEs for."""
    return [one.id for one in prepared.plan.accounts]


def key_of(prepared: Prepared) -> str:
    """The key that a press would use."""
    return prepared.keys["default"].reveal()


def said(flags: tuple[Flag, ...]) -> str:
    """All flags in one text."""
    return "\n".join(f"{flag.code}: {flag.text}" for flag in flags)


def warm_of(standby: Standby) -> object:
    return standby.status()["warm_connections"]


def problems_of(standby: Standby) -> str:
    """Everything that the status names as wrong."""
    return "\n".join(standby.status()["problems"])


async def taken(standby: Standby) -> Broker:
    """The standby's Broker, once all its connections are open."""
    await until(lambda: warm_of(standby) == WARM)
    broker = standby.take_broker()
    assert broker is not None
    return broker


async def serve(line: Line) -> None:
    """Give the time to who asks for it, and take every DELETE."""
    while head := await line.request():
        line.write(TIME if head.startswith("GET") else DONE)


def methods(listener: Listener) -> list[str]:
    return [head.split()[0] for head in listener.heads]


@pytest.fixture
def firm(tmp_path: Path) -> Firm:
    """A firm with the accounts 1, 2 and 3, and no broker."""
    return firm_of(tmp_path, rows=(1, 2, 3))


Hang = Callable[[Path], threading.Event]


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    """Let every stat of a file hang, as on a dead file system; tells when one does."""
    over, real = threading.Event(), os.stat

    def hangs(file: Path) -> threading.Event:
        begun = threading.Event()

        def stat(path: Any, **options: Any) -> os.stat_result:
            if path == file:
                begun.set()
                over.wait()
            return real(path, **options)

        monkeypatch.setattr(os, "stat", stat)
        return begun

    yield hangs
    over.set()


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_press_finds_what_it_would_have_read_itself(tmp_path: Path):
    """The same accounts, keys and flags as without a service."""
    firm = firm_of(tmp_path, rows=["1", "2", "x3"])
    firm.key.chmod(0o644)
    async with ready(firm) as standby:
        found, expected = standby.prepare(ALL), prepare(standby.settings, ALL, {})

        assert (expected.plan, expected.flags, expected.roster) == (found.plan, found.flags, found.roster)
        assert KEY == key_of(found)


HOOK = '[hooks.risk]\nsecrets = [{ file = "risk.secret" }]\nall = true\n'


async def test_a_secret_on_a_dead_file_system_holds_nobody_up(tmp_path: Path, hang: Hang):
    """A press goes; whether all is in order nobody knows, and nobody says that it is."""
    hangs = hang(tmp_path / "risk.secret")
    async with ready(firm_of(tmp_path, more=SERVICE + HOOK)) as standby:
        await until(hangs.is_set)

        assert ([1, 2], "starting") == (fired(standby.prepare(ALL)), standby.not_ready)


async def test_a_judgement_that_fails_is_no_readiness(firm: Firm, monkeypatch: pytest.MonkeyPatch):
    """Whatever breaks in it."""
    monkeypatch.setattr("panic.service.readiness.problems", lambda *_: 1 / 0)
    async with ready(firm) as standby:
        await standby.judged()

        assert "configuration" == standby.not_ready
        assert "readiness could not be judged: ZeroDivisionError. Type panic check" in problems_of(standby)


async def test_what_changed_is_read_at_the_press(firm: Firm):
    """Nobody has to wait for the next look: every_s is an hour here."""
    async with ready(firm, every_s=3600) as standby:
        firm.roster.write_text("id\n1\n2\n4\n")
        firm.key.write_text(NEW_KEY)
        prepared = standby.prepare(ALL)

        assert ([1, 2, 4], NEW_KEY, ()) == (fired(prepared), key_of(prepared), prepared.flags)


async def test_a_change_that_the_times_do_not_show_is_read(firm: Firm):
    """The same size, the same inode and, as far as we are concerned, within one tick of the disk's clock."""
    async with ready(firm, every_s=3600) as standby:
        for first in "3456":
            firm.roster.write_text(f"id\n{first}\n2\n")
            os.utime(firm.roster, (1, 1))

            assert [2, int(first)] == fired(standby.prepare(ALL))


NO_FILE = "the roster cannot be read: no such file or directory; what the roster said 0 s ago counts"
NO_COLUMN = "accounts.csv:1: the roster has no column id; what the roster said 0 s ago counts"
TYPO = "id,credential\n1,typo\n3,\n4,\n"
NO_KEY = "panic.key: credential default: the key file cannot be read: no such file or directory"


@pytest.mark.parametrize(
    ("spoil", "accounts", "unsent", "words"),
    [
        (lambda firm: firm.roster.unlink(), [1, 2, 3], [], NO_FILE),
        (lambda firm: firm.roster.write_text("name\nx\n"), [1, 2, 3], [], NO_COLUMN),
        (lambda firm: firm.roster.write_text(TYPO), [1, 3, 4], [], "account 1: the credential 'typo' is not"),
        (lambda firm: firm.roster.write_text("id\n1\nxx\n4\n"), [1, 2, 3, 4], [3], "accounts.csv:3: "),
        (lambda firm: firm.key.unlink(), [1, 2, 3], [], f"{NO_KEY}; the key of 0 s ago is used"),
    ],
    ids=["no roster", "no column", "a row with a name", "a row that nobody can read", "no key"],
)
async def test_what_cannot_be_read_gives_way_to_the_last_that_could(
    firm: Firm, spoil: Callable[[Firm], object], accounts: list[int], unsent: list[int], words: str
):
    """A press fires by every row that can be read, and by the last good one of any that broke: its flag says so.

    A row without a name may be any account that is missing, and is listed. What is mended counts again.
    """
    async with ready(firm) as standby:
        spoil(firm)
        prepared = standby.prepare(ALL)

        assert (accounts, KEY) == (fired(prepared), key_of(prepared))
        assert unsent == [one.row.line for one in prepared.plan.unsent if one.row]
        assert words in said(prepared.flags)
        assert words.partition(";")[0] in problems_of(standby)
        assert KEY not in said(prepared.flags) + problems_of(standby)
        firm.key.touch(0o600)
        firm.key.write_text(KEY)
        firm.roster.write_text("id\n5\n6\n7\n8\n")
        mended = standby.prepare(ALL)
        assert ([5, 6, 7, 8], ()) == (fired(mended), mended.flags)


async def test_nothing_good_ever_is_refused_and_mended_at_the_press(firm: Firm):
    """A service that starts on a broken roster says so, and a press finds a mended one."""
    firm.roster.unlink()
    async with ready(firm) as standby:
        with pytest.raises(ConfigurationError, match="the roster cannot be read"):
            standby.prepare(ALL)
        assert "the roster cannot be read" in problems_of(standby)
        assert standby.status()["roster_age_s"] is None
        firm.roster.write_text("id\n1\n")

        assert [1] == fired(standby.prepare(ALL))


async def test_a_file_system_that_hangs_delays_no_press(firm: Firm, hang: Hang, monkeypatch: pytest.MonkeyPatch):
    """What was loaded is used, with a flag; after a while it is no readiness."""
    async with ready(firm, every_s=3600, look_s=0.005) as standby:
        begun = hang(firm.roster)
        prepared = standby.prepare(ALL)

        assert begun.is_set()
        assert "" == problems_of(standby)
        monkeypatch.setattr("panic.service.standby.files.STALE_S", 0)
        assert "roster and keys could not be read for 0 s. Put them on a file system" in problems_of(standby)
        assert ([1, 2, 3], ["stale_files"]) == (fired(prepared), [flag.code for flag in prepared.flags])
        assert "they are used as they were 1 s ago" in prepared.flags[0].text


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_ledger_is_open_before_anybody_presses(tmp_path: Path, firm: Firm):
    """One writer for all who write; a file that has gone is begun anew for the next run."""
    async with ready(firm, every_s=0.01) as standby:
        file, writer = tmp_path / "ledger.db", standby.ledger
        await until(lambda: file.exists() and reader.read(file).damage == "")
        assert writer is not None
        for end in ("", "-wal", "-shm"):
            file.with_name(f"ledger.db{end}").unlink(missing_ok=True)
        leg = writer.leg("run-1")
        leg.append("note", "2026-11-24T02:00:00Z", {})

        assert await leg.settle(PATIENCE_S)
        assert standby.ledger is writer
        assert (["run-1"], []) == ([row.run for row in reader.read(file).rows], leg.troubles)


async def test_a_ledger_that_somebody_wrote_anew_is_told(
    tmp_path: Path, firm: Firm, monkeypatch: pytest.MonkeyPatch
):
    """Once, though nobody presses; and it stays among the problems."""
    monkeypatch.setattr(standby_module, "PROBE_S", 0.0)
    async with ready(firm, every_s=0.01) as standby:
        assert standby.ledger is not None
        told = list[Trouble]()
        standby.gone = told.append
        leg = standby.ledger.leg("run-1")
        leg.append("note", "2026-11-24T02:00:00Z", {})
        await leg.settle(PATIENCE_S)
        rewrite(tmp_path / "ledger.db", lambda one: one._replace(body={"by": "nobody"}))
        await until(lambda: bool(told))
        leg.append("note", "2026-11-24T02:00:01Z", {})
        await leg.settle(PATIENCE_S)

        assert ["ledger_rewritten"] == [one.code for one in told]
        assert "was written anew by others" in problems_of(standby)


# ── everything anew ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reload_replaces_everything(tmp_path: Path):
    """Settings, roster, keys and connections; what counts only at the start is told."""
    async with raw_server(lambda *_: TIME) as old, listening(serve) as new:
        firm = firm_of(tmp_path, old)
        async with ready(firm) as standby:
            await until(lambda: warm_of(standby) == WARM)
            lanes, more = standby.lanes, f"{SERVICE}port = 9999\n"
            Firm(tmp_path, new.base_url, [7], credentials=firm.credentials, more=more)
            reloaded = await standby.reload()
            prepared = standby.prepare(ALL)
            async with await taken(standby) as broker:
                answer = await cancel(broker)

        assert standby.lanes is not lanes
        assert ((), ("[service] port counts after a restart",), ()) == reloaded
        assert ([7], new.base_url) == (fired(prepared), prepared.settings.broker.base_url)
        assert (Outcome.ACCEPTED, WARM) == (answer.outcome, new.connections)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("settings", "[broker\n", "panic.toml:1: this is not TOML"),
        ("roster", "id\n7\nx\n", "accounts.csv:3: "),
        ("key", "", "panic.key: credential default: the key file is empty"),
    ],
)
async def test_a_reload_with_any_mistake_changes_nothing(firm: Firm, name: str, text: str, words: str):
    """The old settings stay whole, and the mistake is told, also in the status, until it is corrected."""
    async with ready(firm) as standby:
        old, file = standby.settings, getattr(firm, name)
        before = file.read_text()
        file.write_text(text)
        reloaded = await standby.reload()

        assert (True, ()) == (words in "\n".join(map(str, reloaded.problems)), reloaded.notes)
        assert old is standby.settings
        assert words in problems_of(standby)
        file.write_text(before)
        assert Reloaded() == await standby.reload()
        assert "loaded again" not in problems_of(standby)


async def test_a_reload_that_hangs_changes_nothing(firm: Firm, hang: Hang, monkeypatch: pytest.MonkeyPatch):
    """It is given up, and holds up no press meanwhile."""
    monkeypatch.setattr("panic.service.standby.health.RELOAD_S", 0.05)
    async with ready(firm, every_s=3600) as standby:
        old = standby.settings
        hang(firm.roster)
        reloaded = await standby.reload()

        assert "the files could not be read within" in str(reloaded.problems[0])
        assert old is standby.settings
