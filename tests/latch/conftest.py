"""A latch that has just been set up."""

from pathlib import Path

import pytest

from panic import latch


@pytest.fixture
def file(tmp_path: Path):
    """The latch, disengaged."""
    file = tmp_path / "panic.latch"
    latch.create(file)
    return file
