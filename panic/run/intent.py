"""What goes on record before the first DELETE: who pressed, why, and the plan; or who resumes what is left."""

from panic._version import VERSION
from panic.kit.process import here
from panic.ledger.record import SCHEMA, Pressed
from panic.ledger.recorder import Recorder
from panic.report.document import scope_report
from panic.run.press import Prepared
from panic.run.story import Story


def record_intent(recorder: Recorder, story: Story, prepared: Prepared, concurrency: int, *, drill: bool) -> None:
    """Hand the intent of a run to its recorder."""
    unfinished = prepared.unfinished
    if unfinished is None:
        recorder.press(_pressed(story, prepared, concurrency, drill=drill), prepared.plan)
    else:
        recorder.go_on(story.cases, unfinished.record.flags)
        if not unfinished.is_on_record:
            recorder.resume(unfinished.resumed)
    recorder.flag(prepared.flags)
    for joined in story.joined[len(unfinished.record.joined) if unfinished else 0 :]:
        recorder.join(joined)


def _pressed(story: Story, prepared: Prepared, concurrency: int, *, drill: bool) -> Pressed:
    settings, press = prepared.settings, prepared.press
    return Pressed(
        schema=SCHEMA,
        version=VERSION,
        drill=drill,
        base_url=settings.broker.base_url,
        contact=settings.broker.contact,
        settings_digest=settings.digest,
        roster=story.roster,
        trigger=story.trigger,
        scope=scope_report(press.scope, verify=press.verify, watch_s=story.watch_s),
        started_at=story.started_at,
        deadline_s=story.deadline_s,
        concurrency=concurrency,
        latch=press.latch,
        process=here(),
        key=press.key,
    )
