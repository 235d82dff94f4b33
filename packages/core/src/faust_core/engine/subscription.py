"""One stream's view of its topics: a queue per partition, and who works on what.

Nothing is copied per stream: queues hold the batches as the transport made them, and a cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from faust_core.claims import Claim, EventWatch
from faust_core.engine.task import Task
from faust_core.records import RecordBatch, TopicPartition
from faust_core.sensors import StreamCount
from faust_core.topics import Topic

__all__ = ["PartitionQueue", "Subscription"]

#: How long an actor may keep the event loop before others get a turn.  Short enough for a p99 of
#: milliseconds, long enough that the switch (some 10 µs) does not show.
TURN_S = 0.004
MAX_CLAIM = 2_000
#: A partition that is read no further because of unacknowledged events is looked at again after so many.
ACKED_STEP = 16


class PartitionQueue:
    """The records of one partition that one subscription has not handed out yet, and the claims on those it has."""

    __slots__ = ("at", "batches", "claims", "listed", "position", "queued", "redo", "task", "tp", "unacked")

    def __init__(self, tp: TopicPartition, task: Task, position: int) -> None:
        self.tp = tp
        self.task = task
        self.batches: deque[RecordBatch] = deque()
        #: index of the next record in the first batch
        self.at = 0
        #: given back undone (batch, start, stop): handed out again before anything else
        self.redo: deque[tuple[RecordBatch, int, int]] = deque()
        self.queued = 0
        #: offset of the next record to arrive
        self.position = position
        self.claims: list[Claim] = []
        #: offsets that the program has yet to acknowledge, with the claim that they were handed out by
        self.unacked: dict[int, Claim] = {}
        #: whether it stands in the subscription's queue of those that have work
        self.listed = False

    @property
    def pending(self) -> bool:
        return bool(self.batches or self.redo)

    @property
    def next_timestamp_ms(self) -> int:
        """The time of the record that `claim` gives next; only where one is pending."""
        if self.redo:
            batch, start, _ = self.redo[0]
            return batch.timestamps_ms[start]
        return self.batches[0].timestamps_ms[self.at]

    def append(self, batch: RecordBatch) -> None:
        self.position = batch.next_offset
        if len(batch):
            self.batches.append(batch)
            self.queued += len(batch)

    def claim(self, size: int, source: Subscription) -> Claim:
        if self.redo:
            batch, start, end = self.redo.popleft()
            stop = min(end, start + size)
            if stop < end:
                self.redo.appendleft((batch, stop, end))
        else:
            batch = self.batches[0]
            start = self.at
            stop = min(len(batch), start + size)
            if stop == len(batch):
                self.batches.popleft()
                self.at = 0
            else:
                self.at = stop
        self.queued -= stop - start
        claim = Claim(batch, start, stop, self.task, source.topic, source)
        self.claims.append(claim)
        return claim

    def release(self, claim: Claim) -> None:
        self.claims.remove(claim)
        start = claim.start if claim.held else claim.index
        if not self.task.closed:
            self.give_back(claim.batch, start, claim.stop)

    def give_back(self, batch: RecordBatch, start: int, stop: int) -> None:
        """Have records handed out again, in their order."""
        if start < stop:
            self.redo.append((batch, start, stop))
            if len(self.redo) > 1:
                self.redo = deque(sorted(self.redo, key=lambda part: part[0].offsets[part[1]]))
            self.queued += stop - start

    @property
    def done(self) -> int:
        """The next-to-read offset: everything below it is done."""
        next_offset = self.batches[0].offsets[self.at] if self.batches else self.position
        return min(
            [
                next_offset,
                *self.unacked,
                *(claim.floor for claim in self.claims),
                *(batch.offsets[at] for batch, at, _ in self.redo),
            ]
        )

    def clear(self, position: int) -> None:
        self.batches.clear()
        self.redo.clear()
        self.claims.clear()
        self.unacked.clear()
        self.at = 0
        self.queued = 0
        self.position = position


class Subscription:
    """Hands the records of a topic's assigned partitions out to the actors of one stream.

    Within a partition records are handed out in order; partitions take turns.
    """

    def __init__(
        self,
        topic: Topic[Any, Any],
        owner: str,
        *,
        actors: int,
        on_drained: Callable[[TopicPartition], None],
        on_idle: Callable[[], None],
        on_undecodable: Callable[[Claim, Exception], Awaitable[None]],
    ) -> None:
        self.topic = topic
        self.owner = owner
        #: with several actors each takes one record at a time, so that a slow one holds up no other
        self._max_claim = MAX_CLAIM if actors == 1 else 1
        self._size = 1 if actors > 1 else 64
        self._queues: dict[TopicPartition, PartitionQueue] = {}
        self._ready: deque[PartitionQueue] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._on_drained = on_drained
        self._on_idle = on_idle
        self._on_undecodable = on_undecodable
        self._turn_started = 0.0
        self._actors = actors
        #: what each actor was given last, unless `take()` holds it
        self._in_hand: dict[asyncio.Task[Any] | None, Claim] = {}
        #: the asyncio tasks that wait for a record
        self.waiters: set[asyncio.Task[Any] | None] = set()
        self.closed = False
        self.ended = False
        self.taken = 0
        self.count = StreamCount()
        #: told of each actor's events, where several share this
        self.on_task_done: Callable[[str, int], None] | None = None
        self.watch: EventWatch | None = None
        self._thrown: deque[BaseException] = deque()
        self._held_back = False

    # -- the engine's side

    def queues(self) -> Iterable[PartitionQueue]:
        return self._queues.values()

    def queue(self, tp: TopicPartition) -> PartitionQueue | None:
        """Return a partition's queue; None where it has none, or reads no further."""
        return None if self.closed else self._queues.get(tp)

    def add(self, tp: TopicPartition, task: Task, position: int) -> None:
        self._queues[tp] = PartitionQueue(tp, task, position)

    def remove(self, tp: TopicPartition) -> None:
        queue = self._queues.pop(tp, None)
        if queue is not None:
            queue.clear(queue.position)

    def deliver(self, tp: TopicPartition, batch: RecordBatch) -> None:
        queue = self._queues.get(tp)
        if queue is None or self.closed:
            return
        queue.append(batch)
        self._list(queue)

    def wake(self) -> None:
        """A halted task goes on: look again."""
        for queue in self._queues.values():
            self._list(queue)

    def claims(self) -> Iterable[Claim]:
        for queue in self._queues.values():
            yield from queue.claims

    def partitions(self) -> Iterable[TopicPartition]:
        return self._queues.keys()

    def unacked(self) -> Iterable[Task]:
        """Yield the tasks that have items which the program has yet to acknowledge."""
        return (queue.task for queue in self._queues.values() if queue.unacked)

    def close(self) -> None:
        self.closed = True
        for queue in self._queues.values():
            queue.clear(queue.position)
            self._on_drained(queue.tp)

    def hold_back(self) -> None:
        """Hand nothing out until `go_on`, although tasks are not halted."""
        self._held_back = True

    def go_on(self) -> None:
        self._held_back = False
        while self._waiters:
            self._pass_on()

    def actor_returned(self) -> None:
        """One actor reads no further; after the last one the stream holds no offset and no partition back."""
        self._actors -= 1
        if self._actors == 0:
            self.close()

    # -- the stream's side

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        loop = asyncio.get_running_loop()
        actor = asyncio.current_task()
        other = self._in_hand.pop(actor, None)
        if other is not None and other is not previous and not other.held:
            self.leave(other)
        now = loop.time()
        if previous is not None:
            self._release(previous, now)
            self._adapt(previous, now - self._turn_started)
        if self._thrown:
            raise self._thrown.popleft()
        if now - self._turn_started >= TURN_S:
            await asyncio.sleep(0)
            now = self._turn_started = loop.time()
        while True:
            queue = self._next()
            if queue is not None:
                claim = queue.claim(self._size, self)
                claim.actor = actor
                claim.began = now
                self._in_hand[actor] = claim
                if queue.pending:
                    self._list(queue)
                else:
                    self._on_drained(queue.tp)
                return claim
            if not await self._wait(loop, deadline_s):
                return None
            if self._thrown:
                raise self._thrown.popleft()
            now = self._turn_started = loop.time()

    def throw(self, error: BaseException, /) -> None:
        self._thrown.append(error)
        self._pass_on()

    def hold(self, claim: Claim, /) -> None:
        claim.manual = True
        queue = self._queues.get(claim.tp)
        if queue is not None and claim in queue.claims:
            queue.unacked[claim.offset] = claim

    def ack(self, claim: Claim, offset: int, /) -> bool:
        if not self.is_open(claim, offset):
            return False
        queue = self._queues[claim.tp]
        del queue.unacked[offset]
        if not queue.pending and len(queue.unacked) % ACKED_STEP == 0:
            self._on_drained(queue.tp)
        if claim.task.halted:
            self._on_idle()
        return True

    def is_open(self, claim: Claim, offset: int, /) -> bool:
        queue = self._queues.get(claim.tp)
        return queue is not None and queue.unacked.get(offset) is claim

    def in_hand(self, claim: Claim, index: int, /) -> bool:
        queue = self._queues.get(claim.tp)
        return queue is not None and claim in queue.claims and index >= (claim.start if claim.held else claim.index)

    def release(self, claim: Claim, /) -> None:
        self._release(claim, asyncio.get_running_loop().time())

    def _release(self, claim: Claim, now: float) -> None:
        queue = self._queues.get(claim.tp)
        if queue is not None and claim in queue.claims:
            if not claim.held:
                self._count(claim.index - claim.start, now - claim.began, claim.actor)
            queue.release(claim)
            self._list(queue)
        if self.watch is not None:
            self.watch.released(claim)
        if claim.task.halted:
            self._on_idle()

    def trim(self, claim: Claim, /) -> None:
        queue = self._queues.get(claim.tp)
        if queue is not None and claim.index < claim.stop:
            queue.give_back(claim.batch, claim.index, claim.stop)
            claim.stop = claim.index
            self._list(queue)

    def leave(self, claim: Claim, /) -> None:
        queue = self._queues.get(claim.tp)
        if claim.failed or queue is None or claim not in queue.claims:
            return
        if not claim.held:
            claim.index = min(claim.index + 1, claim.stop)
        elif not claim.buffered:
            claim.held = False
            claim.index = claim.stop
        claim.raw.clear()
        self.release(claim)

    def leave_all(self) -> None:
        actor = asyncio.current_task()
        self._in_hand.pop(actor, None)
        for claim in [claim for claim in self.claims() if claim.actor is actor]:
            self.leave(claim)

    async def undecodable(self, claim: Claim, error: Exception, /) -> None:
        await self._on_undecodable(claim, error)

    # -- the side of a join, which takes records from the queues itself

    def enqueue(self, waiter: asyncio.Future[None]) -> None:
        """Wake `waiter` when a record arrives; the actor that asks is idle until `dequeue`.

        It has looked at all queues just before.
        """
        while self._ready:
            self._ready.popleft().listed = False
        self._waiters.append(waiter)
        self.waiters.add(asyncio.current_task())
        self._on_idle()

    def dequeue(self, waiter: asyncio.Future[None]) -> None:
        self.waiters.discard(asyncio.current_task())
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    @property
    def held_back(self) -> bool:
        """Whether nothing is to be handed out until `go_on`."""
        return self._held_back

    def raise_thrown(self) -> None:
        """Raise what `throw` was given, one error at a time."""
        if self._thrown:
            raise self._thrown.popleft()

    def drained(self, queue: PartitionQueue) -> None:
        self._on_drained(queue.tp)

    def look_again(self) -> None:
        self._on_idle()

    # -- inside

    def _count(self, events: int, busy_s: float, actor: asyncio.Task[Any] | None) -> None:
        if not events:
            return
        self.taken += events
        self.count.events += events
        self.count.busy_s += busy_s
        if self.on_task_done is not None:
            self.on_task_done(self.owner if actor is None else actor.get_name(), events)

    def _adapt(self, claim: Claim, elapsed_s: float) -> None:
        """Choose the next claims' size so that a turn lasts about `TURN_S`."""
        if self._max_claim == 1:
            return
        done = claim.index - claim.start
        if elapsed_s > TURN_S and done:
            self._size = max(1, min(self._max_claim, int(done * TURN_S / elapsed_s)))
        elif done == self._size:
            self._size = min(self._max_claim, self._size * 2)

    def _list(self, queue: PartitionQueue) -> None:
        if queue.pending and not queue.listed and not queue.task.halted and not self.closed:
            queue.listed = True
            self._ready.append(queue)
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break

    def _next(self) -> PartitionQueue | None:
        while self._ready and not self._held_back:
            queue = self._ready.popleft()
            queue.listed = False
            if queue.pending and not queue.task.halted and not queue.task.closed:
                return queue
        return None

    async def _wait(self, loop: asyncio.AbstractEventLoop, deadline_s: float | None) -> bool:
        waiter: asyncio.Future[Any] = loop.create_future()
        self._waiters.append(waiter)
        actor = asyncio.current_task()
        self.waiters.add(actor)
        self._on_idle()
        try:
            if deadline_s is None:
                await waiter
                return True
            clock = self.topic.app.clock
            timeout = deadline_s - clock.monotonic()
            if timeout <= 0:
                await asyncio.sleep(0)
                return False
            timer = clock.call_later(timeout, lambda: None if waiter.done() else waiter.set_result(False))
            try:
                return await waiter is not False
            finally:
                timer.cancel()
        finally:
            self.waiters.discard(actor)
            if not waiter.done():
                waiter.cancel()
            elif not waiter.cancelled() and self._ready and self._waiters:
                # Woken but leaving (cancelled, or past the deadline): pass the wake-up on.
                self._pass_on()

    def _pass_on(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
