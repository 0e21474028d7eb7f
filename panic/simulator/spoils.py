"""Answers that are sound HTTP and still wrong: given instead of the truth, or made of it."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from panic.simulator.answers import Answer, Json, failure, order_json, success
from panic.simulator.book import ENDED, Clock, Order, SimOrder
from panic.simulator.faults import Fault

_HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"
_MEGABYTE = 1 << 20
_BOMB_MEGABYTES = 256
_HUGE_MEGABYTES = 32
_BIG_HEADER = 1 << 16
_NO_PAGES: Json = {"total_items": 0, "total_pages": 0, "page_number": 1, "next_page_token": None}


@dataclass(frozen=True, slots=True)
class Scene:
    """What an answer given instead of the truth is made from."""

    fault: Fault
    request_id: str
    account_id: int
    clock: Clock

    def refusal(self, status: int, message: str) -> Answer:
        """An error, with the Retry-After that the fault may have."""
        wait = self.fault.retry_after
        headers = {} if wait is None else {"Retry-After": wait}
        return replace(failure(status, message, self.request_id), headers=headers)


def _error_in_200(scene: Scene) -> Answer:
    error = {"code": 500, "message": "Simulated failure"}
    return Answer(200, {**success(None, scene.request_id).body, "error": error})


def _redirect(scene: Scene) -> Answer:
    status = scene.fault.status if 300 <= scene.fault.status < 400 else 302  # noqa: PLR2004  # any 3xx
    return Answer(status, b"", {"Location": scene.fault.location}, "text/html")


def _wrong_account(scene: Scene) -> Answer:
    seed, now, count = SimOrder(), scene.clock.now(), scene.fault.count
    ids = [f"{scene.request_id[:-4]}{n:04x}" for n in range(count)]
    orders = [
        Order(id_, scene.account_id + 1, seed, f"stranger-{n}", "PENDING_CANCEL", 0, now, now, 0)
        for n, id_ in enumerate(ids)
    ]
    pages = {**_NO_PAGES, "total_items": count, "total_pages": 1}
    return success([order_json(order, scene.clock) for order in orders], scene.request_id, pages)


@cache
def _bomb() -> bytes:
    # A fully flushed deflate block refers to nothing before it, so that one megabyte's can be repeated.
    head, filler, tail = b'{"data":[],"error":null,"metadata":{"request_id":"bomb"', b" " * _MEGABYTE, b"}}"
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(filler) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(tail) + packer.flush(zlib.Z_FINISH)
    checksum = zlib.crc32(head)
    for _ in range(_BOMB_MEGABYTES):
        checksum = zlib.crc32(filler, checksum)
    checksum = zlib.crc32(tail, checksum)
    size = len(head) + len(filler) * _BOMB_MEGABYTES + len(tail)
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + start + block * _BOMB_MEGABYTES + end + trailer


# The request reached nobody who would have carried it out.
INSTEAD: Mapping[str, Callable[[Scene], Answer]] = {
    "status": lambda scene: scene.refusal(scene.fault.status, f"Simulated {scene.fault.status}"),
    "lying_404": lambda scene: scene.refusal(404, "No orders match the specified filters"),
    "bare_404": lambda _: Answer(404, _HTML, content_type="text/html"),
    "error_in_200": _error_in_200,
    "empty_list": lambda scene: success([], scene.request_id),
    "hidden_orders": lambda scene: success([], scene.request_id, _NO_PAGES),
    "wrong_account": _wrong_account,
    "not_json": lambda _: Answer(200, _HTML, content_type="text/html"),
    "redirect": _redirect,
    "big_headers": lambda scene: replace(success([], scene.request_id), headers={"X-Big": "x" * _BIG_HEADER}),
    "gzip_bomb": lambda _: Answer(200, _bomb(), {"Content-Encoding": "gzip"}),
}


def _huge(_: Fault, answer: Answer) -> Answer:
    orders = answer.body.get("data")
    if not isinstance(orders, list) or not orders:
        return answer
    once = replace(answer, body=orders).encoded()[1:-1]
    repeated = b",".join([once] * (_HUGE_MEGABYTES * _MEGABYTE // len(once) + 1))
    shell = replace(answer, body={**answer.body, "data": []}).encoded()
    return replace(answer, body=shell.replace(b'"data":[]', b'"data":[' + repeated + b"]", 1))


def _drift(_: Fault, answer: Answer) -> Answer:
    body = {**answer.body, "warnings": [], "links": {"self": "/"}}
    data = body.get("data")
    if isinstance(data, list):
        body["data"] = [_drifted(order) for order in data]
    return replace(answer, body=body)


def _drifted(order: Json) -> Json:
    gone = {"client_order_id", "venue", "symbol"}
    drifted: Json = {name: value for name, value in order.items() if name not in gone}
    numbers = {name: int(order[name]) for name in ("quantity", "filled_quantity", "leaves_quantity")}
    status = order["status"] if order["status"] in ENDED else "HELD_AT_VENUE"
    news: Json = {
        "instrument_id": None,
        "instrument_type": None,
        "status": status,
        "legs": [],
        "origin": {"desk": 7},
    }
    return {**drifted, **numbers, **news}


def _no_counts(_: Fault, answer: Answer) -> Answer:
    metadata = answer.body["metadata"]
    kept = {name: metadata[name] for name in metadata if name not in {"total_items", "total_pages", "page_number"}}
    return replace(answer, body={**answer.body, "metadata": kept})


def _repaged(answer: Answer, change: Callable[[Json], Json]) -> Answer:
    metadata: Any = answer.body["metadata"]
    if "total_items" not in metadata:
        return answer
    return replace(answer, body={**answer.body, "metadata": {**metadata, **change(metadata)}})


# The request was carried out; the true answer is spoilt on its way.
_MADE: Mapping[str, Callable[[Fault, Answer], Answer]] = {
    "status": lambda fault, answer: replace(answer, status=fault.status),
    "empty": lambda _, answer: replace(answer, status=200, body=b""),
    "huge": _huge,
    "schema_drift": _drift,
    "paged_lies": lambda f, a: _repaged(a, lambda pages: {"total_items": pages["total_items"] + f.count}),
    # The token of the first page: whoever follows it reads the same again, for ever.
    "page_loop": lambda _, a: _repaged(a, lambda _: {"next_page_token": "eyJvZmZzZXQiOjAsImxpbWl0IjoxMDAwfQ=="}),
    "no_counts": _no_counts,
    "counts_page": lambda _, a: _repaged(a, lambda _: {"total_items": len(a.body["data"])}),
    "counts_capped": lambda f, a: _repaged(a, lambda pages: {"total_items": min(pages["total_items"], f.count)}),
}


def spoilt(answer: Answer, faults: Iterable[Fault]) -> Answer:
    """The true answer after all that these faults do to it."""
    for fault in faults:
        if fault.kind in _MADE and fault.executed and isinstance(answer.body, dict):
            answer = _MADE[fault.kind](fault, answer)
    return answer
