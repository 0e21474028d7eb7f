"""The roster: every account of the firm, from a CSV file that people edit in a spreadsheet.

One line is one row, also inside quotes: a quote that somebody forgot to close must not swallow the accounts
below it. Every row ends as an account, as a bad row, or as a duplicate that a problem names.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from panic import cells
from panic.cells import DEFAULT_PRIORITY, LARGEST_PRIORITY, UnreadableError
from panic.errors import ConfigurationError, Problem
from panic.files import read_regular, why
from panic.words import did_you_mean, shown

COLUMNS = ("id", "name", "group", "owner", "priority", "credential", "excluded")
_LARGEST_FILE = 256 << 20
_LONGEST_NAME_SHOWN = 24
_KNOWN_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Account:
    """One brokerage account.

    Attributes:
        id: Positive int64, as the broker numbers it.
        priority: 0 to 1,000,000; the lowest goes first.
        credential: Name of the credential in the settings.
        excluded: Listed and deliberately never fired.
    """

    id: int
    name: str = ""
    group: str = ""
    owner: str = ""
    priority: int = DEFAULT_PRIORITY
    credential: str = "default"
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be fired; the report lists it as not attempted.

    Attributes:
        line: 1-based.
        text: The row, printable and clipped.
        id: The account that it means; None when that cannot be read.
    """

    line: int
    text: str
    id: int | None
    problem: Problem


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster file as it was at one moment.

    Attributes:
        digest: "sha256:" and the hexadecimal digest of the file's bytes.
        modified_at: Epoch seconds.
        problems: Every mistake in the file by line, those of the bad rows among them.
    """

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
    """Read a roster whose rows may use the named `credentials`.

    Raises:
        ConfigurationError: the file is missing, unreadable or empty, or has no column `id`.
    """
    try:
        data, status = read_regular(path, _LARGEST_FILE)
    except OSError as error:
        remedy = "Create it (config/accounts.example.csv shows how), or name another in [roster] file."
        raise ConfigurationError([Problem(f"the roster cannot be read: {why(error)}", remedy, path)]) from error
    table = _Table(path, frozenset(credentials))
    table.read(data)
    bad_rows = tuple(table.bad_rows_left())
    return Roster(
        file=path,
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        modified_at=status.st_mtime,
        accounts=tuple(account for account, _ in table.found.values()),
        bad_rows=bad_rows,
        problems=tuple(sorted(table.problems, key=lambda problem: problem.line or 0)),
    )


@dataclass
class _Table:
    """The rows read so far."""

    file: Path
    credentials: frozenset[str]
    problems: list[Problem] = field(default_factory=list)
    delimiter: str = ","
    width: int = 0
    at: dict[str, int] = field(default_factory=dict)
    found: dict[int, tuple[Account, int]] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)

    def read(self, data: bytes) -> None:
        """Read header and rows.

        Raises:
            ConfigurationError: there is no column `id`, or no row.
        """
        text, wrong, at = cells.decode(data)
        if wrong:
            self._complain(at, wrong, "Save the file as CSV UTF-8.")
        rows = cells.rows(text)
        self._header(*next(rows, (None, "")))
        for line, row in rows:
            try:
                self._keep(self._account(line, row), line)
            except UnreadableError as error:
                self._refuse(line, row, error)
        if not self.found and not self.bad_rows:
            raise self._unusable("the roster lists no account", "Add one row for each account.")

    def bad_rows_left(self) -> Iterator[BadRow]:
        """The bad rows, but for those whose account another row already stands for."""
        lines = {id_: line for id_, (_, line) in self.found.items()}
        for row in self.bad_rows:
            if row.id is not None and lines.setdefault(row.id, row.line) != row.line:
                what = f"account {row.id} stands in lines {lines[row.id]} and {row.line}"
                self._complain(row.line, what, f"Remove one; until then line {lines[row.id]} counts.")
            else:
                yield row

    def _header(self, line: int | None, row: str) -> None:
        if not row:
            remedy = "Add a first row of column names and one row for each account."
            raise self._unusable("the roster is empty", remedy)
        headers = [(mark, [name.lower() for name in cells.split(row, mark)]) for mark in ",;\t"]
        self.delimiter, names = max(headers, key=lambda header: ("id" in header[1], len(header[1])))
        self.width = len(names)
        for index, name in enumerate(names):
            if name in COLUMNS and self.at.setdefault(name, index) != index:
                self._complain(line, f"the column {name} stands there twice", "Remove one; the first counts.")
            elif name and name not in COLUMNS:
                self._complain(line, f"there is no column {shown(name)}", did_you_mean(name, COLUMNS))
        if "id" not in self.at:
            remedy = "Name the column of account numbers id, in the first row."
            raise self._unusable("the roster has no column id", remedy, line)

    def _account(self, line: int, row: str) -> Account:
        fields, at = self._fields(line, row), self.at
        number = cells.account_id(fields[at["id"]])
        text = fields[at.get("excluded", -1)]
        excluded = cells.yes_or_no(text)
        if excluded is None:
            raise UnreadableError(f"account {number}: excluded is {shown(text)}", "Write yes or no.", number)
        return Account(
            number,
            cells.plain(fields[at.get("name", -1)]),
            cells.plain(fields[at.get("group", -1)]),
            cells.plain(fields[at.get("owner", -1)]),
            self._priority(line, number, fields[at.get("priority", -1)]),
            self._credential(line, number, fields[at.get("credential", -1)], excluded=excluded),
            excluded,
        )

    def _fields(self, line: int, row: str) -> list[str]:
        """One text for each column, and an empty one at the end for the columns that the file lacks."""
        if "\0" in row:
            raise UnreadableError("the row holds NUL bytes", "Export the file again: it is damaged.")
        fields = cells.split(row, self.delimiter)
        if row.count('"') % 2 and any(text.startswith('"') for text in fields):
            self._complain(line, "a quote is not closed in its line", "Close it; each account has one line.")
            fields = [text.strip('"').strip() for text in fields]
        while len(fields) > self.width and not fields[-1]:
            fields.pop()
        if len(fields) > self.width:
            what = f"the row has {len(fields)} fields, the header {self.width}"
            remedy = "Write ids without thousands separators, and quote a name that holds the delimiter."
            raise UnreadableError(what, remedy)
        return fields + [""] * (self.width + 1 - len(fields))

    def _priority(self, line: int, number: int, text: str) -> int:
        value = cells.priority(text)
        if value is not None:
            return value
        remedy = f"Give 0 to {LARGEST_PRIORITY}, 1 goes first; until then it is {DEFAULT_PRIORITY}."
        self._complain(line, f"account {number}: the priority is {shown(text)}", remedy)
        return DEFAULT_PRIORITY

    def _credential(self, line: int, number: int, text: str, *, excluded: bool) -> str:
        name = text or "default"
        if name in self.credentials:
            return name
        hidden = name if len(name) > _LONGEST_NAME_SHOWN else ""
        label = "(not shown, it could be a key)" if hidden else shown(name)
        what = f"account {number}: the credential {label} is not in the settings"
        remedy = f"Known are: {', '.join(sorted(self.credentials)[:_KNOWN_SHOWN]) or 'none'}."
        if not excluded:
            raise UnreadableError(what, remedy, number, hidden)
        self._complain(line, what, remedy)
        return "default" if hidden else name

    def _keep(self, account: Account, line: int) -> None:
        kept, kept_line = self.found.setdefault(account.id, (account, line))
        if kept_line == line:
            return
        lines, counts = f"account {account.id} stands in lines {kept_line} and {line}", kept_line
        if kept == account:
            lines += ", which are the same"
        elif kept.excluded != account.excluded:
            lines += ", and only one excludes it"
            counts = line if kept.excluded else kept_line
            self.found[account.id] = (account, line) if kept.excluded else (kept, kept_line)
        else:
            lines += ", which differ"
        self._complain(line, lines, f"Remove one; until then line {counts} counts.")

    def _refuse(self, line: int, row: str, error: UnreadableError) -> None:
        problem = Problem(error.what, error.remedy, self.file, line)
        self.problems.append(problem)
        self.bad_rows.append(BadRow(line, cells.clipped(row, error.hidden), error.account, problem))

    def _complain(self, line: int | None, what: str, remedy: str) -> None:
        self.problems.append(Problem(what, remedy, self.file, line))

    def _unusable(self, what: str, remedy: str, line: int | None = None) -> ConfigurationError:
        return ConfigurationError([Problem(what, remedy, self.file, line), *self.problems])
