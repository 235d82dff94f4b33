"""`confluent://`: a plain consumer group."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from faust_core.errors import FencedError
from faust_core.protocols.transport import Transport
from faust_core.records import TopicPartition
from tests.services.patience import PATIENCE

from .conftest import Listener, MakeTopic, MakeTransport, ToyProtocol, unique, values
from .test_membership import start_process

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("scheme", ["confluent"], indirect=True),
]


@pytest.fixture
def other(make_transport: MakeTransport) -> Transport:
    return make_transport()


async def test_members_share_co_partitioned_topics_without_plans(
    transport: Transport, other: Transport, make_topic: MakeTopic
) -> None:
    orders, payments, group = await make_topic(4), await make_topic(4), unique("group")
    first, second = Listener(), Listener()
    one = transport.membership(group, ToyProtocol())
    two = other.membership(group, ToyProtocol())
    await one.join([orders, payments], first)
    assert (await first.until(lambda seen: seen.owned == 8)).plan is None
    await two.join([orders, payments], second)
    await second.until(lambda seen: seen.owned == 4)
    shared = await first.until(lambda seen: seen.owned == 4)
    numbers = {topic: {tp.partition for tp in shared.partitions if tp.topic == topic} for topic in (orders, payments)}
    assert numbers[orders] == numbers[payments]
    assert first.events == ["assigned", "started", "assigned"]
    assert one.metadata().generation == two.metadata().generation == shared.metadata.generation
    assert shared.metadata.member_id

    began = time.monotonic()
    await two.leave()
    await first.until(lambda seen: seen.owned == 8)
    assert time.monotonic() - began < 5 * PATIENCE
    with pytest.raises(FencedError):
        await two.commit({TopicPartition(orders, 0): 1})


async def test_offsets_are_committed_and_read_back(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener = await make_topic(2), Listener()
    tps = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 2)
    await member.commit({tps[0]: 17})
    assert await member.committed(tps) == {tps[0]: 17, tps[1]: None}


async def test_rejoin_makes_a_new_generation(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener = await make_topic(2), Listener()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    first = await listener.until(lambda seen: seen.owned == 2)
    member.rejoin()
    second = await listener.until(lambda seen: len(seen.assignments) == 2)
    assert second.metadata != first.metadata
    await member.commit({TopicPartition(topic, 0): 1})


async def test_the_member_reads_nothing_and_the_consumer_does(transport: Transport, make_topic: MakeTopic) -> None:
    topic, output, listener = await make_topic(), await make_topic(), Listener()
    tp = TopicPartition(topic, 0)
    producer = transport.producer()
    producer.send(topic, b"x")
    await producer.flush()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    consumer = transport.consumer(name="test")
    await consumer.assign({tp: 0})
    assert await values(consumer, 1) == [b"x"]
    transactional = transport.transactional_producer(unique("tx"))
    await transactional.begin()
    transactional.send(output, b"y")
    await transactional.commit({tp: 1}, member.metadata())
    assert await member.committed([tp]) == {tp: 1}


async def test_a_stopped_member_learns_that_it_was_removed(
    kafka: str, transport: Transport, make_topic: MakeTopic
) -> None:
    topic, group, listener = await make_topic(4), unique("group"), Listener()
    process = await start_process(kafka, topic, group, factory="confluent")
    assert process.stdout is not None
    try:
        member = transport.membership(group, ToyProtocol())
        await member.join([topic], listener)
        await listener.until(lambda seen: seen.owned == 2)
        assert [await process.stdout.readline() for _ in range(2)] == [b"started\n", b"assigned\n"]
        os.kill(process.pid, signal.SIGSTOP)
        await listener.until(lambda seen: seen.owned == 4)
        os.kill(process.pid, signal.SIGCONT)
        async with asyncio.timeout(15):
            assert await process.stdout.readline() == b"lost\n"
            assert await process.stdout.readline() == b"assigned\n"
    finally:
        process.kill()
        await process.wait()
