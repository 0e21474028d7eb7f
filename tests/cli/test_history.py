"""What was, told again: `panic runs` and `panic show`, and what the record must never hold."""

import asyncio
import json
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from panic.ledger.reader import faults, read
from panic.simulator import Fault, Simulator
from tests.cli.ledgers import LEDGER, SETTINGS, kinds
from tests.cli.support import (
    KEY,
    PRESS,
    Finished,
    Firm,
    account,
    codes,
    http,
    panic,
    raw_server,
    sent,
    simulate,
    started,
    until,
    verdicts,
)

RUNS = ("runs", "--format", "json")
SHOW = ("show", "last", "--format", "json")
WIDE = {"COLUMNS": "300"}


async def ask(firm: Firm, *words: str, **how: Any) -> Finished:
    """Carry out one command in this firm."""
    return await panic(*firm.lines(*words), cwd=firm.folder, **how)


async def killed(firm: Firm, simulator: Simulator, *words: str, requests: int = 1) -> Finished:
    """Start a press and kill it once so many requests have arrived and something is on record."""
    async with started(*firm.lines(*words), cwd=firm.folder) as process:
        await until(lambda: len(simulator.requests) >= requests and "attempt" in kinds(firm.folder / LEDGER))
        process.signal(signal.SIGKILL)
        return await process.finish()


def listed(done: Finished) -> list[dict[str, Any]]:
    """The runs of a list."""
    document = json.loads(done.out)
    assert "panic-runs/1" == document["schema"]
    found: list[dict[str, Any]] = document["runs"]
    return found


# ── show ────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = (
    (),
    (Fault("status", status=503, times=1),),
    (Fault("status", on="ANY", status=403),),
    (Fault("executed_unanswered", times=1),),
    (Fault("lying_404", times=1),),
    (Fault("bare_404", times=1),),
    (Fault("part_fills", count=30),),
    (Fault("fills"),),
    (Fault("truncated", times=1),),
    (Fault("schema_drift", on="ANY"),),
    (Fault("wrong_account", times=1),),
    (Fault("second_answer", times=1),),
    (Fault("error_in_200", times=1),),
    (Fault("reappears", times=1, seconds=0.2, count=2),),
    (Fault("hang", on="GET"),),
    (Fault("stuck"),),
    (Fault("paged", count=1),),
)


async def test_a_report_is_shown_as_it_was_printed(tmp_path: Path):
    """To the byte, whatever odd things are in it, and with its exit code; as a table as well."""
    accounts = [account(id_, *its, orders=1 + id_ % 3) for id_, its in enumerate(ODD, 1)]
    async with simulate(*accounts, latency_s=0.01) as simulator:
        rows = [*range(1, len(ODD) + 1), "x", "7"]
        firm = Firm(
            tmp_path, simulator.base_url, rows, run="attempt_s = 0.5\npoll_first_s = 0.05\n", more=SETTINGS
        )
        firm.key.chmod(0o644)
        done = await ask(firm, *PRESS, "--deadline", "3", "--watch", "0.5", "--latch", "--by", "Zoë Ω")
        shown = await ask(firm, *SHOW)
        table = await ask(firm, "show", "last", "--format", "table", env=WIDE)

        assert {"refused", "open", "clear"} <= set(verdicts(done.report).values())
        assert done.out == shown.out
        assert (40, 40, 40) == (done.code, shown.code, table.code)
        assert table.out.startswith("REFUSED")
        assert done.report["run_id"] in table.out
        assert "Zoë Ω" in shown.out


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_runs_are_listed_with_the_unfinished_ones_first(tmp_path: Path):
    """Then the latest first; each with who, why and what to do; 10 as long as one did not come to its end."""
    async with simulate(account(1), account(2, Fault("hang", skip=1, times=1))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        oldest = (await ask(firm, *PRESS)).report["run_id"]
        one = await ask(firm, *RUNS)
        before = len(simulator.requests)
        await killed(firm, simulator, *PRESS, "--by", "Risk Officer", requests=before + 2)
        latest = (await ask(firm, "press", "--account", "1", "--reason", "cleanup")).report["run_id"]
        table, found = await ask(firm, "runs", "--format", "table", env=WIDE), await ask(firm, *RUNS)
        few = await ask(firm, *RUNS, "--limit", "1")
        unfinished = listed(found)[0]
        lines = table.out.splitlines()

        assert (0, [oldest]) == (one.code, [run["run_id"] for run in listed(one)])
        assert (10, 10, 10) == (table.code, found.code, few.code)
        assert [unfinished["run_id"], latest, oldest] == [run["run_id"] for run in listed(found)]
        assert ["unfinished", "clear", "clear"] == [run["state"] for run in listed(found)]
        assert (None, None, None) == tuple(unfinished[name] for name in ("verdict", "exit_code", "finished_at"))
        assert ("Risk Officer", "runaway algo", "cli") == tuple(
            unfinished[name] for name in ("by", "reason", "source")
        )
        assert unfinished["resumable_until"] > unfinished["started_at"]
        assert lines[0].startswith(f"UNFINISHED {unfinished['run_id']}")
        assert f"panic resume {unfinished['run_id']}, until " in lines[1]
        assert lines[2].startswith(f"CLEAR      {latest}")
        assert (1, 2) == (len(listed(few)), json.loads(few.out)["more"])


async def test_no_ledger_yet(tmp_path: Path):
    """Nothing was ever pressed: an empty list, no run to show, and nothing is begun by asking."""
    firm = Firm(tmp_path, "http://127.0.0.1:9", [1], more=SETTINGS)
    found, table, shown = (
        await ask(firm, *RUNS),
        await ask(firm, "runs", "--format", "table", env=WIDE),
        await ask(firm, *SHOW),
    )

    assert (0, [], []) == (found.code, listed(found), json.loads(found.out)["damage"])
    looked_in = [f"{tmp_path / LEDGER} (not there)"]
    assert (0, ["no run is on record", *(f"looked in {one}" for one in looked_in)]) == (
        table.code,
        table.out.splitlines(),
    )
    assert looked_in == json.loads(found.out)["looked_in"]
    assert (64, "") == (shown.code, shown.out)
    assert "there is none yet" in shown.err
    assert not (tmp_path / LEDGER).parent.exists()


async def test_two_presses_at_once(tmp_path: Path):
    """Both fire, both are on record whole and in one unbroken chain, and neither waits for the other."""
    ids = range(1, 31)
    async with simulate(*(account(id_) for id_ in ids), latency_s=0.02) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ids, more=SETTINGS)
        words = (*PRESS, "--concurrency", "8", "--watch", "0.5")
        done = await asyncio.gather(*(ask(firm, *words) for _ in range(2)))
        shown = [await ask(firm, "show", one.report["run_id"], "--format", "json") for one in done]
        volume = read(tmp_path / LEDGER, whole=True)
        runs = [row.run for row in volume.rows]

        assert [0, 0] == [one.code for one in done]
        assert [[], []] == [codes(one.report) for one in done]
        assert [one.out for one in done] == [one.out for one in shown]
        assert sorted([*ids, *ids]) == sorted(sent(simulator, "DELETE"))
        assert ("", ()) == (volume.damage, faults(volume))
        assert 2 == len(set(runs))
        assert sum(one != other for one, other in pairwise(runs)) > 1


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────

QUOTED = 'kid7."aB3\\dE6"gH9\\\\jK2mN5pQ8sT1vW4"yZ'


def echo(key: str) -> Callable[[str, str, str], bytes]:
    """A broker that repeats the key wherever it can, in each account in another way."""
    order = dict.fromkeys(("id", "symbol", "side", "order_type", "time_in_force"), key)
    order |= {"client_order_id": f"mine-{key}", "status": "NEW", "filled_quantity": "0"}
    looks: list[int] = []

    def whole(data: object, error: object = None) -> bytes:
        return json.dumps({"data": data, "error": error, "metadata": {"request_id": f"r-{key}"}}).encode()

    def shown(mine: dict[str, Any]) -> bytes:
        looks.append(1)
        late = {**mine, "id": f"late-{key}-{len(looks) // 2}", "client_order_id": f"{key}{key}"}
        return http(200, whole([{**mine, "status": "FILLED", "filled_quantity": "40"}, late]))

    def answer(method: str, path: str, bearer: str) -> bytes:
        name = path.removeprefix("/v1/accounts/").partition("/")[0]
        mine = {**order, "account_id": int(name) if name.isdecimal() else 0}
        answers = {
            "DELETE 2": http(400, whole(None, {"code": 400, "message": key}), f"X-Request-Id: {key}"),
            "DELETE 3": http(400, whole(None, {"code": 400, "detail": f"what is {key}?"})),
            "DELETE 4": http(200, whole([mine], {"code": 1, "message": f"inside {key}"})),
            "DELETE 5": http(302, b"", f"Location: https://example.com/{key}", f"X-Request-Id: {key}"),
            "DELETE 6": http(200, whole([{**mine, "account_id": 99}])),
            "DELETE 7": f"HTTP/1.1 503 {key}\r\n{key}: {key}\r\nContent-Length: 0\r\n\r\n".encode(),
            "GET 8": http(403, whole(None, {"code": 403, "message": f"not with {key}"})),
        }
        if "/orders" not in path:
            return http(403, whole(None, {"code": 403, "message": f"nor with {key}"}))
        if (method, name) == ("GET", "1"):
            return shown(mine)
        return answers.get(f"{method} {name}", http(200, whole([mine])))

    return answer


def half(key: str) -> str:
    """The part of a key that opens something."""
    return key.partition(".")[2] or key


def traces(text: str, key: str) -> list[str]:
    """Which spellings of a key stand in a text."""
    secret = half(key)
    by_repr = repr(secret)[1:-1]
    spellings = {
        "as it is": secret,
        "in JSON": json.dumps(secret)[1:-1],
        "by repr": by_repr,
        "by repr in JSON": json.dumps(by_repr)[1:-1],
    }
    return [how for how, spelling in spellings.items() if spelling in text]


async def test_the_key_is_nowhere_on_record(tmp_path: Path):
    """Whatever the broker repeats and somebody types: not in the files, now or later, nor in what is shown."""
    key = QUOTED
    async with raw_server(echo(key)) as base_url:
        settings = "attempt_s = 0.5\npoll_first_s = 0.05\npoll_max_s = 0.1\n"
        firm = Firm(tmp_path, base_url, range(1, 9), run=settings, more=SETTINGS)
        firm.key.write_text(key)
        typed = ("press", "--all", "--reason", f"the key is {key}", "--by", f"me {key}", "--latch")
        words = firm.lines("--log-level", "debug", *typed, "--deadline", "1.5", "--watch", "0.4")
        async with started(*words, cwd=tmp_path) as process:
            await until(lambda: "standing" in kinds(tmp_path / LEDGER))
            during = files(tmp_path)
            done = await process.finish()
        later = {" ".join(one): await ask(firm, *one, env=WIDE) for one in SHOWN}
        found = {name: traces(text, key) for name, text in (during | files(tmp_path)).items()}
        found |= {name: traces(one.out + one.err, key) for name, one in later.items()}
        found |= {"printed": traces(done.out, key), "said": traces(done.err, key)}

        assert 40 == done.code
        assert "[key]" in done.out
        assert any("wal" in name for name in during)
        assert {} == {name: how for name, how in found.items() if how}


SHOWN = (RUNS, SHOW, ("runs", "--format", "table"), ("show", "last", "--format", "table"))


def files(folder: Path) -> dict[str, str]:
    """All that was written: the ledgers, their logs, and the latch."""
    return {
        str(one.relative_to(folder)): one.read_bytes().decode("latin-1")
        for one in sorted(folder.rglob("*"))
        if one.is_file() and one.name != "panic.key"
    }


async def test_a_key_that_is_typed_at_a_resume(tmp_path: Path):
    """Who takes a run up is told as who pressed it: without the key."""
    async with simulate(account(1, Fault("hang", times=1))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        await killed(firm, simulator, *PRESS)
        done = await ask(firm, "resume", "last", "--by", f"me, {KEY}")
        shown = await ask(firm, *SHOW)
        written = "".join(files(tmp_path).values())

        assert 0 == done.code
        assert [[], [], []] == [
            traces(text, KEY) for text in (done.out + done.err, shown.out + shown.err, written)
        ]


# ── what else stands in the ledger's place ──────────────────────────────────────────────────────────────────
