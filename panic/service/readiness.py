"""What a press by a person, a hook or the clock needs beside readable files, judged by what will serve it.

None of it stops a press or keeps the service from starting; it only makes the service not "ready".
"""

import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec

from panic.accounts.plan import MisnamedError, Scope, plan, scope_of
from panic.accounts.roster import Roster
from panic.config import Settings, secret
from panic.config.address import canonical
from panic.config.document import line_of
from panic.config.own_files import shared
from panic.kit.errors import ConfigurationError, Problem
from panic.ledger import signing
from panic.run import check
from panic.run.check import Setup
from panic.service import tls
from panic.service.hooks import keyring
from panic.service.notify.delivery import examine

_IPV6 = 6


def problems(
    settings: Settings, roster: Roster | None, usable: Collection[str], env: Mapping[str, str]
) -> Iterator[Problem]:
    """Find what would make a press fail, a hook's call be refused, or a person not be told. Reads files.

    A roster that cannot be read is told elsewhere; `usable` names the credentials whose keys could be read.
    """
    if roster is not None:
        for called, scope, path in _rules(settings):
            yield from _refusals(called, scope, path, settings, roster, usable)
    yield from keyring.read(settings.hooks, env)[1]
    for name, channel in settings.channels.items():
        yield from examine(name, channel.url, env)
    yield from _identity(settings, env)
    for one, other, file in shared(settings):
        yield Problem(f"{one} and {other} are one file, {file}", "Give each a file of its own.", settings.file)
    if settings.hooks or settings.schedules:
        yield from _unbindable(settings)
    if why := tls.refusal_to_bind(settings.service):
        remedy = "Until then the service does not start; see docs/service.md."
        yield Problem(why, remedy, settings.file, line_of(settings.lines, "service"))
    yield from tls.problems(settings.service)
    yield from signing.problems(settings.ledger)


def read_setup(settings: Settings, env: Mapping[str, str]) -> Setup:
    """Read what a check works with; its problems are those of readiness as well. It may take a while."""
    setup = check.read_setup(settings, env)
    more = problems(settings, setup.roster, setup.keys, env)
    return replace(setup, problems=(*setup.problems, *more))


def _unbindable(settings: Settings) -> Iterator[Problem]:
    """Try to bind the service's address, on an unused port: it must be this machine's."""
    host = settings.service.host
    address = canonical(host)
    if isinstance(address, str):  # a name may take long to look up; who starts the service sees what is wrong
        return
    try:
        with socket.socket(socket.AF_INET6 if address.version == _IPV6 else socket.AF_INET) as probe:
            probe.bind((str(address), 0))
    except OSError:
        what = f"[service] host {host} is no address of this machine: no hook and no schedule would press"
        line = line_of(settings.lines, "service", "host")
        yield Problem(what, "Name one that `ip address` shows, or 127.0.0.1.", settings.file, line)


def _identity(settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    """Say what keeps people from signing in, apart from the provider itself: no press waits for that."""
    provider = settings.identity
    if provider is None:
        return
    if find_spec("joserfc") is None:
        remedy = "Install panic[oidc]; until then nobody signs in with it."
        yield Problem("[identity] needs the package joserfc", remedy, settings.file)
    if provider.client_secret is not None:
        yield from secret.read("identity", provider.client_secret, env)[1]


def _rules(settings: Settings) -> Iterator[tuple[str, Scope, tuple[str, ...]]]:
    """Give everything that will press: what a person calls it, what it covers, its place in the settings."""
    yield "a press for all accounts", Scope(all=True), ()
    for name, token in settings.tokens.items():
        if token.groups is not None:
            yield f"[tokens.{name}]", Scope(groups=token.groups), ("tokens", name)
    for name, grant in settings.identity.grants.items() if settings.identity else ():
        if grant.groups is not None:
            yield f"[identity.grants.{name}]", Scope(groups=grant.groups), ("identity", "grants", name)
    for name, hook in settings.hooks.items():
        yield f"[hooks.{name}]", scope_of(hook), ("hooks", name)
    for schedule in settings.schedules:
        if not schedule.drill:
            yield f"[[schedules]] {schedule.name}", scope_of(schedule), ("[[schedules]]", schedule.name)


def _refusals(
    called: str,
    scope: Scope,
    path: tuple[str, ...],
    settings: Settings,
    roster: Roster,
    usable: Collection[str],
) -> Iterator[Problem]:
    """Plan what a rule will press, and say why that is refused."""
    try:
        plan(roster, scope, usable)
    except MisnamedError as error:
        for one in error.found:
            line = line_of(settings.lines, *path, one.key)
            what = f"{called}: {one.key.removesuffix('s')} {one.what}"
            yield Problem(what, one.remedy, settings.file, line)
    except ConfigurationError as error:
        first, line = error.problems[0], line_of(settings.lines, *path)
        place = (settings.file, line) if line else (first.file, first.line)
        yield Problem(f"{called}: {first.text}", first.remedy, *place)
