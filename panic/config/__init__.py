"""Settings: what can be set, and how it is read. The rest of panic imports from here."""

from panic.config.identity import Grant, Provider
from panic.config.loading import Survey, find, load, places, survey
from panic.config.sections import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Run, StateFolder
from panic.config.service import Channel, Hook, Role, Schedule, SelfTest, Service, Tells, Token, is_plain_name
from panic.config.settings import Settings

__all__ = [
    "Broker",
    "Channel",
    "Credential",
    "Grant",
    "Hook",
    "LatchFile",
    "LedgerFiles",
    "Provider",
    "Role",
    "RosterFile",
    "Run",
    "Schedule",
    "SelfTest",
    "Service",
    "Settings",
    "StateFolder",
    "Survey",
    "Tells",
    "Token",
    "find",
    "is_plain_name",
    "load",
    "places",
    "survey",
]
