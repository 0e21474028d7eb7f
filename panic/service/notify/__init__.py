"""Telling people of a run: chat, pager, e-mail and plain webhooks.

    notice     what is told               outbox     what one channel still has to be told
    words      a run's notices            channel    tells one channel, until it is told
    delivery   one delivery; the library  notifier   all channels; which pages are open
    quiet      silence for the library

Each change is told once. A pager repeats, escalates and is acknowledged; it knows by its dedup key what belongs
together. A run never waits for any of it, and none of it can fail a run.
"""

from panic.service.notify.notice import Kind, Notice
from panic.service.notify.notifier import Notifier
from panic.service.notify.words import notices_of

__all__ = ["Kind", "Notice", "Notifier", "notices_of"]
