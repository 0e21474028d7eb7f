"""What tests of the room share."""

import pytest

from panic.service.room import boards, feed


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell often, so that nobody waits for it."""
    for module, name, seconds in (
        (boards, "CELLS_S", 0.01),
        (boards, "BOARD_S", 0.05),
        (boards, "_SHARE", 1.0),
        (feed, "BEAT_S", 0.05),
        (feed, "LOOK_S", 0.02),
        (feed, "LATER_S", 0.005),
    ):
        monkeypatch.setattr(module, name, seconds)
