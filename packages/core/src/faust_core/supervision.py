"""What becomes of an event whose agent raised: the policies, and the supervisors of the original that stand for one."""

from __future__ import annotations

from typing import Any

from faust_core.errors import ConfigError

__all__ = ["POLICIES", "supervisor_policy"]

POLICIES = ("dead_letter", "retry", "skip", "crash")

_RESTARTING = (
    "OneForOneSupervisor",
    "OneForAllSupervisor",
    "ForfeitOneForOneSupervisor",
    "ForfeitOneForAllSupervisor",
)
_CRASHING = "CrashingSupervisor"


def supervisor_policy(strategy: Any, who: str) -> str | None:
    """Return the policy that a supervisor strategy (a class, or its name or path) stands for.

    Agents are always restarted one by one, so those that restart say nothing more, and give None.

    Raises:
        ConfigError: it is none of the known ones.
    """
    if strategy is None:
        return None
    name = strategy if isinstance(strategy, str) else getattr(strategy, "__name__", type(strategy).__name__)
    name = name.rpartition(".")[2].rpartition(":")[2]
    if name == _CRASHING:
        return "crash"
    if name in _RESTARTING:
        return None
    raise ConfigError(
        f"{who}: supervisor strategy {strategy!r} is none of {', '.join((*_RESTARTING, _CRASHING))}; "
        f"on_error= says what becomes of a failed event: {', '.join(POLICIES)}"
    )
