"""What a person hears of a press while it is under way."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import panic
from panic.cli.progress import Progress
from panic.kit import terminal
from panic.run.press import Press, prepare
from panic.run.run import Run
from panic.simulator import Fault, SimAccount
from tests.cli.support import Firm, account, simulate
from tests.kit.virtual import virtually

Heard = Callable[..., list[str]]

REFUSED = Fault("status", on="ANY", status=401)


@pytest.fixture
def heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Press a firm of these accounts on virtual time; give the lines on standard error, of a pipe."""

    def press(accounts: Sequence[SimAccount], rows: Sequence[str | int], **how: str) -> list[str]:
        async def work() -> None:
            async with simulate(*accounts) as simulator:
                base_url, columns = how.pop("base_url", simulator.base_url), how.pop("columns", "id,name")
                firm = Firm(tmp_path, base_url, rows, columns, **how)
                prepared = prepare(
                    panic.load_settings(firm.settings), Press(panic.Scope(all=True), "runaway algo")
                )
                progress = Progress()
                run = Run(prepared, progress.observe, rng=random.Random(1))
                progress.follow(run)
                async with progress:
                    report = await run.go()
                terminal.say(f"last sent {report.timings.last_first_delete_s}; {report.accounts[0].next_step}")

        virtually(work())
        terminal.errors.drain()
        return capsys.readouterr().err.splitlines()

    return press


def test_refused_accounts_are_named_at_once(heard: Heard):
    """With request ids and whom to call, while another account still hangs; and not one by one."""
    accounts = [account(n, REFUSED) for n in range(1, 9)] + [account(9, Fault("hang", on="ANY"))]
    first, second, *_ = heard(accounts, [f"{n},Desk {n}" for n in range(1, 10)], run="deadline_s = 20\n")

    assert first.startswith("REFUSED  8 accounts so far (unauthenticated): 1 Desk 1 [request ")
    assert first.endswith(
        "] and 5 more. The broker does not know the key. Put a valid key in place and press again. "
        "Call the desk, +1 555 0100."
    )
    assert second.strip().startswith("1.")
    assert second.endswith("sent 8/9  clear 0  left 1  under way 1  REFUSED 8")


def test_what_never_left_this_machine_is_not_sent(heard: Heard):
    """Nobody is told "sent" of a name that cannot be resolved or a port where nobody listens."""
    *lines, end = heard((), ["1,", "2,"], base_url="http://127.0.0.1:9", run="deadline_s = 4\n")

    assert lines[0].startswith("NOT SENT  2 accounts so far (")
    assert lines[0].endswith("): 1, 2. Nothing of it left this machine; it is tried again.")
    assert all("sent 0/2 " in line and "NOT SENT 2" in line for line in lines[1:])
    assert end.startswith("last sent None; Nothing was sent: the broker is out of reach.")


def test_a_run_that_comes_clear_says_clear_so_far(heard: Heard):
    """So many of so many, and what it still waits for; no word of doubt before it."""
    line, *_ = heard([account(1), account(2)], ["1,", "2,"], run="watch_s = 0.5\n")

    assert line.startswith("CLEAR SO FAR  2 clear of 2 accounts (")
    assert line.endswith(" s); watching 0.5 s for orders that reappear")


def test_a_run_that_does_not_come_clear_says_of_what_it_is_made(heard: Heard):
    """The worst first, with the rows that nobody could reach."""
    (line,) = [one for one in heard([account(1), account(2, REFUSED)], ["1,", "2,", "x,"]) if "SO FAR" in one]

    assert line.startswith("REFUSED SO FAR  1 refused, 1 unknown, 1 clear of 3 accounts (")


def test_what_no_cancel_can_be_sent_for_is_told_at_once_and_counts(heard: Heard):
    """A row that names no key here is not left out of "sent 1/2", and nobody has to wait for the report."""
    hangs = account(1, Fault("hang", on="ANY"))
    first, second, *_ = heard([hangs], ["1,", "2,,omnibus"], columns="id,name,credential", run="deadline_s = 8\n")

    assert first.startswith("NOT SENT  1 account (")
    assert "the credential 'omnibus' is not in the settings" in first
    assert first.endswith(
        ": 2. Nothing was sent: cancel its orders by hand. Call the desk, +1 555 0100. Then mend roster or key."
    )
    assert "sent 0/2 " in second
    assert second.endswith("NOT SENT 1")
