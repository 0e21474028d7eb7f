"""What the routes of the room and of the service itself work with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from panic.config import Settings
from panic.kit.background import Aside
from panic.service.audit import Audit
from panic.service.desk import Desk
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.selftest.proving import Proving
from panic.service.standby import Standby


@dataclass
class Parts:
    """What the routes of the room and of the service itself work with.

    Attributes:
        ready: Why a press would not work, in one word; empty if it would.
        proving: The self-test; None where there is none.
        streams: The tasks of those who follow events.
    """

    desk: Desk
    standby: Standby
    notifier: Notifier
    audit: Audit
    metrics: Metrics
    env: Mapping[str, str]
    ready: Callable[[], str]
    threads: Aside
    proving: Proving | None = None
    streams: set["asyncio.Task[Any]"] = field(default_factory=set)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.standby.settings

    def scrub(self, text: str) -> str:
        """Take keys out of words from outside."""
        return self.standby.scrub(text)
