"""Settings: one TOML file, a few environment variables, and every mistake in them at once.

`load` is tolerant, because a press fires with what it can read: a mistake becomes a `Problem` and the default
takes its place. Only what makes sending unsafe or impossible raises. `panic check` refuses every problem.
"""

import hashlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from panic.address import safe_base_url
from panic.errors import ConfigurationError, Problem
from panic.files import Document, did_you_mean, expected, is_right, read_regular, relative, shown, why

DEFAULT_FILE = Path("config/panic.toml")
_BASE_URL = "PANIC_BROKER_BASE_URL"
_LARGEST_CA_FILE = 4 << 20


class _Section(BaseModel):
    """Frozen, closed and silent about its input, which may hold a password."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Broker(_Section):
    """Which broker panic speaks to, and how.

    Raises:
        ConfigurationError: `base_url` is unsafe.
    """

    base_url: str
    """https address without `/v1`. No default: a kill switch never guesses whom it is talking to."""

    contact: str = ""
    """Whom to call at the broker, one line. Default: nobody. A report that is not clear prints it."""

    ca_file: Path | None = None
    """PEM file of the authorities to trust. Default: the system's. For a proxy that opens TLS."""

    environment_proxy: bool = False
    """Whether HTTPS_PROXY and its kin count. Default: no. A stray one would swallow a press."""

    max_answer_bytes: int = Field(default=4 << 20, ge=1 << 10, le=64 << 20)
    """Bytes read of one answer. Default: 4 MiB, about 4,000 orders. An endless body must not fill memory."""

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        return safe_base_url(url)

    @field_validator("contact")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Credential(_Section):
    """Where one API key is found, read again at every press: exactly one of the two."""

    env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        repr=False,  # somebody will paste the key itself
        description="the name of an environment variable",
    )
    """Name of an environment variable. Default: none. The official SDK reads CLEAR_STREET_API_KEY."""

    file: Path | None = None
    """File that holds the key and nothing else, mode 600. Default: none. Can be renewed without a restart."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Credential":
        if (self.env is None) == (self.file is None):
            raise ValueError("a credential names either env or file")
        return self


class RosterFile(_Section):
    """Where the list of accounts is."""

    file: Path = Path("accounts.csv")
    """CSV file. Default: accounts.csv beside the settings. Read again at every press."""


class Run(_Section):
    """How a run behaves unless its press says otherwise."""

    concurrency: int = Field(default=64, ge=1, le=1000)
    """Requests in flight. Default: 64. Clears 1,000 accounts in seconds and stays far below file limits."""

    attempt_s: float = Field(default=5.0, gt=0, le=15)
    """Seconds for one HTTP request. Default: 5. A hung connection must leave time to try again."""

    deadline_s: float = Field(default=120.0, gt=0, le=86_400)
    """Seconds for the whole run. Default: 120. Nothing outlasts it; whoever pressed waits no longer."""

    poll_first_s: float = Field(default=0.5, gt=0, le=60)
    """Seconds from a cancel to the first look. Default: 0.5. Most cancels are done by then."""

    poll_max_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds between looks at most, growing. Default: 5. Spares the rate limit for the cancels."""

    watch_s: float = Field(default=15.0, ge=0, le=86_400)
    """Seconds to keep looking after the first clear. Default: 15. A running strategy sends new orders."""


class LedgerFiles(_Section):
    """Where every run is put on record."""

    file: Path | None = None
    """SQLite file on a local disk. Default: ledger.db beside the settings. Survives the process, and proves."""

    fallback: Path | None = None
    """Second file, on another file system. Default: in the temporary folder. A full disk stops no press."""

    @property
    def second(self) -> Path:
        """The second file, where settings built in code name only the first."""
        assert self.file is not None  # noqa: S101  (without a first there is no second)
        return self.fallback or self.file.with_name(f"{self.file.name}.fallback")


class LatchFile(_Section):
    """Where strategies read whether they are stopped."""

    file: Path | None = None
    """Text file. Default: panic.latch beside the settings. `press --latch` engages it, `reset` ends that."""


class Settings(_Section):
    """All settings of one file, or built in code: `Settings(broker=…, credentials=…, roster=…)`.

    Attributes:
        file: Where they were read; None when built in code.
        problems: Every mistake that was replaced by a default or ignored.
        credentials: Name, as the roster's `credential` column has it, to the place of its key.
        digest: "sha256:" and the hexadecimal digest of the file's bytes; empty when built in code.
        ledger: Settings built in code keep no ledger unless they name a file.
        latch: Settings built in code have no latch unless they name a file.
    """

    file: Path | None = None
    digest: str = ""
    problems: tuple[Problem, ...] = ()
    broker: Broker
    credentials: dict[str, Credential] = {}
    roster: RosterFile
    run: Run = Run()
    ledger: LedgerFiles = LedgerFiles()
    latch: LatchFile = LatchFile()


_SECTIONS: dict[str, type[BaseModel]] = {
    "broker": Broker,
    "roster": RosterFile,
    "run": Run,
    "ledger": LedgerFiles,
    "latch": LatchFile,
}


def load(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `path`, else from where PANIC_CONFIG says, else from config/panic.toml.

    Raises:
        ConfigurationError: the file cannot be read or is not TOML, or `base_url` is missing or unsafe.
            Lists every other problem as well.
    """
    file = path or Path(env.get("PANIC_CONFIG") or DEFAULT_FILE)
    document = Document.read(file, f"Copy config/panic.example.toml to {file}, or name another in PANIC_CONFIG.")
    url, fatal = _base_url(document, env)
    broker, roster, run, ledger, latch = (_section(document, env, name) for name in _SECTIONS)
    credentials = _credentials(document)
    _unknown_sections(document)
    _stray_variables(document, env, credentials)
    _contradictions(document, broker, Run(**run))
    problems = (*fatal, *sorted(document.problems, key=lambda problem: problem.line or 0))
    if fatal:
        raise ConfigurationError(problems)
    return Settings(
        file=file,
        digest=document.digest,
        problems=problems,
        broker=Broker(**{**broker, "base_url": url}),
        credentials=credentials,
        roster=RosterFile(**{"file": file.parent / "accounts.csv", **roster}),
        run=Run(**run),
        ledger=_ledger(file, **ledger),
        latch=LatchFile(**{"file": file.parent / "panic.latch", **latch}),
    )


def _ledger(settings: Path, file: Path | None = None, fallback: Path | None = None) -> LedgerFiles:
    """The ledger's places; the second is one of this user and this ledger, for others read the same folder."""
    file = file or settings.parent / "ledger.db"
    if fallback is None:
        ours = hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:12]
        folder = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108  (a folder of our own in it, mode 700)
        fallback = folder / f"panic-{os.getuid()}" / f"ledger-{ours}.db"
    return LedgerFiles(file=file, fallback=fallback)


def _base_url(document: Document, env: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The address to use, and what forbids to use it."""
    stray = env.get(_BASE_URL, "")
    broker = document.tables.get("broker")
    url = broker.get("base_url") if isinstance(broker, dict) else None
    named = url is not None
    if not named and not stray:
        remedy = 'Write base_url = "https://api.clearstreet.com" below [broker].'
        return "", [document.problem("[broker] names no base_url", remedy, "broker")]
    try:
        safe = safe_base_url(str(url) if named else stray)
    except ConfigurationError as error:
        found = error.problems[0]
        if named:
            return "", [document.problem(f"[broker] {found.what}", found.remedy, "broker", "base_url")]
        return "", [replace(found, what=f"{_BASE_URL}: {found.what}")]
    if named and stray and not _is_same(stray, safe):
        remedy = "Unset it, or correct the file; the file's address is used."
        document.problems.append(Problem(f"{_BASE_URL} differs from the settings' base_url", remedy))
    return safe, []


def _is_same(url: str, safe: str) -> bool:
    try:
        return safe_base_url(url) == safe
    except ConfigurationError:
        return False


def _section(document: Document, env: Mapping[str, str], name: str) -> dict[str, Any]:
    """What the file and, above it, the environment say rightly about one section."""
    model, table = _SECTIONS[name], document.table(name)
    values = document.fields(model, {key: table[key] for key in table if key != "base_url"}, name)
    for key in model.model_fields:
        variable = f"PANIC_{name}_{key}".upper()
        raw = env.get(variable)
        if not raw or variable == _BASE_URL:
            continue
        value = relative(model, key, raw, Path())
        if is_right(model, key, value, strict=False):
            values[key] = value
        else:
            remedy = f"Set it to {expected(model, key)}, or unset it; until then it is ignored."
            document.problems.append(Problem(f"{variable} is {shown(raw)}", remedy))
    return values


def _credentials(document: Document) -> dict[str, Credential]:
    table = document.table("credentials")
    if document.tables.get("credentials", {}) == {}:
        remedy = 'Add [credentials.default] and, below it, env = "CLEAR_STREET_API_KEY".'
        document.complain("no credential is named, so that no account can be reached", remedy, "credentials")
    found = {name: _credential(document, name, entry) for name, entry in table.items()}
    return {name: credential for name, credential in found.items() if credential}


def _credential(document: Document, name: str, entry: object) -> Credential | None:
    path = ("credentials", name)
    if not isinstance(entry, dict):
        remedy = 'Write [credentials.NAME] and, below it, env = "VARIABLE" or file = "FILE".'
        document.complain(f"[credentials] {name} is not a section", remedy, *path)
        return None
    values = document.fields(Credential, entry, *path)
    if not entry.keys() & {"env", "file"}:
        remedy = 'Add env = "VARIABLE" or file = "FILE".'
        document.complain(f"[credentials.{name}] names neither env nor file", remedy, *path)
    if len(values) > 1:
        del values["env"]
        remedy = "Remove one of them; until then the file is used."
        document.complain(f"[credentials.{name}] names both env and file", remedy, *path)
    return Credential(**values) if values else None


def _unknown_sections(document: Document) -> None:
    known = (*_SECTIONS, "credentials")
    for name in (name for name in document.tables if name not in known):
        homes = [home for home, model in _SECTIONS.items() if name in model.model_fields]
        remedy = f"Move it below [{homes[0]}]." if homes else did_you_mean(name, known)
        document.complain(f"there is no section or setting {shown(name)}", remedy, name)


def _stray_variables(document: Document, env: Mapping[str, str], credentials: Mapping[str, Credential]) -> None:
    known = {f"PANIC_{name}_{key}".upper() for name, model in _SECTIONS.items() for key in model.model_fields}
    spoken_for = {"PANIC_CONFIG", "PANIC_TRACEBACK", *(credential.env for credential in credentials.values())}
    for name in sorted(name for name in env if name.startswith("PANIC_")):
        if name not in known | spoken_for:
            guess = did_you_mean(name, sorted(known), "Unset it.")
            document.problems.append(Problem(f"the environment variable {shown(name)} means nothing", guess))


def _contradictions(document: Document, broker: dict[str, Any], run: Run) -> None:
    """Values that are right one by one and not together, or not on this machine."""
    if run.poll_first_s > run.poll_max_s:
        what = f"[run] poll_first_s {run.poll_first_s} is more than poll_max_s {run.poll_max_s}"
        document.complain(what, "Raise poll_max_s or lower poll_first_s.", "run", "poll_first_s")
    if run.attempt_s > run.deadline_s:
        what = f"[run] attempt_s {run.attempt_s} is more than deadline_s {run.deadline_s}"
        document.complain(what, "Raise deadline_s or lower attempt_s.", "run", "attempt_s")
    file = broker.get("ca_file")
    if file and (reason := _unusable_authorities(file)):
        del broker["ca_file"]
        remedy = "Give a PEM file of certificates; until then the system's authorities are trusted."
        document.complain(f"[broker] ca_file {file} cannot be used: {reason}", remedy, "broker", "ca_file")


def _unusable_authorities(file: Path) -> str:
    try:
        read_regular(file, _LARGEST_CA_FILE)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return "it holds no certificate"
    except OSError as error:
        return why(error)
    return ""
