"""The tests; the tree mirrors the package."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The project's folder."""
