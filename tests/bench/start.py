"""A press as a person types it: how soon its first DELETE leaves, and what many accounts cost: `make bench-start`.

Each press is a process of its own, from its start to the first bytes that a broker on this machine gets; beside it
stands a process that does nothing but `import aiohttp`. The same with many accounts, and then such
a run to its verified end: the most memory it ever had.
"""

import argparse
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.engine import serve

_SETTINGS = """\
[broker]
base_url = "{url}"
[credentials.default]
env = "CLEAR_STREET_API_KEY"
[roster]
file = "accounts.csv"
[state]
folder = "state"
"""
_ENVIRONMENT = {**os.environ, "CLEAR_STREET_API_KEY": "bench.key-of-nobody"}


class Firm:
    """Settings and a roster of so many accounts, at a broker."""

    def __init__(self, folder: Path, url: str, accounts: int) -> None:
        self._settings = folder / "panic.toml"
        self._settings.write_text(_SETTINGS.format(url=url))
        rows = (f"{100_000 + i},Account {i},desk {i % 40},owner {i % 200}\n" for i in range(accounts))
        (folder / "accounts.csv").write_text("id,name,group,owner\n" + "".join(rows))

    def press(self, *more: str) -> "subprocess.Popen[bytes]":
        """Begin to press."""
        words = ("-m", "panic", "press", "--all", "--reason", "bench", "--watch", "0", *more)
        return subprocess.Popen(
            [sys.executable, *words, "--config", str(self._settings)],
            env=_ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def first_delete(folder: Path, accounts: int) -> float:
    """Give the seconds from a process's start to its first bytes at the broker."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as broker:
        firm = Firm(folder, f"http://127.0.0.1:{broker.getsockname()[1]}", accounts)
        began = time.perf_counter()
        process = firm.press("--no-verify", "--deadline", "60")
        connection, _ = broker.accept()
        with connection:
            connection.recv(1)
            took = time.perf_counter() - began
            process.kill()
            process.wait()
    return took


def bare() -> float:
    """Give the seconds that a process takes to import aiohttp and to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aiohttp"], check=True)
    return time.perf_counter() - began


def memory(folder: Path, accounts: int) -> tuple[float, float]:
    """Carry out a verified run to its end; give the most memory it had, MB, and the seconds it took."""
    ours, theirs = multiprocessing.Pipe()
    broker = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, 0.0), daemon=True)
    broker.start()
    firm, began = Firm(folder, f"http://127.0.0.1:{ours.recv()}", accounts), time.perf_counter()
    process = firm.press("--output", str(folder / "report.json"), "--deadline", "3600")
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    broker.terminate()
    exit_code = os.waitstatus_to_exitcode(status)
    assert exit_code in {0, 10}, exit_code  # 10: this broker lists no accounts
    return used.ru_maxrss / 1024, took


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--accounts", type=int, default=100_000, help="as many as the largest firm has")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first_delete(folder, 100)
        turns = [(bare(), first_delete(folder, 100)) for _ in range(options.turns)]
        few = statistics.median(took for _, took in turns)
        ratio = statistics.median(took / alone for alone, took in turns)
        print(f"first DELETE of 100 accounts: {few:.2f} s, {ratio:.2f} x import aiohttp (median of {len(turns)})")
        many = statistics.median(first_delete(folder, options.accounts) for _ in range(3))
        print(
            f"first DELETE of {options.accounts:,} accounts: {many:.2f} s, {many - few:.2f} s later (median of 3)"
        )
        for accounts in (options.accounts // 10, options.accounts):
            most, took = memory(folder, accounts)
            print(f"a verified run of {accounts:,} accounts: {most:.0f} MB at most, {took:.1f} s")


if __name__ == "__main__":
    main()
