"""A glance: what strangers may ask of the disk."""

import threading

import pytest

from panic.service import reading
from panic.service.reading import Glance


async def test_a_disk_that_hangs_keeps_one_thread(monkeypatch: pytest.MonkeyPatch):
    """However many ask meanwhile, they wait a moment and are told nothing; afterwards everybody is told again."""
    monkeypatch.setattr(reading, "GLANCE_S", 0.01)
    glance, began, answers, looks = Glance(), threading.Event(), threading.Event(), []

    def look() -> str:
        looks.append("a look")
        began.set()
        answers.wait()
        return "seen"

    hung = [await glance.at(look) for _ in range(3)]
    began.wait()
    found = len(looks)
    answers.set()
    monkeypatch.setattr(reading, "GLANCE_S", 20.0)

    assert ([None] * 3, 1) == (hung, found)
    assert "seen" == await glance.at(look)


async def test_a_look_that_fails_is_no_error_of_who_asked():
    """There is nothing to tell."""

    def look() -> str:
        raise OSError("gone")

    assert await Glance().at(look) is None
