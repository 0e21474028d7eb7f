"""Bad input, which sends nothing; bad files, which do not stop a press; and brokers that are beyond help."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from panic.simulator import Fault, Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import PRESS, Firm, account, codes, names, sent, simulate, told, verdicts

_PRESS = "press --all --reason x"
NOTHING_SENT = "Nothing was sent."
NOBODY = "http://127.0.0.1:1"
ROWS = ("1,equities", "2,arbitrage")


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ("", ["required: COMMAND", "usage: panic", "panic press --all --reason"]),
        ("prss --all", ["there is no command 'prss'. Did you mean press?", "See panic --help"]),
        ("config shw", ["there is no command 'shw'. Did you mean show?", "See panic config --help"]),
        (
            "press --all --reson x",
            ["no option --reson. Did you mean --reason?", "See panic press --help"],
        ),
        ("--all --reason x", ["there is no option --all. Did you mean panic press --all?"]),
        ("press \u2014all --reason x", ["belongs to no option. Did you mean --all?"]),
        ("latch --reset", ["there is no option --reset. Leave it out."]),
        ("runs --ledger nowhere.db", ["--ledger nowhere.db is not there: name the right file"]),
        ("show lst", ["no run is on record in ", "ledger.db"]),
        ("press all --reason x", ["all belongs to no option. Did you mean --all?"]),
        ("press equities --reason x", ["equities belongs to no option. Say --all, --group NAME or --account ID."]),
        ("show last --by Jane Doe", ["there is no option --by"]),
        ("resume last --by Jane Doe", ["Doe belongs to no option. Leave it out, or put a text in quotes."]),
        ("press --reason x", ["no scope", "--all, --group NAME or --account ID", "no default"]),
        ("press --all", ["no reason", "--reason TEXT"]),
        ("press --all --reason ' \t'", ["no reason", "--reason TEXT"]),
        ("press --all --group equities --reason x", ["--all covers", "leave out"]),
        ("press --group equites --reason x", ["'equites'", "accounts.csv", "Did you mean equities?"]),
        ("press --account 3 --reason x", ["--account 3", "accounts.csv", "Add it there, or correct"]),
        (
            "press --account 1,000 --reason x",
            ["'1,000' may be one id or several", "without commas"],
        ),
        ("press --account 1,,2 --reason x", ["''", "a positive whole number"]),
        ("press --group EQUITES --reason x", ["Did you mean equities?"]),
        ("press --account -1 --reason x", ["--account"]),
        ("press --account 9223372036854775808 --reason x", ["9223372036854775808", "not an account id"]),
        (f"{_PRESS} --deadline soon", ["--deadline: 'soon' is no number: give seconds, such as 90"]),
        (f"{_PRESS} --deadline 1e12", ["--deadline", "between 0 and 86400"]),
        (f"{_PRESS} --deadline nan", ["--deadline", "between 0 and 86400"]),
        (f"{_PRESS} --deadline 0", ["--deadline 0", "give seconds, or leave it out"]),
        (f"{_PRESS} --watch -1", ["--watch", "between 0 and 86400"]),
        (f"{_PRESS} --concurrency 0", ["--concurrency 0", "between 1 and 1000"]),
        (f"{_PRESS} --concurrency many", ["--concurrency", "'many'"]),
        (f"{_PRESS} --side bye", ["--side 'BYE'", "BUY, SELL"]),
        (f"{_PRESS} --instrument ''", ["--instrument ''", "one symbol or UUID each time"]),
        (f"{_PRESS} --al", ["--al"]),
        (f"{_PRESS} --format xml", ["--format", "'xml'", "table", "json"]),
        (f"--log-level loud {_PRESS}", ["--log-level", "'loud'"]),
        ("drill --accounts 0", ["--accounts", "'0'", "from 1 to 1,000,000"]),
        ("drill --latency nan", ["--latency", "0 to 60"]),
        ("drill --faults gremlins", ["--faults gremlins", "say typical, none, or some of: ", "hang"]),
        ("drill --room --format json", ["--room --format: the room prints no report"]),
        ("drill --room --output x.json", ["--room --output: the room prints no report"]),
        ("drill --port 8788", ["--port is for the control room. Add --room"]),
        ("drill --no-open", ["--no-open is for the control room. Add --room"]),
        ("drill --room --port 70000", ["--port"]),
        ("drill --room --port 0 --faults gremlins", ["--faults gremlins"]),
        ("drill --room --port TAKEN", ["--port TAKEN: ", "name another, or 0 for any"]),
        ("simulate --port -1", ["--port"]),
        ("simulate --port http", ["--port"]),
        ("simulate --port TAKEN", ["--port TAKEN: ", "name another, or 0 for any"]),
        (f"simulate --port 0 --write {__file__}", ["--write"]),
        ("token 'a b'", ["'a b' is no plain name: letters, digits, '.', '_' and '-', at most 64"]),
        ("token ''", ["'' is no plain name"]),
        ("token 'desk\n'", ["'desk\\n' is no plain name"]),
        ("token", ["the following arguments are required: NAME"]),
        ("token desk --role boss", ["argument --role: invalid choice: 'boss'"]),
    ],
)
def test_a_command_that_makes_no_sense(tmp_path: Path, taken: str, words: str, messages: list[str]):
    """It is refused with 64, in words that name what was said and what to say instead, and nothing is sent."""
    firm, own = Firm(tmp_path, NOBODY, ROWS, "id,group"), tmp_path / "own"
    own.mkdir()
    done = typed(*firm.lines(*shlex.split(words.replace("TAKEN", taken))), env={"TMPDIR": str(own)})

    assert (64, "", []) == (done.code, done.out, names(own))
    assert [] == [one for one in messages if one.replace("TAKEN", taken) not in done.err]
    assert "\npanic: " in f"\n{done.err}"
    assert done.err.endswith(f"{NOTHING_SENT}\n")
    assert "Traceback" not in done.err


def _swap(file: str, old: str, new: str) -> Callable[[Firm], None]:
    def spoil(firm: Firm) -> None:
        path: Path = getattr(firm, file)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "messages"),
    [
        (
            _swap("settings", NOBODY, "https://joe:hunter2@api.clearstreet.com"),
            ["panic.toml:2:", "a user name or a password", "@"],
        ),
        (lambda firm: firm.settings.unlink(), ["panic.toml", "no such file", "or make it: panic init"]),
        (
            lambda firm: firm.roster.write_bytes(b"PK\x03\x04 and more"),
            ["accounts.csv: the roster is a workbook. Save it as CSV UTF-8"],
        ),
        (lambda firm: firm.roster.write_text("id\nx\ny\n"), ["accounts.csv:2:", "accounts.csv:3:", "'x'", "'y'"]),
        (
            _swap("settings", 'file = "panic.key"', 'env = "CLEAR_STREET_API_KEY"'),
            ["CLEAR_STREET_API_KEY is not set", "Set it to the key before panic starts"],
        ),
    ],
)
def test_files_that_leave_nothing_to_fire(tmp_path: Path, spoil: Callable[[Firm], None], messages: list[str]):
    """They are refused with 78, in words that name file, line and remedy; that nothing was sent is said once."""
    firm = Firm(tmp_path, NOBODY, ROWS, "id,group")
    spoil(firm)
    done = typed(*firm.lines(*PRESS))

    assert (78, "") == (done.code, done.out)
    assert [] == [message for message in messages if message not in done.err]
    assert done.err.endswith(f"{NOTHING_SENT}\n")
    assert 1 == done.err.count(NOTHING_SENT)
    assert "hunter2" not in done.err


# ── bad files that do not stop a press ──────────────────────────────────────────────────────────────────────


def test_a_press_fires_all_that_it_can_read(tmp_path: Path):
    """Broken rows, a dead credential, wrong settings and a stray environment cost only themselves."""
    rows = (
        "1,,One,equities",
        "oops,,Bad id,equities",
        "3,nobody,Unknown credential,equities",
        "4,dead,Dead credential,arb",
        "5,,,",
        "5,,,",
        '6,,Quote " left open,equities',
    )
    credentials = '[credentials.default]\nfile = "panic.key"\n[credentials.dead]\nfile = "nowhere.key"\n'
    with (
        beside(simulate(*(account(id_) for id_ in (1, 3, 4, 5, 6)))) as simulator,
        beside(Simulator([])) as elsewhere,
    ):
        firm = Firm(
            tmp_path,
            simulator.base_url,
            rows,
            "id,credential,name,group",
            credentials=credentials,
            broker='ca_file = "nowhere.pem"\n',
            run=f"{QUICK_BUT}concurrency = 0\nwacth_s = 3\n",
            more="[rooster]\nx = 1\n",
        )
        firm.key.chmod(0o644)
        env = {"PANIC_BROKER_BASE_URL": elsewhere.base_url, "PANIC_RUN_DEADLINE_S": "never"}
        output = tmp_path / "missing" / "report.json"
        done = typed(*firm.lines(*PRESS, "--output", str(output)), env=env)
        report, flags = done.report, " ".join(flag["text"] for flag in done.report["flags"])
        broken = next(one for one in report["accounts"] if one["id"] is None)

        assert ([1, 5, 6], []) == (sorted(set(sent(simulator, "DELETE"))), elsewhere.requests)
        assert (30, "unknown") == (done.code, report["verdict"])
        assert {1: "clear", 3: "unknown", 4: "unknown", 5: "clear", 6: "clear", None: "unknown"} == verdicts(
            report
        )
        assert ["not_attempted"] * 3 == [told(report, 3)["outcome"], told(report, 4)["outcome"], broken["outcome"]]
        assert "oops" in broken["name"]
        assert "Nothing was sent: cancel its orders by hand. Call" in broken["next_step"]
        assert ["the credential 'nobody' is not in the settings. Known are: dead, default."] == told(report, 3)[
            "notes"
        ]
        assert simulator.base_url == report["base_url"]
        assert [] == [part for part in FLAGGED if part not in flags]
        assert {"settings", "credential", "roster"} <= set(codes(report))
        assert "report could not be written" in done.err


QUICK_BUT = "poll_first_s = 0.05\nwatch_s = 0\n"
FLAGGED = (
    "PANIC_BROKER_BASE_URL differs from the settings' base_url",
    "PANIC_RUN_DEADLINE_S is 'never'",
    "concurrency is 0",
    "no setting 'wacth_s'. Did you mean watch_s?",
    "no section or setting 'rooster'. Did you mean roster?",
    "nowhere.pem cannot be used",
    "panic.key: credential default: the key file is open to other users. Run: chmod 600",
    "nowhere.key: credential dead: the key file cannot be read",
    "the id 'oops' is not a whole number",
    "the credential 'nobody' is not in the settings",
    "account 5 stands in lines 6 and 7",
)


# ── brokers beyond help ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "options", "code", "flag", "advice"),
    [
        (Fault("status", on="ANY", status=401), (), 40, "key_refused", "Put a valid key in place"),
        (Fault("bare_404", on="ANY"), ("--deadline", "0.5"), 30, "wrong_base_url", "Check the id and base_url"),
        (Fault("hang", on="ANY"), ("--deadline", "0.5"), 30, "", "take its orders as open"),
        (Fault("status", on="ANY", status=503), ("--deadline", "0.5"), 30, "", "take its orders as open"),
        (Fault("redirect", on="ANY"), ("--deadline", "0.5"), 30, "", "take its orders as open"),
    ],
)
def test_a_broker_that_treats_everybody_alike(
    tmp_path: Path, fault: Fault, options: tuple[str, ...], code: int, flag: str, advice: str
):
    """What all accounts together suggest is said once, the deadline is kept, and nobody is called clear."""
    with beside(simulate(*(account(id_) for id_ in range(1, 7)), fault_all=(fault,))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, range(1, 7))
        done = typed(*firm.lines(*PRESS, *options))
        report, left = done.report, [len(simulator.truth(id_).open) for id_ in range(1, 7)]

    assert (code, [1] * 6) == (done.code, left)
    assert {"refused" if code == 40 else "unknown"} == set(verdicts(report).values())
    assert flag in codes(report) or not flag
    assert all(advice in one["next_step"] for one in report["accounts"])
    assert report["timings"]["total_s"] <= report["timings"]["deadline_s"] + 2
