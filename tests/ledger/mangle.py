"""JSON documents as a bad disk, a bad program or a forger leaves them, for Hypothesis to draw."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(), max_size=6)
"""Text as JSON can have it: with control characters, and with halves of surrogate pairs."""

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)

JSON: st.SearchStrategy[Any] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=6
)
"""Any JSON value."""

Path = tuple[Any, ...]


def paths(document: Any, above: Path = ()) -> Iterator[Path]:
    """Where something stands in a document: the keys and indices that lead to it."""
    yield above
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from paths(value, (*above, key))


def at(document: Any, path: Path) -> Any:
    """What stands there."""
    for key in path:
        document = document[key]
    return document


def put(document: Any, path: Path, value: Any) -> Any:
    """The document with something else there."""
    if not path:
        return value
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = put(document[path[0]], path[1:], value)
    return copy


def without(document: Any, path: Path) -> Any:
    """The document without what stands there."""
    *above, last = path
    copy: Any = at(document, tuple(above))
    copy = dict(copy) if isinstance(copy, dict) else list(copy)
    del copy[last]
    return put(document, tuple(above), copy)


@st.composite
def mangled(draw: st.DrawFn, document: Any) -> Any:
    """A document with something in it replaced, left out or moved."""
    path = draw(st.sampled_from(list(paths(document))))
    how = draw(st.sampled_from(["replace", "leave out", "move"]))
    if how == "leave out" and path:
        return without(document, path)
    if how == "move":
        return put(document, path, at(document, draw(st.sampled_from(list(paths(document))))))
    return put(document, path, draw(JSON))
