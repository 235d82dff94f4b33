"""Agents with `isolated_partitions`: a subscription, and an actor, for each partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from faust_core.claims import Claim
from faust_core.engine.subscription import PartitionQueue, Subscription
from faust_core.engine.task import Task
from faust_core.records import RecordBatch, TopicPartition
from faust_core.topics import Topic

__all__ = ["IsolatedSubscription"]


class IsolatedSubscription:
    """Looks like one subscription to the engine; each partition has one, and an actor, of its own.

    An actor is started when its partition is assigned and cancelled when it is taken away.
    """

    def __init__(
        self,
        topic: Topic[Any, Any],
        owner: str,
        *,
        open_partition: Callable[[TopicPartition], Subscription],
        close_partition: Callable[[Subscription], None],
    ) -> None:
        self.topic = topic
        self.owner = owner
        self._open_partition = open_partition
        self._close_partition = close_partition
        self._parts: dict[TopicPartition, Subscription] = {}

    def parts(self) -> list[Subscription]:
        """Return those of the partitions that are assigned now."""
        return list(self._parts.values())

    @property
    def waiters(self) -> set[asyncio.Task[Any] | None]:
        return set().union(*(part.waiters for part in self._parts.values()))

    def unacked(self) -> Iterable[Task]:
        """Yield the tasks that have items which the program has yet to acknowledge."""
        for part in self._parts.values():
            yield from part.unacked()

    def queues(self) -> Iterable[PartitionQueue]:
        for part in self._parts.values():
            yield from part.queues()

    def queue(self, tp: TopicPartition) -> PartitionQueue | None:
        part = self._parts.get(tp)
        return None if part is None else part.queue(tp)

    def add(self, tp: TopicPartition, task: Task, position: int) -> None:
        part = self._parts[tp] = self._open_partition(tp)
        part.add(tp, task, position)

    def remove(self, tp: TopicPartition) -> None:
        part = self._parts.pop(tp, None)
        if part is not None:
            part.remove(tp)
            self._close_partition(part)

    def deliver(self, tp: TopicPartition, batch: RecordBatch) -> None:
        part = self._parts.get(tp)
        if part is not None:
            part.deliver(tp, batch)

    def wake(self) -> None:
        for part in self._parts.values():
            part.wake()

    def claims(self) -> Iterable[Claim]:
        for part in self._parts.values():
            yield from part.claims()
