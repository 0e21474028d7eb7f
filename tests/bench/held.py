"""What a run does where it is refused and told to wait: R10, R11 and S4 of the scoreboard; `make bench-pace`.

On virtual time, without sockets, so that the figures are the same on every machine.
"""

import heapq
from itertools import pairwise

from tests.kit.limited import CONCURRENCY, Limited
from tests.kit.virtual import without_sockets

HUNG_S = 5.0
"""How long a request that nobody answers keeps its slot."""


def unlimited(_: float) -> bool:
    """No limit."""
    return True


def _deletes(seen: Limited, account: int) -> list[float]:
    return [at for method, id_, at, _ in seen.log if (method, id_) == ("DELETE", account)]


@without_sockets
async def nothing_but_503() -> str:
    """R10: a minute of nothing but 503."""
    ids = range(1, 1001)
    seen = await Limited([unlimited], len(ids), instead=dict.fromkeys(ids, 503), deadline_s=60.0).press()
    moments = [_deletes(seen, id_) for id_ in ids]
    silence = max(later - earlier for one in moments for earlier, later in pairwise([*one, 60.0]))
    return f"R10 {len(ids):,} accounts, at most {max(map(len, moments))} DELETEs each, one each {silence:.1f} s"


@without_sockets
async def told_to_wait() -> str:
    """R11: a tenth of a thousand accounts is told, for ever, to wait for twenty seconds.

    DELETEs are counted: a Retry-After of a read holds no DELETE that is due.
    """
    own = range(1, 1001, 10)
    seen = await Limited([unlimited], 1000, by_themselves=own, retry_after=20.0).press()
    early = sum(later - earlier < 20.0 for id_ in own for earlier, later in pairwise(_deletes(seen, id_)[1:]))
    last = max(seen.accepted.values())
    return f"R11 {early} DELETEs before their Retry-After; the last neighbour accepted after {last:.2f} s"


@without_sockets
async def held_by_one_answer() -> str:
    """R11: all are told to wait for twenty seconds, and are served again after one."""
    seen = await Limited([lambda now: not 0.1 < now < 1.0], 1000, retry_after=20.0, latency_s=0.05).press()
    silence = max(later - earlier for earlier, later in pairwise(at for *_, at, _ in seen.log))
    return f"R11 a lane that is told to wait for 20 s, and is served after 1 s, is silent for {silence:.2f} s"


@without_sockets
async def hanging_and_limited() -> str:
    """S4: the last first DELETE with 5 % of the accounts hanging and 10 % limited by themselves."""
    accounts, latency_s = 1000, 0.05
    hung, own = range(7, accounts + 1, 20), range(1, accounts + 1, 10)
    instead = dict.fromkeys(hung, None)
    seen = await Limited(
        [unlimited], accounts, latency_s=latency_s, by_themselves=own, instead=instead, deadline_s=60.0
    ).press()
    first: dict[int, float] = {}
    for method, id_, at, _ in seen.log:
        if method == "DELETE":
            first.setdefault(id_, at - latency_s / 2)
    slots, ideal = [0.0] * CONCURRENCY, 0.0
    for id_ in range(1, accounts + 1):  # each as soon as any slot is free
        ideal = heapq.heappop(slots)
        heapq.heappush(slots, ideal + (HUNG_S if id_ in instead else latency_s))
    last = max(first.values())
    return (
        f"S4  {len(first):,} first DELETEs, the last after {last:.3f} s; ideal {ideal:.3f} s: {last / ideal:.2f} x"
    )


MEASURES = (nothing_but_503, told_to_wait, held_by_one_answer, hanging_and_limited)
