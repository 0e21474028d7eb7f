"""What a press would do."""

from rich.console import RenderableType

from panic.accounts.plan import Plan
from panic.cli.tables.drawing import LISTED_MOST, Text, draw
from panic.report.headline import narrowing


def plan_table(plan: Plan, base_url: str, *, width: int = 80, colour: bool = False) -> str:
    """Draw what a press would do."""
    ids = ", ".join(str(account.id) for account in plan.accounts[:LISTED_MOST])
    what = f"{plan.scope}{narrowing(plan.scope.filters.query())}"
    more = ", …" if len(plan.accounts) > LISTED_MOST else ""
    all_ = len(plan.accounts) + len(plan.unsent)
    lost = f"; {len(plan.unsent):,} of {all_:,} accounts CANNOT BE REACHED" if plan.unsent else ""
    parts: list[RenderableType] = [
        Text(f"DRY RUN  nothing was sent{lost}", style="bold"),
        Text(f"{base_url}"),
        Text(f"would cancel in {len(plan.accounts):,} accounts ({what})"),
        Text(f"in this order: {ids}{more}"),
    ]
    parts += [Text(f"cannot reach {one}", style="yellow") for one in plan.unsent[:LISTED_MOST]]
    if len(plan.unsent) > LISTED_MOST:
        parts.append(Text(f"and {len(plan.unsent) - LISTED_MOST:,} more; panic check lists them all"))
    return draw(parts, width=width, colour=colour)
