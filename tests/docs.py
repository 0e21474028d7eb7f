"""What the docs take from the code. `make docs` writes it, a test compares it."""

import json
import math

from panic.accounts.roster import Account
from panic.broker.outcomes import TABLE
from panic.config.sections import Run
from panic.engine.forecast import planned
from panic.engine.lanes import Lanes
from panic.report.document import json_schema
from panic.service.app import OPERATIONS
from panic.service.problems import KINDS
from tests import ROOT
from tests.reference import reference

DOCS = ROOT / "docs"


def outcome_table() -> str:
    """Draw the outcome table."""
    rows = [f"| {rule.came_back} | `{rule.outcome}` | {'yes' if rule.again else 'no'} |" for rule in TABLE]
    last = "| the run ended before its first attempt | `not_attempted` | no |"
    return "\n".join(["| what came back | outcome | tried again |", "|---|---|---|", *rows, last])


def routes() -> str:
    """Draw what the service can be asked."""
    rows = [
        f"| `{one.method} {one.path}` | {one.role or 'none'}{', a person' if one.person else ''} | {one.text} |"
        for one in OPERATIONS
    ]
    return "\n".join(["| request | role | what |", "|---|---|---|", *rows])


def problems() -> str:
    """Draw what it says no with."""
    kinds = sorted(KINDS.items(), key=lambda item: item[1].status)
    rows = [f"| {kind.status} | `{code}` | {kind.title} |" for code, kind in kinds]
    return "\n".join(["| status | code | what |", "|---|---|---|", *rows])


def how_long() -> str:
    """Draw how long a press takes behind a broker's limit."""
    rates = (5, 10, 20, 50, 100, 200)
    head = ["accounts", *(f"{rate}/s" for rate in rates)]
    rows = [[f"{n:,}", *(_takes(n, rate) for rate in rates)] for n in (100, 500, 1_000, 2_000, 5_000, 10_000)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---:"] * len(head), *rows])


def _takes(accounts: int, rate: float) -> str:
    found = planned(map(Account, range(1, accounts + 1)), Lanes(most=rate))
    assert found is not None
    text = f"{_clock(found.accepted_s)}, {_clock(found.proven_s)}"
    return text if found.proven_s <= Run().longest_s else f"**{text}**"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes}:{seconds:02}"


PAGES = {
    "operations.md": {"how long": how_long},
    "report.md": {"outcome table": outcome_table},
    "http-api.md": {"routes": routes, "problems": problems},
}
"""The pages with tables of the code, and what makes each table."""


def page(name: str) -> str:
    """Give a page with today's tables."""
    text = (DOCS / name).read_text()
    for called, draw in PAGES[name].items():
        begin, end = f"<!-- {called}: begin -->", f"<!-- {called}: end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{draw()}\n{end}{rest.partition(end)[2]}"
    return text


def schema() -> str:
    """Give the published JSON Schema of the report."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name))
    (DOCS / "report.schema.json").write_text(schema())
    (DOCS / "reference.md").write_text(reference())
