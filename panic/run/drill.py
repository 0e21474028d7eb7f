"""The drill: the whole main job against the embedded simulator, and an examiner that knows what really happened.

The broker is the simulator on loopback, the roster is made up, and the report says `drill`; all else is as ever.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from time import time

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account, Roster
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.config import Broker, RosterFile, Run, Settings
from panic.config.secret import Key
from panic.kit.errors import UsageError
from panic.report.document import AccountReport, Report, Source
from panic.run.press import Prepared, Press
from panic.simulator import FAULTS, Fault, RateLimit, SimAccount, SimOrder, Simulator, Truth

DEADLINE_S = 25.0
"""A drill has an account that never settles, so it runs to its deadline; this keeps it under half a minute."""

_CENT = Decimal("0.01")
_KEY = "drill.not-a-key-of-any-broker"
_FIRST_ID = 100_001
_DESKS = (
    ("Equities MM", "A. Okafor"),
    ("Index Arb", "B. Lindqvist"),
    ("Options Vol", "C. Marchetti"),
    ("ETF Flow", "D. Nakamura"),
    ("Stat Arb", "E. Haddad"),
)
_SYMBOLS = ("AAPL", "MSFT", "NVDA", "SPY", "QQQ", "TSLA", "AMD", "META")

Trouble = tuple[Fault, ...]

_ONE_OF_EACH: tuple[Trouble, ...] = (
    (Fault("status", on="ANY", status=403),),
    (Fault("stuck"),),
    (Fault("hang", times=1),),
    (Fault("lying_404", times=1),),
    (Fault("executed_unanswered", times=1),),
    (Fault("second_answer", times=1),),
    (Fault("reappears", times=1, seconds=0.3, count=2),),
    (Fault("not_json", times=1),),
    (Fault("truncated", times=1),),
    (Fault("schema_drift", on="ANY"),),
)
_OFTEN: tuple[tuple[float, Trouble], ...] = (
    (0.03, (Fault("status", status=429, retry_after="1", times=1),)),
    (0.03, (Fault("status", status=503, times=2),)),
    (0.02, (Fault("rst", times=1),)),
    (0.02, (Fault("fin", times=1),)),
    (0.03, (Fault("fills"),)),
    (0.02, (Fault("part_fills", count=30),)),
    (0.03, (Fault("slow_settle", seconds=2.0),)),
    (0.02, (Fault("latency", seconds=0.4),)),
)
"""The share of accounts that each of these hits, besides one of each of the above."""

_BUSY_EVERY, _PAST_ORDERS, _DAY_S = 17, 150, 86_400.0

_NOTHING_OPEN_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Firm:
    """A made-up firm: what the simulator holds and what the roster says, account by account."""

    simulated: tuple[SimAccount, ...]
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    """What the examiner found: of how many accounts the report tells true, and what it tells wrong."""

    accounts: int
    right: int
    disagreements: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the report agrees with the truth in everything."""
        return not self.disagreements

    def __str__(self) -> str:
        agrees = f"the report agrees with the simulator on {self.right:,} of {self.accounts:,} accounts"
        return f"DRILL {'PASSED' if self.passed else 'FAILED'}  {agrees}"


def firm(accounts: int, seed: int, faults: str = "typical") -> Firm:
    """Invent a firm; the same arguments give the same firm.

    `faults` are `typical`, `none`, or kinds of fault, comma-separated, each for some accounts.
    """
    rng = random.Random(seed)  # noqa: S311  (replayable on purpose)
    troubles = list(islice(_troubles(rng, faults, accounts), accounts))
    rng.shuffle(troubles)
    simulated, listed = [], []
    for i, trouble in enumerate(troubles):
        desk, owner = _DESKS[i % len(_DESKS)]
        orders = (*_history(i), *_orders(rng, trouble))
        simulated.append(SimAccount(_FIRST_ID + i, f"{desk} {i:04d}", orders, trouble))
        listed.append(Account(_FIRST_ID + i, f"{desk} {i:04d}", desk, owner, priority=1 + i % len(_DESKS)))
    return Firm(tuple(simulated), tuple(listed))


def _troubles(rng: random.Random, faults: str, accounts: int) -> Iterator[Trouble]:
    if faults == "typical":
        yield from _ONE_OF_EACH
        for share, trouble in _OFTEN:
            yield from [trouble] * round(share * accounts)
    elif faults != "none":
        for kind in _kinds(faults):
            yield from [(Fault(kind, times=rng.choice((1, 2)), seconds=0.3),)] * max(1, accounts // 20)
    while True:
        yield ()


def _kinds(faults: str) -> list[str]:
    kinds = [kind.strip() for kind in faults.split(",") if kind.strip()]
    if unknown := [kind for kind in kinds if kind not in FAULTS]:
        known = ", ".join(sorted(FAULTS))
        raise UsageError(f"--faults {', '.join(unknown)}: say typical, none, or some of: {known}")
    return kinds


def _history(index: int) -> tuple[SimOrder, ...]:
    """Give every n-th account past orders: more than a first page shows, and a stop that still waits."""
    if index % _BUSY_EVERY != _BUSY_EVERY - 1:
        return ()
    past = (SimOrder(status=("FILLED", "CANCELED")[n % 2], age_s=_DAY_S * (1 + n)) for n in range(_PAST_ORDERS))
    waiting = SimOrder(
        status="PENDING_TRIGGER", order_type="STOP", time_in_force="GOOD_TILL_CANCEL", age_s=_DAY_S * 90
    )
    return (*past, waiting)


def _orders(rng: random.Random, trouble: Trouble) -> tuple[SimOrder, ...]:
    if not trouble and rng.random() < _NOTHING_OPEN_SHARE:
        return ()
    orders = (
        SimOrder(
            symbol=rng.choice(_SYMBOLS),
            side=rng.choice(("BUY", "SELL", "SELL_SHORT")),
            quantity=100 * rng.randint(1, 20),
            status=rng.choice(("NEW", "NEW", "PARTIALLY_FILLED")),
            time_in_force=rng.choice(("DAY", "DAY", "GOOD_TILL_CANCEL")),
            age_s=rng.uniform(1, 20_000),
        )
        for _ in range(rng.randint(1, 6))
    )
    return tuple(replace(one, filled=40) if one.status == "PARTIALLY_FILLED" else one for one in orders)


def prepare(made_up: Firm, base_url: str, *, watch_s: float = 0.0) -> Prepared:
    """Make ready a run against a simulator at `base_url`."""
    place = Path("(drill)")
    roster = Roster(place, "sha256:drill", time(), made_up.accounts, (), ())
    scope = Scope(all=True)
    press = Press(scope, "drill", source=Source.DRILL, watch_s=watch_s)
    settings = Settings(
        broker=Broker(base_url=base_url), roster=RosterFile(file=place), run=Run(deadline_s=DEADLINE_S)
    )
    return Prepared(press, settings, roster, {"default": Key(_KEY)}, plan(roster, scope, {"default"}))


def simulator(
    made_up: Firm, *, seed: int, latency_s: float, port: int = 0, rate_limit: RateLimit | None = None
) -> Simulator:
    """Give the simulator that a drill runs against, on loopback."""
    return Simulator(
        made_up.simulated, keys={_KEY: None}, seed=seed, latency_s=latency_s, port=port, rate_limit=rate_limit
    )


def written(folder: Path) -> tuple[Path, Path, Path]:
    """Give what `write` writes into a folder: settings, roster and key."""
    return folder / "panic.toml", folder / "accounts.csv", folder / "simulator.key"


def write(made_up: Firm, base_url: str, folder: Path, sections: str = "") -> Path:
    """Write settings (and more `sections` of them), roster and key of a made-up firm; give the settings' path.

    Raises:
        UsageError: The folder cannot be written.
    """
    settings, roster, key = written(folder)
    rows = [f"{a.id},{a.name},{a.group},{a.owner},{a.priority}" for a in made_up.accounts]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        roster.write_text("\n".join(["id,name,group,owner,priority", *rows, ""]))
        key.touch(mode=0o600)
        key.write_text(_KEY + "\n")
        settings.write_text(
            f'[broker]\nbase_url = "{base_url}"\ncontact = "nobody: this is a simulator"\n\n'
            f'[credentials.default]\nfile = "simulator.key"\n\n[roster]\nfile = "accounts.csv"\n\n{sections}'
        )
    except OSError as error:
        raise UsageError(f"--write {folder}: {error.strerror}") from error
    return settings


def examine(report: Report, made_up: Firm, truth: Callable[[int], Truth]) -> Examination:
    """Compare a report with what really happened, account by account."""
    told: dict[int | None, list[AccountReport]] = {}
    for reported in report.accounts:
        told.setdefault(reported.id, []).append(reported)
    wrong: list[str] = []
    for account in made_up.accounts:
        reports = told.get(account.id, [])
        if len(reports) != 1:
            wrong.append(f"account {account.id}: reported {len(reports)} times")
        else:
            wrong += [f"account {account.id}: {w}" for w in _contradictions(reports[0], truth(account.id))][:1]
    return Examination(len(made_up.accounts), len(made_up.accounts) - len(wrong), tuple(wrong))


def _contradictions(account: AccountReport, truth: Truth) -> Iterable[str]:
    is_clear = account.verdict is Verdict.CLEAR
    if is_clear and truth.open:
        yield f"FALSE CLEAR: {len(truth.open)} orders are open"
    if not is_clear and not truth.open and account.outcome is not Outcome.FORBIDDEN:
        yield f"reported {account.verdict}, and nothing is open"
    if account.outcome is Outcome.ACCEPTED and not truth.executed:
        yield "reported accepted, and no cancel was executed"
    if account.standing in {Standing.OPEN, Standing.PENDING} and account.orders.open != len(truth.open):
        yield f"reported {account.orders.open} open orders, and there are {len(truth.open)}"
    if is_clear and {one.id: one.filled for one in account.order_list if one.filled} != truth.filled:
        yield f"reported other fills than the {len(truth.filled)} orders that filled meanwhile"
    for one in account.order_list:
        price = truth.prices.get(one.id)
        if one.fill_price is not None and (price is None or abs(one.fill_price - price) > _CENT):
            yield f"reported a fill at {one.fill_price}, and it was at {price}"
