"""Settings: what can be set, and how it is read.

    sections   what a press needs          named      the sections that have names, such as credentials
    service    what the service needs      at         when a schedule runs
    kinds      what several of them take   document   a TOML file: what it says, and every mistake in it
    settings   all of it together          loading    the file, the environment and every mistake in them
    effective  each setting in force       own        the files that are panic's own

The rest of panic imports from here.
"""

from panic.config.loading import Survey, load, survey
from panic.config.sections import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Run, StateFolder
from panic.config.service import Channel, Hook, Role, Schedule, SelfTest, Service, Tells, Token, is_plain_name
from panic.config.settings import Settings

__all__ = [
    "Broker",
    "Channel",
    "Credential",
    "Hook",
    "LatchFile",
    "LedgerFiles",
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
    "is_plain_name",
    "load",
    "survey",
]
