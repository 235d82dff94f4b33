"""Questions to an in-memory broker, and changes to its topics and groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from faust_core.errors import TopicMissing, TransportError
from faust_core.memory.broker import Broker
from faust_core.memory.log import PartitionLog
from faust_core.protocols.transport import Admin, TopicSpec, TransportContext
from faust_core.records import TopicPartition

__all__ = ["MemoryAdmin"]


class MemoryAdmin:
    """Every method is one request: it raises `RetriableTransportError` where the broker stays away."""

    def __init__(self, broker: Broker, context: TransportContext) -> None:
        self._broker = broker
        self._client_id = context.client_id
        self._timeout_s = context.request_timeout_s

    async def partition_counts(self, topics: Collection[str] | None = None, /) -> Mapping[str, int]:
        await self._request()
        return self._broker.partition_counts(topics)

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        await self._request()
        for spec in specs:
            self._broker.create_topic(spec.name, spec.partitions, spec.config)

    async def delete_topics(self, topics: Collection[str], /) -> None:
        await self._request()
        for topic in topics:
            self._broker.delete_topic(topic)

    async def topic_config(self, topic: str, /) -> Mapping[str, str]:
        await self._request()
        found = self._broker.topics.get(topic)
        if found is None:
            raise TopicMissing(f"there is no topic {topic!r} in {self._broker.url}")
        return dict(found.config)

    async def topic_ids(self, topics: Collection[str], /) -> Mapping[str, str]:
        await self._request()
        return {name: self._broker.topics[name].id for name in topics if name in self._broker.topics}

    async def start_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        await self._request()
        return {tp: self._log(tp).start for tp in partitions}

    async def end_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        await self._request()
        return {tp: self._log(tp).end for tp in partitions}

    async def group_members(self, group_id: str, /) -> Sequence[str]:
        await self._request()
        return self._broker.group(group_id).client_ids if self._broker.has_group(group_id) else ()

    async def delete_group(self, group_id: str, /) -> None:
        members = await self.group_members(group_id)
        if members:
            raise TransportError(f"group {group_id} has members: {', '.join(members)}; stop them first")
        self._broker.delete_group(group_id)

    async def committed_by(
        self, group_id: str, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, str]:
        await self._request()
        writers = self._broker.group(group_id).writers if self._broker.has_group(group_id) else {}
        return {tp: writers[tp] for tp in partitions if tp in writers}

    async def fence(self, transactional_ids: Collection[str], /) -> None:
        await self._request()
        for transactional_id in transactional_ids:
            self._broker.transactions.fence(transactional_id)

    async def aclose(self) -> None:
        return None

    async def _request(self) -> None:
        await self._broker.faults.request(self._client_id, self._timeout_s)

    def _log(self, tp: TopicPartition) -> PartitionLog:
        log = self._broker.log(tp)
        if log is None:
            raise TopicMissing(f"there is no partition {tp} in {self._broker.url}")
        return log


if TYPE_CHECKING:
    _: type[Admin] = MemoryAdmin
