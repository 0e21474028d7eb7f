"""Accounts that the broker shows but the roster lacks: looked up with --all, once every first DELETE was sent."""

import asyncio
from collections.abc import Awaitable, Iterable

from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.listing import Listing, list_accounts
from panic.broker.pages import Parameters
from panic.engine.case import Case
from panic.engine.engine import Engine
from panic.run.press import Prepared


class Unlisted:
    """Asks the broker which accounts each credential sees, if the press covers all and is verified."""

    def __init__(self, prepared: Prepared, broker: Broker, engine: Engine) -> None:
        self._roster = prepared.roster
        self._broker, self._engine = broker, engine
        self.is_asked = prepared.press.verify and prepared.press.scope.all
        used = {account.credential for account in prepared.roster.accounts} & prepared.keys.keys()
        self.listings = {name: Listing() for name in sorted(used) if self.is_asked}

    def accounts(self, cases: Iterable[Case]) -> tuple[int, ...]:
        """Give the active accounts that neither the roster nor a case of the run knows."""
        known = {account.id for account in self._roster.accounts} | {row.id for row in self._roster.bad_rows}
        known |= {case.account.id for case in cases}  # when a run is resumed, the roster may have lost some
        shown = {id_ for one in self.listings.values() for id_, active in one.active.items() if active}
        return tuple(sorted(shown - known))

    async def ask(self) -> None:
        """Ask, alongside the reads of the run."""
        await self._engine.swept.wait()
        await asyncio.gather(*(self._list(name, listing) for name, listing in self.listings.items()))

    async def _list(self, name: str, listing: Listing) -> None:
        def ask(parameters: Parameters) -> Awaitable[Answer]:
            return self._engine.aside(
                name, lambda leash: self._broker.get("/v1/accounts", parameters, name, leash)
            )

        await list_accounts(ask, listing)
