"""The running instances of agents, and what becomes of an event on which one raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faust_core.errors import ConfigError

__all__ = ["POLICIES", "ActorInfo", "supervisor_policy"]

POLICIES = ("dead_letter", "retry", "skip", "crash")

_RESTARTING = (
    "OneForOneSupervisor",
    "OneForAllSupervisor",
    "ForfeitOneForOneSupervisor",
    "ForfeitOneForAllSupervisor",
)
_CRASHING = "CrashingSupervisor"


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """A running instance of an agent, at the moment of asking.

    Attributes:
        state: `waiting` for a record, `working` on one, `restarting` after an error, or `stopped`: it returned.
        position: topic, partition and offset of the record in its hands; None where there is none.
        errors: how many exceptions it has raised since the worker started.
        traceback: where in its code it is.
    """

    name: str
    state: str
    position: str | None
    errors: int
    traceback: str


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
