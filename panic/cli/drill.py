"""`panic drill` and `panic simulate`: a made-up firm and a simulated broker."""

import argparse
import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from panic import config
from panic.cli import loop, output
from panic.config import LedgerFiles
from panic.config.own_files import refuse_own
from panic.kit import terminal
from panic.kit.errors import UsageError
from panic.ledger import history
from panic.ledger.writer import open_ledger
from panic.report.document import Report, to_json
from panic.run import drill
from panic.simulator import RateLimit, Simulator


def do_drill(options: argparse.Namespace) -> int:
    """Press against the embedded simulator and say whether the report tells the truth; or serve the room."""
    settings = config.survey(options.config).settings  # they may be missing or wrong
    if options.ledger is not None:
        refuse_own(options.ledger, settings, "--ledger")
    output.guard(options, settings)
    if options.room:
        from panic.cli import room  # noqa: PLC0415  (a drill at the terminal needs nothing of the service)

        room.refuse_what_cannot_be(options)
        made_up = _firm(options)
        return room.serve(made_up, _simulator(options, made_up), options)
    if options.port is not None or options.no_open:
        option = "--no-open" if options.port is None else "--port"
        raise UsageError(f"{option} is for the control room. Add --room, or leave {option} out")
    made_up = _firm(options)
    with tempfile.TemporaryDirectory(prefix="panic-drill-") as folder:
        files = LedgerFiles(file=options.ledger or Path(folder, "ledger.db"))
        report, examination = loop.run(_practise(made_up, files, options))
        output.deliver(report, options)
    text = "\n".join([*examination.disagreements[:20], str(examination)])
    (terminal.say if output.wants_json(options) else terminal.out)(text)
    return 0 if examination.passed else 1


def _firm(options: argparse.Namespace) -> drill.Firm:
    """Invent the firm; behind a limit nothing else goes wrong, unless it is asked for."""
    faults = options.faults or ("none" if options.rate else "typical")
    return drill.firm(options.accounts, options.seed, faults)


def _simulator(options: argparse.Namespace, made_up: drill.Firm, port: int = 0) -> Simulator:
    limit = RateLimit(options.rate, options.burst or options.rate) if options.rate else None
    return drill.simulator(made_up, seed=options.seed, latency_s=options.latency, port=port, rate_limit=limit)


async def _practise(
    made_up: drill.Firm, files: LedgerFiles, options: argparse.Namespace
) -> tuple[Report, drill.Examination]:
    async with _simulator(options, made_up) as simulator:
        prepared = drill.prepare(made_up, simulator.base_url)
        ledger = open_ledger(files)
        report = await loop.with_progress(prepared, drill=True, ledger=ledger)
        examination = drill.examine(report, made_up, simulator.truth)
    if ledger is not None:
        ledger.close()
    if to_json(history.recall(files, report.run_id).report()) != to_json(report):
        lost = "the report rebuilt from the ledger differs from this one"
        examination = replace(examination, disagreements=(lost, *examination.disagreements))
    return report, examination


def do_simulate(options: argparse.Namespace) -> int:
    """Serve a simulated broker until a signal ends it."""
    if options.write is not None:
        settings = config.survey(options.config).settings
        for file in drill.written(options.write):
            if file.exists():
                refuse_own(file, settings, "--write")
    made_up = _firm(options)
    return loop.run(_serve(made_up, options))


async def _serve(made_up: drill.Firm, options: argparse.Namespace) -> int:
    over = asyncio.Event()
    loop.obey(over.set, "ending.")
    simulator = _simulator(options, made_up, options.port)
    try:
        await simulator.start()
    except OSError as error:
        raise UsageError(f"--port {options.port}: {error.strerror or error}; name another, or 0 for any") from None
    try:
        terminal.say(f"a simulated broker with {options.accounts:,} accounts listens on {simulator.base_url}")
        if options.write is not None:
            settings = drill.write(made_up, simulator.base_url, options.write)
            terminal.say(f'try: panic --config {settings} press --all --reason "practice"')
        terminal.say("Ctrl-C ends it.")
        await over.wait()
    finally:
        await simulator.stop()
    return 0
