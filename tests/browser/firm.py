"""A made-up firm of thousands, its simulated broker here, and `panic serve` around it in a process of its own."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from panic.broker.outcomes import Verdict
from panic.run import drill
from panic.simulator import Simulator
from tests.cli.support import Process, closed_port, panic, started

TOKEN: Final = "token-of-the-desk-4711"
DEADLINE_S: Final = 6.0


@dataclass
class Desk:
    """The firm, and whoever serves it.

    Attributes:
        base: The folder with its settings, ledger and latch.
    """

    base: Path
    firm: drill.Firm
    simulator: Simulator
    port: int

    @property
    def url(self) -> str:
        """Where the service is found."""
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        """Serve; at the same address whenever it is begun again."""
        async with started("--config", str(self.base / "panic.toml"), "serve", cwd=self.base) as process:
            await process.says("serving on")
            yield process

    async def panic(self, *words: str) -> Any:
        """Run a command beside the service, and give the JSON that it prints."""
        found = await panic("--config", str(self.base / "panic.toml"), *words, cwd=self.base)
        return json.loads(found.out)

    def wrong(self, report: dict[str, Any]) -> list[str]:
        """What a report says that is not so: false clears, and accounts that are missing or there twice."""
        told = {one["id"]: one["verdict"] for one in report["accounts"]}
        ids = [account.id for account in self.firm.accounts]
        clear = [id_ for id_, verdict in told.items() if verdict == Verdict.CLEAR]
        false = [f"{id_} is falsely clear" for id_ in clear if self.simulator.truth(id_).open]
        is_whole = sorted(ids) == sorted(one["id"] for one in report["accounts"])
        return false if is_whole else [*false, "an account is missing or there twice"]


@asynccontextmanager
async def desk(
    folder: Path,
    accounts: int,
    *,
    faults: str = "typical",
    more: str = "",
    self_test: str = "every_s = 0",
    deadline_s: float = DEADLINE_S,
) -> AsyncIterator[Desk]:
    """Make a firm up; `self_test` is its section of the settings: by default there is none."""
    made_up, port = drill.firm(accounts, 1, faults), closed_port()
    sections = (
        f"[run]\ndeadline_s = {deadline_s}\nattempt_s = 2.0\nwatch_s = 1.0\n\n"
        f"[service]\nport = {port}\n\n[self_test]\n{self_test}\n\n"
        f'[ledger]\nfile = "ledger.db"\nfallback = "second.db"\n\n'
        f'[tokens.desk]\ndigest = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n'
        f'roles = ["presser", "resetter"]\nperson = true\n{more}'
    )
    async with drill.simulator(made_up, seed=1, latency_s=0.002) as simulator:
        drill.write(made_up, simulator.base_url, folder, sections)
        yield Desk(folder, made_up, simulator, port)
