"""A roster that was copied by half is told of by everything that goes by it, until it is whole again."""

import json
from pathlib import Path

import pytest

from panic.config.own_files import PACE
from panic.report import flags
from tests.cli.inside import beside, typed
from tests.cli.ledgers import SETTINGS
from tests.cli.support import Finished, Firm, account, codes, simulate
from tests.service.house import house

WHOLE, HALF = "id,group\n1,a\n2,a\n3,b\n4,b\n", "id,group\n1,a\n2,a\n"
WORDS = "the roster lists 2 accounts, and listed 4 when it was last good. Was it copied by half?"
GROUP = ("press", "--group", "a", "--reason", "x")


@pytest.mark.parametrize(
    ("good", "rows", "is_lost"),
    [
        (200, 19, True),
        (200, 180, True),
        (200, 181, False),
        (3, 2, False),
        (3, 1, True),
        (0, 0, False),
        (2, 9, False),
    ],
)
def test_a_tenth_of_the_rows_and_two_at_least_are_many(good: int, rows: int, is_lost: bool):
    """Accounts end one by one; a file that was cut off lacks many."""
    assert is_lost == flags.lost_many(good, rows)


def test_a_roster_that_was_copied_by_half_is_told_of(tmp_path: Path):
    """By a press of a group, which lists nothing, by a check and by a plan; until it is whole again."""
    strangers = [account(id_, status="ACTIVE") for id_ in (1, 2, 3, 4)]
    with beside(simulate(*strangers)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, more=SETTINGS)

        def typed_with(roster: str, *words: str) -> Finished:
            firm.roster.write_text(roster)
            return typed(*firm.lines(*words, "--format", "json"))

        first, again = typed_with(WHOLE, *GROUP), typed_with(WHOLE, *GROUP)
        half, plan = typed_with(HALF, *GROUP), typed_with(HALF, *GROUP, "--dry-run")
        check = typed_with(HALF, "check")
        whole = typed_with(HALF, "press", "--all", "--reason", "x")
        table = typed(*firm.lines("press", "--all", "--reason", "x", "--format", "table"))
        mended = typed_with(WHOLE, *GROUP)

    assert [[], [], ["roster_shrank"], []] == [codes(one.report) for one in (first, again, half, mended)]
    assert half.report["flags"][0]["text"].startswith(WORDS)
    assert WORDS in plan.err
    assert (10, True) == (check.code, json.loads(check.out)["warnings"][0].startswith(WORDS))
    assert (10, ["unlisted_accounts", "roster_shrank"]) == (whole.code, codes(whole.report))
    assert table.out.splitlines()[1].startswith(
        "! 2 active accounts are at the broker and not in the roster: 3, 4;"
    )


def test_what_the_broker_agrees_with_is_whole(tmp_path: Path):
    """Accounts that were closed are taken out: a check sees that none is lacking, and from then on all is well."""
    with beside(simulate(account(1, status="ACTIVE"), account(2, status="ACTIVE"))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, more=SETTINGS)
        for roster in (WHOLE, HALF):
            firm.roster.write_text(roster)
            before = typed(*firm.lines(*GROUP))
        check, after = typed(*firm.lines("check")), typed(*firm.lines(*GROUP))

    assert (["roster_shrank"], []) == (codes(before.report), codes(after.report))
    assert [] == [one for one in json.loads(check.out)["warnings"] if WORDS in one]


def test_a_key_of_which_no_account_is_left_is_asked_too(tmp_path: Path):
    """Where the half that is missing holds all of its accounts, the others' key does not see them."""
    other = '[credentials.default]\nfile = "panic.key"\n[credentials.other]\nfile = "panic.key"\n'
    with beside(simulate(account(1, status="ACTIVE"))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], credentials=other)
        done = typed(*firm.lines("press", "--all", "--reason", "x"))
        listed = [one for one in simulator.requests if one.path == "/v1/accounts"]

    assert (0, 2) == (done.code, len(listed))


@pytest.mark.parametrize("kept", ["", "[", "[]", '{"base_url": 1}', '{"base_url": "URL", "rows": "many"}'])
def test_what_is_kept_of_it_may_be_broken(tmp_path: Path, kept: str):
    """It is a hint, which is then written anew; the pace beside it stays."""
    with beside(simulate(account(1), account(2))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, more=SETTINGS)
        firm.roster.write_text(HALF)
        file = firm.folder / Path(SETTINGS.partition('"')[2].partition('"')[0]).parent / PACE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(kept.replace("URL", simulator.base_url))
        done = typed(*firm.lines(*GROUP))
        whole = {"base_url": simulator.base_url, "rows": 2}

    assert ([], whole) == (codes(done.report), json.loads(file.read_text()))


async def test_the_service_is_not_ready_and_its_answer_to_a_press_says_so(tmp_path: Path):
    """At once, also for a press that comes before anybody looked: whoever pressed must look for the other half."""
    async with house(tmp_path, *map(account, range(1, 7))) as it:
        whole, it.standby._look_s = it.firm.roster.read_text(), 5.0
        before, ready = await it.press(), await it.ask("GET", "/readyz")
        it.firm.roster.write_text("".join(whole.splitlines(keepends=True)[:3]))
        press, not_ready = await it.press(), await it.ask("GET", "/readyz")
        status = await it.ask("GET", "/v1/status", token="viewer")
        it.firm.roster.write_text(whole)
        after = await it.press()

    assert ([], 200) == (before.json["flags"], ready.status)
    assert ["roster_shrank"] == [one["code"] for one in press.json["flags"]]
    assert (503, "roster") == (not_ready.status, not_ready.json["why"])
    assert status.json["standby"]["problems"][0].startswith("the roster lists 2 accounts, and listed 6")
    assert [] == after.json["flags"]
