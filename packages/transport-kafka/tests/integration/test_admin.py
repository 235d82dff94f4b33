"""Topics, offsets and groups."""

from __future__ import annotations

import pytest

from faust_core.errors import TopicMissing, TransportError
from faust_core.protocols.transport import TopicSpec, Transport
from faust_core.records import TopicPartition

from .conftest import Listener, MakeTopic, MakeTransport, ToyProtocol, unique

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]


async def test_topics_are_created_described_and_deleted(transport: Transport) -> None:
    admin, name = transport.admin(), unique("topic")
    specs = [TopicSpec(name, 3, config={"cleanup.policy": "compact"}), TopicSpec(f"{name}-b", 1)]
    await admin.create_topics(specs)
    await admin.create_topics([TopicSpec(name, 7)])
    assert await admin.partition_counts([name, f"{name}-b", f"{name}-c"]) == {name: 3, f"{name}-b": 1}
    assert (await admin.partition_counts())[name] == 3
    assert await admin.partition_counts([]) == {}
    assert (await admin.topic_config(name))["cleanup.policy"] == "compact"
    producer = transport.producer()
    producer.send(name, b"usable at once", b"key")
    await producer.flush()
    await admin.delete_topics([name, f"{name}-b", f"{name}-c"])
    assert await admin.partition_counts([name, f"{name}-b"]) == {}


async def test_a_topic_that_cannot_be_created_is_named(transport: Transport) -> None:
    name = unique("topic")
    with pytest.raises(TopicMissing, match=f"topic {name} .*replication factor 5"):
        await transport.admin().create_topics([TopicSpec(name, 1, replication_factor=5)])
    with pytest.raises(TopicMissing, match="nonsense"):
        await transport.admin().create_topics([TopicSpec(name, 1, config={"nonsense": "1"})])
    with pytest.raises(TopicMissing, match=name):
        await transport.admin().topic_config(name)


async def test_offsets_include_open_transactions(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    producer = transport.transactional_producer(unique("tx"))
    await producer.begin()
    for _ in range(3):
        producer.send(topic, b"x", None, 0)
    await producer.flush()
    admin = transport.admin()
    assert await admin.end_offsets([one, two]) == {one: 3, two: 0}
    assert await admin.start_offsets([one, two]) == {one: 0, two: 0}
    assert await admin.end_offsets([]) == {}
    with pytest.raises(TopicMissing, match=f"{topic}/5"):
        await admin.end_offsets([TopicPartition(topic, 5)])
    await producer.abort()


async def test_group_members_and_deletion(make_transport: MakeTransport, make_topic: MakeTopic) -> None:
    topic, group, listener = await make_topic(), unique("group"), Listener()
    transport = make_transport(client_id="worker-7")
    admin = transport.admin()
    assert await admin.group_members(group) == []
    await admin.delete_group(group)
    member = transport.membership(group, ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    await member.commit({TopicPartition(topic, 0): 1})
    assert await admin.group_members(group) == ["worker-7"]
    with pytest.raises(TransportError, match=group):
        await admin.delete_group(group)
    await member.leave()
    assert await admin.group_members(group) == []
    await admin.delete_group(group)
