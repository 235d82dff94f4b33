"""Reading two streams as one: joined within an interval, or one beside the other.

Records are taken one at a time from the two subscriptions of a task, the older one first where both have some.
What a record brings about is one claim: the record is done when all of it was handed out and worked on, and so
the buffer's changes, the offset and what the agent makes of the pairs are in the same checkpoint.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from faust_core._context import current_claim
from faust_core.claims import Claim, EventWatch
from faust_core.engine.found import FoundBatch, FoundClaim, FoundDecoding
from faust_core.engine.subscription import TURN_S, PartitionQueue, Subscription
from faust_core.engine.task import Task
from faust_core.errors import DecodeError, PartitionsMismatch
from faust_core.joins.buffer import BufferPartition, Row
from faust_core.joins.declare import Found
from faust_core.joins.interval import IntervalJoin, Pair
from faust_core.joins.sides import TwoStreams
from faust_core.joins.window import LEFT, RIGHT
from faust_core.records import ConsumerRecord, TopicPartition
from faust_core.stream import SKIP

__all__ = ["JoinSource"]

log = logging.getLogger(__name__)


class Lane:
    """One task's queues of both sides, and how far its sides are.

    Attributes:
        last_ms: the latest timestamp of each side that was worked on; None for none.
        empty_since: since when the side has had nothing to read (of the event loop's clock).
        quiet: it has been waited for long enough.
    """

    __slots__ = ("empty_since", "last_ms", "queues", "quiet")

    def __init__(self) -> None:
        self.queues: tuple[list[PartitionQueue], list[PartitionQueue]] = ([], [])
        self.last_ms: list[int | None] = [None, None]
        self.empty_since: list[float | None] = [None, None]
        self.quiet = [False, False]


class JoinSource:
    """The `ClaimSource` of a stream that is made of two.  One actor uses it at a time."""

    def __init__(self, two: TwoStreams, sides: Sequence[Subscription]) -> None:
        self.two = two
        self._join: IntervalJoin | None = two.join
        self.sides = sides
        self._topics = [FoundDecoding(stream.topic) for stream in two.sides]
        self._lanes: dict[Task, Lane] = {}
        self._order: deque[tuple[Task, Lane]] = deque()
        #: given back undone: handed out again before anything else, also while a checkpoint waits for it
        self._redo: deque[FoundClaim] = deque()
        self._turn_started = 0.0
        self._turns = 0
        self.ended = False
        self.taken = 0
        self.watch: EventWatch | None = None

    # -- ClaimSource

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        assert deadline_s is None, "`take` is refused"
        actor = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if previous is not None:
            # Where a checkpoint waits the loop stops after each value; the rest of it still belongs to the record.
            if previous.index < previous.stop and not previous.failed and self._queue(previous) is not None:
                return previous
            self.release(previous)
        while True:
            for one in self.sides:
                one.raise_thrown()  # an agent is cancelled by its own subscription
            while self._redo:
                claim = self._redo.popleft()
                if self._queue(claim) is not None:
                    claim.actor = actor
                    claim.failed = False
                    return claim
            now = loop.time()
            if now - self._turn_started >= TURN_S:
                await asyncio.sleep(0)
                now = self._turn_started = loop.time()
                self._look()
            side, queue, wake_at = self._next(now)
            if queue is None:
                await self._wait(loop, wake_at)
                self._turn_started = loop.time()
                continue
            found = await self._take(side, queue, actor)
            if found is not None:
                return found

    def release(self, claim: Claim, /) -> None:
        queue = self._queue(claim)
        if queue is not None and isinstance(claim, FoundClaim):
            if claim.index < claim.stop:
                claim.start = claim.index
                claim.actor = None
                self._redo.append(claim)
                self._wake()
            else:
                queue.claims.remove(claim)
                self.sides[LEFT].count.events += 1
        if claim.task.halted:
            self.sides[LEFT].look_again()

    def trim(self, claim: Claim, /) -> None:
        """Only `take` gives part of a claim back."""

    def leave(self, claim: Claim, /) -> None:
        if claim.failed or self._queue(claim) is None:
            return
        claim.index = min(claim.index + 1, claim.stop)
        claim.raw.clear()
        self.release(claim)

    def leave_all(self) -> None:
        actor = asyncio.current_task()
        for side in self.sides:
            for claim in [claim for claim in side.claims() if claim.actor is actor]:
                claim.source.leave(claim)

    def throw(self, error: BaseException, /) -> None:
        self.sides[LEFT].throw(error)

    def close(self) -> None:
        self._redo.clear()
        for side in self.sides:
            side.close()

    def hold(self, claim: Claim, /) -> None:
        """Nothing to do: `noack` is refused, as each record is committed with what it brought about."""

    def ack(self, _claim: Claim, _offset: int, /) -> bool:
        return False

    def is_open(self, _claim: Claim, _offset: int, /) -> bool:
        return False

    def in_hand(self, claim: Claim, index: int, /) -> bool:
        return self._queue(claim) is not None and index >= claim.index

    async def undecodable(self, claim: Claim, error: Exception, /) -> None:
        await self.sides[LEFT].undecodable(claim, error)

    # -- choosing the next record

    def _next(self, now: float) -> tuple[int, PartitionQueue | None, float | None]:
        """Return the record to take: its side and its queue; else when to look again though nothing arrives."""
        if any(side.held_back for side in self.sides):
            return LEFT, None, None
        if not self._order:
            self._look()
        wake_at: float | None = None
        for _ in range(len(self._order)):
            task, lane = self._order[0]
            if not task.halted and not task.closed:
                side, queue, at = self._next_of(lane, now)
                if queue is not None:
                    return side, queue, None
                if at is not None:
                    wake_at = at if wake_at is None else min(at, wake_at)
            self._order.rotate(-1)
        self._order.clear()  # partitions may have come or gone: look again next time
        return LEFT, None, wake_at

    def _look(self) -> None:
        """Find the tasks whose partitions are here now."""
        lanes: dict[Task, Lane] = {}
        for side, subscription in enumerate(self.sides):
            for queue in subscription.queues():
                lane = lanes.get(queue.task)
                if lane is None:
                    lane = lanes[queue.task] = self._lanes.get(queue.task) or Lane()
                    lane.queues = ([], [])
                lane.queues[side].append(queue)
        self._lanes = lanes
        self._order = deque(lanes.items())
        self._turns += 1
        self._order.rotate(-self._turns)

    def _next_of(self, lane: Lane, now: float) -> tuple[int, PartitionQueue | None, float | None]:
        heads = [_oldest(queues) for queues in lane.queues]
        (left_ms, left), (right_ms, right) = heads
        if left is not None and right is not None:
            return (LEFT, left, None) if left_ms <= right_ms else (RIGHT, right, None)
        if left is None and right is None:
            return LEFT, None, None
        side = LEFT if left is not None else RIGHT
        at_ms, queue = heads[side]
        if self._would_lose(lane, 1 - side, at_ms):
            since = lane.empty_since[1 - side]
            if since is None:
                since = lane.empty_since[1 - side] = now
            if now < since + self.two.idle_s:
                return side, None, since + self.two.idle_s
            lane.quiet[1 - side] = True
        return side, queue, None

    def _would_lose(self, lane: Lane, empty: int, at_ms: int) -> bool:
        """Whether a record of that time would close the windows of what the empty side may have next."""
        if self._join is None or lane.quiet[empty]:
            return False
        last_ms = lane.last_ms[empty]
        return last_ms is None or last_ms + self._join.window.wait_ms(empty) < at_ms

    async def _wait(self, loop: asyncio.AbstractEventLoop, wake_at: float | None) -> None:
        waiter = loop.create_future()
        for side in self.sides:
            side.enqueue(waiter)
        try:
            # With a time one side is held back for the other's sake.
            await asyncio.wait([waiter], timeout=None if wake_at is None else max(0.0, wake_at - loop.time()))
        finally:
            for side in self.sides:
                side.dequeue(waiter)
            waiter.cancel()

    def _wake(self) -> None:
        for side in self.sides:
            side.wake()

    # -- one record

    async def _take(self, side: int, queue: PartitionQueue, actor: asyncio.Task[Any] | None) -> FoundClaim | None:
        """Take one record; return what comes of it, None for nothing."""
        subscription = self.sides[side]
        claim = queue.claim(1, subscription)
        claim.actor = actor
        if not queue.pending:
            subscription.drained(queue)
        self.taken += 1
        lane = self._lanes[queue.task]
        lane.last_ms[side] = max(claim.timestamp_ms, lane.last_ms[side] or 0)
        lane.empty_since[side] = None
        lane.quiet[side] = False
        current_claim.set(claim)
        try:
            value = await self._value(side, claim)
        except DecodeError as exc:
            await subscription.undecodable(claim, exc)
            value = SKIP
        task = claim.task
        if task.closed or claim not in queue.claims:
            return None
        found: list[tuple[Any, ConsumerRecord]] = []
        if value is not SKIP:
            found = self._found(side, claim, value)
        if not found:
            claim.index = claim.stop
            subscription.release(claim)
            return None
        batch = FoundBatch(claim.tp, claim.offset, [one for one, _ in found], [record for _, record in found])
        result = FoundClaim(batch, 0, len(batch), task, self._topics[side], self)
        result.actor = actor
        queue.claims[queue.claims.index(claim)] = result
        return result

    async def _value(self, side: int, claim: Claim) -> Any:
        """Return what the side's stream makes of its record, or `SKIP`."""
        value = claim.topic.decode_value(claim.value_bytes, claim)
        for processor in self.two.sides[side].processors:
            value = processor(value)
            if inspect.isawaitable(value):
                value = await value
            if value is SKIP:
                break
        return value

    def _found(self, side: int, claim: Claim, value: Any) -> list[tuple[Any, ConsumerRecord]]:
        if self._join is None:
            return [(value, claim.record())]
        data = claim.value_bytes
        if data is None:
            self._dropped(self._join.null_value(), claim)
            return []
        names = self.two.sides[side].topic.topics
        row = Row(max(claim.timestamp_ms, 0), claim.offset, names.index(claim.tp.topic), False, data)
        pairs, dropped = self._join.add(self._buffer(claim), side, claim.key_bytes, row)
        if dropped is not None:
            self._dropped(dropped, claim)
        record = claim.record() if pairs else None
        found = []
        for key, pair in pairs:
            mine = pair[side]
            if mine is not None and mine.offset == row.offset and mine.topic == row.topic:
                assert record is not None
                found.append((Found(pair, side, value, self._decoder(claim, key)), record))
            else:
                found.append((Found(pair, None, None, self._decoder(claim, key)), self._record(claim, key, pair)))
        return found

    def _buffer(self, claim: Claim) -> BufferPartition:
        assert self.two.buffer is not None
        part = claim.task.open_tables.get(self.two.buffer.name)
        if part is None:
            raise PartitionsMismatch(
                f"{self.two.name}: its topics are not partitioned alike, or the join was opened after the worker had "
                "started: iterate it in an agent"
            )
        assert isinstance(part, BufferPartition)
        return part

    def _decoder(self, claim: Claim, key: bytes | None) -> Any:
        def decode(side: int, row: Row) -> Any:
            topic = self.two.sides[side].topic
            record = self._row_record(claim, side, key, row)
            tp = TopicPartition(record.topic, record.partition)
            one = Claim(FoundBatch(tp, row.offset, [row.value], [record]), 0, 1, claim.task, topic, self)
            return topic.decode_value(row.value, one)

        return decode

    def _record(self, claim: Claim, key: bytes | None, pair: Pair) -> ConsumerRecord:
        """Return the record that a pair without the one in hand stands for."""
        side = LEFT if pair.left is not None else RIGHT
        row = pair[side]
        assert row is not None
        return self._row_record(claim, side, key, row)

    def _row_record(self, claim: Claim, side: int, key: bytes | None, row: Row) -> ConsumerRecord:
        names = self.two.sides[side].topic.topics
        name = names[min(row.topic, len(names) - 1)]
        return ConsumerRecord(name, claim.tp.partition, row.offset, row.timestamp_ms, key, row.value)

    def _dropped(self, reason: str, claim: Claim) -> None:
        assert self._join is not None
        count = self._join.dropped[reason]
        # One line for the first, the second, the fourth …: a flood of them must not become a flood of lines.
        if count & (count - 1) == 0:
            log.warning("%s: %d records left out because of %s; the latest is %s", self.two.name, count, reason, claim)

    def _queue(self, claim: Claim) -> PartitionQueue | None:
        """Return the queue that a claim still belongs to."""
        for side in self.sides:
            queue = side.queue(claim.tp)
            if queue is not None and claim in queue.claims:
                return queue
        return None

    # -- what else a stream asks of its source

    def partitions(self) -> Iterable[TopicPartition]:
        return [queue.tp for side in self.sides for queue in side.queues()]


def _oldest(queues: Sequence[PartitionQueue]) -> tuple[int, PartitionQueue | None]:
    """Return the queue whose next record is the oldest, and its time."""
    if len(queues) == 1:
        queue = queues[0]
        return (queue.next_timestamp_ms, queue) if queue.pending else (0, None)
    found = [(queue.next_timestamp_ms, index) for index, queue in enumerate(queues) if queue.pending]
    if not found:
        return 0, None
    at_ms, index = min(found)
    return at_ms, queues[index]
