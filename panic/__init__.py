"""Cancel every open order in every Clear Street account, prove that they are gone, and say so in one report.

    report = await panic.press(settings, scope=panic.Scope(all=True), reason="runaway algo on desk A")

Everything else is loaded when it is first used: a cold start counts.
"""

from typing import TYPE_CHECKING, Any

from panic._version import VERSION

if TYPE_CHECKING:
    from panic.config import Settings
    from panic.config import load as load_settings
    from panic.orders import Filters
    from panic.plan import Scope
    from panic.report import Report
    from panic.run import Press

__version__ = VERSION

__all__ = ["Filters", "Press", "Report", "Scope", "Settings", "__version__", "load_settings", "press"]

_HOMES = {
    "Filters": ("panic.orders", "Filters"),
    "Press": ("panic.run", "Press"),
    "Report": ("panic.report", "Report"),
    "Scope": ("panic.plan", "Scope"),
    "Settings": ("panic.config", "Settings"),
    "load_settings": ("panic.config", "load"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panic' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  (see above)

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


async def press(settings: "Settings", *, scope: "Scope", reason: str, **how: Any) -> "Report":
    """Press the button and give the report.

    Args:
        settings: From `load_settings`, or built in code.
        scope: Which accounts and orders; there is no default.
        reason: Why, for the report.
        how: Any other field of `Press`: by, deadline_s, concurrency, watch_s, verify.

    Raises:
        UsageError: No reason, or a scope that makes no sense. Nothing was sent.
        ConfigurationError: Nothing could be sent with this roster and these credentials.
    """
    from panic.run import Press, Run, prepare  # noqa: PLC0415

    return await Run(prepare(settings, Press(scope=scope, reason=reason, **how))).go()
