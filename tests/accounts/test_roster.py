"""The roster: every row ends as an account, a bad row or a duplicate that a problem names."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.roster import COLUMNS, Account, Roster, load
from panic.config import load as load_settings
from panic.kit.errors import ConfigurationError, Problem
from tests import ROOT

Load = Callable[[str | bytes], Roster]
LARGEST = 2**63 - 1
EMPTY = "the roster is empty. Add a first row of column names and one row for each account."
DIGITS_ONLY = "Write the digits only, as the broker's account list has them."


@pytest.fixture
def roster(tmp_path: Path) -> Load:
    """Load a roster from a text, as if it stood in a file; the keys default and fund exist."""

    def read(text: str | bytes) -> Roster:
        file = tmp_path / "accounts.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(file, (5, 5))
        return load(file, ("default", "fund"))

    return read


def told(problems: Iterable[Problem], folder: Path) -> list[str]:
    """The problems as an operator reads them, without the folder of this test."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def test_every_column_is_read_and_only_the_id_is_needed(roster: Load):
    """In any order and case, with blanks around them; everything else has a default."""
    text = "Owner, ID ,excluded,priority,GROUP,name,Credential\njoe, 7 ,x,1, eod ,A fund,fund\n"
    found = roster(text)

    assert (Account(7, "A fund", "eod", "joe", 1, "fund", True),) == found.accounts
    assert () == found.problems
    assert (Account(7, "", "", "", 100, "default", False), Account(8)) == roster("id\n7\n8").accounts


def test_a_roster_says_which_file_it_was(roster: Load, tmp_path: Path):
    """The report names it, so that nobody argues about which list was fired."""
    text = b"id,group\n7,a\n8,b\n9,\n"
    found = roster(text)

    assert tmp_path / "accounts.csv" == found.file
    assert f"sha256:{hashlib.sha256(text).hexdigest()}" == found.digest
    assert 5.0 == found.modified_at
    assert frozenset({"a", "b"}) == found.groups


@pytest.mark.parametrize(
    "data",
    [
        b"id,name\n1234567,A\n8,B\n",
        b"\xef\xbb\xbfid,name\n1234567,A\n8,B\n",
        "id\tname\r\n1234567\tA\r\n8\tB\r\n".encode("utf-16"),
        b"\xfe\xff" + "id;name\n1234567;A\n8;B\n".encode("utf-16-be"),
        b"id,name\r1234567,A\r8,B",
        b'\n# a, b\n\nid,name\n , \n1234567,A\n"# quoted, c",\n,\n  # b\n8,B\n',
        b"id,name,,\n0001234567,A,,\n008,B\n",
        b'"id","name"\n"1,234,567","A"\n"8", "B" \n',
        "id,name\n1\u2019234\u2019567,A\n8,B\n".encode(),
        "id,name\n1\u00a0234\u00a0567,A\n8,B\n".encode(),
        "id;name\n1\u202f234\u202f567;A\n8;B\n".encode(),
    ],
)
def test_what_spreadsheets_write_is_read_silently(roster: Load, data: bytes):
    """The same two accounts, whoever saved the file."""
    found = roster(data)

    assert (Account(1_234_567, "A"), Account(8, "B")) == found.accounts
    assert () == found.problems


@pytest.mark.parametrize(
    ("data", "accounts", "message"),
    [
        (b"id,name\n7,A\n8,Fonds g\xe9n\xe9ral\n", [7, 8], "3: the roster is not UTF-8 text"),
        (b"id,name\n7,\x81\n", [7], "2: the roster is not UTF-8 text"),
        (b"\xff\xfei\0d\0\n\x007\0\n\0\x00\xd8", [7], " the roster is not UTF-16 text"),
    ],
)
def test_a_file_in_another_encoding_is_read_and_told(
    roster: Load, tmp_path: Path, data: bytes, accounts: list[int], message: str
):
    """Its ids are digits in any."""
    found = roster(data)

    assert accounts == [account.id for account in found.accounts]
    assert f"accounts.csv:{message}; names may look wrong. Save the file as CSV UTF-8." in told(
        found.problems, tmp_path
    )


@pytest.mark.parametrize(
    ("row", "account", "message"),
    [
        (",A", None, "the id is empty. Fill it in or remove the row."),
        *[
            (f'"{text}"', None, f"the id '{text}' is not a whole number above 0. {DIGITS_ONLY}")
            for text in ("abc", "-5", "7.0", "12,34", "1,234 567", "٣", "²")
        ],
        ("1.0E+05", None, "the id '1.0E+05' has an exponent. Excel has rounded it: make the column text"),
        (str(LARGEST + 1), None, f"the id '{LARGEST + 1}' is out of range. An id is from 1 to {LARGEST}."),
        ("9" * 5000, None, f"the id '{'9' * 38}… is out of range. An id is from 1 to {LARGEST}."),
        ("1,234,567,,,,,,8", None, "the row has 9 fields, the header 7. Write ids without thousands separators"),
        ("7\0", None, "the row holds NUL bytes. Export the file again: it is damaged."),
        ("7,,,,,,maybe", 7, "account 7: excluded is 'maybe'. Write yes or no."),
        ("7,,,,,othr", 7, "account 7: the credential 'othr' is not in the settings. Known are: default, fund."),
    ],
)
def test_a_row_that_cannot_be_fired_is_told_and_the_others_are_fired(
    roster: Load, tmp_path: Path, row: str, account: int | None, message: str
):
    """It keeps its line, its text and, where it can be read, its account."""
    found = roster(f"{','.join(COLUMNS)}\n5\n{row}\n6\n")
    bad = found.bad_rows[0]

    assert (Account(5), Account(6)) == found.accounts
    assert told(found.problems, tmp_path)[0].startswith(f"accounts.csv:3: {message}")
    assert [(3, account)] == [(each.line, each.id) for each in found.bad_rows]
    assert (bad.problem,) == found.problems
    assert row.replace("\0", "")[:79] == bad.text.removesuffix("…")


def test_a_mark_of_exclusion_is_understood(roster: Load):
    """As people and spreadsheets write it."""
    marks = {"": False, "FALSE": False, "0": False, "yes": True, "True": True, "1": True, "X": True}
    found = roster("id,excluded\n" + "".join(f"{nth},{mark}\n" for nth, mark in enumerate(marks, 1)))

    assert list(marks.values()) == [account.excluded for account in found.accounts]


_TWICE, _ONE = "account 7 stands in lines 2 and", "Remove one; until then"
_PRIORITY = "Give 0 to 1000000, 1 goes first; until then it is 100."


@pytest.mark.parametrize(
    ("text", "accounts", "message"),
    [
        ("id,priorty\n7,1", [Account(7)], "1: there is no column 'priorty'. Did you mean priority?"),
        ("id,desk\n7,1", [Account(7)], f"1: there is no column 'desk'. Known are: {', '.join(COLUMNS)}."),
        ("id,name,name\n7,A,B", [Account(7, "A")], "1: the column name stands there twice. Remove one"),
        ("id,priority\n7,high", [Account(7)], f"2: account 7: the priority is 'high'. {_PRIORITY}"),
        ("id,priority\n7,1000001", [Account(7)], f"2: account 7: the priority is '1000001'. {_PRIORITY}"),
        (
            "id,excluded,credential\n7,yes,gone\n8",
            [Account(7, credential="gone", excluded=True), Account(8)],
            "2: account 7: the credential 'gone' is not in the settings. Known are: default, fund.",
        ),
        (
            'id,name,group\n7,"A,eod\n8',
            [Account(7, "A", "eod"), Account(8)],
            "2: a quote is not closed in its line",
        ),
        ("id,name\n7,A\n8,\n007,B", [Account(7, "A"), Account(8)], f"4: {_TWICE} 4. {_ONE} line 2 counts."),
        ("id,name,excluded\n7,A,yes\n7,B,no", [Account(7, "B")], f"3: {_TWICE} 3. {_ONE} line 3 counts."),
        ("id,name,excluded\n7,A,no\n7,B,yes", [Account(7, "A")], f"3: {_TWICE} 3. {_ONE} line 2 counts."),
    ],
)
def test_a_mistake_that_leaves_the_account_is_told_and_the_account_is_fired(
    roster: Load, tmp_path: Path, text: str, accounts: list[Account], message: str
):
    """Stopping fails open and loud."""
    found = roster(text)

    assert accounts == list(found.accounts)
    assert () == found.bad_rows
    assert told(found.problems, tmp_path)[0].startswith(f"accounts.csv:{message}")


@pytest.mark.parametrize(
    ("first", "second", "fired", "bad"), [("", "gone", [7], []), ("gone", "", [7], []), ("gone", "gone", [], [2])]
)
def test_an_account_with_two_rows_is_listed_once(
    roster: Load, first: str, second: str, fired: list[int], bad: list[int]
):
    """Fired if one of them is good; every account ends in the report exactly once."""
    found = roster(f"id,credential\n7,{first}\n7,{second}\n8\n")

    assert [*fired, 8] == [account.id for account in found.accounts]
    assert bad == [row.line for row in found.bad_rows]
    assert {"account 7: the credential 'gone' is not in the settings"} <= {p.text for p in found.problems}
    assert any(" stands in lines " in problem.what for problem in found.problems)


def test_a_key_that_was_pasted_into_the_roster_is_not_shown(roster: Load):
    """The column is called credential, so somebody will."""
    key = "k3yid.s3cr3t-part-of-a-real-one"
    found = roster(f'id,credential,excluded\n7,{key},\n8,{key},yes\n9,"{key}""x",\n')

    assert (
        "account 7: the credential (not shown, it could be a key) is not in the settings" == found.problems[0].text
    )
    assert ["7,****,", "****"] == [row.text for row in found.bad_rows]
    assert "s3cr3t" not in repr(found)


def test_text_that_would_garble_a_terminal_becomes_blanks(roster: Load):
    """In names, and in the rows that a report quotes."""
    found = roster("id,name,group,owner\n7,a\x1b[2Jb,\x07c,d\u202ee\n\x1b[2J,,,\n")

    assert (Account(7, "a [2Jb", "c", "d e"),) == found.accounts
    assert "[2J,,," == found.bad_rows[0].text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"accounts.csv: {EMPTY}"),
        ("\n# only a comment\n,,\n", f"accounts.csv: {EMPTY}"),
        ("id,name\n\n", "accounts.csv: the roster lists no account. Add one row for each account."),
        ("# accounts\nnumber,name\n7,A\n", "accounts.csv:2: the roster has no column id. Name the column of"),
    ],
)
def test_a_file_that_is_no_roster_is_refused(roster: Load, tmp_path: Path, text: str, message: str):
    """Nothing can be fired from it."""
    with pytest.raises(ConfigurationError) as caught:
        roster(text)

    assert told(caught.value.problems, tmp_path)[0].startswith(message)


@pytest.mark.parametrize(("name", "why"), [("no.csv", "no such file or directory"), (".", "it is a directory")])
def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path, name: str, why: str):
    """With where an example is."""
    with pytest.raises(ConfigurationError, match=f"read: {why}. Create it .config/accounts.example.csv shows how"):
        load(tmp_path / name, ())


CELLS = ["", "1", "2", "3", "007", '"1,234"', "-1", "1e5", "x", "yes", "maybe", "fund", "gone", '"']


@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS), max_size=8)),
    delimiter=st.sampled_from(",;\t"),
    columns=st.permutations(COLUMNS),
)
def test_every_row_ends_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, columns: list[str]
):
    """As an account, as a bad row, or as a duplicate that a problem names."""
    file = tmp_path_factory.getbasetemp() / "every.csv"
    lines = [delimiter.join(row) for row in (columns, ["not blank", "at all"], *rows)]
    file.write_text("\n".join(lines))
    found = load(file, ("default", "fund"))

    said = {number for number, line in enumerate(lines[1:], 2) if line.strip(f'"{delimiter}')}
    bad = {row.line for row in found.bad_rows}
    duplicates = {problem.line for problem in found.problems if " stands in lines " in problem.what}
    ids = [account.id for account in found.accounts] + [row.id for row in found.bad_rows if row.id]
    assert len(said) == len(found.accounts) + len(found.bad_rows) + len(duplicates)
    assert said >= bad | duplicates
    assert not bad & duplicates
    assert sorted(set(ids)) == sorted(ids)


@given(st.binary() | st.binary().map(lambda data: b"id,name\n7,A\n" + data))
def test_no_bytes_do_anything_but_load_or_raise_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
):
    """A press ends with a roster or with a remedy."""
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(data)
    try:
        found = load(file, ("default",))
    except ConfigurationError as error:
        assert error.problems  # noqa: PT017 - either end is right
        assert not data.startswith(b"id,name\n")
    else:
        assert found.accounts or found.bad_rows


def test_the_two_examples_fit_each_other():
    """People copy both, and the first check should be silent about them."""
    settings = load_settings(ROOT / "config/panic.example.toml", {})
    found = load(ROOT / "config/accounts.example.csv", settings.credentials)

    assert () == found.problems
    assert set(settings.credentials) == {account.credential for account in found.accounts}
    assert {True, False} == {account.excluded for account in found.accounts}
    assert 1 < len(found.groups)


def test_the_page_on_configuration_lists_the_columns():
    """In the order of the example."""
    page = (ROOT / "docs/configuration.md").read_text()
    table = page.partition("## The roster")[2].partition("\n\nAccepted")[0]
    example = (ROOT / "config/accounts.example.csv").read_text()

    assert list(COLUMNS) == [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert f"\n{','.join(COLUMNS)}\n" in example
