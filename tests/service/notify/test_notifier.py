"""Telling people: each change once and until it is delivered; nobody waits, nothing fails, no address shows."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog

from panic.config import Channel, Credential
from panic.config.service import Tells
from panic.service.notify import Notice, Notifier
from panic.service.notify.channel import DELIVERY_S, OTHER_KEPT_S, PAGE_KEPT_S, SIZE, WAITS_S
from panic.service.notify.delivery import Undelivered
from panic.service.notify.notifier import SAME_S
from tests.service.notify.support import CANARY, RUN, a_notice

pytestmark = pytest.mark.virtual_time

EVERYTHING: tuple[Tells, ...] = ("start", "verdict", "flag", "page")
CLEAR = a_notice("verdict", "CLEAR  all clear", closes=True, about=frozenset({1, 2, 3}))


class World:
    """A notifier on virtual time, and everything that its channels got.

    Attributes:
        got: For each channel the notices that were delivered.
        tries: For each channel when somebody tried.
        fail: Raises what a delivery raises.
        told: The pages that every pager has.
    """

    def __init__(self, **tells: tuple[Tells, ...]) -> None:
        self.got: defaultdict[str, list[Notice]] = defaultdict(list)
        self.tries: defaultdict[str, list[float]] = defaultdict(list)
        self.told: list[str] = []
        self.fail: Callable[[str, Notice], object] = lambda *_: None
        self.notifier = Notifier(
            {name: Channel(url=Credential(env="ADDRESS"), tells=kinds) for name, kinds in tells.items()},
            {"ADDRESS": "json://localhost"},
            told=lambda page: self.told.append(page.title),
            send=self._send,
            do=self._do,
        )

    async def _do(self, work: Callable[[], Any], _: str, most_s: float) -> Any:
        try:
            return work()
        except BlockingIOError:
            await asyncio.sleep(most_s)
            raise TimeoutError from None

    def _send(self, name: str, _: Credential, __: object, notice: Notice) -> None:
        self.tries[name].append(asyncio.get_running_loop().time())
        self.fail(name, notice)
        self.got[name].append(notice)

    def titles(self, name: str) -> list[str]:
        """The first lines that a channel got."""
        return [notice.title for notice in self.got[name]]

    async def tell(self, *notices: Notice) -> None:
        """Tell, and wait until all that works is delivered."""
        for notice in notices:
            self.notifier.tell(notice)
        await asyncio.sleep(1.5)


Make = Callable[..., World]


@pytest.fixture
async def made() -> AsyncIterator[Make]:
    """Makes a world with these channels, and what each of them wants to know."""
    worlds: list[World] = []

    def make(**tells: tuple[Tells, ...]) -> World:
        worlds.append(World(**tells))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.notifier.close(0.0)


def raising(error: Exception, title: str = "") -> Callable[[str, Notice], object]:
    """A delivery that fails at the channel named hook, be it for one notice only."""

    def fail(name: str, notice: Notice) -> None:
        if name == "hook" and title in ("", notice.title):
            raise error

    return fail


async def test_a_page_is_told_once_for_each_change(made: Make):
    """The same again is none, unless it comes an hour later: whoever saw to it may not know of this one."""
    world = made(hook=("page",))
    await world.tell(a_notice(), a_notice(), a_notice())
    await world.tell(a_notice(title="REFUSED"), a_notice(title="REFUSED"))
    once = world.titles("hook")
    await asyncio.sleep(SAME_S)
    await world.tell(a_notice(title="REFUSED"))

    assert ["OPEN  still open", "REFUSED"] == once
    assert [*once, "REFUSED"] == world.titles("hook")


@pytest.mark.parametrize(
    ("page", "end", "is_over"),
    [
        (None, CLEAR, True),
        (a_notice(), CLEAR, True),
        (a_notice(run="earlier", key="earlier", about=frozenset({2, 3})), CLEAR, True),
        (a_notice(run="earlier", key="earlier", about=frozenset({2, 4})), CLEAR, False),
        (a_notice(run="earlier", key="earlier", about=frozenset({2, None})), CLEAR, False),
        (a_notice(run="", key="hook limits odd"), CLEAR, False),
        (a_notice(run="", key="selftest"), a_notice(run="", key="selftest", closes=True), True),
    ],
)
async def test_a_clear_run_ends_the_pages_about_its_accounts(
    made: Make, page: Notice | None, end: Notice, is_over: bool
):
    """By its key, so that a pager resolves it, also one of an earlier process; what asks for more stays."""
    world = made(pager=("page",))
    if page is None:
        world.notifier.remember(RUN)
    else:
        await world.tell(page)
    await world.tell(end, end)
    ends = [(one.key, one.closes) for one in world.got["pager"] if one.closes and one.title.startswith("OVER")]

    assert [(page.key if page else RUN, True)] * is_over == ends


async def test_nobody_is_told_the_same_twice(made: Make):
    """Neither the verdict after its page, nor that it is clear after the page is over."""
    world = made(pager=("page",), chat=EVERYTHING, ends=("verdict",))
    await world.tell(a_notice("start", "begun"), a_notice(), a_notice("verdict"), a_notice("flag", "odd"))
    await world.tell(CLEAR)
    pages = ["OPEN  still open", "OVER  OPEN  still open"]

    assert (pages, ["begun", pages[0], "odd", pages[1]]) == (world.titles("pager"), world.titles("chat"))
    assert ["OPEN  still open", CLEAR.title] == world.titles("ends")
    assert world.got["pager"][-1].text.startswith(CLEAR.title)


async def test_a_page_is_tried_until_it_is_delivered(made: Make):
    """Later and later; a channel that comes back to life is told how things are now, and once."""
    world = made(hook=("page",))
    world.fail = raising(Undelivered("it answered HTTP 503"))
    world.notifier.tell(a_notice())
    await asyncio.sleep(sum(WAITS_S) + 1)
    world.notifier.tell(a_notice(title="REFUSED"))
    await asyncio.sleep(1)
    world.fail = lambda *_: None
    await asyncio.sleep(WAITS_S[0])

    assert [0.0, 2.0, 10.0, 30.0, 90.0, 390.0] == world.tries["hook"][:6]
    assert ["REFUSED"] == world.titles("hook")
    assert {"hook": 7} == world.notifier.failures


async def test_a_channel_that_hangs_holds_up_nobody(made: Make):
    """Neither who tells, nor the other channel, nor the end."""
    world = made(hook=EVERYTHING, works=EVERYTHING)
    world.fail = raising(BlockingIOError())
    await world.tell(*(a_notice("flag", f"{n}") for n in range(20)))
    began = asyncio.get_running_loop().time()
    await world.notifier.close(5.0)

    assert [f"{n}" for n in range(20)] == world.titles("works")
    assert [0.0] == world.tries["hook"]
    assert began + 5.0 == asyncio.get_running_loop().time()
    assert 0 == world.notifier.failures["works"]


async def test_a_page_counts_as_told_when_every_pager_has_it(made: Make):
    """Else the next start of the service tells it again."""
    world = made(hook=("page",), pager=("page",), chat=("verdict",))
    world.fail = raising(Undelivered("it answered HTTP 503"))
    await world.tell(a_notice(title="one"), a_notice("verdict", "two"))
    before = list(world.told)
    world.fail = lambda *_: None
    await asyncio.sleep(WAITS_S[0])

    assert [] == before
    assert ["one"] == world.told


async def test_the_end_tries_what_was_not_tried_and_takes_nothing_more(made: Make):
    """What failed before is left, and said so."""
    world = made(hook=EVERYTHING)
    world.fail = raising(Undelivered("no"), "dead")
    await world.tell(a_notice(title="dead", key="dead"))
    world.notifier.tell(a_notice("verdict", "last"))
    with structlog.testing.capture_logs() as logs:
        await world.notifier.close(5.0)
    world.notifier.tell(a_notice("flag", "too late"))
    await asyncio.sleep(WAITS_S[1])

    assert ["last"] == world.titles("hook")
    assert [("hook", 1)] == [(line["channel"], line["notices"]) for line in logs]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Undelivered("it answered HTTP 500"), "it answered HTTP 500"),
        (ValueError(CANARY), "it failed (ValueError)"),
        (BlockingIOError(), f"no end within {DELIVERY_S:g} s"),
    ],
)
async def test_whatever_a_delivery_raises_is_a_failure_in_our_words(made: Make, error: Exception, why: str):
    """And the next notice is delivered."""
    world = made(hook=EVERYTHING)
    world.fail = raising(error, "first")
    with structlog.testing.capture_logs() as logs:
        await world.tell(a_notice("flag", "first"), a_notice("flag", "second"))
        await asyncio.sleep(DELIVERY_S)
        await world.notifier.close(0.0)

    assert why == logs[0]["why"]
    assert ["second"] == world.titles("hook")
    assert CANARY not in str(logs)


@pytest.mark.parametrize(
    "kinds",
    [("flag",) * (SIZE + 7), ("flag", "page", "verdict") * SIZE, (*("page",) * (SIZE - 10), *("flag",) * 30)],
    ids=["full", "mixed", "pages first"],
)
async def test_of_what_waits_the_newest_stay_and_pages_go_last(made: Make, kinds: tuple[str, ...]):
    """Never more than its size, each once and in order; what is dropped counts as a failure."""
    world = made(hook=EVERYTHING)
    notices = [a_notice(kind, f"{n}", key=f"{n}") for n, kind in enumerate(kinds)]
    await world.tell(*notices)
    pages = [one.title for one in notices if one.kind == "page"][-SIZE:]
    others = [one.title for one in notices if one.kind != "page"]
    others = others[max(len(others) - (SIZE - len(pages)), 0) :]

    assert sorted([*pages, *others], key=int) == world.titles("hook")
    assert {"hook": len(kinds) - SIZE} == world.notifier.failures


async def test_what_was_not_delivered_is_given_up_when_it_is_too_late(made: Make):
    """A page after a day; a start that is told a day later helps nobody."""
    world = made(hook=EVERYTHING)
    world.fail = raising(Undelivered("no"))
    await world.tell(a_notice("flag", "flag"))
    await asyncio.sleep(OTHER_KEPT_S + 1)
    tries = len(world.tries["hook"])
    await world.tell(a_notice())
    await asyncio.sleep(PAGE_KEPT_S - 2 * WAITS_S[-1])
    world.fail = lambda *_: None
    await asyncio.sleep(WAITS_S[-1])

    assert len(WAITS_S) + (OTHER_KEPT_S - sum(WAITS_S)) // WAITS_S[-1] + 1 == tries
    assert ["OPEN  still open"] == world.titles("hook")


@pytest.mark.parametrize("newer", [a_notice(title="new"), CLEAR])
@pytest.mark.parametrize("after_s", [1.0, DELIVERY_S + 1.0])
async def test_a_page_that_failed_does_not_come_back_behind_newer_words(made: Make, newer: Notice, after_s: float):
    """Whether it waits or is under way: else it would open again what is over."""
    world = made(hook=EVERYTHING)
    world.fail = raising(BlockingIOError())
    world.notifier.tell(a_notice(title="old"))
    await asyncio.sleep(after_s)
    world.fail = lambda *_: None
    world.notifier.tell(newer)
    await asyncio.sleep(DELIVERY_S + WAITS_S[1])

    assert "old" not in world.titles("hook")
    assert 1 == len(world.titles("hook"))


async def test_nothing_that_is_told_raises(made: Make):
    """A run never fails because its notifier is broken."""
    world = made(hook=EVERYTHING)
    with structlog.testing.capture_logs() as logs:
        world.notifier.tell(a_notice(["page"], CANARY))

    assert ["notice not told"] == [line["event"] for line in logs]
    assert CANARY not in str(logs)
