"""The library is loaded once, by itself: what it warns of while it loads is its own business."""

import warnings

import apprise
import pytest


@pytest.fixture(autouse=True, scope="session")
def the_library_is_loaded():
    """One of its hundred plug-ins imports what Python is about to drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apprise.Apprise.instantiate("json://localhost")
