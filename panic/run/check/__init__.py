"""The check: would a press work, everywhere, now? Read-only: it makes GETs and nothing else.

round    one look at every account of a set-up
asking   how it asks: paced, retried, never past its deadline
result   what it found, and the exit code
"""

from panic.run.check.asking import Pace
from panic.run.check.result import AccountCheck, CheckReport, State, to_json
from panic.run.check.round import Setup, check, read_setup

__all__ = ["AccountCheck", "CheckReport", "Pace", "Setup", "State", "check", "read_setup", "to_json"]
