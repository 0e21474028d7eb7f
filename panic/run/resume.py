"""Resume a run that a process left unfinished: the same path as a press, minus what the ledger proves.

What the ledger proves clear is read again, everything else is sent again. Yesterday's run must not cancel
today's book, so five minutes past its deadline a run is not resumed: press again instead.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from panic._version import VERSION
from panic.accounts.plan import Plan
from panic.accounts.roster import Roster
from panic.accounts.roster import load as load_roster
from panic.config import Settings
from panic.config.secret import scrub, without_tokens
from panic.kit import background
from panic.kit.errors import ConfigurationError, PanicError, Problem, UsageError
from panic.kit.process import ENVIRONMENT, here
from panic.kit.words import clip
from panic.ledger import history
from panic.ledger.backlog import ConflictError
from panic.ledger.events import Event
from panic.ledger.history import Past
from panic.ledger.record import Kind, Pressed, Resumed, body
from panic.ledger.summary import Summary
from panic.ledger.writer import Writer
from panic.report.document import RECORD_DAMAGED, Flag
from panic.run.press import Prepared, Press, Unfinished, read_keys, whoami

READ_S = 15.0
"""How long reading the run from the ledger may take; if it hangs, press again instead."""

CLAIM_S = 2.0
"""How long recording the resume may take; after that the resume starts, and is put on record with what follows."""

_AGAIN = "Press again: that is always possible."


def prepare(
    settings: Settings, ledger: Writer | None, name: str, by: str = "", env: Mapping[str, str] = ENVIRONMENT
) -> Prepared:
    """Read an unfinished run from the ledger, claim it there, and prepare what is left of it, if it may be."""
    past = _recall(settings, name)
    pressed = _resumable(past, settings)
    replay = past.replay
    replay.close()
    keys, raised, broken = read_keys(settings, env)
    if not any(case.account.credential in keys for case in replay.cases.values()):
        raise ConfigurationError([*broken, Problem("no account of this run can be reached", "Fix the keys.")])
    who, leg = (
        clip(scrub(without_tokens(by or whoami(), settings.token_digests), keys.values())),
        secrets.token_hex(4),
    )
    resumed = Resumed(datetime.now(UTC), who, VERSION, here())
    raised.append(Flag("resumed", f"resumed by {who}: {replay.process} had died in the middle of it"))
    raised += [Flag(RECORD_DAMAGED, clip(words, 500)) for words in past.damage]
    press = Press(
        scope=replay.scope,
        reason=pressed.trigger.reason,
        by=pressed.trigger.by,
        source=pressed.trigger.source,
        deadline_s=pressed.deadline_s,
        concurrency=pressed.concurrency,
        watch_s=pressed.scope.watch_s,
        verify=pressed.scope.verify,
        latch=pressed.latch,
    )
    accounts = tuple(case.account for case in replay.cases.values())
    return Prepared(
        press=press,
        settings=settings,
        roster=_roster(settings, accounts),
        keys=keys,
        plan=Plan(replay.scope, accounts, replay.unsent),
        flags=tuple(dict.fromkeys([*replay.flags, *raised])),
        unfinished=Unfinished(replay, resumed, _claim(ledger, past, resumed, leg), leg),
    )


def _recall(settings: Settings, name: str) -> Past:
    ledger = settings.ledger
    try:
        return background.within(lambda: history.recall(ledger, history.find(ledger, name)), READ_S, "ledger")
    except TimeoutError:
        what = f"the ledger does not answer within {READ_S:g} s, so that nobody knows what is left to do"
        raise ConfigurationError([Problem(what, _AGAIN, ledger.file)]) from None


def _resumable(past: Past, settings: Settings) -> Pressed:
    """Give who pressed, if this run may be resumed here and now."""
    replay = past.replay
    pressed = replay.pressed
    if pressed is None or not replay.cases or past.faults:
        why = past.faults[0] if past.faults else "who pressed, or the plan, is not in it"
        raise UsageError(f"run {replay.run} cannot be resumed: its record is damaged ({why}). {_AGAIN}")
    if replay.finished is not None:
        raise UsageError(f"run {replay.run} came to its end: {past.report().verdict}. {_AGAIN}")
    if pressed.drill:
        raise UsageError(f"run {replay.run} was a drill, and its simulator is gone")
    summary = Summary.of(replay)
    now = datetime.now(UTC)
    if summary.alive:
        raise UsageError(f"run {replay.run} is under way in {summary.process}")
    if summary.alive is None and now < summary.deadline:
        raise UsageError(f"run {replay.run} may be under way in {summary.process}; look there. {_AGAIN}")
    if not summary.resumable(now):
        age = f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, and it began at {pressed.started_at:%Y-%m-%d %H:%M:%S}"
        raise UsageError(f"run {replay.run} is {summary.state(now).partition(', ')[2]}: {age}. {_AGAIN}")
    if pressed.base_url != (ours := settings.broker.base_url):
        what = f"run {replay.run} was pressed against {pressed.base_url}, and the settings say {ours}"
        raise ConfigurationError([Problem(what, _AGAIN, settings.file)])
    return pressed


def _roster(settings: Settings, accounts: tuple[object, ...]) -> Roster:
    """Give today's roster, to see who is excluded; failing that, one made of the run's accounts."""
    try:
        return load_roster(settings.roster.file, settings.credentials)
    except ConfigurationError:
        return Roster(settings.roster.file, "", 0.0, accounts, (), ())  # type: ignore[arg-type]


def _claim(ledger: Writer | None, past: Past, resumed: Resumed, leg: str) -> bool:
    """Claim the run in the ledger for this process; if two try at once, one is refused.

    If the ledger cannot be written in time, the run is resumed anyway: stopping fails open.
    """
    assert ledger is not None  # noqa: S101  (the run was found in it)
    event = Event(past.replay.run, Kind.RESUMED, f"{leg}-0", resumed.at.isoformat(), body(resumed))
    try:
        ledger.put(event, CLAIM_S, after=past.last_seq)
    except ConflictError:
        raise UsageError(f"run {event.run} was resumed by somebody else just now") from None
    except (PanicError, TimeoutError):
        return False
    return True
