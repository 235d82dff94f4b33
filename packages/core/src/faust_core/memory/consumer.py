"""Reading from an in-memory broker."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from faust_core.errors import TransportError
from faust_core.memory._signal import Signal
from faust_core.memory.broker import Broker
from faust_core.memory.log import PartitionLog
from faust_core.protocols.transport import Consumer
from faust_core.records import RecordBatch, TopicPartition

__all__ = ["MemoryConsumer"]

logger = logging.getLogger(__name__)


class _Cursor:
    """Where in a partition we are; `log` is None while the partition does not exist."""

    __slots__ = ("log", "position", "tp")

    def __init__(self, tp: TopicPartition, log: PartitionLog | None, position: int) -> None:
        self.tp = tp
        self.log = log
        self.position = position


class MemoryConsumer:
    """Reads committed records.  `poll` is for one task at a time; it always gives others a turn."""

    def __init__(self, broker: Broker, *, client_id: str, name: str) -> None:
        self._broker = broker
        self._faults = broker.faults
        self._client_id = client_id
        self._name = name
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._paused: set[TopicPartition] = set()
        self._readable: list[_Cursor] | None = None
        self._turn = 0
        self._more = Signal(broker.clock)
        self._closed = False
        self._faults.watch(self.wake)

    async def assign(self, positions: Mapping[TopicPartition, int], /) -> None:
        await self._faults.latency()
        self._check_open()
        for tp, position in positions.items():
            self._drop(tp)
            cursor = self._cursors[tp] = _Cursor(tp, None, position)
            self._find(cursor)
        self._readable = None
        self.wake()

    async def unassign(self, partitions: Collection[TopicPartition], /) -> None:
        for tp in partitions:
            self._drop(tp)
            self._paused.discard(tp)
        self._readable = None
        await self._faults.latency()

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[RecordBatch]:
        clock = self._broker.clock
        deadline = clock.monotonic() + timeout_s
        await self._faults.latency()
        self._check_open()
        while True:
            # No await lies between taking records and returning them: cancelling cannot lose any.
            batches = self._take(max_records)
            remaining = deadline - clock.monotonic()
            if batches or remaining <= 0 or self._closed:
                return batches
            await self._more.wait(remaining)

    def pause(self, partitions: Collection[TopicPartition], /) -> None:
        self._paused.update(tp for tp in partitions if tp in self._cursors)
        self._readable = None

    def resume(self, partitions: Collection[TopicPartition], /) -> None:
        self._paused.difference_update(partitions)
        self._readable = None
        self.wake()

    def position(self, partition: TopicPartition, /) -> int | None:
        cursor = self._cursors.get(partition)
        if cursor is None or cursor.log is None:
            return None
        return cursor.log.next_readable(max(cursor.position, cursor.log.start))

    async def aclose(self) -> None:
        self.kill()

    def kill(self) -> None:
        self._closed = True
        self._faults.unwatch(self.wake)
        for tp in list(self._cursors):
            self._drop(tp)
        self._readable = None
        self.wake()

    def wake(self) -> None:
        """Have a waiting `poll` look again."""
        self._more.set()

    def _take(self, max_records: int) -> list[RecordBatch]:
        cursors = self._readable
        if cursors is None:
            cursors = self._readable = [c for tp, c in self._cursors.items() if tp not in self._paused]
        batches: list[RecordBatch] = []
        for i in range(len(cursors)):
            cursor = cursors[(self._turn + i) % len(cursors)]
            log = cursor.log
            if log is None or log.deleted or cursor.position < log.start:
                log = self._find(cursor)
            if log is None or (self._faults.active and not self._faults.readable(self._client_id, cursor.tp)):
                continue
            batch = log.read(cursor.position, max_records)
            if batch is not None:
                cursor.position = batch.next_offset
                batches.append(batch)
                max_records -= len(batch)
                if max_records <= 0:
                    break
        # The next poll begins with another partition, so that a deep one does not starve the rest.
        self._turn += 1
        return batches

    def _find(self, cursor: _Cursor) -> PartitionLog | None:
        """Find a cursor's partition, and move the cursor to an offset that the partition has."""
        log = self._broker.log(cursor.tp)
        if log is not cursor.log:
            if cursor.log is not None:
                cursor.log.readers.pop(self, None)
            cursor.log = log
            if log is not None:
                log.readers[self] = None
        if log is not None:
            nearest = min(max(cursor.position, log.start), log.end)
            if nearest != cursor.position:
                logger.warning(
                    "consumer %s: %s has no offset %d (it has %d to %d): reading from %d",
                    self._name,
                    cursor.tp,
                    cursor.position,
                    log.start,
                    log.end,
                    nearest,
                )
                cursor.position = nearest
        return log

    def _drop(self, tp: TopicPartition) -> None:
        cursor = self._cursors.pop(tp, None)
        if cursor is not None and cursor.log is not None:
            cursor.log.readers.pop(self, None)

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(f"consumer {self._name} is closed")


if TYPE_CHECKING:
    _: type[Consumer] = MemoryConsumer
