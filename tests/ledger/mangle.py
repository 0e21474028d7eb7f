"""JSON documents as a bad disk, a bad program or a forger leaves them, for Hypothesis to draw."""

from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from operator import getitem
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


def _paths(document: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document: the keys and indices that lead to it."""
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield (*above, key)
            yield from _paths(value, *above, key)


@st.composite
def mangled(draw: st.DrawFn, document: Any) -> Any:
    """A document with something in it left out, or replaced, perhaps by something else of it."""
    paths, copy = [*_paths(document)], deepcopy(document)
    if not paths:
        return draw(JSON)
    *above, last = draw(st.sampled_from(paths))
    place = reduce(getitem, above, copy)
    if draw(st.booleans()):
        del place[last]
    else:
        place[last] = draw(JSON | st.sampled_from([reduce(getitem, path, document) for path in paths]))
    return copy
