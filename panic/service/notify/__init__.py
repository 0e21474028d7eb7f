"""Telling people of a run: chat, pager, e-mail and plain webhooks.

    notice     what is told, and a run's notices    channel    tells one channel, until it is told
    delivery   one delivery; the library            notifier   all channels; which pages are open

Each change is told once. A pager repeats, escalates and is acknowledged; it knows by its dedup key what belongs
together. A run never waits for any of it, and none of it can fail a run.
"""

from panic.service.notify.notice import Kind, Notice, notices_of
from panic.service.notify.notifier import Notifier

__all__ = ["Kind", "Notice", "Notifier", "notices_of"]
