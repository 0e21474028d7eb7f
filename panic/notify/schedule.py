"""When pages are told: pure, from times that others hand in. All times are seconds by one steady clock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from panic.notify.notice import Notice

_REMEMBERED_MOST = 1000
"""So many pages that somebody acknowledged are remembered, to tell when they are closed."""


def told_by(elapsed_s: float, after_s: float, repeat_s: float) -> int:
    """Count the times that a channel is due to have been told of a page which has been open so long."""
    if elapsed_s < after_s:
        return 0
    times = int((elapsed_s - after_s) // repeat_s)
    while told_at(times, after_s, repeat_s) <= elapsed_s:  # the division may have been rounded down
        times += 1
    while told_at(times - 1, after_s, repeat_s) > elapsed_s:  # or up
        times -= 1
    return times


def told_at(time: int, after_s: float, repeat_s: float) -> float:
    """Give the seconds after which an open page is told for the n-th time, counted from nought."""
    return after_s + time * repeat_s


@dataclass(slots=True)
class _Page:
    """One page: its newest words, and how often each channel was told."""

    notice: Notice
    opened_at: float
    told: dict[str, int] = field(default_factory=dict)
    is_open: bool = True


Telling = tuple[str, Notice]
"""A channel's name, and what it is told now."""


class Pager:
    """The open pages, and who is told of them when. It neither waits nor sends.

    Args:
        after: Each paged channel's name, with how long a page is open before that channel is told.
        repeat_s: The time from one telling to the next.
    """

    def __init__(self, after: Mapping[str, float], repeat_s: float) -> None:
        self._after = dict(after)
        self._repeat_s = repeat_s
        self._pages: dict[str, _Page] = {}

    @property
    def open(self) -> list[Notice]:
        """The pages that nobody has acknowledged, oldest first."""
        return [page.notice for page in self._pages.values() if page.is_open]

    def page(self, notice: Notice, now: float) -> None:
        """Open a page, or give an open one its newest words.

        An acknowledged page stays so while it says the same; with other words it is a new page: whoever
        acknowledged it did not know of them.
        """
        page = self._pages.get(notice.key)
        if page is None or (not page.is_open and page.notice != notice):
            told = {} if page is None else dict.fromkeys(page.told, 0)
            self._pages.pop(notice.key, None)
            self._pages[notice.key] = _Page(notice, now, told)
            self._forget()
        elif page.is_open:
            page.notice = notice

    def due(self, now: float) -> list[Telling]:
        """Give what is to be told by now, once; tellings that were missed are not made up for."""
        return [*self._due(now)]

    def _due(self, now: float) -> Iterator[Telling]:
        for page in self._pages.values():
            for channel, after_s in self._after.items() if page.is_open else ():
                times = told_by(now - page.opened_at, after_s, self._repeat_s)
                if times > page.told.get(channel, 0):
                    page.told[channel] = times
                    yield channel, page.notice

    def next_at(self) -> float | None:
        """Give the time of the next telling; None when no page is open."""
        return min(
            (
                page.opened_at + told_at(page.told.get(channel, 0), after_s, self._repeat_s)
                for page in self._pages.values()
                if page.is_open
                for channel, after_s in self._after.items()
            ),
            default=None,
        )

    def acknowledge(self, what: str, by: str) -> list[Telling]:
        """End the repeating of a run's pages, or of the page with this key; tell those who were told of it.

        Returns:
            Empty when there is no such page, or when nobody was told of it.
        """
        tellings = []
        for page in self._of(what, what):
            if page.is_open:
                page.is_open = False
                words = f"Acknowledged by {by}: this page is not repeated any more.\n{page.notice.text}"
                told = replace(page.notice, title=f"ACKNOWLEDGED  {page.notice.title}", text=words)
                tellings += [(channel, told) for channel in page.told]
        return tellings

    def close(self, notice: Notice) -> list[Telling]:
        """End the page of a notice's key for good, acknowledged or not; tell those who were told of it.

        Other pages about the same run ask for something else than that it be clear, and stay.
        """
        page = self._pages.pop(notice.key, None)
        told = replace(notice, kind="page", title=f"CLOSED  {notice.title}", closes=True)
        return [(channel, told) for channel in page.told] if page is not None else []

    def is_open(self, what: str) -> bool:
        """Whether a page of this run, or with this key, is open."""
        return any(page.is_open for page in self._of(what, what))

    def has_told(self, channel: str, notice: Notice) -> bool:
        """Whether a channel was told the same by an open page."""
        page = self._pages.get(notice.key)
        return (
            page is not None
            and page.is_open
            and page.notice.title == notice.title
            and page.told.get(channel, 0) > 0
        )

    def told_of_open(self) -> list[Telling]:
        """Give every open page with each channel that was told of it."""
        return [(name, page.notice) for page in self._pages.values() if page.is_open for name in page.told]

    def _of(self, run: str, key: str) -> list[_Page]:
        return [
            page
            for page in self._pages.values()
            if (run and page.notice.run == run) or (key and page.notice.key == key)
        ]

    def _forget(self) -> None:
        """Keep every open page, and as many of the others as are worth it."""
        ended = [key for key, page in self._pages.items() if not page.is_open]
        for key in ended[: max(len(ended) - _REMEMBERED_MOST, 0)]:
            del self._pages[key]
