"""The import contract covers every room."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = {f"panic.{path.stem}" for path in (ROOT / "panic").iterdir() if not path.name.startswith("__")}


def test_every_room_is_in_every_contract() -> None:
    """A new module is forgotten neither by the layers nor by what the simulator and the client are kept from."""
    layers, simulator, client = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layered = {room.strip() for layer in layers["layers"] for room in layer.split(":")}

    assert ROOMS - {"panic.simulator"} == layered - {"panic.__main__"}
    assert ROOMS - {"panic.simulator"} == set(simulator["forbidden_modules"])
    assert ROOMS - {"panic.simulator", "panic.broker"} == set(client["source_modules"])
