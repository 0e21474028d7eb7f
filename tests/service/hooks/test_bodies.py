"""What a call says: the worse of what it could mean, unless it says that it is over or a test."""

import json
import sys
from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.service.hooks.bodies import PARTS_MOST, TEXT_MOST, Meaning, understand
from tests.service.hooks.support import BREACH, alertmanager, grafana, legacy

SUMMARY = "Desk A is below its daily loss limit"
FIRING = f"firing: DrawdownLimit: {SUMMARY}"
RESOLVED = f"resolved: DrawdownLimit: {SUMMARY}"
MANY = [{"status": "firing", "labels": {"alertname": f"Limit{n // 2}"}} for n in range(16)]
NAMED = "firing: Limit0, Limit1, Limit2, Limit3, Limit4 and 3 more"


@pytest.mark.parametrize(
    ("body", "meaning", "text"),
    [
        (alertmanager("firing"), Meaning.FIRING, FIRING),
        (alertmanager("resolved", "firing", status="resolved"), Meaning.FIRING, FIRING),
        (alertmanager("resolved", status="firing"), Meaning.FIRING, FIRING),
        (alertmanager("firing", truncatedAlerts=7), Meaning.FIRING, FIRING),
        (alertmanager(alerts=MANY), Meaning.FIRING, f"{NAMED}: {SUMMARY}"),
        (alertmanager("resolved", "resolved"), Meaning.RESOLVED, RESOLVED),
        (grafana("resolved", "firing"), Meaning.FIRING, FIRING),
        (grafana("resolved"), Meaning.RESOLVED, RESOLVED),
        (legacy("alerting"), Meaning.FIRING, "firing: Drawdown: [alerting] Drawdown"),
        (legacy("ok"), Meaning.RESOLVED, "resolved: Drawdown: [ok] Drawdown"),
        (BREACH, Meaning.FIRING, "risk.limit.breached: desk A lost 2m"),
        (b'{"type":"limit.resolved","data":{}}', Meaning.RESOLVED, "resolved: limit.resolved"),
        (b'{"type":"limit","data":{"status":"resolved"}}', Meaning.RESOLVED, "resolved: limit"),
        (b'{"status":"RESOLVED"}', Meaning.RESOLVED, "resolved"),
        (b'\xef\xbb\xbf{"status":"firing"}', Meaning.FIRING, "firing"),
        (b'{"type":"test"}', Meaning.TEST, "a test: test"),
        (b'{"type":"risk.limit.test","data":{}}', Meaning.TEST, "a test: risk.limit.test"),
        (b'{"status":"test"}', Meaning.TEST, "a test"),
    ],
)
def test_what_senders_say_is_understood(body: bytes, meaning: Meaning, text: str):
    """Any alert that fires makes its group fire, whatever the group says."""
    assert (meaning, text) == (understand(body).meaning, understand(body).text)


CONTRADICTIONS = {
    Meaning.FIRING: [  # wherever it stands, and whatever else is said: that it is over, or a test
        b'{"type":"risk.limit.test","status":"firing","data":{}}',
        b'{"type":"limit.breached","state":"ok","data":{"status":"breached"}}',
        b'{"type":"limit.resolved","data":{"status":"firing"}}',
        b'{"status":["firing"],"state":"resolved"}',
        b'{"type":"limit.breach","status":"resolved"}',
        b'{"type":"limit.breached.test","data":{}}',
        b'{"state":"ok","status":" Firing "}',
        b'{"state":"ok","data":[{"status":"firing"}]}',
        b'{"status":"resolved","data":{"limit":{"state":"breached"}}}',
        alertmanager("resolved", data={"status": "firing"}),
        alertmanager("resolved", type="limit.breached"),
        alertmanager(alerts=[{"status": "resolved", "state": "alerting"}], status="resolved"),
        grafana("resolved", state="alerting"),
        b'{"type":"latest","data":{}}',
        b'{"type":"unresolved","data":{}}',
    ],
    Meaning.ODD: [  # over or a test by half, or what would break a parser
        b'{"type":"limit.test","status":"severe"}',
        b'{"type":"limit.resolved","data":{"status":"pending"}}',
        b'{"type":["limit"],"state":"ok"}',
        b'{"state":"ok","data":"breached"}',
        b'{"status":"ok","state":7}',
        alertmanager("resolved", data={"status": "pending"}),
        alertmanager(alerts=[{"status": "resolved", "state": "pending"}], status="resolved"),
        b"[" * (1 << 20),
        b'{"status":"resolved","a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"status":"resolved","a":' + b"9" * (sys.get_int_max_str_digits() + 1) + b"}",
    ],
}


def test_a_body_of_a_great_many_parts_is_not_read():
    """It would hold up the loop; nobody's alerts have so many."""
    parts = b",".join([b"{}"] * PARTS_MOST)

    assert (Meaning.ODD, "it has more than 5,000 parts") == astuple(understand(b'{"alerts":[%s]}' % parts))


@pytest.mark.parametrize("meaning", CONTRADICTIONS)
def test_the_worse_of_two_meanings_counts(meaning: Meaning):
    """Where something is not understood, it may be anything; a word within a word is none."""
    assert {meaning} == {understand(body).meaning for body in CONTRADICTIONS[meaning]}


def test_a_secret_is_taken_out_while_it_is_whole():
    """Wherever in the text it stands, and however it is spelled: half a key is a key's half."""
    key = "secretsecretsecret"
    said = alertmanager("firing", commonAnnotations={"summary": "x" * (TEXT_MOST - 40) + key})
    escaped = alertmanager("firing", commonAnnotations={"summary": key}).replace(b"secret", b"\\u0073ecret")
    texts = [understand(body, lambda text: text.replace(key, "[key]")).text for body in (said, escaped)]

    assert "firing: DrawdownLimit: [key]" == texts[1]
    assert not any("sec" in text for text in texts)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b" \n", "it is empty"),
        (b"firing", "it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b'{"status":"resolved"'.decode().encode("utf-16"), "it is not UTF-8 text"),
        (b'"resolved"', "it is JSON, but not an object"),
        (b"{}", "it is JSON of no known form"),
        (b'{"status":"resolved","status":"resolved"}', "it is not JSON: a name stands twice in one object"),
        (b'{"status":"resolved","value":NaN}', "it is not JSON: NaN is no number"),
        (b'{"status":["resolved"]}', "it is JSON of no known form"),
        (b'{"type":7,"data":{}}', "it is JSON of no known form"),
        (b'{"type":"limit","data":{"status":"odd"}}', "it is JSON of no known form: limit"),
        (legacy("no_data"), "it is JSON of no known form: Drawdown: [no_data] Drawdown"),
        (alertmanager("resolved", "suppressed"), "it is neither firing nor resolved as a whole"),
        (alertmanager(alerts=[], status="what"), "it is neither firing nor resolved as a whole"),
        (alertmanager("resolved", alerts={}), "its alerts are no list of alerts"),
        (alertmanager("resolved", alerts=[None]), "its alerts are no list of alerts"),
        (alertmanager("resolved", truncatedAlerts=1), "its sender left alerts out, and those may be firing"),
    ],
)
def test_what_nobody_knows_is_odd(body: bytes, why: str):
    """Also where it seems to say that it is over, but may not."""
    assert (Meaning.ODD, why) == (understand(body).meaning, understand(body).text)


_WORDS = st.sampled_from(["status", "state", "alerts", "type", "data", "labels", "firing", "ok", "\x1b"])
_JSON = st.recursive(
    _WORDS | st.none(), lambda inner: st.lists(inner) | st.dictionaries(_WORDS, inner), max_leaves=8
)


@settings(max_examples=50)
@given(st.binary() | st.dictionaries(_WORDS, _JSON).map(lambda said: json.dumps(said).encode()))
def test_whatever_comes_says_something(body: bytes):
    """In one clean line."""
    understood = understand(body)

    assert understood.text.isprintable()
    assert len(understood.text) <= TEXT_MOST
