"""What applications and plug-ins are tested with.  Nothing that runs in production imports it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faust_core.testing.agent import AgentTestContext
    from faust_core.testing.clock import ManualClock
    from faust_core.testing.driver import NotIdle, TestDriver
    from faust_core.testing.outputs import DeadLetter, Output
    from faust_core.testing.sync import BlockingTestDriver

__all__ = ["AgentTestContext", "BlockingTestDriver", "DeadLetter", "ManualClock", "NotIdle", "Output", "TestDriver"]

_MODULES = {
    "AgentTestContext": "agent",
    "BlockingTestDriver": "sync",
    "DeadLetter": "outputs",
    "ManualClock": "clock",
    "NotIdle": "driver",
    "Output": "outputs",
    "TestDriver": "driver",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
