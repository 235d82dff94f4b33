"""What topics, tables, agents and the engine know of the application that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from faust_core.protocols.store import StoreBackend
from faust_core.protocols.transport import Producer, TopicSpec

if TYPE_CHECKING:
    from faust_core.settings import Settings

__all__ = ["AppProtocol", "Asks"]


class Asks(Protocol):
    """Sends to agents and waits for what they yield."""

    async def ask(
        self,
        agent: Any,
        value: Any,
        *,
        key: Any,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        timeout: float,
    ) -> Any: ...


class AppProtocol(Protocol):
    """The application: settings, and the way to the broker once it is started."""

    @property
    def conf(self) -> Settings: ...

    @property
    def active_producer(self) -> Producer | None:
        """The producer to send with; None while the application is not started."""
        ...

    @property
    def rpc(self) -> Asks: ...

    async def maybe_start_producer(self) -> Producer:
        """Return the producer; connect, for sending only, where the application is not started."""
        ...

    def make_store_backend(self, url: str | None = None) -> StoreBackend:
        """Make the store of `url`, without one the application's own; nothing is opened yet."""
        ...

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None: ...

    @property
    def topic(self) -> Callable[..., Any]:
        """`app.topic(name, …)`."""
        ...

    @property
    def stream(self) -> Callable[..., Any]:
        """`app.stream(topic)`."""
        ...
