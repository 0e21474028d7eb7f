"""What tests of the room share."""

import pytest

from panic.service.room import hub, live_board


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell often, so that nobody waits for it."""
    for module, name, seconds in (
        (live_board, "BOARD_S", 0.02),
        (live_board, "_SHARE", 1.0),
        (hub, "BEAT_S", 0.05),
        (hub, "LATER_S", 0.005),
    ):
        monkeypatch.setattr(module, name, seconds)
