"""What does this say? Alertmanager's, Grafana's and Standard Webhooks bodies, and whatever else comes.

A body decides nothing but this: does it say that the trouble is over, or that this is a test? Then nothing is
pressed. Everything else from an authentic caller is trouble, understood or not. Where a body contradicts
itself, the worse of the two counts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from panic.words import clip

TEXT_MOST = 500
_NAME_MOST = 120
_NAMED_MOST = 5
"""So many alerts are named; how many there are besides is told."""

_WORDS = {"firing": "firing", "alerting": "firing", "resolved": "resolved", "ok": "resolved"}
"""The states of alerts, today's and Grafana's older ones. Others (no_data, paused) are not understood."""


class Meaning(StrEnum):
    """What a body says.

    Attributes:
        FIRING: Something is wrong.
        RESOLVED: It is over.
        TEST: Somebody tries the way from there to here.
        ODD: Nobody knows.
    """

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Understood:
    """What a body says, and in one clean line what about; or why nobody knows."""

    meaning: Meaning
    text: str


def understand(body: bytes) -> Understood:
    """Say what a body means; never raises, whatever it is handed."""
    try:
        said = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_constant)
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


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _alerts(said: Mapping[str, Any]) -> Understood:
    """Understand a group of alerts as Alertmanager and Grafana send it."""
    listed = said["alerts"]
    alerts = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    words = [_word(one.get("status")) for one in alerts]
    firing = [one for one, word in zip(alerts, words, strict=True) if word == "firing"]
    whole = {_word(said[key]) for key in ("status", "state") if key in said}
    are_all = isinstance(listed, list) and len(alerts) == len(listed)
    if firing and are_all and all(map(_is_grafanas_test, alerts)):
        return Understood(Meaning.TEST, _line("Grafana's test of its contact point", said, firing))
    if firing or "firing" in whole:
        return Understood(Meaning.FIRING, _line("firing", said, firing or alerts))
    if not are_all:
        return odd("its alerts are no list of alerts")
    if {*whole, *words} != {"resolved"}:
        return odd("it is neither firing nor resolved as a whole")
    if said.get("truncatedAlerts") not in (None, 0):
        return odd("its sender left alerts out, and those may be firing")
    return Understood(Meaning.RESOLVED, _line("resolved", said, alerts))


def _is_grafanas_test(alert: Mapping[str, Any]) -> bool:
    labels = _table(alert, "labels")
    return labels.get("alertname") == "TestAlert" and labels.get("instance", "Grafana") == "Grafana"


def _event(said: Mapping[str, Any]) -> Understood:
    """Understand a Standard Webhooks event, a legacy alert of Grafana, or anything with a status or a state."""
    kind = said.get("type")
    kind = kind if isinstance(kind, str) else ""
    last = kind.rpartition(".")[2].lower()
    words = {_word(table.get(key)) for table in (said, _table(said, "data")) for key in ("status", "state")}
    if last == "test" or (said.get("ruleId") == 0 and said.get("ruleName") == "Test notification"):
        return Understood(Meaning.TEST, _line("a test", said, (), kind))
    if "firing" in words:
        return Understood(Meaning.FIRING, _line("firing", said, (), kind))
    if "test" in words:
        return Understood(Meaning.TEST, _line("a test", said, (), kind))
    if "resolved" in words or last == "resolved":
        return Understood(Meaning.RESOLVED, _line("resolved", said, (), kind))
    if kind and "data" in said and words == {""}:
        return Understood(Meaning.FIRING, _line("", said, (), kind))
    return odd(_line("it is JSON of no known form", said, (), kind))


def _word(status: object) -> str:
    """Give the state in one of two words, another as it is, and nothing for none."""
    word = status.lower() if isinstance(status, str) else "" if status is None else "odd"
    return _WORDS.get(word, word)


def _line(what: str, said: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]], kind: str = "") -> str:
    """Put what happened into one clean line: the names first, then what people wrote about it."""
    names = list(dict.fromkeys(filter(None, (_text(_table(one, "labels"), "alertname") for one in alerts))))
    names = names or [_text(_table(said, "commonLabels"), "alertname") or _text(said, "ruleName") or kind]
    more = len(names) - _NAMED_MOST
    named = ", ".join(clip(name, _NAME_MOST) for name in names[:_NAMED_MOST])
    named += f" and {more:,} more" if more > 0 else ""
    parts = (what, named, next(filter(None, _summaries(said, alerts)), ""))
    return clip(": ".join(" ".join(part.split()) for part in parts if part.strip()), TEXT_MOST)


def _summaries(said: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Give what people wrote about it, the shortest form first."""
    for table in (_table(said, "commonAnnotations"), *(_table(one, "annotations") for one in alerts[:1])):
        yield _text(table, "summary")
        yield _text(table, "description")
    yield _text(_table(said, "data"), "message")
    yield _text(said, "title")
    yield _text(said, "message")


def _table(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value[:TEXT_MOST].strip() if isinstance(value, str) else ""
