"""The document of any run at all: every account once, the worst first, and JSON by its published schema."""

import json
from collections import Counter
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.accounts.plan import Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import EXIT_CODES, WORST_FIRST, Standing, Verdict, worst
from panic.engine.case import Case
from panic.report.document import SCHEMA, json_schema, to_json
from tests.kit.builders import a_bad_row, a_case, an_answer, an_order
from tests.report.test_report import a_report, a_worked_case

answers = st.builds(
    an_answer,
    st.sampled_from([200, 404, 401, 403, 429, 503, None]),
    request_id=st.sampled_from(["", "r1"]),
    own_envelope=st.booleans(),
    note=st.sampled_from(["", "odd"]),
    error=st.sampled_from(["", "no answer in time"]),
    orders=st.sampled_from([(), (an_order("x", "PENDING_CANCEL", filled_quantity="3"),)]),
)
runs = st.dictionaries(
    st.integers(1, 2**63 - 1),
    st.tuples(st.lists(answers, max_size=3), st.sampled_from(Standing), st.text(max_size=5)),
    min_size=1,
    max_size=12,
)
rows = st.lists(st.none() | st.integers(1, 2**63 - 1), max_size=4, unique_by=lambda id_: id_ or object())

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def a_run(facts: dict[int, Any], bad: list[int | None]) -> tuple[list[Case], list[Unsent]]:
    """Cases, accounts without a key and unreadable rows, from drawn facts."""
    cases, unsent = [], []
    for id_, (told, standing, name) in facts.items():
        if id_ % 5 == 0:
            unsent.append(Unsent("no key", account=Account(id_, name)))
        else:
            cases.append(a_worked_case(id_, *told, standing=standing if told else Standing.UNREAD, name=name))
    unsent += [Unsent("bad", row=a_bad_row(n, id_)) for n, id_ in enumerate(bad) if id_ not in facts]
    return cases, unsent


@settings(max_examples=40)
@given(runs, rows, st.sampled_from([(), (7,)]))
def test_every_account_ends_in_the_report_exactly_once_and_it_is_by_its_schema(
    facts: dict[int, Any], bad: list[int | None], unlisted: tuple[int, ...]
):
    """Whatever happened to it; worst first; the verdict is the worst; a program that knows the schema reads it."""
    cases, unsent = a_run(facts, bad)
    if not cases and not unsent:
        return
    found = a_report(*cases, unsent=tuple(unsent), unlisted=unlisted)
    expected = [*facts, *(id_ for id_ in bad if id_ not in facts)]
    ranks = [WORST_FIRST.index(account.verdict) for account in found.accounts]
    verdicts = [account.verdict for account in found.accounts]

    written = json.loads(to_json(found))

    VALIDATOR.validate(written)
    assert SCHEMA == written["schema"]
    assert written["started_at"].startswith("2026-03-02T00:00:00")
    assert Counter(expected) == Counter(account.id for account in found.accounts)
    assert sorted(ranks) == ranks
    assert worst(*verdicts, *([Verdict.UNVERIFIED] if unlisted else [])) is found.verdict
    assert EXIT_CODES[found.verdict] == found.exit_code
    assert dict(Counter(verdicts)) == found.totals.verdicts
    orders = [(account.verdict, order) for account in found.accounts for order in account.order_list]
    assert [] == [order for verdict, order in orders if verdict is Verdict.CLEAR and order.open]
    assert found.totals.still_open.orders == sum(order.open for _, order in orders)
    assert sum(fill.quantity for fill in found.totals.fills) == sum(order.filled for _, order in orders)
    assert all(bool(account.next_step) == (account.verdict is not Verdict.CLEAR) for account in found.accounts)


def test_the_schema_refuses_what_is_no_report():
    """It says something: it is no empty promise."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    written = json.loads(to_json(a_report(a_case(1))))

    assert not VALIDATOR.is_valid({})
    assert not VALIDATOR.is_valid({**written, "verdict": "fine"})
    assert not VALIDATOR.is_valid({**written, "accounts": [{}]})
    assert "https://json-schema.org/draft/2020-12/schema" == json_schema()["$schema"]
