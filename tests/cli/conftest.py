"""What several tests of the command line need."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest


@pytest.fixture
def full() -> Iterator[BinaryIO]:
    """A stream that takes nothing, as on a full disk."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        yield stream


@pytest.fixture
def taken() -> Iterator[str]:
    """A port where somebody listens: what would serve there until a signal ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])
