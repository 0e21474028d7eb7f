"""One class that makes one wire request for one attempt and gives its answer as a value."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from panic._version import VERSION
from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.connections import Connector, Resolver
from panic.broker.outcomes import Body
from panic.broker.pages import Parameters
from panic.broker.request import UNDERWAY, Exchange, Request
from panic.broker.wire import answer
from panic.config import Broker as Where
from panic.config.secret import Key, scrub
from panic.kit.clock import Clock
from panic.orders import Filters

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The leash owns every deadline; aiohttp's own totals are rounded up to whole seconds and count queueing."""


class Broker:
    """Makes single requests; retries, slots and deadlines are handled elsewhere.

    Args:
        where: Base URL, certificates, limits.
        keys: The usable keys by credential name.
        clock: The run's clock.
        mixed_up: Called when a connection brought an unrequested answer, or another account's orders: no
            proof that came over a used connection, or whose receipt was revoked, is to be trusted any more.
        lingering_most: How many connections may be listened to after their last answer: each is a descriptor.
        keepalive_s: How long a connection may wait in the pool, seconds.
    """

    def __init__(
        self,
        where: Where,
        keys: Mapping[str, Key],
        clock: Clock,
        mixed_up: Callable[[], None] = lambda: None,
        lingering_most: int = 64,
        keepalive_s: float = 15.0,
    ) -> None:
        self._base = where.base_url
        self._most = where.max_answer_bytes
        self._where = where
        self._keepalive_s = keepalive_s
        self.problem = ""
        self._proxy: str | None = None
        self._ssl: ssl.SSLContext | bool | None = None
        self._is_open = False
        self._connector: Connector
        self._session: aiohttp.ClientSession
        self.adopt(clock, mixed_up, keys, lingering_most)

    def adopt(
        self, clock: Clock, mixed_up: Callable[[], None], keys: Mapping[str, Key], lingering_most: int = 64
    ) -> None:
        """Serve another run from now on, over the open connections; the arguments are those of the class."""
        self._clock = clock
        self._tell_mixed_up = mixed_up
        self._keys = tuple(keys.values())
        self._headers = {name: _headers(key) for name, key in keys.items()}
        self._lingering_most = lingering_most
        if self._is_open:
            self._connector.lingering_most = lingering_most

    async def __aenter__(self) -> Self:
        if self._is_open:  # somebody made it ready before
            return self
        self.load_certificates()
        self._proxy = _environment_proxy(self._base) if self._where.environment_proxy else None
        self._connector = Connector(
            self._mixed_up,
            lingering_most=self._lingering_most,
            limit=0,  # the slots bound what is in flight; a second queue would only hide waits
            resolver=Resolver(),
            ssl=True if self._ssl is None else self._ssl,
            keepalive_timeout=self._keepalive_s,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=_NO_TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # it would read netrc too, which fights with our own Authorization
            request_class=Request,
        )
        self._session._retry_connection = False  # noqa: SLF001  (one attempt is one wire request)
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        await self._session.close()

    def load_certificates(self) -> None:
        """Read the authorities to trust, once. Their file may hang: if there is time, do this on a thread."""
        if self._ssl is None:
            self._ssl = self._tls()

    def share_certificates(self, other: "Broker") -> None:
        """Take over the authorities that another client has read."""
        self._ssl, self.problem = other._ssl, other.problem  # noqa: SLF001  (of its own kind)

    @property
    def idle(self) -> int:
        """How many open connections wait for a request."""
        return self._connector.idle if self._is_open else 0

    @property
    def certificate_ends(self) -> datetime | None:
        """When the broker's certificate does; None where no connection is idle, or none of them has one."""
        return self._connector.certificate_ends if self._is_open else None

    async def warm(self, credential: str, leash: asyncio.Timeout) -> Answer:
        """Ask for the time, which opens a connection or keeps one open; its answer proves nothing later."""
        result = await self.get("/v1/clock", (), credential, leash)
        exchange = UNDERWAY.get()
        if exchange.connection is not None:  # it would keep a receipt of every time it was asked
            kept = [receipt for receipt in exchange.connection.receipts if receipt is not exchange.receipt]
            exchange.connection.receipts[:] = kept
        return result

    def cancel(self, account: Account, filters: Filters, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one DELETE of an account's open orders."""
        parameters = tuple(filters.query().items())
        return self._ask("DELETE", _orders_of(account), parameters, account.credential, leash, account.id)

    def read(self, account: Account, query: Parameters, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one GET of an account's orders."""
        return self._ask("GET", _orders_of(account), query, account.credential, leash, account.id)

    def get(self, path: str, parameters: Parameters, credential: str, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one GET that is not about an account, such as /v1/accounts or /v1/clock."""
        return self._ask("GET", path, parameters, credential, leash, None)

    def scrub(self, text: str) -> str:
        """Remove every key from foreign text."""
        return scrub(text, self._keys)

    async def _ask(
        self,
        method: str,
        path: str,
        parameters: Parameters,
        credential: str,
        leash: asyncio.Timeout,
        account_id: int | None,
    ) -> Answer:
        exchange = await self._exchange(method, self._url(path, parameters), credential, leash)
        result = answer(exchange, account_id, self.scrub, is_read=method == "GET")
        if result.evidence.body is Body.FOREIGN:
            exchange.receipt.revoked = True
            if exchange.connection is None:
                self._mixed_up()
            else:
                exchange.connection.disown()
        if exchange.headers is not None:
            self._clock.compare(exchange.headers.get("Date", ""), exchange.ended)
        return result

    def _url(self, path: str, parameters: Parameters) -> URL:
        query = f"?{urlencode(parameters, safe=',:', quote_via=quote)}" if parameters else ""
        return URL(f"{self._base}{path}{query}", encoded=True)

    async def _exchange(self, method: str, url: URL, credential: str, leash: asyncio.Timeout) -> Exchange:
        exchange, headers = Exchange(self._clock.now()), self._headers[credential]
        UNDERWAY.set(exchange)
        try:
            async with (
                leash,
                self._session.request(
                    method, url, headers=headers, allow_redirects=False, proxy=self._proxy
                ) as response,
            ):
                await exchange.read(response, self._most)
        except TimeoutError:
            exchange.failure = f"no answer within {self._clock.now() - exchange.began:.1f} s"
        except Exception as error:  # noqa: BLE001  (whatever the client throws is one unanswered attempt)
            exchange.fail(error)
        if exchange.failure and exchange.sent and exchange.status is None and not exchange.receipt.fresh:
            self._connector.drop_unproven()
        exchange.ended = self._clock.now()
        return exchange

    def _tls(self) -> ssl.SSLContext | bool:
        if self._where.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._where.ca_file))
        except (OSError, ValueError) as error:  # ssl.SSLError is one; a press fires on the system's certificates
            why = getattr(error, "strerror", None) or error
            self.problem = f"{self._where.ca_file}: cannot be used ({why}); the system's certificates are used"
            return True

    def _mixed_up(self) -> None:
        self._connector.distrust()
        self._tell_mixed_up()


def _headers(key: Key) -> CIMultiDict[str]:
    return CIMultiDict(
        {
            "Authorization": f"Bearer {key.reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"panic/{VERSION}",
        }
    )


def _orders_of(account: Account) -> str:
    return f"/v1/accounts/{account.id:d}/orders"


def _environment_proxy(base_url: str) -> str | None:
    """Give the proxy that the environment names for a URL, unless NO_PROXY takes its host out."""
    where = urlsplit(base_url)
    if proxy_bypass(where.netloc.rpartition("@")[2]):
        return None
    return getproxies_environment().get(where.scheme)
