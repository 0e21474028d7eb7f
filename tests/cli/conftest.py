"""What several tests of the command line need."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest


@pytest.fixture
def full() -> Iterator[BinaryIO]:
    """A stream that takes nothing, as on a full disk."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        yield stream
