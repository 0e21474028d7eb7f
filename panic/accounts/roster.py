"""The roster: every account of the firm, from a CSV file that people edit in a spreadsheet.

One line is one row, also inside quotes: a quote that somebody forgot to close must not swallow the accounts
below it. Every row becomes an account, a bad row, or a duplicate that a problem names.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from panic.accounts import cells
from panic.accounts.cells import DEFAULT_PRIORITY, LARGEST_PRIORITY, UnreadableError
from panic.kit.errors import ConfigurationError, Problem
from panic.kit.files import read_regular, why
from panic.kit.words import clean, did_you_mean, shown

COLUMNS = ("id", "name", "group", "owner", "priority", "credential", "excluded")
_LARGEST_FILE = 256 << 20
_LONGEST_NAME_SHOWN = 24
_KNOWN_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Account:
    """One brokerage account; the lowest priority, 0 to 1,000,000, goes first, and an excluded one never."""

    id: int
    name: str = ""
    group: str = ""
    owner: str = ""
    priority: int = DEFAULT_PRIORITY
    credential: str = "default"
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be fired; the report lists it as not attempted. Its id is None when it cannot be read."""

    line: int
    text: str
    id: int | None
    problem: Problem


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster file as it was at one moment (epoch seconds), and every mistake in it, by line."""

    file: Path
    digest: str
    modified_at: float
    accounts: tuple[Account, ...]
    bad_rows: tuple[BadRow, ...]
    problems: tuple[Problem, ...]

    @property
    def groups(self) -> frozenset[str]:
        """The names of all groups."""
        return frozenset(account.group for account in self.accounts if account.group)


def load(path: Path, credentials: Collection[str]) -> Roster:
    """Read a roster whose rows may use `credentials`; a ConfigurationError where it cannot be used."""
    try:
        data, status = read_regular(path, _LARGEST_FILE)
    except OSError as error:
        remedy = "Create it (config/accounts.example.csv shows how), or name another in [roster] file."
        raise ConfigurationError([Problem(f"the roster cannot be read: {why(error)}", remedy, path)]) from error
    table = _Table(path, frozenset(credentials))
    table.read(data)
    accounts, bad_rows = tuple(account for account, _ in table.found.values()), tuple(table.bad_rows())
    problems = tuple(sorted(table.problems, key=lambda problem: problem.line or 0))
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Roster(path, digest, status.st_mtime, accounts, bad_rows, problems)


@dataclass
class _Table:
    """The rows read so far."""

    file: Path
    credentials: frozenset[str]
    delimiter: str = ","
    names: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    found: dict[int, tuple[Account, int]] = field(default_factory=dict)
    unreadable: list[BadRow] = field(default_factory=list)

    def read(self, data: bytes) -> None:
        """Read header and rows."""
        if data.startswith(b"PK\x03\x04"):
            raise self._unusable("the roster is a workbook", "Save it as CSV UTF-8, and name that file.")
        text, wrong, at = cells.decode(data)
        if wrong:
            self._complain(at, wrong, "Save the file as CSV UTF-8.")
        rows = cells.rows(text)
        self._header(*next(rows, (None, "")))
        for line, row in rows:
            try:
                self._add(self._account(line, row), line)
            except UnreadableError as error:
                problem = self._complain(line, error.what, error.remedy, error.account)
                self.unreadable.append(BadRow(line, cells.clipped(row, error.hidden), error.account, problem))
        if not self.found and not self.unreadable:
            raise self._unusable("the roster lists no account", "Add one row for each account.")

    def bad_rows(self) -> Iterator[BadRow]:
        """Give the unreadable rows, except those whose account another row already covers."""
        lines = {id_: line for id_, (_, line) in self.found.items()}
        for row in self.unreadable:
            if row.id is None or lines.setdefault(row.id, row.line) == row.line:
                yield row
            else:
                self._repeated(row.id, lines[row.id], row.line)

    def _header(self, line: int | None, row: str) -> None:
        if not row:
            remedy = "Add a first row of column names and one row for each account."
            raise self._unusable("the roster is empty", remedy)
        headers = [(mark, [name.lower() for name in cells.split(row, mark)]) for mark in ",;\t"]
        self.delimiter, self.names = max(headers, key=lambda header: ("id" in header[1], len(header[1])))
        for index, name in enumerate(self.names):
            if name in COLUMNS and name in self.names[:index]:
                self._complain(line, f"the column {name} stands there twice", "Remove one; the first counts.")
            elif name and name not in COLUMNS:
                self._complain(line, f"there is no column {shown(name)}", did_you_mean(name, COLUMNS))
        if "id" not in self.names:
            remedy = "Name the column of account numbers id, in the first row."
            raise self._unusable("the roster has no column id", remedy, line)

    def _fields(self, row: str) -> dict[str, str]:
        """Give the text of each column, "" if file or row lack it; of two columns the first counts."""
        if "\0" in row:
            raise UnreadableError("the row holds NUL bytes", "Export the file again: it is damaged.")
        texts = cells.split(row, self.delimiter)
        while len(texts) > len(self.names) and not texts[-1]:
            texts.pop()
        if len(texts) > len(self.names):
            what = f"the row has {len(texts)} fields, the header {len(self.names)}"
            remedy = "Write ids without thousands separators, and quote a name that holds the delimiter."
            raise UnreadableError(what, remedy)
        return dict.fromkeys(COLUMNS, "") | dict(reversed([*zip(self.names, texts, strict=False)]))

    def _account(self, line: int, row: str) -> Account:
        if row.count('"') % 2:
            self._complain(line, "a quote is not closed in its line", "Close it; each account has one line.")
        fields = self._fields(row)
        number = cells.account_id(fields["id"])
        excluded = cells.YES_OR_NO.get(fields["excluded"].lower())
        if excluded is None:
            what = f"excluded is {shown(fields['excluded'])}"
            raise UnreadableError(what, "Write yes or no.", number)
        priority = cells.priority(fields["priority"])
        if priority is None:
            remedy = f"Give 0 to {LARGEST_PRIORITY}, 1 goes first; until then it is {DEFAULT_PRIORITY}."
            self._complain(line, f"the priority is {shown(fields['priority'])}", remedy, number)
            priority = DEFAULT_PRIORITY
        name, group, owner = (clean(fields[key]).strip() for key in ("name", "group", "owner"))
        credential = self._credential(line, number, fields["credential"] or "default", excluded=excluded)
        return Account(number, name, group, owner, priority, credential, excluded)

    def _credential(self, line: int, number: int, name: str, *, excluded: bool) -> str:
        if name in self.credentials:
            return name
        hidden = name if len(name) > _LONGEST_NAME_SHOWN else ""
        label = "(not shown, it could be a key)" if hidden else shown(name)
        what = f"the credential {label} is not in the settings"
        remedy = f"Known are: {', '.join(sorted(self.credentials)[:_KNOWN_SHOWN]) or 'none'}."
        if not excluded:
            raise UnreadableError(what, remedy, number, hidden)
        self._complain(line, what, remedy, number)
        return "default" if hidden else name

    def _add(self, account: Account, line: int) -> None:
        """Add an account; of two rows the first counts, unless it alone excludes it: stopping fails open."""
        before, first = self.found.setdefault(account.id, (account, line))
        if first == line:
            return
        if before.excluded and not account.excluded:
            self.found[account.id] = (account, line)
        self._repeated(account.id, first, line)

    def _repeated(self, id_: int, first: int, line: int) -> None:
        counts = self.found[id_][1] if id_ in self.found else first
        what = f"account {id_} stands in lines {first} and {line}"
        self._complain(line, what, f"Remove one; until then line {counts} counts.")

    def _complain(self, line: int | None, what: str, remedy: str, account: int | None = None) -> Problem:
        problem = Problem(what, remedy, self.file, line, account=account)
        self.problems.append(problem)
        return problem

    def _unusable(self, what: str, remedy: str, line: int | None = None) -> ConfigurationError:
        return ConfigurationError([Problem(what, remedy, self.file, line), *self.problems])
