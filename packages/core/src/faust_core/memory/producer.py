"""Writing to an in-memory broker."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from faust_core.clock import TimerHandle
from faust_core.errors import (
    BufferFull,
    FencedError,
    RecordTooLarge,
    TopicMissing,
    TransactionAborted,
    TransactionInDoubt,
    TransportError,
)
from faust_core.memory._signal import Signal
from faust_core.memory.broker import Broker, Topic
from faust_core.memory.log import PartitionLog
from faust_core.partitioner import partition_for
from faust_core.protocols.notes import NotedOffset, NotingProducer
from faust_core.protocols.transport import GroupMetadata, OnDelivery, Producer, TransactionalProducer, TransportContext
from faust_core.records import Headers, RecordMetadata, TopicPartition

__all__ = ["MemoryProducer", "MemoryTransactionalProducer"]


logger = logging.getLogger(__name__)


class _Held(NamedTuple):
    """A record on its way."""

    sequence: int
    due: float
    size: int
    log: PartitionLog
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers | None
    on_delivery: OnDelivery | None


class MemoryProducer:
    """Writes a record at once, unless the broker's faults hold it back: then it waits here, in order."""

    def __init__(self, broker: Broker, context: TransportContext) -> None:
        self._broker = broker
        self._clock = broker.clock
        self._faults = broker.faults
        self._topics = broker.topics
        self._client_id = context.client_id
        self._max_request_bytes = context.max_request_bytes
        self._max_buffered_bytes = context.max_buffered_bytes
        self._close_timeout_s = context.request_timeout_s
        self._keyless = 0
        self._held: dict[TopicPartition, deque[_Held]] = {}
        self._held_bytes = 0
        self._sequence = count(1)
        self._timer: TimerHandle | None = None
        self._less_held = Signal(broker.clock)
        self._error: TransportError | None = None
        self._deliveries: list[tuple[OnDelivery, RecordMetadata | None, Exception | None]] = []
        self._closed = False
        self._faults.watch(self._release)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        self._check_can_send()
        size = (len(value) if value else 0) + (len(key) if key else 0)
        if headers:
            size += sum(len(name) + (len(text) if text else 0) for name, text in headers)
        if size > self._max_request_bytes:
            raise RecordTooLarge(f"a record of {size} bytes for {topic} is over the limit of {self._max_request_bytes}")
        faults = self._faults
        slow = faults.active or bool(self._held)
        if slow and (
            faults.clogged(self._client_id) or (self._held and self._held_bytes + size > self._max_buffered_bytes)
        ):
            raise BufferFull(f"{self._client_id} holds {self._held_bytes} unsent bytes: await drain() and send again")
        found = self._topics.get(topic)
        if found is None and self._broker.auto_create:
            self._broker.create_topic(topic, self._broker.auto_create)
            found = self._topics[topic]
        if found is None:
            self._fail(TopicMissing(f"there is no topic {topic!r} in {self._broker.url}"), on_delivery)
            return
        log = self._log(found, key, partition)
        error = self._refusal(found, log, key, size, partition, slow)
        if error is not None:
            self._fail(error, on_delivery)
            return
        assert log is not None
        if timestamp_ms is None:
            timestamp_ms = int(self._clock.time() * 1000)
        if slow:
            due = self._clock.monotonic() + faults.completion_delay()
            record = _Held(next(self._sequence), due, size, log, key, value, timestamp_ms, headers, on_delivery)
            self._held.setdefault(log.tp, deque()).append(record)
            self._held_bytes += size
            self._release()
        else:
            self._write(log, key, value, timestamp_ms, headers, on_delivery)

    async def drain(self) -> None:
        await self._faults.latency()
        while not self._closed and (
            self._faults.clogged(self._client_id) or (self._held and self._held_bytes >= self._max_buffered_bytes)
        ):
            await self._less_held.wait()

    async def flush(self) -> None:
        await self._faults.latency()
        self._check_open()
        last = next(self._sequence)
        while any(held[0].sequence < last for held in self._held.values()):
            await self._less_held.wait()
            self._check_open()
        error, self._error = self._error or self._faults.take_flush_failure(), None
        if error is not None:
            raise error

    async def aclose(self) -> None:
        if self._closed:
            return
        deadline = self._clock.monotonic() + self._close_timeout_s
        while self._held and (remaining := deadline - self._clock.monotonic()) > 0:
            await self._less_held.wait(remaining)
        self._close()

    def kill(self) -> None:
        """Drop what is held and what was to be reported, as a killed process does."""
        self._close()
        self._deliveries.clear()

    def _close(self) -> None:
        self._closed = True
        self._faults.unwatch(self._release)
        self._drop_held()

    def _append(
        self, log: PartitionLog, key: bytes | None, value: bytes | None, timestamp_ms: int, headers: Headers | None
    ) -> int:
        return log.append(key, value, timestamp_ms, headers)

    def _log(self, topic: Topic, key: bytes | None, partition: int | None) -> PartitionLog | None:
        logs = topic.logs
        if partition is None:
            if key is None:
                self._keyless += 1
                return logs[self._keyless % len(logs)]
            return logs[partition_for(key, len(logs))]
        return logs[partition] if 0 <= partition < len(logs) else None

    def _refusal(
        self, topic: Topic, log: PartitionLog | None, key: bytes | None, size: int, partition: int | None, slow: bool
    ) -> TransportError | None:
        if slow and (failure := self._faults.take_send_failure(topic.name)) is not None:
            return failure
        if log is None:
            return TopicMissing(f"{topic.name} has no partition {partition}: it has {len(topic.logs)}")
        if size > topic.max_message_bytes:
            return RecordTooLarge(
                f"a record of {size} bytes is over the limit of {topic.name}: {topic.max_message_bytes}"
            )
        if topic.compacted and key is None:
            return TransportError(f"{topic.name} is compacted: its records need keys")
        return None

    def _write(
        self,
        log: PartitionLog,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers | None,
        on_delivery: OnDelivery | None,
    ) -> None:
        try:
            offset = self._append(log, key, value, timestamp_ms, headers)
        except TransportError as error:
            self._fail(error, on_delivery)
            return
        if on_delivery is not None:
            topic, partition = log.tp
            self._deliver(on_delivery, RecordMetadata(topic, partition, offset, timestamp_ms), None)

    def _fail(self, error: TransportError, on_delivery: OnDelivery | None) -> None:
        self._error = self._error or error
        if on_delivery is not None:
            self._deliver(on_delivery, None, error)

    def _deliver(self, on_delivery: OnDelivery, metadata: RecordMetadata | None, error: Exception | None) -> None:
        if not self._deliveries:
            asyncio.get_running_loop().call_soon(self._call_deliveries)
        self._deliveries.append((on_delivery, metadata, error))

    def _call_deliveries(self) -> None:
        deliveries, self._deliveries = self._deliveries, []
        for on_delivery, metadata, error in deliveries:
            try:
                on_delivery(metadata, error)
            except Exception:
                logger.exception("a delivery callback of %s failed", self._client_id)

    def _release(self) -> None:
        """Write what is held no longer; called whenever that may have changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        next_due: float | None = None
        for tp, held in list(self._held.items()):
            if not self._faults.writable(self._client_id, tp):
                continue
            while held and held[0].due <= now:
                _, _, size, log, key, value, timestamp_ms, headers, on_delivery = held.popleft()
                self._held_bytes -= size
                if log.deleted:
                    self._fail(TopicMissing(f"topic {tp.topic!r} was deleted"), on_delivery)
                else:
                    self._write(log, key, value, timestamp_ms, headers, on_delivery)
            if not held:
                del self._held[tp]
            elif next_due is None or held[0].due < next_due:
                next_due = held[0].due
        if next_due is not None:
            self._timer = self._clock.call_later(next_due - now, self._release)
        self._less_held.set()

    def _drop_held(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.clear()
        self._held_bytes = 0
        self._less_held.set()

    def _check_can_send(self) -> None:
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(f"the producer of {self._client_id} is closed")


class MemoryTransactionalProducer(MemoryProducer):
    """Writes in transactions.  Each leaves one marker in every partition that it wrote to."""

    def __init__(self, broker: Broker, context: TransportContext, transactional_id: str) -> None:
        super().__init__(broker, context)
        self._transactions = broker.transactions
        self._id = transactional_id
        self._timeout_s = context.transaction_timeout_s
        self._epoch: int | None = None
        self._begun = False
        self._must_abort = False

    async def begin(self) -> None:
        await self._faults.request(self._client_id)
        self._check_open()
        if self._begun:
            raise TransportError(f"{self._id} has a transaction open already: commit or abort it first")
        if self._epoch is None:
            self._epoch = self._transactions.register(self._id, self._timeout_s)
        self._transactions.check(self._id, self._epoch)
        self._begun = True

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata | None, /) -> None:
        await self.commit_noted({tp: NotedOffset(offset) for tp, offset in offsets.items()}, member)

    async def commit_noted(
        self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata | None, /
    ) -> None:
        if bool(offsets) != (member is not None):
            raise ValueError(f"{self._id}: offsets and the member that read them are committed together or not at all")
        epoch = self._check_begun()
        if self._must_abort:
            raise TransactionAborted(f"the transaction of {self._id} has failed: abort it first")
        self._must_abort = True
        try:
            await self.flush()
            await self._faults.request(self._client_id)
        except (FencedError, TransactionAborted):
            raise
        except TransportError as error:
            refused = isinstance(error, (RecordTooLarge, TopicMissing))
            raise TransactionAborted(
                f"the transaction of {self._id} lacks a record: {error}", refused=refused
            ) from error
        self._broker.check_notes(offsets)
        if member is not None:
            group = self._broker.group(member.group_id)
            self._transactions.add_offsets(self._id, epoch, group, offsets, member)
        await self._faults.request(self._client_id)
        self._check_open()
        if self._faults.take_transaction_abort():
            raise TransactionAborted(f"the transaction of {self._id} was aborted (a fault that was asked for)")
        doubtful = self._faults.take_doubtful_commit()
        if doubtful is not False:
            self._transactions.end(self._id, epoch, commit=True)
        if doubtful is not None:
            raise TransactionInDoubt(f"no answer to the commit of {self._id} (a fault that was asked for)")
        self._begun = self._must_abort = False
        await self._faults.latency()

    async def abort(self) -> None:
        self._drop_held()
        self._error = None
        if not self._begun:
            return
        epoch = self._check_begun()
        await self._faults.request(self._client_id)
        self._check_open()
        self._begun = self._must_abort = False
        try:
            self._transactions.end(self._id, epoch, commit=False)
        except FencedError:
            # The one who took over has aborted it already; `begin` will say so.
            return

    async def aclose(self) -> None:
        if self._begun and not self._closed and self._faults.reachable(self._client_id):
            await self.abort()
        await super().aclose()

    def _append(
        self, log: PartitionLog, key: bytes | None, value: bytes | None, timestamp_ms: int, headers: Headers | None
    ) -> int:
        assert self._epoch is not None
        return self._transactions.write(self._id, self._epoch, log, key, value, timestamp_ms, headers)

    def _check_can_send(self) -> None:
        self._check_begun()

    def _check_begun(self) -> int:
        self._check_open()
        if not self._begun or self._epoch is None:
            raise TransportError(f"{self._id} has no transaction open: begin one first")
        return self._epoch


if TYPE_CHECKING:
    _: type[Producer] = MemoryProducer
    _transactional: type[TransactionalProducer] = MemoryTransactionalProducer
    _noting: type[NotingProducer] = MemoryTransactionalProducer
