"""The fetch loop: consumer → bounded queues, one per partition and stream.

A full queue costs its own partition only.  Pausing is expensive where the client prefetches (what it
had fetched of that partition is thrown away), so a partition is paused only when it has been full for
`STUCK_S`; a queue that is merely slower than the broker makes the loop wait instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from faust_core.engine.held_back import HeldBack
from faust_core.engine.isolated import IsolatedSubscription
from faust_core.engine.subscription import Subscription
from faust_core.engine.task import Task
from faust_core.engine.watching import MessageWatch
from faust_core.protocols.transport import Consumer
from faust_core.records import RecordBatch, TopicPartition
from faust_core.sensors import Counts
from faust_core.topics import Topic

__all__ = ["AnySubscription", "Fetcher"]

AnySubscription = Subscription | IsolatedSubscription

MAX_POLL_RECORDS = 4_000
STUCK_S = 0.05
#: Of a `noack` stream so many times as many events may wait to be acknowledged as records may be queued.
UNACKED_SHARE = 10
POLL_S = 0.5


class Fetcher:
    """Owns the input consumer and knows which subscriptions read which partition."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        max_queued: int,
        before_delivery: Callable[[Task, RecordBatch, Topic[Any, Any]], Awaitable[None]] | None = None,
        counts: Counts | None = None,
        on_full: Callable[[TopicPartition], None] = lambda _tp: None,
    ) -> None:
        """Args:
        before_delivery: prepares for a batch of a task with tables in a remote store; streams get it afterwards.
        on_full: told when as many records of a partition wait as may.
        """
        self._counts = counts or Counts()
        self._on_full = on_full
        #: tells sensors of each record; None where none wants to know
        self.watch: MessageWatch | None = None
        self._consumer = consumer
        self._max_queued = max_queued
        self._before_delivery = before_delivery
        self._subscribers: dict[str, list[AnySubscription]] = {}
        #: those of patterns, which may have no topic yet
        self._patterned: list[AnySubscription] = []
        self._tasks: dict[TopicPartition, Task] = {}
        self._full_since: dict[TopicPartition, float] = {}
        self._paused: set[TopicPartition] = set()
        #: where partitions were sent back to while a poll was under way
        self._moved: dict[TopicPartition, int] = {}
        self._moving = asyncio.Lock()
        self._assigned: set[TopicPartition] = set()
        self._held = HeldBack(self._come_back, self._held_for_good)
        self._failure: Exception | None = None
        self._room = asyncio.Event()
        self.records = 0

    @property
    def consumer(self) -> Consumer:
        return self._consumer

    # -- subscriptions

    def subscribe(self, subscription: AnySubscription) -> None:
        """Have a subscription get its topics' records; again, when its pattern has come to match more."""
        if subscription.topic.pattern is not None and subscription not in self._patterned:
            self._patterned.append(subscription)
        for name in subscription.topic.topics:
            subscribers = self._subscribers.setdefault(name, [])
            if subscription not in subscribers:
                subscribers.append(subscription)

    def unsubscribe(self, subscription: AnySubscription) -> None:
        if subscription in self._patterned:
            self._patterned.remove(subscription)
        for name in subscription.topic.topics:
            if subscription in self._subscribers.get(name, []):
                self._subscribers[name].remove(subscription)

    def subscriptions(self) -> list[AnySubscription]:
        named = [s for subscribers in self._subscribers.values() for s in subscribers]
        return list({id(s): s for s in (*named, *self._patterned)}.values())

    def topics(self) -> set[str]:
        return {name for name, subscribers in self._subscribers.items() if subscribers}

    # -- partitions

    async def start(self, task: Task, positions: Mapping[TopicPartition, int]) -> None:
        """Begin to read a task's partitions."""
        for tp, position in positions.items():
            self._tasks[tp] = task
            for subscription in self._subscribers.get(tp.topic, ()):
                subscription.add(tp, task, position)
        self.start_closing(task)
        async with self._moving:
            # What a rewind has assigned meanwhile may be in progress already: it must not be read a second time.
            new = {tp: at for tp, at in positions.items() if tp not in self._assigned and self._tasks.get(tp) is task}
            self._assigned |= new.keys()
            if new:
                await self._consumer.assign(new)
        self._room.set()

    def start_closing(self, task: Task) -> None:
        """Hand out the task's windows that are over to those who wait for them, from the first open one on."""
        for table in task.tables.values():
            table.start_closing(task, self._subscribers.get(table.changelog.topic, ()))

    async def rewind(self, positions: Mapping[TopicPartition, int]) -> None:
        """Forget what is queued and read again from `positions`."""
        async with self._moving:
            await self._consumer.assign(positions)
            self._assigned |= positions.keys()
            # What a poll that is under way brings may be of the old position.
            self._moved |= positions
            for tp, position in positions.items():
                for subscription in self._subscribers.get(tp.topic, ()):
                    queue = subscription.queue(tp)
                    if queue is not None:
                        queue.clear(position)
        self._forget(positions)
        self._consumer.resume(list(positions))

    async def stop(self, task: Task) -> None:
        """Read a task's partitions no further and forget what is queued."""
        mine = [tp for tp, owner in self._tasks.items() if owner is task]
        self._assigned.difference_update(mine)
        for tp in mine:
            del self._tasks[tp]
            for subscription in self._subscribers.get(tp.topic, ()):
                subscription.remove(tp)
        for table in task.tables.values():
            table.stop_closing()
        if self.watch is not None:
            self.watch.forget(mine)
        self._forget(mine)
        if mine:
            await self._consumer.unassign(mine)

    def add_late(self, subscription: AnySubscription) -> None:
        """Give a stream that was opened in mid-flight the partitions that are read already."""
        if subscription.topic.from_table:
            for task in set(self._tasks.values()):
                self.start_closing(task)
        for tp, task in self._tasks.items():
            if tp.topic in subscription.topic.topics and subscription.queue(tp) is None:
                subscription.add(tp, task, self._consumer.position(tp) or 0)

    def done_with(self, tp: TopicPartition) -> int | None:
        """Return the offset below which all streams are done with a partition; None where it is not read here."""
        queues = [subscription.queue(tp) for subscription in self._subscribers.get(tp.topic, ())]
        return min((queue.done for queue in queues if queue is not None), default=None)

    def done(self, task: Task) -> dict[TopicPartition, int]:
        """Return the next-to-read offsets of a task: the least that its streams have done."""
        offsets: dict[TopicPartition, int] = {}
        for tp in task.inputs:
            done = [
                queue.done
                for subscription in self._subscribers.get(tp.topic, ())
                if subscription.topic.acks and (queue := subscription.queue(tp)) is not None
            ]
            if done:
                offsets[tp] = min(done)
        return offsets

    def on_drained(self, tp: TopicPartition) -> None:
        """An actor has taken the last record of a partition's queue, or acknowledged many."""
        if self._is_full(tp):
            self._note_full(tp)
            return
        self._full_since.pop(tp, None)
        if tp in self._paused:
            self._paused.discard(tp)
            self._consumer.resume([tp])
        self._room.set()

    async def aclose(self) -> None:
        await self._held.aclose()
        await self._consumer.aclose()

    # -- the loop

    async def run(self) -> None:
        """Fetch until cancelled.

        Raises:
            TransportError: the consumer can never work again.
            ConfigError: a service that codecs need refuses.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if not self._tasks:
                self._room.clear()
                await self._room.wait()
                continue
            if not await self._has_room():
                continue
            self._moved.clear()
            again: set[TopicPartition] = set()
            batches = await self._consumer.poll(max_records=MAX_POLL_RECORDS, timeout_s=POLL_S)
            if self._before_delivery is not None:
                await self._prepare(batches, self._before_delivery)
            for batch in batches:
                tp = batch.tp
                if tp in self._moved:
                    again.add(tp)
                    continue
                self.records += len(batch)
                self._counts.fetched(tp.topic, len(batch))
                if tp in self._tasks:
                    if self._held.hold(batch, [s.topic for s in self._subscribers[tp.topic]]):
                        self._consumer.pause([tp])
                    else:
                        self._deliver(batch)
            if again:
                async with self._moving:
                    await self._consumer.assign({tp: self._moved[tp] for tp in again if tp in self._tasks})

    def _deliver(self, batch: RecordBatch) -> None:
        tp = batch.tp
        if self.watch is not None:
            self.watch.came(batch)
        for subscription in self._subscribers[tp.topic]:
            subscription.deliver(tp, batch)
        if self._is_full(tp):
            self._note_full(tp)

    def _come_back(self, batches: Sequence[RecordBatch]) -> None:
        """Hand out what was held back of a partition, and go on with it."""
        tp = batches[0].tp
        for batch in batches:
            self._deliver(batch)
        if tp not in self._paused:
            self._consumer.resume([tp])

    def _held_for_good(self, error: Exception) -> None:
        self._failure = error
        self._room.set()

    async def _prepare(
        self, batches: Sequence[RecordBatch], prepare: Callable[[Task, RecordBatch, Topic[Any, Any]], Awaitable[None]]
    ) -> None:
        for batch in batches:
            task = self._tasks.get(batch.tp)
            if task is not None and not task.closed and len(batch):
                await prepare(task, batch, self._subscribers[batch.tp.topic][0].topic)

    def _note_full(self, tp: TopicPartition) -> None:
        if tp not in self._full_since:
            self._full_since[tp] = asyncio.get_running_loop().time()
            self._counts.buffer_full[tp] += 1
            self._on_full(tp)

    def _is_full(self, tp: TopicPartition) -> bool:
        return any(
            queue.queued >= (limit := subscription.topic.maxsize or self._max_queued)
            or len(queue.unacked) >= limit * UNACKED_SHARE
            for subscription in self._subscribers.get(tp.topic, ())
            if (queue := subscription.queue(tp)) is not None
        )

    async def _has_room(self) -> bool:
        """Wait a moment for full queues to drain; pause those that do not."""
        now = asyncio.get_running_loop().time()
        full = []
        for tp in list(self._full_since):
            if tp in self._paused:
                continue
            if not self._is_full(tp):
                del self._full_since[tp]
            else:
                full.append(tp)
        if not full:
            if self._paused and len(self._paused) == len(self._tasks):
                self._room.clear()
                await self._room.wait()
                return False
            return True
        stuck = [tp for tp in full if now - self._full_since[tp] >= STUCK_S]
        others = len(self._tasks) - len(self._paused) - len(full)
        if stuck and others:
            self._consumer.pause(stuck)
            self._paused.update(stuck)
            return len(stuck) == len(full)
        self._room.clear()
        try:
            async with asyncio.timeout(STUCK_S):
                await self._room.wait()
        except TimeoutError:
            pass
        return False

    def _forget(self, partitions: Mapping[TopicPartition, int] | list[TopicPartition]) -> None:
        for tp in partitions:
            self._full_since.pop(tp, None)
            self._paused.discard(tp)
            self._held.drop(tp)
        self._room.set()
