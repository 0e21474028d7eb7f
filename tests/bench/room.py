"""What pages that watch cost a press: `make bench-room`.

A service in a process of its own presses all accounts of a simulated broker, which is a process as well, with
nobody watching and with `--watchers` pages that really read the room's stream, in a third process. The rounds take
turns. Told are the times to the last first DELETE and to the settled end, by the report, and their ratios: of each
round with watchers to the one without before it.
"""

import argparse
import asyncio
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.service import warm
from tests.cli.support import started
from tests.service.support import Service, sections

_QUIET_S = 2.0
_PAGES_OF_ONE = 10
"""Pages that one person has open: nobody may listen at will."""


def _token(page: int) -> str:
    """Whose page it is, as far as the service knows."""
    return f"token-of-watcher-{page // _PAGES_OF_ONE:04}"


def _tokens(watchers: int) -> str:
    """Settings of those who watch."""
    several = sorted({_token(page) for page in range(watchers)})
    digests = (hashlib.sha256(one.encode()).hexdigest() for one in several)
    return "".join(
        f'[tokens.watcher{n}]\ndigest = "sha256:{digest}"\nroles = ["viewer"]\n'
        for n, digest in enumerate(digests)
    )


def _settings(folder: Path, watchers: int) -> Path:
    """The firm's settings, and a service on any port with its tokens."""
    file = folder / "panic.toml"
    parts = file.read_text().split("\n[")
    kept = [part for part in parts if not part.startswith(("ledger]", "service]", "self_test]"))]
    file.write_text("\n[".join(kept) + "\n" + sections(f"[self_test]\nevery_s = 0\n{_tokens(watchers)}"))
    return file


async def _page(session: aiohttp.ClientSession, url: str, page: int, counts: dict[str, int]) -> None:
    """Hear of a run, and then follow it, as the page does."""
    run, headers = "", {"Authorization": f"Bearer {_token(page)}"}
    async with session.get(f"{url}/v1/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        counts["connected"] += 1
        async for line in response.content:
            counts["bytes"] += len(line)
            if live := json.loads(line[6:])["live"] if line.startswith(b"data: ") else []:
                run = live[0]["run_id"]
                break
    async with session.get(f"{url}/v1/events?run={run}", headers=headers) as response:
        async for line in response.content:
            counts["bytes"] += len(line)
            counts["boards"] += line.startswith(b"event: board")


async def watch(url: str, watchers: int) -> None:
    """Read until the standard input is closed; say when all are connected, and what they got."""
    counts = {"connected": 0, "bytes": 0, "boards": 0}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 22) as session:
        pages = [asyncio.create_task(_page(session, url, page, counts)) for page in range(watchers)]
        while counts["connected"] < watchers:  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.02)
        print("connected", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    print(json.dumps(counts), flush=True)


async def _round(service: Service, watchers: int) -> tuple[float, float, dict[str, int]]:
    """Press once; give the seconds to the last first DELETE and to the settled end, and what pages got."""
    await warm(service)
    pages = None
    if watchers:
        words = ("-m", "tests.bench.room", "--watch", service.url, "--watchers", str(watchers))
        pages = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert pages.stdout is not None
        assert b"connected\n" == await pages.stdout.readline()
    await asyncio.sleep(_QUIET_S)
    report = (await service.press(reason="the price of pages", watch_s=0, wait=120)).body
    assert report["verdict"] == "clear", report["verdict"]
    counts: dict[str, int] = {}
    if pages is not None:
        await asyncio.sleep(0.5)
        out, _ = await pages.communicate(b"")
        counts = json.loads(out)
    timings = report["timings"]
    return timings["last_first_delete_s"], timings["settled_s"], counts


async def measure(accounts: int, watchers: int, turns: int, latency_s: float) -> None:
    """Print the medians, the spreads and the ratios."""
    with tempfile.TemporaryDirectory() as name:
        words = ("simulate", "--accounts", str(accounts), "--latency", str(latency_s), "--faults", "none")
        async with started(*words, "--write", f"{name}/firm", cwd=Path(name), cold=True) as broker:
            await broker.says("Ctrl-C ends it")
            file = _settings(Path(name, "firm"), watchers)
            async with (
                started("--config", str(file), "serve", cwd=Path(name), cold=True) as serving,
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=180)) as session,
            ):
                said = await serving.says("serving on")
                url = next(word for word in said.split() if word.startswith("http")).rstrip(";")
                service = Service(serving, url, session)
                await _round(service, 0)  # the first one imports what was not needed before
                alone: list[tuple[float, float]] = []
                watched: list[tuple[float, float]] = []
                got: dict[str, int] = {}
                for turn in range(turns):
                    order = (0, watchers) if turn % 2 == 0 else (watchers, 0)
                    for count in order:
                        last, settled, counts = await _round(service, count)
                        (watched if count else alone).append((last, settled))
                        assert not count or counts["boards"], "no page was told of the run"
                        got = counts or got
    _tell(accounts, watchers, alone, watched, got)


def _tell(accounts: int, watchers: int, alone: Sequence[Any], watched: Sequence[Any], got: dict[str, int]) -> None:
    print(f"{accounts:,} accounts, {watchers} pages, {len(alone)} rounds of each")
    for n, name in enumerate(("last first DELETE", "settled")):
        nobody, pages = [one[n] for one in alone], [one[n] for one in watched]
        ratios = [with_them / without for with_them, without in zip(pages, nobody, strict=True)]
        for whose, found in (("nobody watches", nobody), (f"{watchers} watch", pages)):
            figures = " ".join(f"{one:7.3f}" for one in (min(found), statistics.median(found), max(found)))
            print(f"  {name:18} {whose:15} {figures} s: least, median, most")
        print(
            f"  {name:18} ratio of medians {statistics.median(pages) / statistics.median(nobody):.3f}, "
            f"of rounds: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}"
        )
    each = max(got.get("connected", 0), 1)
    told = ", ".join(f"{got.get(what, 0) / each:,.0f} {what}" for what in ("boards", "bytes"))
    print(f"  each page got {told}")


def main() -> None:
    """Measure, or watch for who measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the broker takes to answer")
    parser.add_argument("--watch", metavar="URL", help="be the pages")
    options = parser.parse_args()
    if options.watch:
        asyncio.run(watch(options.watch, options.watchers))
        return
    for accounts in options.accounts:
        began = time.monotonic()
        asyncio.run(measure(accounts, options.watchers, options.turns, options.latency))
        print(f"  measured in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
