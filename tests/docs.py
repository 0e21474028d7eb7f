"""What the docs take from the code. `make docs` writes it, a test compares it."""

import json

from panic.broker.outcomes import TABLE
from panic.report.document import json_schema
from tests import ROOT

DOCS = ROOT / "docs"
_BEGIN, _END = "<!-- outcome table: begin -->", "<!-- outcome table: end -->"


def outcome_table() -> str:
    """Draw the outcome table."""
    rows = [f"| {rule.came_back} | `{rule.outcome}` | {'yes' if rule.again else 'no'} |" for rule in TABLE]
    last = "| the run ended before its first attempt | `not_attempted` | no |"
    return "\n".join(["| what came back | outcome | tried again |", "|---|---|---|", *rows, last])


def report_page() -> str:
    """Give docs/report.md with today's table."""
    page = (DOCS / "report.md").read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{outcome_table()}\n{_END}{after}"


def schema() -> str:
    """Give the published JSON Schema of the report."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (DOCS / "report.md").write_text(report_page())
    (DOCS / "report.schema.json").write_text(schema())
