"""Telling people of a run: chat, pager, e-mail and plain webhooks.

    notice     what is told                   schedule   when a page is told, to whom: pure
    words      a run's notices, in words      outbox     a channel's bounded queue
    delivery   one delivery; the library      channel    one channel's thread
    quiet      silence for the library        notifier   all of it together

A run never waits for any of it, and none of it can fail a run.
"""

from panic.notify.notice import Kind, Notice
from panic.notify.notifier import Notifier
from panic.notify.words import notices_of

__all__ = ["Kind", "Notice", "Notifier", "notices_of"]
