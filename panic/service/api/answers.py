"""What several routes need: JSON as an answer, and work on a thread whose mistakes become problems."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from aiohttp import web
from pydantic_core import to_json

from panic.kit.background import Aside
from panic.kit.errors import UsageError
from panic.service.problems import ProblemError, in_our_words

_T = TypeVar("_T")


def document(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON: bytes as they are, anything else as pydantic writes it."""
    text = body if isinstance(body, bytes) else to_json(body, indent=2)
    return web.Response(
        body=text, status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


async def on_thread(
    threads: Aside, work: Callable[[], _T], name: str, *, usage: str = "not_found", most_s: float | None = None
) -> _T:
    """Do work that may hang; a UsageError becomes the problem `usage`."""
    try:
        return await threads.do(work, name, most_s)
    except UsageError as error:
        raise ProblemError(usage, in_our_words(str(error))) from error
