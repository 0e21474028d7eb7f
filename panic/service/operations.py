"""What the service can be asked: each handler declares it, and routes and OpenAPI document are made from that."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel

Role = Literal["", "viewer", "presser", "resetter"]
RUN_ID: Final = "[A-Za-z0-9-]{1,64}"
ACCOUNT_ID: Final = "[0-9]{1,19}"

_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked. It decorates the method that answers, and takes its name and docstring.

    Attributes:
        role: What the token must be good for; empty where none is needed.
        answers: What a status comes with: a type, or the name of a media type other than JSON.
        refuses: The other statuses, all of them problems.
        headers: What it reads of them, as OpenAPI has it.
    """

    method: str
    path: str
    role: Role
    answers: Mapping[int, Any]
    refuses: tuple[int, ...] = ()
    person: bool = False
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: tuple[Mapping[str, Any], ...] = ()
    id: str = ""
    text: str = ""

    def __call__(self, handler: _Handler) -> _Handler:
        """Declare that a method answers this."""
        text = (handler.__doc__ or "").partition("\n")[0]
        handler.__dict__["operation"] = replace(self, id=handler.__name__, text=text)
        return handler

    @property
    def is_look(self) -> bool:
        """Whether it only looks, and gives an answer that ends; a session is what a page presses with."""
        return self.role == "viewer" and not self.path.startswith(("/v1/events", "/v1/session"))

    @property
    def refusals(self) -> tuple[int, ...]:
        """Every status with which it may be refused."""
        found = {400, 421, *self.refuses}
        if self.role:
            found |= {401, 403}
        if self.is_look:
            found |= {429, 503}
        if self.body is not None:
            found |= {408, 413, 415}
        if "{id}" in self.path:
            found.add(404)
        return tuple(sorted(found))


def operations_of(*classes: type) -> tuple[Operation, ...]:
    """Give what the methods of classes answer, in their order."""
    methods = [method for one in classes for method in vars(one).values()]
    return tuple(method.operation for method in methods if hasattr(method, "operation"))
