"""The transport behind `memory://`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from faust_core.errors import ConfigError, TransportError
from faust_core.memory.admin import MemoryAdmin
from faust_core.memory.broker import Broker
from faust_core.memory.consumer import MemoryConsumer
from faust_core.memory.membership import MemoryMembership
from faust_core.memory.producer import MemoryProducer, MemoryTransactionalProducer
from faust_core.protocols.transport import GroupProtocol, Transport, TransportContext, TransportFactory

__all__ = ["MemoryTransport", "create"]


class MemoryTransport:
    """One worker's connection to a `Broker` in this process.  Used on one event loop."""

    def __init__(self, broker: Broker, context: TransportContext | None = None) -> None:
        self._broker = broker
        self._context = context or TransportContext()
        self._parts: list[MemoryConsumer | MemoryProducer | MemoryMembership] = []
        self._closed = False
        broker.transports[self] = None

    @property
    def url(self) -> str:
        return self._broker.url

    @property
    def broker(self) -> Broker:
        return self._broker

    @property
    def client_id(self) -> str:
        return self._context.client_id

    async def check(self) -> None:
        await self._broker.faults.request(self.client_id, self._context.start_timeout_s)

    def admin(self) -> MemoryAdmin:
        self._check_open()
        return MemoryAdmin(self._broker, self._context)

    def consumer(self, *, name: str) -> MemoryConsumer:
        self._check_open()
        consumer = MemoryConsumer(self._broker, client_id=self.client_id, name=name)
        self._parts.append(consumer)
        return consumer

    def producer(self, *, reports: bool = False) -> MemoryProducer:  # noqa: ARG002  it costs nothing here
        self._check_open()
        producer = MemoryProducer(self._broker, self._context)
        self._parts.append(producer)
        return producer

    def transactional_producer(self, transactional_id: str, /) -> MemoryTransactionalProducer:
        self._check_open()
        producer = MemoryTransactionalProducer(self._broker, self._context, transactional_id)
        self._parts.append(producer)
        return producer

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> MemoryMembership:
        self._check_open()
        membership = MemoryMembership(self._broker, self._context, group_id, protocol)
        self._parts.append(membership)
        return membership

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        for part in self._parts:
            if isinstance(part, MemoryMembership):
                await part.leave()
            else:
                await part.aclose()
        self._detach()

    def kill(self) -> None:
        """End as a process does that is killed: nothing is flushed, left or aborted.

        What producers held is lost, open transactions stay open until they time out or are fenced, and the
        group notices after the session time-out.
        """
        if not self._closed:
            self._closed = True
            for part in self._parts:
                part.kill()
            self._detach()

    def topics_changed(self) -> None:
        """Have waiting consumers look for their partitions again."""
        for part in self._parts:
            if isinstance(part, MemoryConsumer):
                part.wake()

    def _detach(self) -> None:
        self._parts.clear()
        self._broker.transports.pop(self, None)

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(f"the transport {self.url} is closed")


def create(url: str, context: TransportContext, /) -> MemoryTransport:
    """Make the transport of a `memory://` URL.

    `memory://NAME` leads every transport of this process to the same broker, for as long as one of them is
    open or somebody holds the `Broker`.  `memory://` is a new broker for each call.

    Raises:
        ConfigError: the URL has more than a name.
    """
    parts = urlsplit(url)
    if parts.scheme != "memory" or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"{url!r} is no URL of an in-memory broker: write memory:// or memory://NAME")
    return MemoryTransport(Broker.named(parts.netloc) if parts.netloc else Broker(), context)


if TYPE_CHECKING:
    _: type[Transport] = MemoryTransport
    _factory: TransportFactory = create
