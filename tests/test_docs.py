"""The docs say what is true: commands parse, links lead somewhere, what comes from the code is today's."""

import re
import shlex
from pathlib import Path

import pytest

from panic import cli
from panic.cli.commands import parser
from tests import ROOT, docs, reference

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")])
_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def _commands(page: Path, program: str) -> list[str]:
    lines = [line.strip() for line in page.read_text().splitlines() if line.startswith("    ")]
    return [line.removesuffix(" --dry-run") for line in lines if line.split(" ")[0] == program]


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_every_panic_command_is_understood(page: Path) -> None:
    """A command in the docs can be typed as it stands."""
    for command in _commands(page, "panic"):
        options = parser().parse_args(shlex.split(command, comments=True)[1:])

        assert options.command


_PRESSES = sorted({c for page in PAGES for c in _commands(page, "panic") if c.startswith("panic press")})


@pytest.mark.parametrize("command", _PRESSES)
def test_every_press_in_the_docs_works_with_the_examples(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever copies the example files and sets a key can type it: here with options that send nothing."""
    (tmp_path / "config").mkdir()
    for name in ("panic.toml", "accounts.csv"):
        example = ROOT / "config" / name.replace(".", ".example.")
        (tmp_path / "config" / name).write_text(example.read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEAR_STREET_API_KEY", "an-id.a-secret-for-a-test")
    code = cli.run([*shlex.split(command)[1:], "--dry-run", "--no-verify"])

    said = [line for line in capfd.readouterr().err.splitlines() if not line.endswith("a dry run writes nothing")]
    assert (0, []) == (code, said)


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_every_make_verb_exists(page: Path) -> None:
    """A make verb in the docs is one of the Makefile's."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"`make ([a-z-]+)`", page.read_text()))
    used |= {shlex.split(command, comments=True)[1] for command in _commands(page, "make")}

    assert set() == used - verbs


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)]+)\)", page.read_text()) if "://" not in t]

    assert [] == [target for target in targets if target and not (page.parent / target).exists()]


@pytest.mark.parametrize("name", docs.PAGES)
def test_the_tables_are_todays(name: str) -> None:
    """A page prints the tables that the code uses; `make docs` writes them."""
    assert docs.page(name) == (docs.DOCS / name).read_text()


def test_the_published_schema_is_todays() -> None:
    """docs/report.schema.json is the schema of the report; `make docs` writes it."""
    assert docs.schema() == (docs.DOCS / "report.schema.json").read_text()


def test_the_reference_is_todays() -> None:
    """docs/reference.md has every exit code, option, variable, setting and metric; `make docs` writes it."""
    assert reference.reference() == (docs.DOCS / "reference.md").read_text()


def test_every_variable_that_is_read_is_in_the_reference() -> None:
    """A name that the code asks the environment for, or that settings may not call a mistake."""
    code = "\n".join(file.read_text() for file in (ROOT / "panic").rglob("*.py"))
    asked = {*re.findall(r'env(?:iron)?(?:\.get\(|\[)"([A-Z_]+)"', code), *re.findall(r'"(PANIC_[A-Z]+)"', code)}

    assert set() == asked - set(reference.VARIABLES)


def test_no_page_names_a_package_host() -> None:
    """Where packages come from is the reader's business."""
    hosts = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|debian\.org", re.IGNORECASE)
    files = [*PAGES, ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "pyproject.toml", *(ROOT / ".locks").iterdir()]

    assert [] == [str(file) for file in files if hosts.search(file.read_text())]
