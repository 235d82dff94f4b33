"""The coordinator of transactions: who may write under which id, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from faust_core.clock import Clock, TimerHandle
from faust_core.errors import FencedError, TransactionAborted
from faust_core.memory.group import Group
from faust_core.memory.log import PartitionLog
from faust_core.protocols.notes import NotedOffset
from faust_core.protocols.transport import GroupMetadata
from faust_core.records import Headers, TopicPartition

__all__ = ["Transactions"]


@dataclass(slots=True)
class _Producer:
    """What is known of one transactional id.

    Attributes:
        epoch: grows when a producer registers or is fenced; older ones are refused.
        written: the offsets that the open transaction has in each partition.
        groups: the groups whose offsets it will commit.
        timed_out: the last transaction was ended by its time-out; the producer has not noticed yet.
    """

    timeout_s: float
    epoch: int = 0
    written: dict[PartitionLog, list[int]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    timer: TimerHandle | None = None
    timed_out: bool = False


class Transactions:
    """All transactional ids of a broker.  A transaction is open from its first record or offset on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._producers: dict[str, _Producer] = {}

    def register(self, transactional_id: str, timeout_s: float) -> int:
        """Take over an id: end what its predecessor left open, and return the epoch to write under."""
        producer = self._producers.get(transactional_id)
        if producer is None:
            producer = self._producers[transactional_id] = _Producer(timeout_s)
        self._end(transactional_id, producer, commit=False)
        producer.timeout_s = timeout_s
        producer.timed_out = False
        producer.epoch += 1
        return producer.epoch

    def fence(self, transactional_id: str) -> None:
        """End what is open under an id and refuse its present producer."""
        self.register(transactional_id, 0.0)

    def write(
        self,
        transactional_id: str,
        epoch: int,
        log: PartitionLog,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers | None,
    ) -> int:
        """Append a record that nobody sees before the commit; return its offset.

        Raises:
            FencedError: the id has another producer by now.
            TransactionAborted: it took longer than its time-out.
        """
        producer = self.check(transactional_id, epoch)
        offsets = producer.written.get(log)
        if offsets is None:
            offsets = producer.written[log] = []
            log.open[transactional_id] = log.end
            self._start_timer(transactional_id, producer)
        offset = log.append(key, value, timestamp_ms, headers)
        offsets.append(offset)
        return offset

    def add_offsets(
        self,
        transactional_id: str,
        epoch: int,
        group: Group,
        offsets: Mapping[TopicPartition, NotedOffset],
        member: GroupMetadata,
    ) -> None:
        """Make offsets part of the transaction.

        Raises:
            FencedError: the id has another producer, or `member` is out of date.
            TransactionAborted: it took longer than its time-out.
        """
        producer = self.check(transactional_id, epoch)
        group.check(member)
        self._start_timer(transactional_id, producer)
        producer.groups[group.group_id] = group
        group.pending.setdefault(transactional_id, {}).update(offsets)

    def end(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """Commit or abort.  Nothing being open is no error.

        Raises:
            FencedError: the id has another producer by now.
            TransactionAborted: it was to be committed, but took longer than its time-out.
        """
        producer = self._producer(transactional_id, epoch)
        if commit:
            self.check(transactional_id, epoch)
        producer.timed_out = False
        self._end(transactional_id, producer, commit=commit)

    def check(self, transactional_id: str, epoch: int) -> _Producer:
        """Make sure that `epoch` may write.  Raises as `write` does."""
        producer = self._producer(transactional_id, epoch)
        if producer.timed_out:
            raise TransactionAborted(
                f"the transaction of {transactional_id} was open for longer than {producer.timeout_s:g} s"
            )
        return producer

    def open_ids(self) -> list[str]:
        """Return the ids with a transaction open."""
        return [name for name, producer in self._producers.items() if producer.written or producer.groups]

    def drop(self, log: PartitionLog) -> None:
        """Forget a partition that was deleted."""
        for producer in self._producers.values():
            producer.written.pop(log, None)

    def _producer(self, transactional_id: str, epoch: int) -> _Producer:
        producer = self._producers.get(transactional_id)
        if producer is None or producer.epoch != epoch:
            raise FencedError(f"the transactional id {transactional_id} was taken over by another producer")
        return producer

    def _start_timer(self, transactional_id: str, producer: _Producer) -> None:
        if producer.timer is None:
            producer.timer = self._clock.call_later(
                producer.timeout_s, lambda: self._time_out(transactional_id, producer)
            )

    def _time_out(self, transactional_id: str, producer: _Producer) -> None:
        producer.timer = None
        producer.timed_out = True
        self._end(transactional_id, producer, commit=False)

    def _end(self, transactional_id: str, producer: _Producer, *, commit: bool) -> None:
        if producer.timer is not None:
            producer.timer.cancel()
            producer.timer = None
        written, producer.written = producer.written, {}
        groups, producer.groups = producer.groups, {}
        # Offsets first: who sees the records then also sees how far they were made from.
        for group in groups.values():
            group.settle(transactional_id, commit=commit)
        for log, offsets in written.items():
            log.close_transaction(transactional_id, () if commit else offsets)
