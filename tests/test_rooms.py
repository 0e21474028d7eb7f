"""The import contract covers every room."""

import ast
import tomllib

import pytest

from tests import ROOT

ROOMS = {f"panic.{path.stem}" for path in (ROOT / "panic").iterdir() if not path.name.startswith("__")}
_CLIENT = frozenset({"ClientSession", "TCPConnector", "request", "client", "connector", "ws_connect"})
"""The names of aiohttp that open connections to others."""


def test_every_room_is_in_every_contract() -> None:
    """A new module is forgotten neither by the layers nor by what the simulator and the client are kept from."""
    layers, simulator, client = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layered = {room.strip() for layer in layers["layers"] for room in layer.split(":")}

    assert ROOMS - {"panic.simulator"} == layered - {"panic.__main__"}
    assert ROOMS - {"panic.simulator"} == set(simulator["forbidden_modules"])
    assert ROOMS - {"panic.simulator", "panic.broker", "panic.service"} == set(client["source_modules"])


def test_the_service_calls_nobody() -> None:
    """It is an aiohttp server, and the broker alone is an aiohttp client."""
    texts = {path.name: path.read_text() for path in sorted((ROOT / "panic/service").glob("**/*.py"))}

    assert {} == {name: found for name, text in texts.items() if (found := _client_names(text))}


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
