"""Everything here is delivered by the library."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def it_is_loaded(the_library_is_loaded: None):
    """Before any test."""
