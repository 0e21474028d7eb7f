"""Pauses the garbage collector where a collection would be felt: see docs/decisions/0006-collector.md."""

import gc


class Pause:
    """One pause; if the process had switched the collector off, it stays off."""

    def __init__(self) -> None:
        self._paused = False

    def begin(self) -> None:
        """Collect nothing from now on."""
        if gc.isenabled():
            gc.disable()
            self._paused = True

    def end(self) -> None:
        """Collect again; does nothing when no pause is on."""
        if self._paused:
            gc.enable()
            self._paused = False

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()
