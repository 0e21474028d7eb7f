"""Which calls came before: copies press never again, and no breach waits long for the record of them."""

import hashlib
import threading

import pytest

from panic.service.hooks.replays import Call, Earlier, Replays
from tests.service.hooks.support import (
    BREACH,
    NOW,
    Service,
    alertmanager,
    said,
    sign,
)


@pytest.mark.parametrize("is_over", [True, False])
@pytest.mark.parametrize("is_restarted", [True, False])
async def test_a_copy_presses_never_again_and_its_sender_can_where_the_run_broke_off(
    is_over: bool, is_restarted: bool
):
    """Also a run of an earlier process: what is signed anew may be all that is left of a breach."""
    service = Service()
    await service.call("desk", BREACH, sign(BREACH))
    service.end(None if is_over else RuntimeError())
    if is_restarted:
        known = {call: earlier._replace(signed=0.0) for call, earlier in service.replays._known.items()}
        service = Service(lambda: known)
        service.replays.began = NOW
    pressed = len(service.desk.presses)
    signed = [sign(BREACH, at=NOW + late) for late in (0, 1, 1, 0)]
    answers = [said(await service.call("desk", BREACH, one))["act"] for one in signed]

    assert ["joined", "joined" if is_over else "pressed", "joined", "joined"] == answers
    assert (0 if is_over else 1) == len(service.desk.presses) - pressed


async def test_what_was_signed_before_the_service_began_waits_until_copies_are_known():
    """A copy could press again while the record is read; who sent it signs it anew, and a person is paged."""
    go = threading.Event()

    def hang() -> dict[Call, Earlier]:
        go.wait(20)
        return {Call("desk", "msg_1", hashlib.sha256(BREACH).hexdigest()): Earlier("run-0", NOW + 600)}

    service = Service(hang, patience_s=0.01)
    service.replays.began = NOW
    resolved = alertmanager("resolved")
    copy = await service.call("desk", BREACH, sign(BREACH))
    over = await service.call("desk", resolved, sign(resolved, "msg_3"))
    fresh = await service.call("desk", BREACH, sign(BREACH, "msg_2", NOW + 1))
    go.set()
    service.replays._doubt_s = 20
    after = await service.call("desk", BREACH, sign(BREACH))

    assert (503, "not_pressed", "1") == (copy.status, said(copy)["code"], copy.headers["Retry-After"])
    assert "it was signed before this service began, and may be a copy" in said(copy)["detail"]
    assert (200, "recorded") == (over.status, said(over)["act"])
    assert [said(fresh)["run_id"]] == [live.run.id for live in service.desk.lives]
    assert ("joined", "run-0") == (said(after)["act"], said(after)["run_id"])
    assert ["hook desk: NOTHING was pressed"] == [page.title for page in service.pages]


async def test_a_delivery_that_joined_a_run_has_copies_too():
    """Although the run breaks off later."""
    service = Service()
    for late in (0, 1):
        await service.call("desk", BREACH, sign(BREACH, at=NOW + late))
    service.end(RuntimeError())
    copy = await service.call("desk", BREACH, sign(BREACH, at=NOW + 1))

    assert ("joined", 1) == (said(copy)["act"], len(service.desk.presses))


async def test_a_breach_presses_although_the_record_cannot_be_read():
    """It is flagged; and as long as the process lives its repetition joins all the same."""

    def fail() -> dict[Call, Earlier]:
        raise OSError("no such disk")

    service = Service(fail)
    first, second = [await service.call("desk", BREACH, sign(BREACH)) for _ in range(2)]

    assert (202, 202) == (first.status, second.status)
    assert ["a repeated call might press again: the ledger cannot be read: no such disk"] == said(first)["flags"]
    assert (1, {"flag"}) == (len(service.desk.presses), {notice.kind for notice in service.notices})


async def test_a_breach_does_not_wait_for_a_record_that_hangs():
    """Once for a moment, then no more; when it has been read it counts."""
    go, begun = threading.Event(), list[int]()

    def hang() -> dict[Call, Earlier]:
        begun.append(1)
        go.wait(20)
        return {}

    service = Service(hang, patience_s=0.01)
    flags = [said(await service.call("desk", BREACH, sign(BREACH, f"msg_{n}")))["flags"] for n in range(3)]
    go.set()
    service.replays._patience_s = 20
    await service.replays.ready()
    after = await service.call("desk", BREACH, sign(BREACH, "msg_4"))

    assert [1, 1, 1] == [len(one) for one in flags]
    assert ([1], []) == (begun, said(after)["flags"])


def test_a_call_is_remembered_for_twice_its_tolerance():
    """Later it would be refused as late in any case."""
    now = [float(NOW)]
    replays = Replays(dict, now=lambda: now[0])
    first, second = Call("desk", "msg_1", "digest"), Call("desk", "msg_2", "digest")
    replays.add(first, "run-1", 300)
    now[0] += 600
    remembered = replays.find(first)
    now[0] += 1
    forgotten = replays.find(first)
    replays.add(second, "run-2", 300)

    assert (Earlier("run-1", NOW + 600), None) == (remembered, forgotten)
    assert [second] == [*replays._known]
