"""What moves through a broker: positions, records as bytes, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = [
    "ConsumerRecord",
    "Headers",
    "ProducerRecord",
    "RecordBatch",
    "RecordList",
    "RecordMetadata",
    "TopicPartition",
]

#: Header names and values in the order in which they were written; names may repeat.
Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """One record as the broker holds it.

    Attributes:
        timestamp_ms: epoch milliseconds; -1 where the broker gave none.
        key: None where the record has no key.
        value: None is a tombstone: the deletion of `key`.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """One record on its way to the broker.

    Attributes:
        partition: None lets the transport choose (by murmur2 of the key, as Kafka's Java client does).
        timestamp_ms: epoch milliseconds; None lets the transport use the time of sending.
    """

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None
    headers: Headers = ()


class RecordMetadata(NamedTuple):
    """Where a sent record came to stand."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class RecordBatch(Protocol):
    """Records of one partition in ascending offset order, held column by column.

    The columns have equal length.  A batch is immutable and may be read by many streams at once.
    A transport may compute a column when it is first asked for: most applications never look at
    keys, timestamps or headers, and then never pay for them.
    """

    @property
    def tp(self) -> TopicPartition: ...

    @property
    def next_offset(self) -> int:
        """The position behind the batch: at least the last offset + 1, more where a gap follows."""
        ...

    @property
    def values(self) -> Sequence[bytes | None]: ...

    @property
    def keys(self) -> Sequence[bytes | None]: ...

    @property
    def offsets(self) -> Sequence[int]:
        """Ascending, not always contiguous: compaction and transactions leave gaps."""
        ...

    @property
    def timestamps_ms(self) -> Sequence[int]: ...

    def headers(self, index: int, /) -> Headers: ...

    def record(self, index: int, /) -> ConsumerRecord: ...

    def __len__(self) -> int: ...


class RecordList:
    """A `RecordBatch` made from records that exist as objects already."""

    __slots__ = ("_records", "keys", "next_offset", "offsets", "timestamps_ms", "tp", "values")

    def __init__(
        self, tp: TopicPartition, records: Sequence[ConsumerRecord], *, next_offset: int | None = None
    ) -> None:
        """Take `records`, all of partition `tp`; without `next_offset` they must not be empty."""
        self.tp = tp
        self._records = records
        self.values = [r.value for r in records]
        self.keys = [r.key for r in records]
        self.offsets = [r.offset for r in records]
        self.timestamps_ms = [r.timestamp_ms for r in records]
        self.next_offset = records[-1].offset + 1 if next_offset is None else next_offset

    def headers(self, index: int, /) -> Headers:
        return self._records[index].headers

    def record(self, index: int, /) -> ConsumerRecord:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)
