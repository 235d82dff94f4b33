"""Rules of `Admin` and of `Transport` itself."""

from __future__ import annotations

import pytest

from faust_conformance._transport.base import (
    PARTITIONS,
    MakeTransport,
    TransportCapability,
    TransportRules,
    partitions_of,
)
from faust_conformance.capabilities import requires
from faust_core.errors import TopicMissing
from faust_core.protocols.transport import Admin, Consumer, TopicSpec, Transport

__all__ = ["AdminRules"]

_creates = requires(TransportCapability.CREATE_TOPICS)


class AdminRules(TransportRules, capability_type=TransportCapability):
    async def test_check_reaches_the_broker(self, transport: Transport) -> None:
        await transport.check()
        assert "://" in transport.url

    async def test_closing_a_transport_twice_is_no_error(self, make_transport: MakeTransport, topic: str) -> None:
        transport = make_transport()
        transport.producer().send(topic, b"value")
        await transport.consumer(name="open").assign({})
        await transport.aclose()
        await transport.aclose()

    async def test_two_transports_share_the_broker(
        self, consumer: Consumer, connect: MakeTransport, topic: str
    ) -> None:
        await self.write(connect(), topic, [b"from the other"])
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        assert [record.value for record in await self.read(consumer, 1)] == [b"from the other"]

    async def test_partition_counts_name_existing_topics_only(self, admin: Admin, topic: str) -> None:
        assert await admin.partition_counts([topic, f"{topic}-missing"]) == {topic: PARTITIONS}
        assert await admin.partition_counts([]) == {}
        everything = await admin.partition_counts()
        assert everything[topic] == PARTITIONS
        assert f"{topic}-missing" not in everything

    async def test_offsets_of_an_empty_partition_are_zero(self, admin: Admin, topic: str) -> None:
        partitions = partitions_of(topic)
        assert await admin.start_offsets(partitions) == dict.fromkeys(partitions, 0)
        assert await admin.end_offsets(partitions) == dict.fromkeys(partitions, 0)

    async def test_the_end_offset_is_behind_the_last_record(
        self, admin: Admin, transport: Transport, topic: str
    ) -> None:
        first, second, third = partitions_of(topic)
        await self.write(transport, topic, [b"a", b"b", b"c"], 1)
        assert await admin.end_offsets([first, second, third]) == {first: 0, second: 3, third: 0}
        assert await admin.start_offsets([second]) == {second: 0}

    @_creates
    async def test_a_created_topic_can_be_used_at_once(
        self, admin: Admin, transport: Transport, topic_prefix: str
    ) -> None:
        topics = [f"{topic_prefix}-{i}" for i in range(3)]
        await admin.create_topics([TopicSpec(name, i + 1) for i, name in enumerate(topics)])
        for i, name in enumerate(topics):
            await self.write(transport, name, [b"at once"], partition=i)
        assert await admin.partition_counts(topics) == {name: i + 1 for i, name in enumerate(topics)}
        await admin.delete_topics(topics)

    @_creates
    async def test_creating_a_topic_that_exists_leaves_it_as_it_is(
        self, admin: Admin, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, [b"kept"])
        await admin.create_topics([TopicSpec(topic, PARTITIONS + 2, config={"cleanup.policy": "compact"})])
        first = partitions_of(topic)[0]
        assert await admin.partition_counts([topic]) == {topic: PARTITIONS}
        assert await admin.end_offsets([first]) == {first: 1}
        assert (await admin.topic_config(topic))["cleanup.policy"] == "delete"

    @_creates
    async def test_a_topic_has_the_settings_it_was_created_with(self, admin: Admin, topic_prefix: str) -> None:
        name = f"{topic_prefix}-configured"
        config = {"cleanup.policy": "compact", "retention.ms": "3600000"}
        await admin.create_topics([TopicSpec(name, 1, config=config)])
        found = await admin.topic_config(name)
        assert {key: found[key] for key in config} == config
        await admin.delete_topics([name])

    @_creates
    async def test_an_impossible_topic_is_refused_with_its_name(self, admin: Admin) -> None:
        with pytest.raises(TopicMissing, match="not a topic"):
            await admin.create_topics([TopicSpec("not a topic!", 1)])

    @_creates
    async def test_a_deleted_topic_is_gone(self, admin: Admin, topic_prefix: str) -> None:
        name = f"{topic_prefix}-short-lived"
        await admin.create_topics([TopicSpec(name, 1)])
        await admin.delete_topics([name, f"{name}-missing"])
        assert await admin.partition_counts([name]) == {}
        await admin.delete_topics([name])

    @_creates
    async def test_a_topic_made_anew_has_another_id(self, admin: Admin, topic_prefix: str) -> None:
        name = f"{topic_prefix}-anew"
        await admin.create_topics([TopicSpec(name, 1)])
        before = await admin.topic_ids([name, f"{name}-missing"])
        assert before == await admin.topic_ids([name])
        await admin.delete_topics([name])
        assert await admin.topic_ids([name]) == {}
        await admin.create_topics([TopicSpec(name, 1)])
        after = await admin.topic_ids([name])
        assert before.keys() == after.keys() <= {name}
        assert not before or before != after
        await admin.delete_topics([name])

    async def test_a_group_nobody_heard_of_is_empty_and_may_be_deleted(self, admin: Admin, topic_prefix: str) -> None:
        group_id = f"{topic_prefix}-unheard-of"
        assert list(await admin.group_members(group_id)) == []
        await admin.delete_group(group_id)
