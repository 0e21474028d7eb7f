"""Generated requests: none is a 5xx, and every answer is what the OpenAPI document says."""

import os
from pathlib import Path

from tests.cli.inside import beside
from tests.service.fuzz import fuzz, served

CASES = int(os.environ.get("FUZZ_CASES", "36"))


def test_no_request_breaks_the_service(tmp_path: Path) -> None:
    """`python -m tests.service.fuzz --cases 2000` proves more of it."""
    with beside(served(tmp_path)) as it:
        found = fuzz(it, CASES)

    assert CASES // 2 < sum(found.values())
    assert {200, 400, 404} <= found.keys()
    assert not [status for status in found if status >= 500]
