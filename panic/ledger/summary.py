"""One run in a list of runs: how it began and ended, and whether it may be resumed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from panic.broker.outcomes import Verdict
from panic.kit.process import Process, is_alive
from panic.ledger.record import Finished, Joined, LastPress, Pressed, Resumed
from panic.ledger.replay import Replay

RESUMABLE_S = 300.0
"""How long after its deadline a run may be resumed; later than that the order book is a different one."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in a list, with the places of its press, end (0: none) and last press among all on record."""

    run: str
    pressed: Pressed
    finished: Finished | None
    resumed: tuple[Resumed, ...] = ()
    alive: bool | None = None
    joined: tuple[Joined, ...] = ()
    began: int = 0
    ended: int = 0
    pressed_last: int = 0

    @classmethod
    def of(cls, replay: Replay) -> "Summary":
        """Sum up a run whose record tells who pressed."""
        assert replay.pressed is not None  # noqa: S101  (whoever asks has looked)
        alive = None if replay.process is None or replay.finished else is_alive(replay.process)
        return cls(replay.run, replay.pressed, replay.finished, tuple(replay.resumed), alive, tuple(replay.joined))

    @property
    def last_press(self) -> LastPress:
        """Its last press."""
        return LastPress.of(self.run, self.pressed, self.joined)

    @property
    def is_clear(self) -> bool:
        """Whether it ended clear, by the verdict in its own last event."""
        return self.finished is not None and self.finished.verdict is Verdict.CLEAR

    @property
    def process(self) -> Process:
        """The process that had the run last."""
        return self.resumed[-1].process if self.resumed else self.pressed.process

    @property
    def deadline(self) -> datetime:
        """The deadline of the process that had it last."""
        began = self.resumed[-1].at if self.resumed else self.pressed.started_at
        return began + timedelta(seconds=self.pressed.deadline_s)

    @property
    def resumable_until(self) -> datetime:
        """Until when it may be resumed, however often it already was."""
        return self.pressed.started_at + timedelta(seconds=self.pressed.deadline_s + RESUMABLE_S)

    def resumable(self, now: datetime) -> bool:
        """Whether the time to resume it has come, and not passed: a clock may have been set back."""
        return self.finished is None and self.pressed.started_at <= now < self.resumable_until

    def state(self, now: datetime) -> str:
        """Give its state in a word or two."""
        if self.finished is not None:
            return str(self.finished.verdict)
        if self.alive:
            return "under way"
        if self.resumable(now):
            return "unfinished"
        return "unfinished, " + ("of the future" if now < self.pressed.started_at else "too old to resume")
