"""What people type, command by command; `--help` shows it."""

from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "panic": (
        'panic press --all --reason "runaway algo on desk A"',
        "panic check",
        "panic drill",
    ),
    "panic init": (
        "panic init --base-url https://api.clearstreet.com",
        "panic --config /etc/panic/panic.toml init --base-url https://api.clearstreet.com --key key.txt",
    ),
    "panic press": (
        'panic press --all --reason "runaway algo on desk A" --latch',
        'panic press --group arbitrage --reason "risk limit breached" --dry-run',
        'panic press --account 100019,100020 --side buy --reason "fat finger"',
    ),
    "panic resume": ("panic resume last", "panic resume 20261123T2019"),
    "panic runs": ("panic runs", "panic runs --limit 100 --format json"),
    "panic show": ("panic show last", "panic show 20261123T2019 --format json --output report.json"),
    "panic latch": ("panic latch", "panic latch --create"),
    "panic reset": (
        'panic reset --reason "algo fixed, desk A agrees"',
        'panic reset --group arbitrage --reason "limits are back" --dry-run',
    ),
    "panic token": (
        "panic token alice --role presser",
        "panic token risk-engine --role presser --group arbitrage --automated",
    ),
    "panic evidence export": (
        "panic evidence export last --output incident.jsonl",
        "panic evidence export --from 2026-03-01 --to 2026-04-01 --output march.jsonl",
    ),
    "panic evidence verify": (
        "panic evidence verify incident.jsonl",
        "panic evidence verify incident.jsonl --signed ledger.db.heads --key public.pem",
    ),
    "panic evidence backup": ("panic evidence backup copy.db", "panic evidence backup copy.db --format json"),
    "panic orders": ("panic orders --all", "panic orders --group arbitrage --side buy --format csv"),
    "panic check": ("panic check", "panic check --last"),
    "panic config show": ("panic config show", "panic config show --config /etc/panic/panic.toml --format json"),
    "panic drill": ("panic drill", "panic drill --accounts 1000 --rate 50", "panic drill --room"),
    "panic serve": ("panic serve", "panic serve --config /etc/panic/panic.toml --log-level info"),
    "panic health": ("panic health", "panic health --ready --wait 10"),
    "panic sessions": ("panic sessions --token desk.token", "panic sessions --token desk.token --end alice"),
    "panic schedule": ("panic schedule", "panic schedule --orders", "panic schedule --count 10 --format json"),
    "panic completion": ("panic completion bash", "panic completion zsh"),
    "panic simulate": (
        "panic simulate --write practice",
        "panic simulate --accounts 5000 --rate 100 --faults none",
    ),
}
