"""The check: would a press work, everywhere, now? Read-only: it makes GETs and nothing else."""

from panic.run.asking import Pace
from panic.run.check.result import AccountCheck, CheckReport, State, only, to_json
from panic.run.check.round import Setup, check, read_setup

__all__ = ["AccountCheck", "CheckReport", "Pace", "Setup", "State", "check", "only", "read_setup", "to_json"]
