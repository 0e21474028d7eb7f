"""What was, told again: `panic runs` and `panic show`, and what the record must never hold."""

import asyncio
import csv
import io
import json
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from panic.broker.outcomes import Standing
from panic.engine.case import Case
from panic.ledger.reader import faults, read
from panic.simulator import Fault, Simulator
from tests.cli.inside import typed
from tests.cli.ledgers import LEDGER, SETTINGS, events, kinds, replayed
from tests.cli.support import (
    PRESS,
    Finished,
    Firm,
    account,
    codes,
    contents,
    http,
    on_behalf_of,
    panic,
    raw_server,
    sent,
    simulate,
    started,
    until,
    verdicts,
)
from tests.ledger.support import rewrite

RUNS = ("runs", "--format", "json")
SHOW = ("show", "last", "--format", "json")


async def ask(firm: Firm, *words: str) -> Finished:
    """Carry out one command in this firm, in a process."""
    return await panic(*firm.lines(*words), cwd=firm.folder)


def cases_of(folder: Path) -> list[Case]:
    """The accounts of the last run, as far as its record goes."""
    replay = replayed(folder)
    return list(replay.cases.values()) if replay else []


async def killed(firm: Firm, simulator: Simulator, *words: str) -> None:
    """Start a press, and kill it once two more requests have arrived and it is on record."""
    requests, ledger = len(simulator.requests) + 2, firm.folder / LEDGER
    runs = len({one.run for one in events(ledger)})
    async with started(*firm.lines(*words), cwd=firm.folder) as process:
        await until(
            lambda: len(simulator.requests) >= requests and len({one.run for one in events(ledger)}) > runs
        )
        process.signal(signal.SIGKILL)
        await process.finish()


_ONCE = (
    "executed_unanswered",
    "lying_404",
    "bare_404",
    "truncated",
    "wrong_account",
    "second_answer",
    "error_in_200",
)
ODD = (
    *(Fault(kind, times=1) for kind in _ONCE),
    Fault("status", status=503, times=1),
    Fault("status", on="ANY", status=403),
    Fault("part_fills", count=30),
    Fault("fills"),
    Fault("schema_drift", on="ANY"),
    Fault("reappears", times=1, seconds=0.2, count=2),
    Fault("hang", on="GET"),
    Fault("stuck"),
    Fault("paged", count=1),
)


async def test_what_is_shown_is_anchored_only_by_a_head_that_was_kept_elsewhere(tmp_path: Path):
    """It is said where there is none; and one that does not fit a ledger written anew puts all in doubt."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        report = (await ask(firm, *PRESS)).report
    head = report["ledger_head"]
    bare, anchored = typed(*firm.lines(*SHOW)), typed(*firm.lines(*SHOW, "--head", head))
    rewrite(tmp_path / LEDGER, lambda one: one._replace(at="2026-03-01T15:30:00.000000+00:00"))
    altered, wrong = typed(*firm.lines(*SHOW, "--head", head)), typed(*firm.lines(*SHOW, "--head", "12:xy"))

    assert [0, 0, 10, 64] == [one.code for one in (bare, anchored, altered, wrong)]
    assert f"not anchored: nothing outside the ledger vouches for this; compare {head}" in bare.err
    assert "panic: anchored" in anchored.err
    assert "panic: altered or damaged: event" in altered.err
    assert report == json.loads(bare.out) == json.loads(anchored.out)


async def test_a_report_is_shown_as_it_was_printed(tmp_path: Path):
    """To the byte, whatever odd things are in it, and with its exit code; as a table and rows of orders, too."""
    accounts = [account(id_, its, orders=1 + id_ % 3) for id_, its in enumerate(ODD, 2)]
    async with simulate(account(1), *accounts, latency_s=0.01) as simulator:
        rows = [*range(1, len(ODD) + 2), "x", "7"]
        run = "attempt_s = 0.5\npoll_first_s = 0.05\n"
        firm = Firm(tmp_path, simulator.base_url, rows, run=run, more=SETTINGS)
        firm.key.chmod(0o644)
        done = await ask(firm, *PRESS, "--deadline", "3", "--watch", "0.5", "--latch", "--by", "Zoë Ω")
        shown, table = await ask(firm, *SHOW), typed(*firm.lines("show", "last", "--format", "table"))

        assert {"refused", "open", "clear"} <= set(verdicts(done.report).values())
        assert done.out == shown.out
        assert (40, 40, 40) == (done.code, shown.code, table.code)
        assert table.out.startswith("REFUSED")
        assert done.report["run_id"] in table.out
        assert "Zoë Ω" in shown.out
        rows_of = typed(*firm.lines("show", "last", "--format", "csv"))
        orders = [
            (str(one["id"]), o["id"], o["fill_price"] or "")
            for one in done.report["accounts"]
            for o in one["order_list"]
        ]
        listed = [
            (row["account"], row["id"], row["fill_price"]) for row in csv.DictReader(io.StringIO(rows_of.out))
        ]
        assert (40, orders) == (rows_of.code, listed)
        assert any(price for _, _, price in listed)


async def test_runs_are_listed_with_the_unfinished_ones_first(tmp_path: Path):
    """Then the latest first; each with who, why and what to do; 10 as long as one did not come to its end."""
    async with simulate(account(1), account(2, Fault("hang", skip=1, times=1))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        oldest = (await ask(firm, *PRESS)).report["run_id"]
        before = typed(*firm.lines(*RUNS)).code
        await killed(firm, simulator, *PRESS, "--by", "Risk Officer")
        latest = (await ask(firm, "press", "--account", "1", "--reason", "cleanup")).report["run_id"]
    table, found, few = (
        typed(*firm.lines(*words)) for words in (("runs", "--format", "table"), RUNS, (*RUNS, "--limit", "1"))
    )
    document, lines = json.loads(found.out), table.out.splitlines()
    first, *others = document["runs"]
    nothing_yet = {"verdict": None, "exit_code": None, "finished_at": None}

    assert (0, 10, 10, 10) == (before, table.code, found.code, few.code)
    assert ("panic-runs/1", [latest, oldest]) == (document["schema"], [run["run_id"] for run in others])
    assert ["unfinished", "clear", "clear"] == [run["state"] for run in (first, *others)]
    who = {"by": on_behalf_of("Risk Officer"), "reason": "runaway algo", "source": "cli"}
    assert {**who, **nothing_yet}.items() <= first.items()
    assert first["resumable_until"] > first["started_at"]
    assert lines[0].startswith(f"UNFINISHED {first['run_id']}")
    assert "  all accounts" == lines[1]
    assert f"panic resume {first['run_id']}, until " in lines[2]
    assert lines[3].startswith(f"CLEAR      {latest}")
    assert lines[4].startswith("  1 · 1 clear · took ")
    assert ({"clear": 2}, "all accounts") == (others[-1]["verdicts"], others[-1]["scope"])
    assert others[-1]["total_s"] > 0
    assert ([first], 2) == (json.loads(few.out)["runs"], json.loads(few.out)["more"])


def test_no_ledger_yet(tmp_path: Path):
    """Nothing was ever pressed: an empty list, no run to show, and nothing is begun by asking."""
    firm = Firm(tmp_path, "http://127.0.0.1:9", [1], more=SETTINGS)
    found, table, shown = (typed(*firm.lines(*words)) for words in (RUNS, ("runs", "--format", "table"), SHOW))
    document, looked_in = json.loads(found.out), f"{tmp_path / LEDGER} (not there)"

    assert ([], [], [looked_in]) == (document["runs"], document["damage"], document["looked_in"])
    assert ["no run is on record", f"looked in {looked_in}"] == table.out.splitlines()
    assert (0, 0, 64, "") == (found.code, table.code, shown.code, shown.out)
    assert "no run is on record in" in shown.err
    assert not (tmp_path / LEDGER).parent.exists()


def test_a_ledger_that_cannot_be_read_is_not_said_to_hold_no_run(tmp_path: Path):
    """Nobody knows what it holds; the list, and whoever asks for a run, is told what is wrong with it."""
    firm = Firm(tmp_path, "http://127.0.0.1:9", more=SETTINGS)
    (tmp_path / LEDGER).parent.mkdir()
    (tmp_path / LEDGER).write_bytes(b"not a database" * 1000)
    listed, shown = typed(*firm.lines("runs", "--format", "table")), typed(*firm.lines(*SHOW))

    assert (10, True) == (listed.code, "no run can be read\n" in listed.out)
    assert (64, True) == (shown.code, "no run can be read in" in shown.err and "it is damaged" in shown.err)


async def test_two_presses_at_once(tmp_path: Path):
    """Both fire, both are on record whole and in one unbroken chain, and neither waits for the other."""
    ids = range(1, 31)
    async with simulate(*(account(id_) for id_ in ids), latency_s=0.02) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ids, more=SETTINGS)
        words = (*PRESS, "--concurrency", "8", "--watch", "0.5")
        done = await asyncio.gather(*(ask(firm, *words) for _ in range(2)))
    shown = [typed(*firm.lines("show", one.report["run_id"], "--format", "json")) for one in done]
    volume = read(tmp_path / LEDGER, whole=True)

    assert [(0, []), (0, [])] == [(one.code, codes(one.report)) for one in done]
    assert [one.out for one in done] == [one.out for one in shown]
    assert sorted([*ids, *ids]) == sorted(sent(simulator, "DELETE"))
    assert ("", ()) == (volume.damage, faults(volume))
    assert sum(one.run != other.run for one, other in pairwise(volume.rows)) > 1


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
        heads = (f"X-Request-Id: {key}", f"Location: https://example.com/{key}", f"Retry-After: {key}")
        answers = {
            "DELETE 2": http(400, whole(None, {"code": 400, "message": f"bad {bearer}"}), *heads),
            "DELETE 3": http(400, whole(None, {"code": 400, "detail": f"what is {key}?"})),
            "DELETE 4": http(200, whole([mine], {"code": 1, "message": f"inside {key}"})),
            "DELETE 5": http(302, b"", *heads),
            "DELETE 6": http(200, whole([{**mine, "account_id": 99}])),
            "DELETE 7": f"HTTP/1.1 503 {key}\r\n{key}: {key}\r\nContent-Length: 0\r\n\r\n".encode(),
            "GET 8": http(403, whole(None, {"code": 403, "message": f"not with {key}"})),
            "DELETE 9": http(404, f"<html>{bearer}</html>".encode(), *heads),
            "DELETE 10": f"HTTP/1.1 200 {key}\r\n{key}\r\n\r\n".encode(),
        }
        if "/orders" not in path:
            return http(403, whole(None, {"code": 403, "message": f"nor with {key}"}))
        if (method, name) == ("GET", "1"):
            return shown(mine)
        return answers.get(f"{method} {name}", http(200, whole([mine])))

    return answer


def traces(text: str, key: str) -> list[str]:
    """Which spellings of the part of a key that opens something stand in a text."""
    secret = key.partition(".")[2]
    by_repr = repr(secret)[1:-1]
    spellings = (secret, json.dumps(secret)[1:-1], by_repr, json.dumps(by_repr)[1:-1])
    return [spelling for spelling in spellings if spelling in text]


async def test_the_key_is_nowhere(tmp_path: Path):
    """Whatever the broker repeats and somebody types: not in the files, now or later, nor in what is shown."""
    async with raw_server(echo(QUOTED)) as base_url:
        settings = "attempt_s = 0.5\npoll_first_s = 0.05\npoll_max_s = 0.1\n"
        firm = Firm(tmp_path, base_url, range(1, 11), run=settings, more=SETTINGS)
        firm.key.write_text(QUOTED)
        press = ("press", "--all", "--reason", f"the key is {QUOTED}", "--by", f"me {QUOTED}", "--latch")
        more = ("--deadline", "1.5", "--watch", "0.4", "--output", str(tmp_path / "report.json"))
        words, env = firm.lines("--log-level", "debug", *press, *more), {"PANIC_TRACEBACK": "1"}
        async with started(*words, cwd=tmp_path, env=env) as process:
            await until(lambda: "standing" in kinds(tmp_path / LEDGER))
            during = contents(tmp_path)
            done = await process.finish()
    table = ("--format", "table")
    later = [typed(*firm.lines(*one)) for one in (RUNS, SHOW, ("runs", *table), ("show", "last", *table))]
    told = {"out": done.out, "err": done.err, **{str(n): one.out + one.err for n, one in enumerate(later)}}
    written = contents(tmp_path)
    kept = [(n, *one) for n, held in enumerate((during, written)) for one in held.items() if one[0] != "panic.key"]

    assert 40 == done.code
    assert "bad Bearer [key]" in done.out
    assert "new orders after the cancel" in done.err
    assert (True, True) == (any("wal" in name for name in during), "report.json" in written)
    texts = told | {f"{name}, {when}": data.decode("latin-1") for when, name, data in kept}
    assert {} == {name: how for name, text in texts.items() if (how := traces(text, QUOTED))}


async def test_a_run_that_goes_on_is_shown_as_what_it_has_come_to(tmp_path: Path):
    """With the word of its own terminal, and nobody is told to resume it; killed, it is unfinished."""
    async with simulate(account(1), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        async with started(*firm.lines(*PRESS, "--watch", "60"), cwd=tmp_path) as process:
            await until(lambda: sum(one.standing is Standing.CLEAR for one in cases_of(tmp_path)) == 2)
            going = await ask(firm, "show", "last", "--format", "table")
            process.signal(signal.SIGKILL)
            await process.finish()
        over = await ask(firm, "show", "last", "--format", "table")

    assert (10, True) == (
        going.code,
        going.out.startswith("CLEAR SO FAR  every account was read clear, and the run"),
    )
    assert "this run is under way" in going.out
    assert "resume" not in going.out
    assert (10, True) == (over.code, over.out.startswith("UNVERIFIED"))
    assert "panic resume" in over.out
