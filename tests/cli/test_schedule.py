"""`panic schedule`: the next runs, worst first, and why they come then; what one of them would cancel now."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import cli
from panic.cli import schedule as command
from panic.orders import Order
from panic.render.schedule import age
from panic.schedule.cache import save_cache
from panic.schedule.spared import Term, term
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.cli import support
from tests.cli.support import KEY, STARTING_S, Finished, Firm, simulate
from tests.schedule.support import detail, hours

WEDNESDAY = datetime(2026, 11, 25, 22, tzinfo=UTC)
CLEANUP = """
[[schedules]]
name = "cleanup"
at = "5 minutes before close"
all = true
cancels_gtc_and_close_orders = true
"""
PRACTICE = """
[[schedules]]
name = "practice"
at = "07:00 Europe/London on monday"
drill = true
"""
GTC = SimOrder(time_in_force="GOOD_TILL_CANCEL", age_s=30 * 86_400)
GTD = SimOrder(time_in_force="GOOD_TILL_DATE", side="SELL")
CLOSE = SimOrder(time_in_force="AT_THE_CLOSE")
ELSE = SimOrder(time_in_force="OTHER")
GONE = SimOrder(time_in_force="GOOD_TILL_CANCEL", status="FILLED")
DAY = SimOrder()
Panic = Callable[..., tuple[int, str, str]]


@pytest.fixture
def panic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Carry out `panic schedule` on the evening before Thanksgiving, unless told otherwise."""

    def carry_out(settings: str, *words: str, now: datetime = WEDNESDAY) -> tuple[int, str, str]:
        firm = Firm(tmp_path, "http://127.0.0.1:9", rows=[7], more=settings)
        monkeypatch.setattr(command, "_now", lambda: now)
        monkeypatch.setenv("COLUMNS", "400")
        code = cli.run(firm.lines("schedule", *words))
        out, err = capfd.readouterr()
        return code, out, err

    return carry_out


def test_it_draws_the_next_runs_with_their_reasons(panic: Panic):
    """Each in the schedule's zone and in UTC, with the close of its session and who tells it."""
    code, out, err = panic(CLEANUP + PRACTICE, "--count", "2", "--format", "table")
    lines = [line.replace("(shipped calendar, 47 hours old)", "(shipped calendar)") for line in out.splitlines()]
    lines = [line.partition(" (shipped calendar")[0] if "closes" in line else line for line in lines]

    assert (0, "") == (code, err)
    assert [
        "cleanup  5 minutes before close",
        "  Fri 2026-11-27 12:55 EST · 17:55 UTC · closes 13:00 EST",
        "    early close at 13:00 EST; 2026-11-26 is skipped: Thanksgiving",
        "  Mon 2026-11-30 15:55 EST · 20:55 UTC · closes 16:00 EST",
        "practice  07:00 Europe/London on monday · DRILL",
        "  Mon 2026-11-30 07:00 GMT · 07:00 UTC · closes 16:00 EST",
        "  Mon 2026-12-07 07:00 GMT · 07:00 UTC · closes 16:00 EST",
        "calendars: none of the broker's; shipped, until 2028-12-31",
    ] == lines


def test_its_document_has_everything(panic: Panic):
    """For a program that compares it with what was meant."""
    code, out, _ = panic(CLEANUP, "--count", "1", "--format", "json")
    document = json.loads(out)
    run = document["schedules"][0]["runs"][0]

    assert (0, "panic-schedule/1") == (code, document["schema"])
    assert ("2026-11-27T17:55:00+00:00", "2026-11-27T12:55:00-05:00", "cleanup/2026-11-27") == (
        run["at"],
        run["local"],
        run["key"],
    )
    assert ("2026-11-27T18:00:00+00:00", True, "shipped", "") == (
        run["session"]["closes"],
        run["session"]["early"],
        run["session"]["source"],
        run["session"]["doubt"],
    )
    assert {"broker_fetched_at": None, "shipped_until": "2028-12-31", "problems": []} == document["calendar"]


def test_a_schedule_that_will_not_run_comes_first(panic: Panic):
    """One that has a mistake, and one that no calendar knows a session for."""
    wrong = CLEANUP.replace('"cleanup"', '"wrong"').replace("= true\n\n", "= true\n").replace("5 minutes", "soon")
    code, out, _ = panic(PRACTICE + CLEANUP + wrong, "--format", "table", now=datetime(2028, 12, 30, tzinfo=UTC))
    heads = [line.partition(" ")[0] for line in out.splitlines() if not line.startswith(" ")]

    assert 10 == code
    assert ["!", "!", "cleanup", "practice", "calendars:"] == heads
    assert "! WILL NOT RUN: " in out
    assert "[[schedules]] wrong: at is 'soon before close'" in out
    assert "! the shipped calendar ends on 2028-12-31: upgrade panic" in out
    assert "  ! WILL NOT RUN: no calendar knows a day after 2028-12-31: upgrade panic" in out


def test_a_schedule_that_would_press_nobody_comes_first(panic: Panic):
    """A group that the roster does not have is found now, and not at the close."""
    wrong = CLEANUP.replace('"cleanup"', '"wrong"').replace("all = true", 'groups = ["equites"]')
    code, out, _ = panic(CLEANUP + PRACTICE + wrong, "--format", "table")
    lines = out.splitlines()

    assert 10 == code
    assert "wrong  5 minutes before close" == lines[0]
    assert lines[1].startswith("  ! WILL PRESS NOBODY: --group 'equites' is not in ")


def test_without_a_roster_every_press_would_press_nobody(panic: Panic, tmp_path: Path):
    """A drill needs none."""
    code, out, _ = panic(CLEANUP + PRACTICE + "[roster]\nfile = 'none.csv'\n", "--format", "json")

    assert 10 == code
    assert ["none.csv: the roster cannot be read", None] == [
        found["refused"] and found["refused"].partition(str(tmp_path) + "/")[2].partition(": no such")[0]
        for found in json.loads(out)["schedules"]
    ]


def test_it_asks_about_the_time_that_it_is():
    """By the clock, which the other tests set."""
    before = datetime.now(UTC)

    assert before <= command._now() <= datetime.now(UTC)


def test_the_brokers_calendar_counts_where_it_is_there(panic: Panic, tmp_path: Path):
    """With its age; and where it disagrees, that is told and makes the exit code 10."""
    fetched_at = WEDNESDAY - timedelta(hours=3)
    save_cache(tmp_path / "calendar.json", [detail("2026-11-30")], fetched_at)
    agrees = panic(CLEANUP, "--format", "table")
    short = detail("2026-11-30", today_sessions=hours("2026-11-30", closes="13:00:00-05:00"))
    save_cache(tmp_path / "calendar.json", [short], fetched_at)
    disagrees = panic(CLEANUP, "--format", "table")

    assert [0, 10] == [agrees[0], disagrees[0]]
    assert "15:55 EST · 20:55 UTC · closes 16:00 EST (broker's calendar, 3 hours old)" in agrees[1]
    assert "12:55 EST · 17:55 UTC · closes 13:00 EST (broker's calendar, 3 hours old)" in disagrees[1]
    assert "the broker says 09:30 EST to 13:00 EST, the shipped calendar 09:30 EST to 16:00 EST" in disagrees[1]
    assert "calendars: broker's, 3 hours old; shipped, until 2028-12-31" in agrees[1]


def test_a_damaged_calendar_is_told(panic: Panic, tmp_path: Path):
    """The shipped one counts."""
    (tmp_path / "calendar.json").write_text("{")
    code, out, _ = panic(CLEANUP, "--format", "table")

    assert 10 == code
    assert out.startswith("! ") and "calendar.json is no calendar that panic wrote; remove it" in out  # noqa: PT018
    assert "12:55 EST" in out


def test_without_schedules_there_is_nothing_to_show(panic: Panic):
    """And nothing is wrong."""
    code, out, _ = panic("", "--format", "table")

    assert 0 == code
    assert out.startswith("no schedule is set\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "from the future: look at the clock"),
        (0, "new"),
        (119, "new"),
        (120, "2 minutes old"),
        (7200, "2 hours old"),
        (86_400 * 3, "3 days old"),
    ],
)
def test_an_age_is_told_in_words(seconds: float, words: str):
    """To the unit that matters."""
    assert words == age(WEDNESDAY - timedelta(seconds=seconds), WEDNESDAY)


# ── --plan ──────────────────────────────────────────────────────────────────────────────────────────────────


async def planned(simulator: Simulator, tmp_path: Path, *rows: str, more: str = CLEANUP, **firm: str) -> Finished:
    """Carry out `panic schedule --plan cleanup`, as JSON and from a process of its own."""
    laid_out = Firm(tmp_path, simulator.base_url, rows, "id,name,group", more=more, **firm)
    words = laid_out.lines("schedule", "--plan", "cleanup", "--output", str(tmp_path / "plan.json"))
    return await support.panic(*words, "--format", "table", cwd=tmp_path, env={"COLUMNS": "300"})


def document(tmp_path: Path) -> dict[str, Any]:
    """What that saved."""
    found: dict[str, Any] = json.loads((tmp_path / "plan.json").read_text())
    return found


def counts(of: Mapping[str, int]) -> tuple[int, ...]:
    """Its orders, and how many are good till cancelled or a date, for the close, and unclear."""
    return of["orders"], of["good_till_cancel_or_date"], of["for_the_close"], of["unclear"]


async def test_a_plan_counts_what_cannot_be_spared(tmp_path: Path):
    """In all accounts of the scope, those with most first; nothing is cancelled, and no key is shown."""
    accounts = (SimAccount(1, orders=(DAY, GTC, GONE)), SimAccount(2, orders=(CLOSE, GTD, ELSE, DAY)))
    nothing = (SimAccount(3, orders=(DAY, DAY)), SimAccount(4))
    async with simulate(*accounts, *nothing) as simulator:
        done = await planned(simulator, tmp_path, "1,One,", "2,Two,", "3,,", "4,,")
        found = document(tmp_path)
        both, unclear = "good till cancelled or till a date,", "and 1 whose terms are unclear"

        assert (0, "") == (done.code, done.err)
        assert ("panic-schedule-plan/1", 0, []) == (found["schema"], found["exit_code"], found["unread"])
        assert {"name": "cleanup", "at": "5 minutes before close", "what": "all accounts"} == found["schedule"]
        assert (8, 2, 1, 1) == counts(found["totals"])
        assert (4, 0, 2, 3) == tuple(
            found["totals"][key] for key in ("accounts", "unread", "holders", "cannot_be_spared")
        )
        assert [(2, (4, 1, 1, 1)), (1, (2, 1, 0, 0))] == [(one["id"], counts(one)) for one in found["accounts"]]
        assert [
            f"cleanup: 3 of 8 open orders cannot be spared: 2 {both} 1 for the close, {unclear}",
            simulator.base_url,
            "5 minutes before close · all accounts · 4 of 4 accounts read",
            f"2 Two: 2 of 4 open orders: 1 {both} 1 for the close, {unclear}",
            "1 One: 1 of 2 open orders: 1 good till cancelled or till a date, 0 for the close",
            "Nothing was cancelled; these are the orders of now, not of the time it runs.",
        ] == done.out.splitlines()
        assert {"GET"} == {one.method for one in simulator.requests}
        assert KEY not in done.out + json.dumps(found)


async def test_a_plan_counts_only_what_the_schedule_presses(tmp_path: Path):
    """Its groups, and the orders that its filters name."""
    more = CLEANUP.replace("all = true", 'groups = ["desk"]\nside = "SELL"')
    async with simulate(SimAccount(1, orders=(GTC, GTD, DAY)), SimAccount(2, orders=(GTD, GTD))) as simulator:
        done = await planned(simulator, tmp_path, "1,,desk", "2,,other", more=more)
        found = document(tmp_path)

        assert (0, (1, 1, 0, 0)) == (done.code, counts(found["totals"]))
        assert "group desk, only side SELL" == found["schedule"]["what"]
        assert {1} == {one.account_id for one in simulator.requests}


async def test_a_plan_follows_all_pages(tmp_path: Path):
    """And reads again where the number of orders changed between two of them."""
    faults = (Fault("paged", count=2), Fault("paged_lies", times=1))
    async with simulate(SimAccount(1, orders=(GTC,) * 3 + (CLOSE,) * 4, faults=faults)) as simulator:
        done = await planned(simulator, tmp_path, "1,,")
        asked = [one.query.get("page_token") for one in simulator.requests]

        assert (0, (7, 3, 4, 0)) == (done.code, counts(document(tmp_path)["totals"]))
        assert any(asked)


async def test_a_plan_whose_pages_never_add_up_is_not_whole(tmp_path: Path):
    """What was seen is counted, and it is said that it is the least."""
    accounts = (SimAccount(1, orders=(GTC, DAY), faults=(Fault("paged_lies"),)), SimAccount(2, orders=(CLOSE,)))
    async with simulate(*accounts) as simulator:
        done = await planned(simulator, tmp_path, "1,One,", "2,,")

        assert (30, (3, 1, 1, 0)) == (done.code, counts(document(tmp_path)["totals"]))
        assert done.out.startswith("cleanup: at least 2 of at least 3 open orders cannot be spared: ")
        assert "NOT READ    1 One: the broker counts 3 orders and shows 2\n" in done.out


async def test_accounts_that_could_not_be_read_are_named_worst_first(tmp_path: Path):
    """What was refused, and rows that nobody can read, before what hung until the deadline; exit 30."""
    hung = SimAccount(1, orders=(GTC,), faults=(Fault("hang", on="GET"),))
    refused = SimAccount(2, orders=(GTC,), faults=(Fault("status", on="GET", status=403),))
    async with simulate(hung, refused, SimAccount(3, orders=(GTC,))) as simulator:
        done = await planned(
            simulator, tmp_path, "1,One,", "2,Two,", "3,,", "four,,", run="deadline_s = 1.5\nattempt_s = 0.4\n"
        )
        found = document(tmp_path)

        assert (30, 30, (1, 1, 0, 0)) == (done.code, found["exit_code"], counts(found["totals"]))
        assert [(None, True), (2, True), (1, False)] == [(one["id"], one["refused"]) for one in found["unread"]]
        assert "" != found["unread"][1]["request_id"]
        assert ["REFUSED", "REFUSED", "NOT"] == [line.split()[0] for line in done.out.splitlines()[4:7]]
        assert "NOT READ    1 One: there was no time left to read it again (no answer within 0.4 s)" in done.out
        assert "the id 'four' is not a whole number above 0" in found["warnings"][0]
        assert done.took < 1.5 + STARTING_S


async def test_a_plan_tries_again(tmp_path: Path):
    """A broker that is slow or stumbles once is no account that could not be read."""
    faults = (
        Fault("status", on="GET", status=503, times=1),
        Fault("status", on="GET", status=429, times=1, skip=1),
    )
    async with simulate(SimAccount(1, orders=(GTC,), faults=faults)) as simulator:
        done = await planned(simulator, tmp_path, "1,,")

        assert (0, (1, 1, 0, 0)) == (done.code, counts(document(tmp_path)["totals"]))


@pytest.mark.parametrize(("times", "code"), [(1, 0), (None, 30)])
async def test_answers_that_got_mixed_up_are_not_believed(tmp_path: Path, times: int | None, code: int):
    """An answer that nobody asked for may stand for another: accounts are read again, and at last told."""
    faults = (Fault("second_answer", on="GET", times=times),)
    async with simulate(SimAccount(1, orders=(GTC,), faults=faults), SimAccount(2, orders=(GTC,))) as simulator:
        done = await planned(simulator, tmp_path, "1,,", "2,,")
        whys = {one["why"] for one in document(tmp_path)["unread"]}

        assert (code, 2) == (done.code, document(tmp_path)["totals"]["orders"])
        assert (
            set() if not code else {"the broker's answers got mixed up: they may be another account's"}
        ) == whys


async def test_at_most_twenty_accounts_are_shown(tmp_path: Path):
    """Those with most of them; of the rest it is said how many there are."""
    accounts = [SimAccount(id_, orders=(GTC,) * (1 + (id_ == 22))) for id_ in range(1, 23)]
    async with simulate(*accounts) as simulator:
        done = await planned(simulator, tmp_path, *(f"{one.id},," for one in accounts))
        found = document(tmp_path)

        assert (20, 22, 22) == (len(found["accounts"]), found["accounts"][0]["id"], found["totals"]["holders"])
        assert "and 2 more accounts with fewer\n" in done.out


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cleanups", "--plan 'cleanups': no such schedule runs; there are: cleanup, practice"),
        ("unsaid", "[[schedules]] unsaid: cancels_gtc_and_close_orders is not true"),
        ("practice", "it is a drill, which cancels nothing at the broker"),
    ],
)
def test_a_schedule_that_presses_nobody_has_no_plan(panic: Panic, name: str, why: str):
    """One that is not there, that was left out, and a drill: 64, and nobody is asked."""
    unsaid = CLEANUP.replace('"cleanup"', '"unsaid"').replace("cancels_gtc_and_close_orders = true\n", "")
    code, out, err = panic(CLEANUP + PRACTICE + unsaid, "--plan", name)

    assert (64, "") == (code, out)
    assert why in err
    assert err.endswith("Nothing was sent.\n")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(type="LIMIT", time_in_force="DAY"), Term.TODAY),
        (Order(type="MARKET", time_in_force="AT_THE_OPENING"), Term.TODAY),
        (Order(type="MARKET", time_in_force="AT_OPEN"), Term.TODAY),
        (Order(type="LIMIT", time_in_force="GOOD_TILL_CANCEL"), Term.GOOD_TILL),
        (Order(type="OTHER", time_in_force="GTD"), Term.GOOD_TILL),
        (Order(type="MARKET", time_in_force="AT_THE_CLOSE"), Term.CLOSE),
        (Order(type="MARKET", time_in_force="AT_CLOSE"), Term.CLOSE),
        (Order(type="limit-on-close", time_in_force="DAY"), Term.CLOSE),
        (Order(type="OTHER", time_in_force="DAY"), Term.UNCLEAR),
        (Order(type="LIMIT", time_in_force="AT_CROSSING"), Term.UNCLEAR),
        (Order(type="LIMIT"), Term.UNCLEAR),
        (Order(), Term.UNCLEAR),
    ],
)
def test_the_term_of_an_order(order: Order, expected: Term):
    """As its type and its time in force tell; what they do not tell is unclear."""
    assert expected == term(order)
