"""The service's requests: the models that validate them are the ones in the OpenAPI document.

Closed, strict and bounded. What a scope and its filters mean is judged where a press is planned.
"""

from typing import Annotated, Final, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from panic.accounts.plan import Scope
from panic.service.problems import ProblemError, of_validation

WAIT_MOST_S: Final = 3600.0
"""The longest wait for a report on an open connection; follow the events for longer."""

_DAY_S = 86_400.0
_WORD = r"\S"
_SYMBOL = r"^[!-+\--~]+( [!-+\--~]+)*$"

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_WORD)]
Who = Annotated[str, StringConstraints(max_length=100)]
Group = Annotated[str, StringConstraints(min_length=1, max_length=200)]
AccountId = Annotated[int, Field(ge=1, lt=1 << 63)]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_SYMBOL)]

Side = Literal["BUY", "SELL"]
Type = Literal["MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "TRAILING_STOP_LIMIT", "OTHER"]
InstrumentType = Literal["COMMON_STOCK", "INDEX", "OPTION", "CASH"]


class _Query(BaseModel):
    """Frozen, closed, and silent about its input."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Asked(_Query):
    """Strict besides: JSON has types."""

    model_config = ConfigDict(strict=True)


class ScopeAsked(_Asked):
    """Which accounts: all of them, or some groups and accounts. Only a reset has a default: everything."""

    all: bool = False
    groups: Annotated[tuple[Group, ...], Field(max_length=1000)] = ()
    accounts: Annotated[tuple[AccountId, ...], Field(max_length=5000)] = ()


class FiltersAsked(_Asked):
    """Which of their orders; what is left out means every order."""

    side: Side | None = None
    type: Type | None = None
    instrument_type: InstrumentType | None = None
    instruments: Annotated[
        tuple[Symbol, ...], Field(max_length=1000, description="Symbols or UUIDs, one in each item.")
    ] = ()


class PlanAsked(_Asked):
    """What a press would cover."""

    scope: ScopeAsked
    filters: FiltersAsked = FiltersAsked()

    def to_scope(self) -> Scope:
        """Give the scope as the engine has it."""
        filters = self.filters
        orders = (filters.side, filters.type, filters.instrument_type, filters.instruments)
        return Scope.of(self.scope.all, self.scope.groups, self.scope.accounts, orders)


class PressAsked(PlanAsked):
    """A press: a scope and a reason are enough."""

    reason: Annotated[Reason, Field(description="Why; goes into the report and on record.")]
    by: Annotated[Who, Field(description="On behalf of whom, beside the token's own name.")] = ""
    watch_s: Annotated[float, Field(ge=0, le=_DAY_S)] | None = None
    deadline_s: Annotated[float, Field(gt=0, le=_DAY_S)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None
    verify: bool = True
    latch: bool = False
    dry_run: Annotated[bool, Field(description="Answer with the plan and send nothing.")] = False
    wait: Annotated[float, Field(ge=0, le=WAIT_MOST_S, description="Seconds to wait for the report.")] | None = (
        None
    )


class ByAsked(_Asked):
    """Who does it, beside the token's own name."""

    by: Who = ""


class ResetAsked(_Asked):
    """The deliberate act that ends the engaged state."""

    reason: Reason
    scope: ScopeAsked = ScopeAsked()
    force: Annotated[str, StringConstraints(max_length=1000)] = ""
    by: Who = ""
    dry_run: bool = False


class TokenAsked(_Asked):
    """Whose session it shall be."""

    token: Annotated[str, Field(min_length=1, max_length=1000, repr=False)]


class EndAsked(_Asked):
    """Which session to end."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class RunsQuery(_Query):
    """How many runs to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 20


class EventsQuery(_Query):
    """Which run to tell of, beside how things stand."""

    run: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9-]*$")] = ""


class OrdersQuery(_Query):
    """Which open orders: scope and filters as of a press, lists as words between commas; the largest first."""

    all: bool = False
    groups: Annotated[str, StringConstraints(max_length=1000)] = ""
    accounts: Annotated[str, StringConstraints(max_length=4000, pattern=r"^([0-9]{1,18}(,[0-9]{1,18})*)?$")] = ""
    side: Side | None = None
    type: Type | None = None
    instrument_type: InstrumentType | None = None
    instruments: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[ -~]*$")] = ""
    limit: Annotated[int, Field(ge=0, le=10_000, description="So many of the orders; the sums are of all.")] = 1000

    def to_scope(self) -> Scope:
        """Give the scope as the engine has it."""
        orders = (self.side, self.type, self.instrument_type, _words(self.instruments))
        return Scope.of(self.all, _words(self.groups), map(int, _words(self.accounts)), orders)


def _words(text: str) -> list[str]:
    return text.split(",") if text else []


class BeginQuery(_Query):
    """Where on the page to go on afterwards, and whether to prove anew who one is."""

    page: Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9/-]*$")] = ""
    fresh: bool = False


class DoneQuery(_Query):
    """What the identity provider sends back; it may say more."""

    model_config = ConfigDict(extra="ignore")

    state: Annotated[str, Field(max_length=200)] = ""
    code: Annotated[str, Field(max_length=4000, repr=False)] = ""
    error: Annotated[str, Field(max_length=200)] = ""
    iss: Annotated[str, Field(max_length=2000)] = ""


_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], body: bytes) -> _Model:
    """Read a body, or raise a ProblemError that lists every mistake."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise of_validation(error, "body") from None


def read_query(model: type[_Model], request: web.Request) -> _Model:
    """Read the query, each name once, or raise the same."""
    if len(request.query) != len(set(request.query)):
        raise ProblemError("malformed", "a name stands in the query more than once")
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise of_validation(error, "query") from None
