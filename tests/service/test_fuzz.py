"""Whatever the OpenAPI document allows, and much that it does not, sent to the service: none breaks it.

    FUZZ_CASES=2000 python -m pytest -n 0 -s tests/service/test_fuzz.py

Nothing may be a 5xx, and every answer must be what the document says. Presses are read and planned as always, and
then come to one run that has ended: a run for each of thousands of them would be another test.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.config import SchemathesisConfig

from panic import latch
from panic.run.press import Press
from panic.service.desk import Desk, Pressing
from tests.cli.inside import beside
from tests.service.house import DOCUMENT, QUICK, House, bearer, house

CASES = int(os.environ.get("FUZZ_CASES", "36"))
CONFIG = {  # the schema knows neither the roster nor what is engaged: what it allows may be refused
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}},
    "generation": {"with-security-parameters": False},
}
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
)


class _Still(Desk):
    """Takes presses as always, and lets each come to the run that there is."""

    def press(self, press: Press, *, automated: bool = False, **how: Any) -> Pressing:
        if not self.live:
            return super().press(press, automated=automated, **how)
        self._supplies.prepare(press)
        return Pressing(next(iter(self.live.values())), joined=True)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[House]:
    """Serve with one run that has ended, and a latch."""
    async with house(folder, desk=_Still) as it:
        await asyncio.to_thread(latch.create, folder / "panic.latch")
        await it.press({**QUICK, "wait": 30})
        yield it


def fuzz(it: House, cases: int) -> Counter[int]:
    """Send about so many requests, half of them against the document; give how often each status came back."""
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(CONFIG))
    operations = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]
    modes, found = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE), Counter[int]()
    each = max(cases // (len(operations) * len(modes)), 1)
    for operation in operations:
        for mode in modes:
            with suppress(Unsatisfiable):  # what takes no input cannot be asked wrongly
                _send(operation.as_strategy(mode), it, each, found)
        if "{id}" in operation.path:  # made-up ids lead nowhere, and this one to a run
            _send(operation.as_strategy(path_parameters={"id": "last"}), it, each, found)
    return found


def _send(strategy: Any, it: House, cases: int, found: Counter[int]) -> None:
    load_all_checks()
    checks: dict[str, Any] = {one.__name__: one for one in schemathesis.checks.CHECKS.get_by_names(list(CHECKS))}
    how: dict[str, Any] = {"deadline": None, "database": None, "phases": [Phase.generate]}

    @seed(0)
    @settings(max_examples=cases, suppress_health_check=list(HealthCheck), **how)
    @given(strategy)
    def send(case: Case[Any]) -> None:
        response = case.call(base_url=str(it.client.make_url("/")), headers=bearer("boss"), timeout=20)
        if "Got more than 8190 bytes" in response.text:  # the server's own limit of a first line
            return
        found[response.status_code] += 1
        apart = set[str]()
        if _has_whole_float(case.body) or (case.method, case.path) == ("POST", "/v1/session"):
            apart.add("positive_data_acceptance")  # a made-up token, and from no page of ours
        if response.status_code == 413:  # too large is refused as well, before anybody looks what it says
            apart.add("negative_data_rejection")
        case.validate_response(
            response, checks=[not_a_server_error, *checks.values()], excluded_checks=[checks[one] for one in apart]
        )

    send()


def _has_whole_float(value: Any) -> bool:
    """Whether there is a 7.0: JSON Schema calls it an integer, and we take no such account id: digits get lost."""
    if isinstance(value, dict | list):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


def test_no_request_breaks_the_service(tmp_path: Path) -> None:
    """Each is answered as the document says, and none with a 5xx."""
    with beside(served(tmp_path)) as it:
        found = fuzz(it, CASES)
    sys.stdout.write(f"{sum(found.values()):,} requests: {dict(sorted(found.items()))}\n")

    assert CASES // 2 < sum(found.values())
    assert {200, 400, 404} <= found.keys()
    assert not [status for status in found if status >= 500]
