"""Files are replaced whole or not at all."""

from pathlib import Path

import pytest

from panic.kit.files import replace


@pytest.mark.parametrize("before", [None, b"yesterday's"])
def test_a_file_is_written_or_written_over(tmp_path: Path, before: bytes | None):
    """Only its owner reads it, and nothing is left beside it."""
    file = tmp_path / "state.json"
    if before is not None:
        file.write_bytes(before)
    replace(file, b"today's")

    assert b"today's" == file.read_bytes()
    assert 0o600 == file.stat().st_mode & 0o777
    assert [file] == list(tmp_path.iterdir())


def test_what_was_there_stays_where_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a full disk, say; nobody ever reads half of a file."""
    file = tmp_path / "state.json"
    file.write_bytes(b"yesterday's")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("panic.kit.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace(file, b"today's")

    assert b"yesterday's" == file.read_bytes()
    assert [file] == list(tmp_path.iterdir())
