"""Transports, topics and a toy group protocol for the tests against real Kafka."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

import faust_transport_kafka
from faust_core.protocols.transport import (
    Assignment,
    Consumer,
    TopicSpec,
    Transport,
    TransportContext,
)
from faust_core.records import RecordBatch, TopicPartition
from tests.services.patience import PATIENCE

MakeTransport = Callable[..., Transport]
MakeTopic = Callable[..., Awaitable[str]]


def unique(name: str) -> str:
    return f"tk-{name}-{uuid.uuid4().hex[:10]}"


@pytest.fixture(params=["kafka"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The transport under test; modules that try several parametrize it."""
    return str(request.param)


@pytest.fixture
async def make_topic(kafka: str) -> AsyncIterator[MakeTopic]:
    transport = faust_transport_kafka.kafka(f"kafka://{kafka}", TransportContext())
    admin = transport.admin()
    made: list[str] = []

    async def make(partitions: int = 1, **config: str) -> str:
        name = unique("topic")
        settings = {key.replace("_", "."): value for key, value in config.items()}
        await admin.create_topics([TopicSpec(name, partitions, config=settings)])
        made.append(name)
        return name

    yield make
    await admin.delete_topics(made)
    await transport.aclose()


@pytest.fixture
async def make_transport(kafka: str, scheme: str) -> AsyncIterator[MakeTransport]:
    made: list[Transport] = []

    def make(scheme: str = scheme, address: str = kafka, **context: Any) -> Transport:
        defaults = {"session_timeout_s": 6.0, "heartbeat_interval_s": 0.5, "rebalance_timeout_s": 10.0}
        url = f"{scheme}://{address}"
        create = getattr(faust_transport_kafka, scheme)
        made.append(create(url, TransportContext(urls=[url], **(defaults | context))))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()


@pytest.fixture
def transport(make_transport: MakeTransport) -> Transport:
    return make_transport()


async def read(consumer: Consumer, count: int, within_s: float = 15.0) -> list[RecordBatch]:
    """Poll until `count` records are there."""
    batches: list[RecordBatch] = []
    deadline = time.monotonic() + within_s
    while sum(map(len, batches)) < count:
        assert time.monotonic() < deadline, f"{sum(map(len, batches))} of {count} records in {within_s} s"
        batches += await consumer.poll(max_records=10_000, timeout_s=0.5)
    return batches


async def values(consumer: Consumer, count: int, within_s: float = 15.0) -> list[bytes | None]:
    return [value for batch in await read(consumer, count, within_s) for value in batch.values]


class ToyProtocol:
    """Deals partitions out in turn; the plan tells every member what all of them have said."""

    name = "toy"

    def __init__(self, said: str = "", topics: Sequence[str] = ()) -> None:
        self.said = said

    def metadata(self) -> bytes:
        return self.said.encode()

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        order = sorted(members, key=lambda member: (members[member], member))
        shares: dict[str, list[TopicPartition]] = {member: [] for member in order}
        for topic, count in sorted(partition_counts.items()):
            for partition in range(count):
                shares[order[partition % len(order)]].append(TopicPartition(topic, partition))
        plan = json.dumps(sorted(value.decode() for value in members.values())).encode()
        return {member: (share, plan) for member, share in shares.items()}


class Listener:
    """Writes down what the membership reports."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.assignments: list[Assignment] = []
        self.losses: list[str] = []
        self._changed = asyncio.Condition()
        self.on_start: Callable[[], Awaitable[None]] | None = None

    async def _note(self, event: str) -> None:
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    async def on_rebalance_started(self) -> None:
        if self.on_start is not None:
            await self.on_start()
        await self._note("started")

    async def on_assigned(self, assignment: Assignment, /) -> None:
        self.assignments.append(assignment)
        await self._note("assigned")

    async def on_lost(self, reason: str, /) -> None:
        self.losses.append(reason)
        await self._note("lost")

    async def until(self, condition: Callable[[Listener], bool], within_s: float = 15.0) -> Assignment:
        """Wait until `condition` holds; return the latest assignment."""
        async with asyncio.timeout(within_s * PATIENCE), self._changed:
            await self._changed.wait_for(lambda: condition(self))
        return self.assignments[-1]

    @property
    def owned(self) -> int:
        return len(self.assignments[-1].partitions) if self.assignments else -1
