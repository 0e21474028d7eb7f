"""What there is to practise on, as the options of `panic drill` and `panic simulate` describe it."""

import argparse

from panic.run import drill
from panic.simulator import RateLimit, Simulator


def firm(options: argparse.Namespace) -> drill.Firm:
    """Invent the firm; behind a limit nothing else goes wrong, unless it is asked for."""
    faults = options.faults or ("none" if options.rate else "typical")
    return drill.firm(options.accounts, options.seed, faults)


def simulator(options: argparse.Namespace, made_up: drill.Firm, port: int = 0) -> Simulator:
    """Give the broker that holds it."""
    limit = RateLimit(options.rate, options.burst or options.rate) if options.rate else None
    return drill.simulator(made_up, seed=options.seed, latency_s=options.latency, port=port, rate_limit=limit)
