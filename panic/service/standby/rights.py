"""What new settings take away from whom: that counts at once, also where the rest of them is refused."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from panic.config import Grant, Hook, Provider, Settings, Survey, Token

_T = TypeVar("_T")


def narrowed(old: Settings, new: Survey) -> tuple[Settings, tuple[str, ...]]:
    """Give the old settings with no right that the new ones do not give, and who has fewer; nobody has more.

    A token with a mistake goes: half of one could allow too much. A hook with a mistake stays as it was, since a
    breach must press; it goes with its section. Where either wants two people for a reset, it takes two. A file
    that cannot be read takes nothing away.
    """
    if not new.settings.digest:
        return old, ()
    named = new.document.tables.get("hooks")
    hooks_named: Mapping[str, object] = named if isinstance(named, dict) else {}
    tokens = {name: _token(one, new.settings.tokens.get(name)) for name, one in old.tokens.items()}
    hooks = {
        name: _hook(one, new.settings.hooks.get(name)) if name in hooks_named else None
        for name, one in old.hooks.items()
    }
    identity = old.identity and _identity(old.identity, new.settings.identity)
    fewer = [f"[tokens.{name}]" for name, one in old.tokens.items() if tokens[name] != one]
    fewer += [f"[hooks.{name}]" for name, one in old.hooks.items() if hooks[name] != one]
    fewer += ["[identity]"] if identity != old.identity else []
    latch = old.latch.model_copy(update={"resets": max(old.latch.resets, new.settings.latch.resets)})
    fewer += ["[latch] resets"] if latch != old.latch else []
    if not fewer:
        return old, ()
    left = {"tokens": _present(tokens), "hooks": _present(hooks), "identity": identity, "latch": latch}
    return old.model_copy(update=left), tuple(fewer)


def _token(old: Token, new: Token | None) -> Token | None:
    """Give what both of them allow; None for nothing."""
    if new is None:
        return None
    digest, roles, groups = _both(old.digest, new.digest), _both(old.roles, new.roles), _groups(old, new)
    if not digest or not roles or groups == ():
        return None
    begins = [one for one in (old.not_before, new.not_before) if one is not None]
    ends = [one for one in (old.expires, new.expires) if one is not None]
    return Token(
        digest=digest,
        roles=roles,
        groups=groups,
        person=old.person and new.person,
        not_before=max(begins, default=None),
        expires=min(ends, default=None),
    )


def _hook(old: Hook, new: Hook | None) -> Hook | None:
    """Give a hook without the secrets that it has no more; one without any is gone."""
    secrets = old.secrets if new is None else _both(old.secrets, new.secrets)
    return old.model_copy(update={"secrets": secrets}) if secrets else None


def _identity(old: Provider, new: Provider | None) -> Provider | None:
    """Give a provider without the grants that it has no more; one without any, or another one, lets nobody in."""
    if new is None or old.authority != new.authority:
        return None
    grants = _present({name: _grant(one, new.grants.get(name)) for name, one in old.grants.items()})
    return old.model_copy(update={"grants": grants, "fresh_s": min(old.fresh_s, new.fresh_s)}) if grants else None


def _grant(old: Grant, new: Grant | None) -> Grant | None:
    if new is None:
        return None
    roles, groups = _both(old.roles, new.roles), _groups(old, new)
    return Grant(roles=roles, groups=groups) if roles and groups != () else None


def _groups(old: Token | Grant, new: Token | Grant) -> tuple[str, ...] | None:
    if old.groups is None or new.groups is None:
        return new.groups if old.groups is None else old.groups
    return _both(old.groups, new.groups)


def _both(old: Sequence[_T], new: Sequence[_T]) -> tuple[_T, ...]:
    return tuple(one for one in old if one in new)


def _present(entries: Mapping[str, _T | None]) -> dict[str, _T]:
    return {name: one for name, one in entries.items() if one is not None}
