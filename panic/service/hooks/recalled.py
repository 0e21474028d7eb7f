"""Which signed calls of hooks an earlier process took, as the audit tells: their copies press nothing again."""

from datetime import UTC, datetime

from panic.config import Settings
from panic.ledger.record import Kind
from panic.service.audit import entries, rows
from panic.service.hooks.decisions import Earlier
from panic.service.hooks.taken import KEPT_TIMES, Call

_TAKEN = ("hook_pressed", "hook_recorded", "hook_paged")


def hook_calls(settings: Settings) -> list[Call]:
    """Give the calls whose copies might still be let in.

    Raises:
        UsageError: There is no ledger.
        OSError: It cannot be read.
    """
    found, finished, now = [], _finished(settings), datetime.now(UTC).timestamp()
    for event in entries(settings):
        body = event.body
        hook = settings.hooks.get(str(body.get("hook")))
        if hook is None or body["what"] not in _TAKEN or not body.get("id") or body.get("act") == "joined":
            continue
        until = datetime.fromisoformat(event.at).timestamp() + KEPT_TIMES * hook.tolerance_s
        if until >= now:
            run = str(body["run_id"])
            earlier = Earlier(str(body["digest"]), int(body["timestamp"]), run, is_over=run in finished)
            found.append(Call(str(body["hook"]), str(body["id"]), earlier, until))
    return found


def _finished(settings: Settings) -> set[str]:
    return {row.run for row in rows(settings, Kind.FINISHED)}
