"""When a schedule runs, as its `at` says it. The settings must understand it, so they have the grammar."""

from panic.config.at import At, AtError, SessionTime, WallTime, parse

__all__ = ["At", "AtError", "SessionTime", "WallTime", "parse"]
