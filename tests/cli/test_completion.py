"""The shell completes commands, options, and what roster and ledger know."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.inside import beside, typed
from tests.cli.support import PRESS, Firm, account, clean_environment, simulate

ROWS = ("100019,Index Arb,", "100020,Index Arb,", "100033,equities,", "7,gone,yes")


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A firm with groups and a run on record."""
    with beside(simulate(*(account(id_) for id_ in (100019, 100020, 100033)))) as simulator:
        one = Firm(tmp_path_factory.mktemp("firm"), simulator.base_url, ROWS, "id,group,excluded")
        typed(*one.lines(*PRESS))
        yield one


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pre"], ["press"]),
        (["evidence", ""], ["export", "verify", "backup"]),
        (["press", "--gr"], ["--group"]),
        (["press", "--group", ""], ["Index\\ Arb", "equities"]),
        (["press", "--group", "index"], ["Index\\ Arb"]),
        (["press", "--group", '"Ind'], ["Index Arb"]),
        (["press", "--group", "=", "eq"], ["equities"]),
        (["press", "--account", "1000"], ["100019", "100020", "100033"]),
        (["press", "--account", "100019", "10002"], ["100020"]),
        (["press", "--all", "--side", "b"], ["BUY"]),
        (["check", "--format", ""], ["table", "json"]),
        (["show", "la"], ["last"]),
        (["show", "last", "--output", ""], []),
        (["nonsense", "--what"], []),
    ],
)
def test_what_may_come_next(firm: Firm, words: list[str], expected: list[str]):
    """Excluded accounts may not; a blank in a name is written as the shell reads it."""
    done = typed("complete", "--config", str(firm.settings), *words)

    assert (0, expected) == (done.code, done.out.splitlines())


def test_runs_are_completed(firm: Firm):
    """By the beginning of the id."""
    _, run = typed("complete", "--config", str(firm.settings), "show", "").out.splitlines()

    assert run == typed("complete", "--config", str(firm.settings), "show", run[:6]).out.strip()


def test_files_that_are_not_there_suggest_nothing(tmp_path: Path):
    """Nobody who types wants to hear of it."""
    done = typed("complete", "--config", str(tmp_path / "none.toml"), "press", "--group", "")

    assert (0, "", "") == (done.code, done.out.strip(), done.err)


def test_the_script_works_in_bash(firm: Firm):
    """As bash hands it the words."""
    words = shlex.join(["panic", "--config", str(firm.settings), "press", "--group", "Ind"])
    program = f'panic() {{ {shlex.quote(sys.executable)} -m panic "$@"; }}\nsource <(panic completion bash)\n'
    asked = f'COMP_WORDS=({words}) COMP_CWORD=5\n_panic\nprintf "%s|" "${{COMPREPLY[@]}}"\ncomplete -p panic'
    command = ["/bin/bash", "-c", program + asked]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), cwd=ROOT, check=False)

    assert ("Index\\ Arb|complete -o bashdefault -o default -F _panic panic\n", "") == (done.stdout, done.stderr)
