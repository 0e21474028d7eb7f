"""The import contracts cover every room."""

import ast
import tomllib

import pytest

from tests import ROOT

PANIC = ROOT / "panic"
_CLIENT = frozenset({"ClientSession", "TCPConnector", "request", "client", "connector", "ws_connect"})
"""The names of aiohttp that open connections to others."""


def test_every_package_has_a_contract_that_covers_all_of_it() -> None:
    """A new file is forgotten neither by the layers nor by what is kept from the client."""
    top, client, *inner = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    packages = {one.parent for one in PANIC.rglob("__init__.py") if len(list(one.parent.glob("*.py"))) > 2}
    rooms = {path.stem for path in PANIC.iterdir() if path.name not in {"__pycache__", "__init__.py", "py.typed"}}

    assert all(contract["exhaustive"] for contract in (top, *inner))
    assert {".".join(one.relative_to(ROOT).parts) for one in packages} == {
        c["containers"][0] for c in (top, *inner)
    }
    assert rooms - {"__main__", "broker", "service", "simulator"} == {
        one.removeprefix("panic.") for one in client["source_modules"]
    }


def test_the_service_calls_nobody_but_the_identity_provider() -> None:
    """It is an aiohttp server; the broker, and what signs people in, are aiohttp clients."""
    texts = {path.name: path.read_text() for path in sorted((ROOT / "panic/service").glob("**/*.py"))}

    assert {"provider.py": {"ClientSession"}} == {
        name: found for name, text in texts.items() if (found := _client_names(text))
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from aiohttp import ClientSession, web", {"ClientSession"}),
        ("import aiohttp\nasync with aiohttp.ClientSession() as session: ...", {"ClientSession"}),
        ("import aiohttp as a\na.client.ClientSession()", {"client"}),
        ("from aiohttp.client import ClientSession as S", {"client", "ClientSession"}),
        ("import aiohttp.client", {"client"}),
        ("from aiohttp import web\nweb.Application()\nrequest.headers", set()),
    ],
)
def test_a_client_would_be_found(text: str, names: set[str]) -> None:
    """However it was imported."""
    assert names == _client_names(text)


def _client_names(text: str) -> set[str]:
    """The names of aiohttp's client that a module takes from aiohttp."""
    found: set[str] = set()
    here: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "aiohttp":
            found |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            ours = [alias for alias in node.names if alias.name.partition(".")[0] == "aiohttp"]
            found |= {part for alias in ours for part in alias.name.split(".")}
            here |= {alias.asname or "aiohttp" for alias in ours}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in here:
            found.add(node.attr)
    return found & _CLIENT
