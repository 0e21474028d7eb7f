"""What an answer on the wire means: pure reading of status, headers and body. Nothing here sends or waits."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from pydantic_core import from_json

from panic.broker.answers import HOLD_MOST_S, Answer
from panic.broker.outcomes import Body, Evidence, classify
from panic.broker.pages import Page, page_of
from panic.broker.request import Exchange
from panic.kit.clock import http_date
from panic.kit.words import clip
from panic.orders import Order, order

_OK = 200

ROWS_MOST = 10_000
"""The most elements read from one answer, ten times the largest page: four megabytes of nothing but commas
would block the loop for seconds."""


def answer(
    exchange: Exchange, account_id: int | None, scrub: Callable[[str], str], *, is_read: bool = True
) -> Answer:
    """Say what an exchange means for an account (None: for no account in particular).

    Another account's orders are not believed; only what a read shows may prove something.
    """
    document = _document(exchange)
    success = exchange.status is not None and 200 <= exchange.status <= 299  # noqa: PLR2004
    rows = _rows(document)
    orders = tuple(map(order, rows[:ROWS_MOST]))
    kind = _body(exchange, document, orders, account_id)
    believed = kind is Body.OBJECT
    words = _error(document)
    foreign_words = clip(scrub(words)) if words else ""  # scrubbed first: a clipped key is still half a key
    evidence = Evidence(exchange.sent, exchange.status, kind)
    return Answer(
        began=exchange.began,
        ended=exchange.ended,
        evidence=evidence,
        outcome=classify(evidence),
        request_id=clip(scrub(_request_id(exchange, document))),
        error=exchange.failure
        or ("" if success and believed and not words else _what_went_wrong(exchange.status, kind, foreign_words)),
        retry_after=retry_after(exchange.headers or {}),
        own_envelope=not success and _is_own_envelope(exchange.status, document),
        orders=orders if believed else tuple(o for o in orders if o.account_id == account_id is not None),
        page=_page(document, orders) if is_read and believed and exchange.status == _OK else None,
        receipt=exchange.receipt,
        note="the broker answered 2xx with an error inside: " + foreign_words if foreign_words and success else "",
        document=document if account_id is None else None,
        cause=exchange.cause,
    )


def _document(exchange: Exchange) -> dict[str, Any] | None:
    """Give the body as a JSON object; None when it is anything else or was not read whole."""
    if not exchange.whole or not exchange.body:
        return None
    try:
        document = from_json(exchange.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _rows(document: dict[str, Any] | None) -> list[Any]:
    rows = None if document is None else document.get("data")
    return rows if isinstance(rows, list) else []


def _body(
    exchange: Exchange, document: dict[str, Any] | None, orders: tuple[Order, ...], account_id: int | None
) -> Body | None:
    if exchange.status is None:
        return None
    if exchange.overlong or len(_rows(document)) > ROWS_MOST:
        return Body.OVERLONG
    if exchange.whole and not exchange.body.strip():
        return Body.EMPTY
    if document is None:
        return Body.INVALID
    if account_id is not None and any(o.account_id not in {None, account_id} for o in orders):
        return Body.FOREIGN
    return Body.OBJECT


def _page(document: dict[str, Any] | None, orders: tuple[Order, ...]) -> Page | None:
    """Give the page of a read, or None unless `data` is an array and `error` null or absent.

    An order whose account cannot be read might belong to any account, so a page that holds one proves nothing.
    """
    if document is None or not isinstance(document.get("data"), list) or document.get("error") is not None:
        return None
    if any(
        o.account_id is None and _mapping(raw).get("account_id") is not None
        for o, raw in zip(orders, document["data"], strict=True)
    ):
        return None
    try:
        return page_of(document.get("metadata"), orders)
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_own_envelope(status: int | None, document: dict[str, Any] | None) -> bool:
    """Tell whether an error came in the broker's format: the status repeated, a message, a request id."""
    error = _mapping(_mapping(document).get("error"))
    metadata = _mapping(_mapping(document).get("metadata"))
    return (
        error.get("code") == status
        and isinstance(error.get("message"), str)
        and isinstance(metadata.get("request_id"), str)
    )


def _request_id(exchange: Exchange, document: dict[str, Any] | None) -> str:
    named = _mapping(_mapping(document).get("metadata")).get("request_id")
    if not isinstance(named, str) or not named:
        named = (exchange.headers or {}).get("x-request-id", "")
    return named


def _error(document: dict[str, Any] | None) -> str:
    error = _mapping(document).get("error")
    if error is None:
        return ""
    message = _mapping(error).get("message")
    return message if isinstance(message, str) and message else str(error)


def _what_went_wrong(status: int | None, kind: Body | None, foreign_words: str) -> str:
    success = status in range(200, 300)
    if success and kind in {Body.INVALID, Body.FOREIGN, Body.OVERLONG}:
        return f"the answer was {kind}"
    return foreign_words or ("" if success else f"HTTP {status}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After as seconds between 0 and `HOLD_MOST_S`, or None when it says nothing usable.

    Whole seconds (a fraction is rounded up) or an HTTP date, which is measured against the answer's own Date
    so that a clock that differs from the broker's does not matter.
    """
    words = headers.get("Retry-After", "").strip()
    if not words:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", words, re.ASCII):
        return float(min(ceil(float(words)), HOLD_MOST_S))
    if re.fullmatch("[0-9]+", words, re.ASCII):
        return HOLD_MOST_S
    then = http_date(words)
    if then is None:
        return None
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((then - now).total_seconds(), 0.0), HOLD_MOST_S)
