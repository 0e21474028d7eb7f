"""Cancel every open order in every Clear Street account, prove that they are gone, and say so in one report.

    report = await panic.press(settings, scope=panic.Scope(all=True), reason="runaway algo on desk A")

Everything else is imported on first use, because a cold start must be fast.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from panic._version import VERSION

if TYPE_CHECKING:
    from panic.accounts.plan import Scope
    from panic.config import Settings
    from panic.config import load as load_settings
    from panic.kit.errors import ConfigurationError, PanicError, UsageError
    from panic.orders import Filters
    from panic.report.document import Report
    from panic.report.open_orders import OpenOrders
    from panic.run.overview import Progress

__version__ = VERSION

__all__ = [
    "ConfigurationError",
    "Filters",
    "OpenOrders",
    "PanicError",
    "Progress",
    "Report",
    "Scope",
    "Settings",
    "UsageError",
    "__version__",
    "load_settings",
    "open_orders",
    "press",
]

_HOMES = {
    "panic.accounts.plan": ("Scope",),
    "panic.config": ("Settings", "load"),
    "panic.kit.errors": ("ConfigurationError", "PanicError", "UsageError"),
    "panic.orders": ("Filters",),
    "panic.report.document": ("Report",),
    "panic.report.open_orders": ("OpenOrders",),
    "panic.run.overview": ("Progress",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415  (see above)

    attribute = "load" if name == "load_settings" else name
    for module, names in _HOMES.items():
        if attribute in names:
            return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'panic' has no attribute {name!r}")


async def press(
    settings: "Settings",
    *,
    scope: "Scope",
    reason: str,
    by: str = "",
    deadline_s: float | None = None,
    concurrency: int | None = None,
    watch_s: float | None = None,
    verify: bool = True,
    latch: bool = False,
    on_progress: "Callable[[Progress], None] | None" = None,
    on_report: "Callable[[Report], None] | None" = None,
) -> "Report":
    """Press the button and give the report; None stands for what the settings say.

    To stop a press, cancel the task that awaits it: nothing more is sent, what is in flight has a second to be
    answered, the run goes on record as stopped, `on_report` gets its report, and CancelledError is raised.
    Cancelled once more, it ends at once, as a crash would; `panic resume` completes it.

    Args:
        settings: From `load_settings`, or built in code.
        scope: Which accounts and orders; there is no default.
        reason: Why, for the report.
        by: Who; empty for the user of this process.
        deadline_s: The longest the run may take, seconds.
        concurrency: Requests in flight at most.
        watch_s: How long to keep reading after the first clear, seconds.
        verify: Whether to read until the accounts are proven clear.
        latch: Whether to leave the scope engaged in the settings' latch file.
        on_progress: Called in this loop when something has changed, at most ten times a second, and at the end. It
            must not block; what it raises goes to the loop's exception handler.
        on_report: Called with the report, also of a press that is cancelled.

    Raises:
        UsageError: No reason, or a scope that makes no sense. Nothing was sent.
        ConfigurationError: Nothing could be sent with this roster and these credentials.
    """
    from panic.run import call  # noqa: PLC0415
    from panic.run.press import Press, whoami  # noqa: PLC0415

    how = Press(
        scope=scope,
        reason=reason,
        by=whoami(by),
        deadline_s=deadline_s,
        concurrency=concurrency,
        watch_s=watch_s,
        verify=verify,
        latch=latch,
    )
    return await call.press(settings, how, on_progress, on_report)


async def open_orders(settings: "Settings", *, scope: "Scope") -> "OpenOrders":
    """Read every open order of a scope, as it is now; the arguments, and what is raised, are those of `press`."""
    from panic.run.open_orders import a_look, open_orders  # noqa: PLC0415
    from panic.run.press import prepare  # noqa: PLC0415

    return await open_orders(prepare(settings, a_look(scope)))
