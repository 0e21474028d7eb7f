"""Settings loaded from a text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from panic.config import Settings, load

URL = "https://api.clearstreet.com"
GOOD = f'[broker]\nbase_url = "{URL}"\n[credentials.default]\nenv = "KEY"\n'
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def settings(tmp_path: Path):
    """Load settings from a text, as if it stood in a file."""

    def read(text: str | bytes, env: dict[str, str] | None = None):
        file = tmp_path / "panic.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, env or {})

    return read


Load = Callable[..., Settings]
