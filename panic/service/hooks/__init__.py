"""Hooks: what a call proves, says and sets off.

breaches     carries it over HTTP      decisions   what follows from a call
signatures   who sent it               replays     which calls came before
bodies       what it says              keyring     the secrets, read again while the service runs
"""
