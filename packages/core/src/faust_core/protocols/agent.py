"""What user code may rely on in an agent."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["AgentProtocol"]


class AgentProtocol(Protocol):
    """An actor with an address: its topic."""

    @property
    def name(self) -> str: ...

    async def cast(self, value: Any = None, *, key: Any = None, partition: int | None = None) -> None:
        """Send and forget."""
        ...

    async def ask(self, value: Any = None, *, key: Any = None, partition: int | None = None) -> Any:
        """Send, and wait for what the agent yields for it.

        Raises:
            TimeoutError: no answer in time.
        """
        ...
