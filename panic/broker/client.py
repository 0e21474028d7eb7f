"""One class that makes one wire request for one attempt and gives its answer as a value."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from panic._version import VERSION
from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.connections import Connector
from panic.broker.outcomes import Body
from panic.broker.pages import Parameters
from panic.broker.request import Exchange, Request, exchange
from panic.broker.wire import answer
from panic.config import Broker as Where
from panic.config.secret import Key, scrub
from panic.kit.background import begin
from panic.kit.clock import Clock
from panic.orders import Filters

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The leash owns every deadline; aiohttp's own totals are rounded up to whole seconds and count queueing."""

_CERTIFICATES_S = 10.0


class Authorities(NamedTuple):
    """Whom to trust as the broker (True: whom the system trusts), and what is wrong with their file."""

    context: ssl.SSLContext | bool
    problem: str = ""


def authorities(where: Where) -> Authorities:
    """Read the authorities to trust. Their file may hang: if there is time, do this on a thread."""
    if where.ca_file is None:
        return Authorities(context=True)
    try:
        return Authorities(ssl.create_default_context(cafile=str(where.ca_file)))
    except (OSError, ValueError) as error:  # ssl.SSLError is one; a press fires on the system's certificates
        why = getattr(error, "strerror", None) or error
        problem = f"{where.ca_file}: cannot be used ({why}); the system's certificates are used"
        return Authorities(context=True, problem=problem)


class Broker:
    """Makes single requests; retries, slots and deadlines are handled elsewhere. Create it inside a loop.

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
        self._where = where
        self.authorities: Authorities | None = None
        self.connections = Connector(keepalive_s)
        self._session: aiohttp.ClientSession | None = None
        self.adopt(clock, mixed_up, keys, lingering_most)

    def adopt(
        self, clock: Clock, mixed_up: Callable[[], None], keys: Mapping[str, Key], lingering_most: int = 64
    ) -> None:
        """Serve another run from now on, over the open connections; the arguments are those of the class."""
        self._clock = clock
        self._keys = tuple(keys.values())
        self._headers = {name: _headers(key) for name, key in keys.items()}
        self.connections.tell, self.connections.lingering_most = mixed_up, lingering_most

    async def __aenter__(self) -> Self:
        if self._session is None:  # else somebody made it ready before
            self.load_certificates()
            self._session = _session(self._where, self.connections)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def load_certificates(self) -> None:
        """Read the authorities to trust, once."""
        if self.authorities is None:
            self.authorities = authorities(self._where)

    async def certify(self) -> None:
        """Read them on a thread: their file may hang, and then a TimeoutError comes of it."""
        if self._where.ca_file is not None:
            async with asyncio.timeout(_CERTIFICATES_S):
                await begin(self.load_certificates, "certificates")

    @property
    def problem(self) -> str:
        """What is wrong with the file of authorities; empty if nothing is."""
        return self.authorities.problem if self.authorities else ""

    async def warm(self, credential: str, leash: asyncio.Timeout) -> Answer:
        """Ask for the time, which opens a connection or keeps one open; its answer proves nothing later."""
        made = await self._exchange("GET", "/v1/clock", (), credential, leash)
        if made.connection is not None:  # it would keep a receipt of every time it was asked
            made.connection.receipts[:] = [one for one in made.connection.receipts if one is not made.receipt]
        return self._judge(made, None, is_read=True)

    def cancel(self, account: Account, filters: Filters, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one DELETE of an account's open orders."""
        parameters = tuple(filters.query().items())
        return self._ask("DELETE", _orders_of(account), parameters, account.credential, leash, account.id)

    def read(self, account: Account, query: Parameters, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one GET of an account's orders."""
        return self._ask("GET", _orders_of(account), query, account.credential, leash, account.id)

    def get(self, path: str, query: Parameters, credential: str, leash: asyncio.Timeout) -> Awaitable[Answer]:
        """Make one GET that is not about an account, such as /v1/accounts or /v1/clock."""
        return self._ask("GET", path, query, credential, leash, None)

    def scrub(self, text: str) -> str:
        """Remove every key from foreign text."""
        return scrub(text, self._keys)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Parameters,
        credential: str,
        leash: asyncio.Timeout,
        account_id: int | None,
    ) -> Answer:
        made = await self._exchange(method, path, query, credential, leash)
        return self._judge(made, account_id, is_read=method == "GET")

    def _exchange(
        self, method: str, path: str, query: Parameters, credential: str, leash: asyncio.Timeout
    ) -> Awaitable[Exchange]:
        assert self._session is not None  # noqa: S101  (it was entered)
        assert self.authorities is not None  # noqa: S101
        words = f"?{urlencode(query, safe=',:', quote_via=quote)}" if query else ""
        send = partial(
            self._session.request,
            method,
            URL(f"{self._where.base_url}{path}{words}", encoded=True),
            headers=self._headers[credential],
            ssl=self.authorities.context,
            allow_redirects=False,
        )
        return exchange(send, leash, self._where.max_answer_bytes, self._clock.now)

    def _judge(self, made: Exchange, account_id: int | None, *, is_read: bool) -> Answer:
        """Make an answer of what came back, and draw what follows from it for connections and clock."""
        if made.failure and made.sent and made.status is None and not made.receipt.fresh:
            self.connections.drop_unproven()
        result = answer(made, account_id, self.scrub, is_read=is_read)
        if result.evidence.body is Body.FOREIGN:
            made.receipt.revoked = True
            if made.connection is None:
                self.connections.mixed_up()
            else:
                made.connection.disown()
        if made.headers is not None:
            self._clock.compare(made.headers.get("Date", ""), made.ended)
        return result


def _session(where: Where, connections: Connector) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=connections,
        timeout=_NO_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,  # it would read netrc too, which fights with our own Authorization
        proxy=_environment_proxy(where.base_url) if where.environment_proxy else None,
        request_class=Request,
    )
    session._retry_connection = False  # noqa: SLF001  (one attempt is one wire request)
    return session


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
