"""Real presses that die at any moment, and what is on record of them: `python -m tests.kill --times 200`.

Each round presses in a process, kills it, holds the ledger and the report made from it against what the broker
saw, takes the run up in another process (which may die as well) and holds that against the broker's truth.
`--delays` measures instead how much later a press sends when its ledger is broken.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from panic.ledger.reader import read
from panic.simulator import Fault, SimAccount, SimOrder
from tests.cli.ledgers import LEDGER, SETTINGS
from tests.cli.support import PRESS, Finished, Firm, panic, sent, simulate, started, valid
from tests.delays import measure

ACCOUNTS = 36
PATIENCE_S = 60.0
_RUN = "concurrency = 8\nattempt_s = 0.5\npoll_first_s = 0.05\npoll_max_s = 0.3\nwatch_s = 0.5\ndeadline_s = 30\n"
_TROUBLES: tuple[tuple[Fault, ...], ...] = (
    (Fault("latency", seconds=0.2),),
    (Fault("latency", on="ANY", seconds=0.1),),
    (Fault("status", status=503, times=1),),
    (Fault("status", on="GET", status=500, times=2),),
    (Fault("status", status=429, retry_after="1", times=1),),
    (Fault("hang", times=1),),
    (Fault("rst", times=1),),
    (Fault("fin", times=1), Fault("fills")),
    (Fault("executed_unanswered", times=1),),
    (Fault("executed_late", times=1, seconds=0.6),),
    (Fault("rst_after", times=1), Fault("slow_settle", seconds=0.4)),
    (Fault("truncated", times=1),),
    (Fault("lying_404", times=1),),
    (Fault("bare_404", times=1),),
    (Fault("not_json", times=1),),
    (Fault("part_fills", count=30),),
    (Fault("slow_settle", seconds=0.5),),
    (Fault("paged", count=1),),
    (Fault("reappears", times=1, seconds=0.3, count=2),),
    (Fault("status", on="ANY", status=403),),
)
_LIVES = 5
"""So often at most is a run taken up; the last time nobody kills it."""

_UNSURE = "one may have left"
_BAD = ("accounts lost", "clear without evidence", "ledgers that did not open", "other faults")
_FIGURES = (
    "rounds",
    "killed before the record began",
    "killed in the middle",
    "resumed",
    "resumes killed",
    "accounts checked",
    "sent and not yet on record",
    *_BAD,
)


@dataclass
class Round:
    """One press, its death and what came after; `wrong` says what is not as it must be."""

    seed: int
    folder: Path
    figures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.accounts = _accounts(self.rng)
        self.ids = sorted(one.id for one in self.accounts)
        self.late = {one.id for one in self.accounts if any(its.kind == "reappears" for its in one.faults)}

    def hold(self, so: bool, what: str, figure: str = "other faults") -> None:
        """Note what is not so."""
        if not so:
            self.figures[figure] += 1
            self.wrong.append(f"seed {self.seed}: {what}")

    async def go(self) -> "Round":
        """Press, kill, look, resume, look again."""
        self.figures["rounds"] += 1
        async with simulate(*self.accounts, latency_s=0.01, seed=self.seed) as self.simulator:
            self.firm = Firm(self.folder, self.simulator.base_url, self.ids, run=_RUN, more=SETTINGS)
            printed = await self._until_killed(*PRESS)
            self._check_ledger()
            run = await self._listed()
            if not run:
                self.figures["killed before the record began"] += 1
                self.figures["sent and not yet on record"] += len(set(sent(self.simulator, "DELETE")))
                return self
            for resumes in range(_LIVES):
                if await self._is_finished(run, printed, resumes):
                    return self
                printed = await self._taken_up(run, may_die=resumes < _LIVES - 2)
                self._check_ledger()
            self.hold(False, f"it never came to its end: {printed.err}")
        return self

    async def _taken_up(self, run: str, *, may_die: bool) -> Finished:
        if may_die and self.rng.random() < 0.3:
            done = await self._until_killed("resume", run)
            self.figures["resumes killed"] += done.code == -signal.SIGKILL
        else:
            done = await self._ask("resume", run)
        self.hold(done.code in {0, 10, 20, 30, 40, -signal.SIGKILL}, f"resume gave {done.code}: {done.err}")
        return done

    async def _ask(self, *words: str) -> Finished:
        return await panic(*self.firm.lines(*words), cwd=self.folder, patience_s=PATIENCE_S, cold=True)

    # ── killing ─────────────────────────────────────────────────────────────────────────────────────────

    async def _until_killed(self, *words: str) -> Finished:
        """Start a command, kill it at a moment that the seed gives, unless it ended before."""
        async with started(*self.firm.lines(*words), cwd=self.folder, cold=True) as process:
            end = asyncio.create_task(process.finish(PATIENCE_S))
            moment = asyncio.create_task(self._moment(len(self.simulator.requests)))
            await asyncio.wait([end, moment], return_when=asyncio.FIRST_COMPLETED)
            moment.cancel()
            with suppress(ProcessLookupError):
                process.signal(signal.SIGKILL)
            await asyncio.wait([moment])
            return await end

    async def _moment(self, before: int) -> None:
        """Come to the moment of death: while it starts, at a request, a while after the first, or never."""
        draw, rng = self.rng.random(), self.rng
        nth, pause = rng.randint(1, 3 * ACCOUNTS), rng.uniform(0, 0.02)
        start, later = rng.uniform(0, 0.6), rng.uniform(0, 2.5)
        if draw < 0.14:
            await asyncio.sleep(start)
        elif draw < 0.6:
            await self._until_asked(before + nth)
            await asyncio.sleep(pause)
        elif draw < 0.95:
            await self._until_asked(before + 1)
            await asyncio.sleep(later)
        else:
            await asyncio.Event().wait()

    async def _until_asked(self, times: int) -> None:
        while len(self.simulator.requests) < times:  # noqa: ASYNC110  (the simulator has no event for it)
            await asyncio.sleep(0.001)

    # ── what is on record ───────────────────────────────────────────────────────────────────────────────

    def _check_ledger(self) -> None:
        file = self.folder / LEDGER
        if file.exists():
            odd = read(file, whole=True).wrong()
            self.hold(not odd, f"{LEDGER}: {odd}", "ledgers that did not open")

    async def _listed(self) -> str:
        """Give the run's id; empty where nothing is on record."""
        done = await self._ask("runs", "--format", "json")
        document = _json(done.out)
        self.hold(document.get("damage") == [], f"runs: {done.code} {done.out} {done.err}")
        found = document.get("runs") or []
        states = [(one["finished_at"] is not None) or one["state"] == "unfinished" for one in found]
        ends = [one["finished_at"] is not None for one in found]
        self.hold(states in ([], [True]), f"listed are: {found}")
        self.hold(done.code == (0 if all(ends) else 10), f"runs gave {done.code}")
        return str(found[0]["run_id"]) if found else ""

    async def _is_finished(self, run: str, printed: Finished, resumes: int) -> bool:
        """Show the run, hold what is shown against what was so, and tell whether the run came to its end."""
        done = await self._ask("show", run, "--format", "json")
        report = _json(done.out)
        if not report:
            self.hold(False, f"show gave {done.code}: {done.err}")
            return True
        self._check_report(report, done, resumes)
        if not report["finished"]:
            self.figures["killed in the middle"] += not resumes
            self._check_unfinished(report)
            self.hold(printed.code == -signal.SIGKILL, f"not killed, and unfinished: {printed.code} {printed.err}")
            return False
        self.figures["resumed"] += bool(resumes)
        if printed.code != -signal.SIGKILL or _json(printed.out):  # it may have been killed after it had said all
            self.hold(printed.out == done.out, f"shown otherwise: {_difference(printed.out, done.out)}")
        if printed.code != -signal.SIGKILL:
            self.hold(printed.code == done.code, f"printed with {printed.code}, shown with {done.code}")
        self.hold(report["ledger_head"] is not None, "no ledger head")
        return True

    def _check_report(self, report: dict[str, Any], done: Finished, resumes: int) -> None:
        """Hold against the broker's truth what must be so whether the run is finished or not."""
        shown = sorted(one["id"] for one in report["accounts"])
        self.figures["accounts checked"] += len(shown)
        self.hold(shown == self.ids, f"the accounts are {shown}", "accounts lost")
        try:
            valid(done.out)
        except (AssertionError, jsonschema.ValidationError) as error:
            self.hold(False, f"not by its schema: {error}")
        self.hold(len(report["resumed"]) <= resumes, f"resumed {len(report['resumed'])} times, and not {resumes}")
        self.hold(done.code == report["exit_code"], f"shown with {done.code}, and it says {report['exit_code']}")
        asked = {method: set(sent(self.simulator, method)) for method in ("DELETE", "GET")}
        for one in report["accounts"]:
            id_, evidence = one["id"], "clear without evidence"
            answered = one["outcome"] not in {"not_attempted", "unknown", "unreachable"}
            self.hold(not answered or id_ in asked["DELETE"], f"{id_}: {one['outcome']}, and nothing was sent")
            if one["verdict"] == "clear" or one["standing"] == "clear":
                seen = [a for a in one["attempts"] if a["method"] == "GET" and a["status"] == 200]
                self.hold(bool(seen) and id_ in asked["GET"], f"{id_}: clear without a read", evidence)
                is_true = not self.simulator.truth(id_).open or id_ in self.late
                self.hold(is_true, f"{id_}: FALSE CLEAR", evidence)

    def _check_unfinished(self, report: dict[str, Any]) -> None:
        self.hold(report["verdict"] != "clear", "an unfinished run is clear", "clear without evidence")
        self.hold(report["flags"][0]["code"] == "unfinished", f"flags: {report['flags']}")
        self.hold(report["ledger_head"] is None, "an unfinished run has a ledger head")
        asked = set(sent(self.simulator, "DELETE"))
        for one in report["accounts"]:
            if one["id"] in asked and one["outcome"] == "not_attempted":
                self.figures["sent and not yet on record"] += 1
                self.hold(any(_UNSURE in note for note in one["notes"]), f"{one['id']}: sent, and nothing says so")


def _accounts(rng: random.Random) -> list[SimAccount]:
    troubles = [*_TROUBLES, *[()] * (ACCOUNTS - len(_TROUBLES))]
    if rng.random() < 0.5:
        troubles[len(_TROUBLES) - 1] = ()  # nobody is refused
    rng.shuffle(troubles)
    return [
        SimAccount(id_, orders=(SimOrder(),) * rng.randint(1, 4), faults=its)
        for id_, its in enumerate(troubles, 1001)
    ]


def _json(document: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(document)
    except ValueError:
        return {}
    return found


def _difference(one: str, other: str) -> str:
    pairs = zip([*one.splitlines(), ""], [*other.splitlines(), ""], strict=False)
    return next((f"{mine!r} … {theirs!r}" for mine, theirs in pairs if mine != theirs), "its length")


async def play(seed: int) -> Round:
    """Play one round in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return await Round(seed, Path(folder)).go()


async def prove(times: int, first: int) -> int:
    """Play many rounds and print the figures; 1 if one is not what it must be."""
    total: Counter[str] = Counter()
    for seed in range(first, first + times):
        found = await play(seed)
        total += found.figures
        sys.stdout.writelines(f"{words}\n" for words in found.wrong)
        sys.stdout.flush()
    sys.stdout.write(json.dumps({name: total[name] for name in _FIGURES}) + "\n")
    return int(any(total[name] for name in _BAD))


def main() -> int:
    """Prove or measure; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="rounds (200)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first round (0)")
    parser.add_argument("--delays", action="store_true", help="measure what broken ledgers cost instead")
    parser.add_argument("--turns", type=int, default=7, help="how often each of them is measured (7)")
    options = parser.parse_args()
    if options.delays:
        asyncio.run(measure(options.turns))
        return 0
    return asyncio.run(prove(options.times, options.first))


if __name__ == "__main__":
    sys.exit(main())
