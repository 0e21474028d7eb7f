"""A broker written elsewhere: the API over raw sockets, made from its specification, and many ways to mislead.

It imports nothing of panic, not even the simulator, so that it shares the misunderstandings of neither.
"""

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus
from itertools import cycle
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

FIRST_RELEASE = frozenset(
    {
        *("PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "PENDING_CANCEL"),
        *("PENDING_REPLACE", "REPLACED", "DONE_FOR_DAY", "STOPPED", "SUSPENDED", "CALCULATED", "OTHER"),
    }
)
NEWEST_RELEASE = FIRST_RELEASE | {"QUEUED", "PENDING_TRIGGER"}
_ENDED = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
_CAPS = {"capped below a page": 60, "capped at a round number": 200, "capped": 220}
COUNTS = ("honest", "missing", "of the page", "unfiltered", *_CAPS, "stale")
FILTERS = ("honoured", "ignored", "refused")

DAY_S = 86_400.0
_SETTLE_S = 0.3
_PAGE_MOST = 1000
_CHOICES = {
    "side": {"BUY", "SELL"},
    "type": {"MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "TRAILING_STOP_LIMIT", "OTHER"},
    "instrument_type": {"COMMON_STOCK", "INDEX", "OPTION", "CASH"},
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """An order that an account holds.

    Attributes:
        status: Any text.
        leaves: Shares that may still fill, of 100.
        symbol: None for an order of several legs.
        unseen: No DELETE finds it.
    """

    status: str = "NEW"
    age_days: float = 0.0
    time_in_force: str = "DAY"
    leaves: int = 100
    symbol: str | None = "AAPL"
    side: str = "BUY"
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Ways:
    """How the orders of an account are told.

    Attributes:
        counts: One of `COUNTS`; stale ones are of the moment the broker opened.
        filters: One of `FILTERS`: what becomes of a status filter. Refused is a word that is not of the first
            release; words that are of no release are refused in any case, unless the filter is ignored.
        page_most: The largest page that is given out.
    """

    counts: str = "honest"
    filters: str = "honoured"
    newest_first: bool = False
    page_most: int = _PAGE_MOST


class _Order:
    """An order's life; `created` and `ends` are seconds since 1970 by the broker's clock."""

    def __init__(self, id_: str, account: int, held: Held, created: float) -> None:
        self.id, self.account, self.held, self.created = id_, account, held, created
        self.at_first = self.status = held.status
        self.ends = float("inf")

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can trade any more."""
        if self.status in _ENDED:
            return True
        if self.status == "REPLACED":
            return self.held.leaves == 0
        return self.status in {"DONE_FOR_DAY", "CALCULATED"} and self.held.time_in_force == "DAY"

    def named_by(self, query: Mapping[str, str]) -> bool:
        """Whether the filters that a DELETE and a list share, and the DELETE's own, name it."""
        kind = "COMMON_STOCK" if self.held.symbol else None
        names = _words(query, "instrument_ids") | _words(query, "symbol")
        return (
            query.get("side", self.held.side) == self.held.side
            and query.get("type", "LIMIT") == "LIMIT"
            and query.get("instrument_type", kind) == kind
            and (not names or self.held.symbol in {name.upper() for name in names})
        )

    def shown(self) -> Json:
        """The order as an answer has it; all numbers are texts."""
        return {
            "account_id": self.account,
            "average_fill_price": None if self.held.leaves == 100 else "149.95",
            "client_order_id": f"mine-{self.id[-6:]}",
            "created_at": _stamp(self.created),
            "filled_quantity": str(100 - self.held.leaves),
            "id": self.id,
            "instrument_id": None,
            "instrument_type": "COMMON_STOCK" if self.held.symbol else None,
            "leaves_quantity": str(0 if self.status in _ENDED else self.held.leaves),
            "limit_price": "150.00",
            "order_type": "LIMIT",
            "quantity": "100",
            "side": self.held.side,
            "status": self.status,
            "symbol": self.held.symbol,
            "time_in_force": self.held.time_in_force,
            "updated_at": _stamp(self.created),
            "venue": "XNYS",
        }


class _RefusedError(Exception):
    """A request that is answered with an error in the envelope."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Elsewhere:
    """The broker. Use it as an async context manager; what arrives is counted in `cancels` and `reads`.

    Args:
        accounts: What each account holds, and how it is told.
        key: The one bearer key.
        ahead_s: How far its clock is ahead of this machine's, seconds.
        dates: What its Date headers are off its clock, seconds, in turn; None leaves the header out.
    """

    def __init__(
        self,
        accounts: Mapping[int, tuple[Iterable[Held], Ways]],
        key: str,
        *,
        ahead_s: float = 0.0,
        dates: Iterable[float | None] = (0.0,),
    ) -> None:
        self.cancels: Counter[int] = Counter()
        self.base_url = ""
        self._accounts = accounts
        self._orders: dict[int, list[_Order]] = {}
        self._key = key
        self._ahead_s = ahead_s
        self._dates = cycle(dates)
        self._talks: set[asyncio.Task[None]] = set()
        self._requests = 0

    async def __aenter__(self) -> Self:
        self._epoch = time.time() + self._ahead_s - asyncio.get_running_loop().time()
        for id_, (held, _) in self._accounts.items():
            orders = [self._place(id_, number, one) for number, one in enumerate(held)]
            self._orders[id_] = sorted(orders, key=lambda order: order.created)
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=1024)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports report their end in the next turn of the loop

    def alive(self, account: int) -> list[str]:
        """The truth: the statuses of an account's orders that have not ended."""
        return [order.status for order in self._settled(account) if not order.is_over]

    def _place(self, account: int, number: int, held: Held) -> _Order:
        id_ = f"{account:08x}-0000-7000-8000-{number:012x}"
        return _Order(id_, account, held, self._now() - held.age_days * DAY_S)

    def _now(self) -> float:
        return self._epoch + asyncio.get_running_loop().time()

    def _settled(self, account: int) -> list[_Order]:
        now = self._now()
        for order in self._orders[account]:
            if order.ends <= now:
                order.status = "CANCELED"
        return self._orders[account]

    # ── the wire ────────────────────────────────────────────────────────────────────────────────────────────

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:  # keep-alive: one request after the other
                    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
                    method, target, _ = first.split(" ")
                    pairs = (line.partition(":") for line in lines)
                    headers = {name.lower(): value.strip() for name, _, value in pairs}
                    await reader.readexactly(int(headers.get("content-length", "0")))
                    writer.write(self._answer(method, target, headers.get("authorization", "")))
                    await writer.drain()
        finally:
            writer.close()

    def _answer(self, method: str, target: str, authorization: str) -> bytes:
        self._requests += 1
        metadata: Json = {"request_id": f"elsewhere-{self._requests}"}
        try:
            data, pages = self._route(method, target, authorization)
            status, document = 200, {"data": data, "error": None, "metadata": metadata | pages}
        except _RefusedError as refused:
            error = {"code": refused.status, "message": str(refused)}
            status, document = refused.status, {"error": error, "metadata": metadata}
        body = json.dumps(document).encode()
        off = next(self._dates)
        date = [] if off is None else [f"Date: {formatdate(self._now() + off, usegmt=True)}"]
        head = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *date,
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    def _route(self, method: str, target: str, authorization: str) -> tuple[Any, Json]:
        if authorization != f"Bearer {self._key}":
            raise _RefusedError(401, "The caller is not authenticated")
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        match [method, *parts.path.strip("/").split("/")]:
            case ["GET", "v1", "clock"]:
                return {"clock": _stamp(self._now())}, {}
            case ["GET", "v1", "accounts"]:
                shown = [{"id": id_, "full_name": f"Fund {id_}", "status": "ACTIVE"} for id_ in self._accounts]
                page, limit, offset = _page(shown, query, _PAGE_MOST)
                return page, _pages(len(shown), len(shown), limit, offset)
            case [("GET" | "DELETE"), "v1", "accounts", id_, "orders"] if int(id_) in self._orders:
                return self._list(int(id_), query) if method == "GET" else (self._cancel(int(id_), query), {})
        raise _RefusedError(404, "Some requested entity was not found")

    # ── orders ──────────────────────────────────────────────────────────────────────────────────────────────

    def _cancel(self, account: int, query: Mapping[str, str]) -> list[Json]:
        self.cancels[account] += 1
        for name, allowed in _CHOICES.items():
            if query.get(name, next(iter(allowed))) not in allowed:
                raise _RefusedError(400, f"{name}: unknown variant `{query[name]}`")
        found = [
            order
            for order in self._settled(account)
            if not (order.is_over or order.held.unseen or order.ends < float("inf")) and order.named_by(query)
        ]
        if not found:
            raise _RefusedError(404, "No orders match the specified filters")
        for order in found:
            order.status, order.ends = "PENDING_CANCEL", self._now() + _SETTLE_S
        return [order.shown() for order in found]

    def _list(self, account: int, query: Mapping[str, str]) -> tuple[list[Json], Json]:
        ways = self._accounts[account][1]
        wanted = set() if ways.filters == "ignored" else _words(query, "status")
        if unknown := wanted - (FIRST_RELEASE if ways.filters == "refused" else NEWEST_RELEASE):
            raise _RefusedError(400, f"status: unknown variant `{min(unknown)}`")
        everything = [order for order in self._settled(account) if self._is_asked_for(order, query)]
        found = [order for order in everything if not wanted or order.status in wanted]
        page, limit, offset = _page(found[::-1] if ways.newest_first else found, query, ways.page_most)
        totals = {
            "honest": len(found),
            "missing": None,
            "of the page": len(page),
            "unfiltered": len(everything),
            "stale": sum(not wanted or order.at_first in wanted for order in everything),
            **{name: min(cap, len(found)) for name, cap in _CAPS.items()},
        }
        return [order.shown() for order in page], _pages(totals[ways.counts], len(found), limit, offset)

    def _is_asked_for(self, order: _Order, query: Mapping[str, str]) -> bool:
        since, until = _seconds(query, "from"), _seconds(query, "to")
        named = _words(query, "order_ids")
        return (
            # Nobody knows what the list looks back on by itself: here it is the least that makes sense.
            order.created >= (self._now() - DAY_S if since is None else since)
            and (until is None or order.created <= until)
            and (not named or order.id in named)
            and order.named_by({name: query[name] for name in query if name not in {"side", "type"}})
        )


def _page(items: list[Any], query: Mapping[str, str], most: int) -> tuple[list[Any], int, int]:
    """The page that is asked for, with its limit and its offset; a token outranks a page size."""
    try:
        if token := query.get("page_token"):
            state = json.loads(base64.urlsafe_b64decode(token))
            offset, limit = int(state["offset"]), int(state["limit"])
        else:
            offset, limit = 0, int(query.get("page_size", "1000"))
    except (ValueError, KeyError, TypeError):
        raise _RefusedError(400, "page_token or page_size cannot be read") from None
    if not (1 <= limit <= _PAGE_MOST and offset >= 0):
        raise _RefusedError(400, "page_size: not between 1 and 1000")
    limit = min(limit, most)
    return items[offset : offset + limit], limit, offset


def _pages(total: int | None, there: int, limit: int, offset: int) -> Json:
    state = json.dumps({"offset": offset + limit, "limit": limit}).encode()
    token = base64.urlsafe_b64encode(state).decode() if offset + limit < there else None
    if total is None:
        return {"next_page_token": token}
    pages = {"total_pages": -(-total // limit), "page_number": offset // limit + 1}
    return {"total_items": total, **pages, "next_page_token": token}


def _words(query: Mapping[str, str], name: str) -> set[str]:
    return {word.strip() for word in query.get(name, "").split(",") if word.strip()}


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    try:
        moment = datetime.fromisoformat(query[name]) if name in query else None
    except ValueError:
        raise _RefusedError(400, f"{name}: no timestamp") from None
    return moment.timestamp() if moment else None
