"""What does a body say? Alertmanager's, Grafana's, Standard Webhooks', and any other.

A body decides nothing but this: does it say that the trouble is over, or that this is a test? Then nothing is
pressed. Everything else from an authentic caller is trouble, understood or not. Where a body contradicts
itself, the worse of the two counts: what fires anywhere in it fires, and what is over or a test is so only if
nothing else that it says of its state is not understood.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from panic.kit.words import clip

TEXT_MOST = 500
PARTS_MOST = 5_000
"""Objects and lists in a body, of which an alert has five: a few milliseconds of the loop."""

_NAME_MOST = 120
_NAMED_MOST = 5
"""How many alerts are named; the rest are counted."""

_WORDS = {
    "firing": "firing",
    "alerting": "firing",
    "breach": "firing",
    "breached": "firing",
    "resolved": "resolved",
    "ok": "resolved",
}
"""The states of alerts, today's and Grafana's older ones. Others (no_data, paused) are not understood."""

_STATES = ("status", "state")
_FIRING_TYPES = {"firing", "alerting", "breached"}
_PARTS = re.compile(r"[^a-z0-9]+")
_READ = {"alertname", "ruleName", "type", "summary", "description", "message", "title"}
"""What of a body is told to people."""


class Meaning(StrEnum):
    """What a body says: something is wrong, it is over, it is a test, or it is not understood."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Understood:
    """What a body says, and in one clean line what about; or why nobody knows."""

    meaning: Meaning
    text: str


def understand(body: bytes, scrub: Callable[[str], str] = str) -> Understood:
    """Say what a body means; never raises. `scrub` takes secrets out of what is told, while they are whole."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = {name: scrub(v) if name in _READ and isinstance(v, str) else v for name, v in pairs}
        if len(found) < len(pairs):
            raise ValueError("a name stands twice in one object")
        return found

    if body.count(b"{") + body.count(b"[") > PARTS_MOST:
        return odd(f"it has more than {PARTS_MOST:,} parts")
    try:
        said = json.loads(body.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=_constant)
    except UnicodeDecodeError:
        return odd("it is not UTF-8 text")
    except RecursionError:
        return odd("it is nested too deeply")
    except ValueError as error:  # no JSON, a name that stands twice, NaN, a number of thousands of digits
        return odd("it is empty" if not body.strip() else f"it is not JSON: {error}")
    if not isinstance(said, dict):
        return odd("it is JSON, but not an object")
    return _alerts(said) if "alerts" in said else _event(said)


def odd(why: str) -> Understood:
    """Say why a body is not understood, in the middle of a sentence."""
    return Understood(Meaning.ODD, clip(why, TEXT_MOST))


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _alerts(said: Mapping[str, Any]) -> Understood:
    listed = said["alerts"]
    alerts = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    firing = [one for one in alerts if _fires(one)]
    words = {word for one in alerts for word in _states(one) or {""}}
    if _fires(said) or _is_of_firing(_text(said, "type")):
        return Understood(Meaning.FIRING, _line("firing", said, firing or alerts))
    if not isinstance(listed, list) or len(alerts) < len(listed):
        return odd("its alerts are no list of alerts")
    if words | _states(said) | _states_beside(said) != {"resolved"}:
        return odd("it is neither firing nor resolved as a whole")
    if said.get("truncatedAlerts") not in (None, 0):
        return odd("its sender left alerts out, and those may be firing")
    return Understood(Meaning.RESOLVED, _line("resolved", said, alerts))


def _event(said: Mapping[str, Any]) -> Understood:
    """Understand a Standard Webhooks event, a legacy alert of Grafana, or anything with a status or a state."""
    kind = said.get("type")
    kind = kind if isinstance(kind, str) else ""
    last = kind.rpartition(".")[2].lower()
    words = _states(said) | _states_beside(said)
    are_known = words <= {"", "resolved", "test"}
    if _fires(said):
        return Understood(Meaning.FIRING, _line("firing", said))
    if _is_of_firing(kind):
        return Understood(Meaning.FIRING, _line("", said))
    if are_known and (last == "test" or "test" in words):
        return Understood(Meaning.TEST, _line("a test", said))
    if are_known and (last == "resolved" or "resolved" in words):
        return Understood(Meaning.RESOLVED, _line("resolved", said))
    if kind and "data" in said and words <= {""}:
        return Understood(Meaning.FIRING, _line("", said))
    return odd(_line("it is JSON of no known form", said))


def _fires(said: object) -> bool:
    """Whether anything in it, however deep, says that it fires."""
    left = [said]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            left += one.values()
            states = [value for name, value in one.items() if name.lower() in _STATES]
            states += [word for value in states if isinstance(value, list) for word in value]
            if "firing" in map(_word, states):
                return True
    return False


def _is_of_firing(kind: str) -> bool:
    parts = _PARTS.split(kind.lower())
    return parts[-1] == "breach" or not _FIRING_TYPES.isdisjoint(parts)


def _states(table: Mapping[str, Any]) -> set[str]:
    return {_word(table[key]) for key in _STATES if key in table}


def _states_beside(said: Mapping[str, Any]) -> set[str]:
    """Give what an event says of its state in its data; and "odd" where type or data are of no known form."""
    are_known = isinstance(said.get("data"), dict | None) and isinstance(said.get("type"), str | None)
    return _states(_table(said, "data")) | (set() if are_known else {"odd"})


def _word(status: object) -> str:
    word = status.strip().lower() if isinstance(status, str) else "" if status is None else "odd"
    return _WORDS.get(word, word)


def _line(what: str, said: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]] = ()) -> str:
    """Say in one line what a body is about: the names of its alerts, or its own, and the first summary."""
    names = list(dict.fromkeys(filter(None, (_text(_table(one, "labels"), "alertname") for one in alerts))))
    own = _text(_table(said, "commonLabels"), "alertname") or _text(said, "ruleName") or _text(said, "type")
    more = len(names) - _NAMED_MOST
    named = ", ".join(clip(name, _NAME_MOST) for name in names[:_NAMED_MOST] or [own])
    named += f" and {more:,} more" if more > 0 else ""
    annotations = (_table(said, "commonAnnotations"), *(_table(one, "annotations") for one in alerts[:1]))
    summaries = [_text(one, key) for one in annotations for key in ("summary", "description")]
    summaries += [_text(_table(said, "data"), "message"), _text(said, "title"), _text(said, "message")]
    parts = (what, named, next(filter(None, summaries), ""))
    return clip(": ".join(" ".join(part.split()) for part in parts if part.strip()), TEXT_MOST)


def _table(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value[:TEXT_MOST].strip() if isinstance(value, str) else ""
