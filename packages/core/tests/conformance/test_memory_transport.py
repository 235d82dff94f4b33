"""The in-memory transport keeps every rule for transports, with every capability."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from faust_conformance.transport import MakeTransport, TransportCapability, TransportConformance
from faust_core.memory import Broker, MemoryTransport
from faust_core.protocols.transport import Transport, TransportContext
from faust_core.records import TopicPartition


class TestMemoryTransport(TransportConformance):
    capabilities = frozenset(TransportCapability)
    time_limit_s = 5.0
    quiet_s = 0.05
    session_timeout_s = 0.2

    @pytest.fixture
    def broker(self) -> Broker:
        return Broker()

    @pytest.fixture
    def make_transport(self, broker: Broker) -> MakeTransport:
        def make(**context: Any) -> Transport:
            return MemoryTransport(broker, TransportContext(**context))

        return make

    @pytest.fixture
    def clogged_transport(self, broker: Broker) -> Transport:
        broker.faults.delay(0.05)
        return MemoryTransport(broker, TransportContext(max_buffered_bytes=100_000))

    @pytest.fixture
    def lose_partition(self, broker: Broker) -> Callable[[TopicPartition], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def lose(tp: TopicPartition) -> AsyncIterator[None]:
            broker.faults.lose_partition(tp)
            yield
            broker.faults.restore_partition(tp)

        return lose

    @pytest.fixture
    def crash(self) -> Callable[[Transport], None]:
        def crash(transport: Transport) -> None:
            assert isinstance(transport, MemoryTransport)
            transport.kill()

        return crash
