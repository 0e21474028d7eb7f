"""All runs of a desk share one pace: who goes first, and who may have how many."""

import asyncio

import pytest

from panic.accounts.plan import Scope
from panic.broker.outcomes import Verdict
from panic.engine.lanes import Lanes
from panic.orders import Filters
from panic.report.document import Source
from panic.service.problems import ProblemError
from panic.simulator import Fault
from tests.service.desks import QUIET, a_desk, until

pytestmark = pytest.mark.virtual_time


async def test_all_runs_share_one_pace_and_a_person_goes_first():
    """Behind a rate that is known, the cancels of a person's press leave before what is left of a hook's run."""
    async with a_desk(*[QUIET] * 30) as place:
        place.lanes = Lanes(most=20.0)
        hook = place.press(source=Source.HOOK, automated=True)
        await until(lambda: place.deletes.total() >= 5)
        person = place.press(Scope(accounts=(*range(21, 31),)), watch_s=1.0)
        verdicts = [(await one.live.finished()).verdict for one in (person, hook)]
    sent = [one for one in place.simulator.requests if one.method == "DELETE"]

    assert [Verdict.CLEAR] * 2 == verdicts
    assert [*range(1, 6), *range(21, 31), *range(6, 31)] == [one.account_id for one in sent]
    assert 39 / 20.0 == pytest.approx(sent[-1].at - sent[0].at, abs=0.1)


async def test_a_report_counts_its_own_refusals():
    """A later run has the lane of the earlier one, and not its figures."""
    async with a_desk((Fault("status", status=429, times=1),), QUIET) as place:
        place.lanes = Lanes(most=20.0)
        reports = [await place.press().live.finished() for _ in range(2)]

    assert [1, 0] == [report.timings.paces[0].refused for report in reports]


async def test_whose_press_a_person_repeats_goes_first_with_their_accounts():
    """Also where they join a program's run: what they pressed leaves before what else that run has left."""
    async with a_desk(*[QUIET] * 30) as place:
        place.lanes = Lanes(most=20.0)
        program = place.press(program="algo", automated=True, watch_s=5.0)
        await until(lambda: place.deletes.total() >= 5)
        person = place.press(Scope(accounts=(*range(26, 31),)), watch_s=0.0)
        report = await program.live.finished()
    sent = [one.account_id for one in place.simulator.requests if one.method == "DELETE"]

    assert (True, program.live.run.id) == (person.joined, report.run_id)
    assert max(sent.index(id_) for id_ in range(26, 31)) <= 11


async def test_a_program_has_few_runs_at_a_time_and_may_always_press_everything():
    """What it presses beyond is refused, whatever the filters; another program and a person have their own."""

    def only(symbol: str) -> Scope:
        return Scope(all=True, filters=Filters(instrument_ids=(symbol,)))

    async with a_desk(QUIET) as place:
        first = [place.press(only(symbol), program="algo", automated=True, watch_s=9.0) for symbol in "AB"]
        with pytest.raises(ProblemError, match=r"algo has 2 runs under way: .* NOTHING was pressed"):
            place.press(only("C"), program="algo", automated=True)
        others = [
            place.press(program="algo", automated=True),
            place.press(only("C"), program="other", automated=True),
            *(place.press(only(symbol)) for symbol in "DEF"),
        ]
        await asyncio.gather(*(one.live.finished() for one in first))
        place.press(only("C"), program="algo", automated=True)

    assert 5 == len({one.live.run.id for one in others})
