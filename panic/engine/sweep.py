"""The sweep: the first DELETE of every account, and whether all of them are over."""

import asyncio

from panic.broker.answers import Answer
from panic.kit.collector import Pause


class Sweep:
    """How many accounts are owed their first DELETE.

    Attributes:
        done: Set while nobody is owed one, or none will be sent any more.
        last_at: Loop time at which the last one left.
        collector_pause: Ends with the sweep; whoever makes the run ready may begin it before.
    """

    def __init__(self) -> None:
        self.unsent = 0
        self.done = asyncio.Event()
        self.last_at: float | None = None
        self.collector_pause = Pause()

    def owe(self, more: int) -> None:
        """Owe so many accounts a first DELETE; a run that was resumed may owe none."""
        self.unsent += more
        if self.unsent:
            self.done.clear()
        else:
            self.end()

    def sent(self, answer: Answer) -> None:
        """Note that one of them is over."""
        self.unsent -= 1
        self.last_at = max(self.last_at or answer.began, answer.began)
        if not self.unsent:
            self.end()

    def end(self) -> None:
        """Keep nobody waiting for it any longer."""
        self.done.set()
        self.collector_pause.end()
