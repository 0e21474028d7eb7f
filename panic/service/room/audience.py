"""Those who watch one board, and what they were told: each text is written once for all of them."""

from panic.service.room.board import with_accounts
from panic.service.room.mailbox import Mailbox, event

_BYTES_A_SECOND = 1e9
"""What it takes to hand a text to one watcher."""


class Audience:
    """Whoever comes late is told the last whole board, and the letters that changed since.

    Attributes:
        watchers: Who is told.
        rows: Who the accounts of the run are.
        whole: The board as it was written last, with its accounts; empty before the first one.
    """

    def __init__(self) -> None:
        self.watchers: set[Mailbox] = set()
        self.rows = self.whole = b""
        self._since: list[bytes] = []

    @property
    def cost_s(self) -> float:
        """What it takes about to tell all of them a board, seconds."""
        return len(self.watchers) * len(self.whole) / _BYTES_A_SECOND

    @property
    def is_behind(self) -> bool:
        """Whether letters were told since the last whole board."""
        return bool(self._since)

    def welcome(self, one: Mailbox) -> None:
        """Tell one more, from what is known on."""
        self.watchers.add(one)
        if self.whole:
            one.board(event("board", self.whole))
            for cells in self._since:
                one.cells(cells)

    def forget(self) -> None:
        """What was written is not up to date any more."""
        self.whole, self._since = b"", []

    def tell_board(self, text: bytes) -> None:
        """Tell a board that leaves its accounts out; those who know them do not need them."""
        self._tell(event("board", text), with_accounts(text, self.rows))

    def tell_last(self, whole: bytes) -> None:
        """Tell the board of a run that is over, accounts and all."""
        self._tell(event("board", whole), whole)

    def _tell(self, short: bytes, whole: bytes) -> None:
        self.whole, self._since, long = whole, [], event("board", whole)
        for one in self.watchers:
            one.board(short if one.knows_accounts else long)

    def tell_cells(self, text: bytes) -> None:
        """Tell the letters that changed."""
        message = event("cells", text)
        self._since.append(message)
        for one in self.watchers:
            one.cells(message)

    def tell_stale(self, text: bytes) -> None:
        """Tell that the board cannot be kept up to date."""
        for one in self.watchers:
            one.cells(event("stale", text))
