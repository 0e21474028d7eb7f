"""A made-up firm of thousands, its simulated broker here, and `panic serve` around it in a process of its own."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from panic.run import drill
from panic.simulator import Simulator
from tests.cli.support import Process, closed_port, started

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
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        """Serve; at the same address whenever it is begun again."""
        async with started("--config", str(self.base / "panic.toml"), "serve", cwd=self.base) as process:
            await process.says("serving on")
            yield process


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
        f'[ledger]\nfile = "ledger.db"\n\n'
        f'[tokens.desk]\ndigest = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n'
        f'roles = ["presser", "resetter"]\nperson = true\n{more}'
    )
    async with drill.simulator(made_up, seed=1, latency_s=0.002) as simulator:
        drill.write(made_up, simulator.base_url, folder, sections)
        yield Desk(folder, made_up, simulator, port)
