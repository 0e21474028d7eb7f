"""What is typed: as a person types it, and as `--help` and the examples say."""

import shlex
from collections.abc import Iterator

import pytest

from panic.cli.arguments import Parser
from panic.cli.commands import parser
from panic.cli.examples import EXAMPLES
from panic.cli.exit_codes import EXIT_CODES
from tests.cli.inside import typed


def every(of: Parser) -> Iterator[Parser]:
    """Every command that can be carried out."""
    for one in of.commands.values():
        yield from every(one) if one.commands else (one,)


COMMANDS = {one.prog: one for one in every(parser())}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_can_be_typed(name: str):
    """Two or three of them, above everything else that its help says."""
    assert len(EXAMPLES[name]) in {2, 3}
    for example in EXAMPLES[name]:
        assert COMMANDS[name].get_default("command") == parser().parse_args(shlex.split(example)[1:]).command
        assert example in COMMANDS[name].format_help().partition("\noptions:")[0]


def test_the_tables_name_every_command():
    """And no other: examples, and exit codes."""
    assert {"panic", *COMMANDS} == set(EXAMPLES) == set(EXIT_CODES)


@pytest.mark.parametrize("words", [["help", "press"], ["press", "--help"], ["press", "-h"]])
def test_help_is_given_however_it_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]):
    """Also in git's way."""
    with pytest.raises(SystemExit, match="0"):
        typed(*words)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--reason runaway algo on desk A --all", "reason", "runaway algo on desk A"),
        ("--reason 'runaway algo'", "reason", "runaway algo"),
        ("--account 1,2 --account 3", "account", [1, 2, 3]),
        ("--account 1 2", "account", [1, 2]),
        ("--account '1, 1234'", "account", [1, 1234]),
        ("--group arbitrage 'US large cap' --group options", "group", ["arbitrage", "US large cap", "options"]),
        ("--instrument AAPL,MSFT SPY", "instrument", ["AAPL", "MSFT", "SPY"]),
        ("--side buy", "side", "BUY"),
        ("--type stop-limit", "type", "STOP_LIMIT"),
        ("--instrument-type Common_Stock", "instrument_type", "COMMON_STOCK"),
    ],
)
def test_a_press_is_understood_as_a_person_types_it(words: str, name: str, value: object):
    """Without quotes, with commas, in small letters: it is clear what is meant."""
    assert value == vars(parser().parse_args(["press", *shlex.split(words)]))[name]
