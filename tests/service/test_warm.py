"""Connections to the broker are open before anybody presses, and are a press's alone once it has them."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

from panic.broker.connections import Handler
from panic.broker.outcomes import Outcome
from panic.config import Broker as Where
from panic.config.secret import Key
from panic.service.standby.warm import Warm
from tests.broker.support import ID, Line, cancel, header, http, is_fresh, listening
from tests.cli.support import KEY, account, simulate, until
from tests.service.test_standby import (
    ALL,
    DONE,
    NEW_KEY,
    TIME,
    WARM,
    firm_of,
    methods,
    problems_of,
    ready,
    serve,
    taken,
    warm_of,
)


async def test_a_delete_opens_no_connection(tmp_path: Path):
    """As many as are kept warm go out at once over what is open."""
    async with listening(serve) as listener, ready(firm_of(tmp_path, listener.base_url)) as standby:
        await until(lambda: standby.status()["clock_ahead_s"] is not None)
        async with await taken(standby) as broker:
            opened, status = listener.connections, standby.status()
            answers = await asyncio.gather(*(cancel(broker) for _ in range(WARM)))
            opened = listener.connections - opened

        assert ([Outcome.ACCEPTED] * WARM, 0) == ([one.outcome for one in answers], opened)
        assert ["GET"] * WARM + ["DELETE"] * WARM == methods(listener)
        assert "GET /v1/clock " in listener.heads[0]
        assert 0 <= status["last_contact_age_s"] < 20


async def test_over_tls(tmp_path: Path):
    """With an authority of one's own; the request goes over a connection that had been used."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        simulate(account(ID), ssl_context=context) as simulator,
        ready(firm_of(tmp_path, simulator.base_url, broker='ca_file = "ca.pem"\n')) as standby,
        await taken(standby) as broker,
    ):
        answer = await cancel(broker)

        assert (Outcome.ACCEPTED, False, "") == (answer.outcome, is_fresh(answer), broker.problem)


async def test_what_was_given_away_is_left_alone(tmp_path: Path):
    """Nobody else asks anything over it or closes it; and the next Broker is another one."""
    async with listening(serve) as listener:
        async with ready(firm_of(tmp_path, listener.base_url)) as standby:
            broker = await taken(standby)
            while (other := standby.take_broker()) is None:  # noqa: ASYNC110  (there is no event for it)
                await asyncio.sleep(0)
            await other.__aexit__()
            gets = methods(listener).count("GET")
        answer = await cancel(broker)
        await broker.__aexit__()

        assert broker is not other
        assert (Outcome.ACCEPTED, WARM, WARM) == (answer.outcome, gets, listener.connections)


async def test_keys_that_changed_are_sent(tmp_path: Path):
    """The connections stay; what goes over them does not."""
    async with listening(serve) as listener:
        firm = firm_of(tmp_path, listener.base_url)
        async with ready(firm, every_s=3600) as standby:
            await until(lambda: warm_of(standby) == WARM)
            firm.key.write_text(NEW_KEY)
            standby.prepare(ALL)
            async with await taken(standby) as broker:
                await cancel(broker)

        assert WARM == listener.connections
        assert f"Bearer {NEW_KEY}" == header(listener.heads[-1], "Authorization")
        assert f"Bearer {KEY}" == header(listener.heads[0], "Authorization")


async def test_a_key_that_the_broker_refuses_is_known_beforehand(tmp_path: Path):
    """Each is shown to the broker in turn; one that was revoked is said in seconds."""

    async def play(line: Line) -> None:
        while head := await line.request():
            line.write(http(200 if header(head, "Authorization") == "Bearer key1" else 401, {}))

    names = "".join(f'[credentials.c{number}]\nenv = "KEY{number}"\n' for number in range(3))
    env = {f"KEY{number}": f"key{number}" for number in range(3)}
    async with listening(play) as listener:
        firm = firm_of(tmp_path, listener.base_url, ["1,c1"], columns="id,credential", credentials=names)
        async with ready(firm, env) as standby:
            await until(lambda: problems_of(standby).count("the broker answers 401 to its key") == 2)

            assert "credential c0: the broker answers 401 to its key" in problems_of(standby)
            assert "credential c1:" not in problems_of(standby)


async def test_a_broker_out_of_reach_is_a_problem_and_no_hindrance(tmp_path: Path):
    """The Broker that is given away opens its connections itself, as it would have anyway."""
    async with ready(firm_of(tmp_path)) as standby:
        await until(lambda: "no connection: Connection refused" in problems_of(standby))
        broker = standby.take_broker()
        assert broker is not None
        async with broker:
            assert Outcome.UNREACHABLE == (await cancel(broker)).outcome

        assert standby.status()["last_contact_age_s"] is None


@asynccontextmanager
async def warmed(base_url: str, **options: Any) -> AsyncIterator[Warm]:
    """Connections kept open with one key; every_s is short enough for a test."""
    how = {"every_s": 0.04, "after_press_s": 0.0, **options}
    warm = Warm(Where(base_url=base_url), WARM, lambda: {"default": Key(KEY)}, **how)
    warm.start()
    try:
        yield warm
    finally:
        await warm.close()


async def test_connections_are_kept_open_by_turns():
    """The same few, for ever, each once in every_s; and nothing is remembered of each use."""
    async with listening(serve) as listener, warmed(listener.base_url) as warm:
        began = asyncio.get_running_loop().time()
        await until(lambda: len(listener.heads) > 10 * WARM and warm.idle == WARM)
        took = asyncio.get_running_loop().time() - began
        broker = warm.take()
        assert broker is not None
        kept = [
            one.receipts if isinstance(one, Handler) else None
            for idle in broker.connections._conns.values()
            for one, _ in idle
        ]
        await broker.__aexit__()

        assert WARM == listener.connections
        assert [[]] * WARM == kept
        assert took > 0.04 * 8


async def test_connections_that_the_broker_closes_are_opened_again():
    """And a request never goes over one that is known to be closed."""

    async def play(line: Line) -> None:
        await line.answer(TIME)

    async with listening(play) as listener, warmed(listener.base_url) as warm:
        await until(lambda: listener.connections > 3 * WARM)

        assert "" == warm.health.trouble


async def test_a_dead_connection_takes_those_beside_it_along_that_proved_nothing():
    """They may be dead as well, and each would cost another retry; one that has answered a DELETE stays."""
    deletes: list[str] = []

    async def play(line: Line) -> None:
        await line.answer(TIME)
        deletes.append(await line.request())
        if len(deletes) == 1:
            line.write(DONE)
            await line.gone()

    async with listening(play) as listener, warmed(listener.base_url, every_s=3600, after_press_s=3600) as warm:
        await until(lambda: warm.idle == WARM)
        broker = warm.take()
        assert broker is not None
        answers = [await cancel(broker), await cancel(broker)]
        idle = broker.connections.idle
        await broker.__aexit__()

        assert [Outcome.ACCEPTED, Outcome.UNKNOWN] == [one.outcome for one in answers]
        assert (WARM, 1) == (listener.connections, idle)


async def test_bytes_that_nobody_asked_for_cost_the_broker():
    """All its connections are closed, and a new one is made, later."""
    odd = asyncio.Event()

    async def play(line: Line) -> None:
        first = line.number <= WARM
        await line.answer(TIME)
        if first:
            await odd.wait()
            line.write(b"HTTP/1.1 200 OK\r\n")
        await line.gone()

    async with listening(play) as listener, warmed(listener.base_url, every_s=0.5) as warm:
        await until(lambda: warm.idle == WARM)
        odd.set()
        await until(lambda: "nobody had asked for" in warm.health.trouble)

        assert 0 == warm.idle
        await until(lambda: warm.idle == WARM)
        assert 2 * WARM == listener.connections
        assert "" == warm.health.trouble


async def test_an_end_waits_for_no_broker(tmp_path: Path):
    """One that takes connections and says nothing."""

    async def play(line: Line) -> None:
        await line.gone()

    async with listening(play) as listener:
        async with ready(firm_of(tmp_path, listener.base_url)) as standby:
            await until(lambda: listener.connections == WARM)
            before = time.perf_counter()
            await standby.close()
            took = time.perf_counter() - before

        assert took < 1
