"""What the rules for transports share: how they get at the implementation, and how they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from time import monotonic
from typing import ClassVar, Protocol
from uuid import uuid4

import pytest
import pytest_asyncio

from faust_conformance.capabilities import ConformanceSuite
from faust_core.protocols.transport import Admin, Consumer, Producer, TopicSpec, Transport
from faust_core.records import ConsumerRecord, TopicPartition

__all__ = ["PARTITIONS", "MakeTransport", "TransportCapability", "TransportRules", "partitions_of"]

#: How many partitions the rules' topics have.
PARTITIONS = 3


class TransportCapability(Enum):
    """What a transport may do beyond what each must.  Declared means tested; undeclared is a visible skip."""

    #: `transactional_producer` and `Admin.fence` work.
    TRANSACTIONS = "transactions"
    #: The `GroupProtocol` divides the work; without it the group has a strategy of its own and plans are None.
    GROUP_PLANS = "group-plans"
    #: `TransportContext.instance_id` names a member across restarts.
    STATIC_MEMBERSHIP = "static-membership"
    #: A text stands with each committed offset: `NotingMembership`, and with TRANSACTIONS `NotingProducer`.
    NOTES = "notes"
    #: Records carry headers.
    HEADERS = "headers"
    #: `Admin.create_topics` and `delete_topics` work.  Without it the implementer overrides the fixture `topic`.
    CREATE_TOPICS = "create-topics"
    #: The fixture `clogged_transport` is there.
    CLOGGED_PRODUCER = "clogged-producer"
    #: The fixture `lose_partition` is there.
    LOSE_PARTITION = "lose-partition"
    #: The fixture `crash` is there.
    CRASH = "crash"


class MakeTransport(Protocol):
    """Makes another client of the same broker."""

    def __call__(self, **context: object) -> Transport:
        """Make it; `context` are fields of `TransportContext` that it shall have."""
        ...


def partitions_of(topic: str, count: int = PARTITIONS) -> list[TopicPartition]:
    return [TopicPartition(topic, i) for i in range(count)]


class TransportRules(ConformanceSuite, capability_type=TransportCapability):
    """Fixtures and helpers; the implementer gives `make_transport`, and the hooks of the declared capabilities."""

    #: Within so many seconds what must happen has happened.
    time_limit_s: ClassVar[float] = 15.0
    #: So many seconds without anything count as never.
    quiet_s: ClassVar[float] = 0.3
    #: The session time-out of members that crash.
    session_timeout_s: ClassVar[float] = 6.0

    pytestmark: ClassVar[Sequence[pytest.MarkDecorator]] = [pytest.mark.asyncio]

    # -- what the implementer gives

    @pytest.fixture
    def make_transport(self) -> MakeTransport:
        raise NotImplementedError(f"{type(self).__name__} must have a fixture make_transport")

    @pytest.fixture
    def clogged_transport(self) -> Transport:
        """A transport whose producers' buffer is full after less than 1 MB that nobody waited for."""
        raise NotImplementedError(f"{type(self).__name__} must have a fixture clogged_transport")

    @pytest.fixture
    def lose_partition(self) -> Callable[[TopicPartition], AbstractAsyncContextManager[None]]:
        """While the context is open the partition can be neither read nor written."""
        raise NotImplementedError(f"{type(self).__name__} must have a fixture lose_partition")

    @pytest.fixture
    def crash(self) -> Callable[[Transport], None]:
        """End a transport as the death of its process would."""
        raise NotImplementedError(f"{type(self).__name__} must have a fixture crash")

    # -- what the rules use

    @pytest.fixture
    def topic_prefix(self) -> str:
        return f"kit-{uuid4().hex[:12]}"

    @pytest_asyncio.fixture
    async def connect(self, make_transport: MakeTransport) -> AsyncIterator[MakeTransport]:
        """Makes transports that are closed after the test."""
        made: list[Transport] = []

        def connect(**context: object) -> Transport:
            transport = make_transport(**context)
            made.append(transport)
            return transport

        yield connect
        for transport in made:
            await transport.aclose()

    @pytest_asyncio.fixture
    async def transport(self, connect: MakeTransport) -> Transport:
        return connect()

    @pytest_asyncio.fixture
    async def admin(self, transport: Transport) -> AsyncIterator[Admin]:
        admin = transport.admin()
        yield admin
        await admin.aclose()

    @pytest_asyncio.fixture
    async def topic(self, admin: Admin, topic_prefix: str) -> AsyncIterator[str]:
        """A new topic with `PARTITIONS` partitions."""
        name = f"{topic_prefix}-topic"
        await admin.create_topics([TopicSpec(name, PARTITIONS)])
        yield name
        await admin.delete_topics([name])

    @pytest_asyncio.fixture
    async def producer(self, transport: Transport) -> Producer:
        return transport.producer()

    @pytest_asyncio.fixture
    async def consumer(self, transport: Transport) -> Consumer:
        return transport.consumer(name="kit")

    async def eventually(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition()` is true."""
        deadline = monotonic() + self.time_limit_s
        while not condition():
            assert monotonic() < deadline, f"not within {self.time_limit_s:g} s: {what}"
            await asyncio.sleep(0.01)

    async def read(self, consumer: Consumer, count: int, *, max_records: int = 1000) -> list[ConsumerRecord]:
        """Poll until there are `count` records."""
        records: list[ConsumerRecord] = []
        deadline = monotonic() + self.time_limit_s
        while len(records) < count:
            assert monotonic() < deadline, f"{len(records)} of {count} records within {self.time_limit_s:g} s"
            for batch in await consumer.poll(max_records=max_records, timeout_s=0.2):
                records += [batch.record(i) for i in range(len(batch))]
        return records

    async def read_nothing(self, consumer: Consumer) -> None:
        """Make sure that for a while nothing comes."""
        deadline = monotonic() + self.quiet_s
        while (remaining := deadline - monotonic()) > 0:
            batches = await consumer.poll(max_records=100, timeout_s=remaining)
            assert [batch.tp for batch in batches] == [], "records came that must not"

    async def reach(self, consumer: Consumer, ends: dict[TopicPartition, int]) -> list[ConsumerRecord]:
        """Poll until every position is at its end, as a restore does."""
        records: list[ConsumerRecord] = []
        deadline = monotonic() + self.time_limit_s
        while any((consumer.position(tp) or 0) < end for tp, end in ends.items()):
            at = {str(tp): consumer.position(tp) for tp in ends}
            assert monotonic() < deadline, f"positions {at}, not {ends}, after {self.time_limit_s:g} s"
            for batch in await consumer.poll(max_records=1000, timeout_s=0.1):
                records += [batch.record(i) for i in range(len(batch))]
        return records

    async def write(self, transport: Transport, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
        """Write values to one partition with a producer of their own."""
        producer = transport.producer()
        for value in values:
            producer.send(topic, value, partition=partition)
        await producer.flush()
        await producer.aclose()
