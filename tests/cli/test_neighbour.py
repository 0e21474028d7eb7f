"""A service on this machine that keeps another ledger or latch than the command beside it is told of."""

import json
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.cli import neighbour
from panic.config import load
from panic.config.own_files import fingerprints
from tests.cli.inside import beside
from tests.cli.support import PRESS, Firm, account, closed_port, http, panic, raw_server, simulate
from tests.service.support import firm, serving

REMEDY = "Compare panic config show here and as the service's user, and name one [state] folder."


async def test_a_service_with_other_files_is_told_of(tmp_path: Path):
    """`check` is 10 then, and a press that engages says in its last line that strategies there go on."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1], ledger="")
        one.settings.write_text(one.settings.read_text().replace("port = 0", f"port = {closed_port()}"))
        latch.create(tmp_path / "panic.latch")
        elsewhere = {f"PANIC_{name}_FILE": str(tmp_path / "elsewhere" / name) for name in ("LEDGER", "LATCH")}
        async with serving(one, env=elsewhere) as service:
            other = await panic(*one.lines("check"), cwd=tmp_path)
            engaging = await panic(*one.lines(*PRESS, "--latch"), cwd=tmp_path)
            plain = await panic(*one.lines(*PRESS), cwd=tmp_path)
        gone = await panic(*one.lines("check"), cwd=tmp_path)

    warnings = json.loads(other.out)["warnings"]
    assert [10, 0, 0] == [done.code for done in (other, engaging, plain)], other.out
    assert warnings[-1].startswith(f"the service at {service.url} uses another ledger and another latch")
    assert warnings[-1].endswith(f" than this command. {REMEDY}")
    line = f"panic: THE SERVICE AT {service.url} USES ANOTHER LATCH, which this press did not engage"
    assert line == engaging.last_line
    assert "ANOTHER LATCH" not in plain.err
    assert "the service at" not in gone.out


def told(files: Any) -> bytes:
    """What a service answers that has these files."""
    return http(503, json.dumps({"ready": True, "why": "", "files": files}).encode())


@pytest.mark.parametrize(
    ("answer", "others"),
    [
        (told({"ledger": "0123456789abcdef", "latch": "0123456789abcdef"}), ("ledger", "latch")),
        (told({"a stranger": 1}), ()),
        (told({}), ()),
        (told([1]), None),
        (told(None), None),
        (http(200, b'{"alive": true}'), None),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", None),
        (b"", None),
    ],
)
def test_whoever_listens_there_may_answer_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, others: tuple[str, ...] | None
):
    """Only what a service of ours says counts; nothing is raised, and whoever says nothing is not waited for."""
    monkeypatch.setattr(neighbour, "_ASK_S", 5.0 if others is not None else 0.1)
    with beside(raw_server(lambda *_: answer)) as url:
        service = f"[service]\nport = {url.rpartition(':')[2]}\n"
        found = neighbour.look(load(Firm(tmp_path, "http://127.0.0.1:1", [1], more=service).settings, {}))

    assert others == (None if found is None else found.others)


def test_one_file_has_one_fingerprint_by_whatever_way_it_is_reached(tmp_path: Path):
    """Links make no difference, so that a service with the same files is no news; another folder does."""
    folder = tmp_path / "state"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)

    def of(name: str) -> dict[str, str]:
        firm = Firm(tmp_path, "http://127.0.0.1:1", [1], more=f"[state]\nfolder = {json.dumps(name)}\n")
        return fingerprints(load(firm.settings, {}))

    assert of("state") == of("link") == of("state/../link") == of(str(folder))
    assert of("state")["ledger"] != of("other")["ledger"]
    assert {"ledger", "latch"} == of("no\0name").keys()
