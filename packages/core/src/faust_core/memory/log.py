"""One partition: records as columns, and the rules that say how much of them readers may see."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from faust_core.records import ConsumerRecord, Headers, RecordBatch, TopicPartition

__all__ = ["LogSlice", "PartitionLog"]


class LogReader(Protocol):
    """Who wants to know that there is more to read."""

    def wake(self) -> None: ...


class LogSlice:
    """A `RecordBatch` of slices of a log's columns: making one costs the same for any record size."""

    __slots__ = ("_headers", "keys", "next_offset", "offsets", "timestamps_ms", "tp", "values")

    def __init__(self, log: PartitionLog, start: int, stop: int, next_offset: int) -> None:
        self.tp = log.tp
        self.next_offset = next_offset
        self.values: Sequence[bytes | None] = log.values[start:stop]
        self.keys: Sequence[bytes | None] = log.keys[start:stop]
        self.offsets: Sequence[int] = log.offsets[start:stop]
        self.timestamps_ms: Sequence[int] = log.timestamps_ms[start:stop]
        self._headers = log.headers

    def headers(self, index: int, /) -> Headers:
        return self._headers.get(self.offsets[index], ())

    def record(self, index: int, /) -> ConsumerRecord:
        topic, partition = self.tp
        return ConsumerRecord(
            topic,
            partition,
            self.offsets[index],
            self.timestamps_ms[index],
            self.keys[index],
            self.values[index],
            self.headers(index),
        )

    def __len__(self) -> int:
        return len(self.values)


class PartitionLog:
    """The records of one partition, oldest first.

    Columns of equal length hold what can be read, or could be once its transaction commits.  Offsets in use
    that are in no column are gaps: transaction markers, aborted records, compacted ones.

    Attributes:
        start: the first offset that may still be read.
        end: the offset that the next record gets.
        open: the first offset of each transaction that is still open here, by transactional id.
        deleted: the topic is gone; whoever holds this log must look it up again.
    """

    __slots__ = (
        "deleted",
        "end",
        "headers",
        "keys",
        "offsets",
        "open",
        "readers",
        "start",
        "timestamps_ms",
        "tp",
        "values",
    )

    def __init__(self, tp: TopicPartition) -> None:
        self.tp = tp
        self.start = 0
        self.end = 0
        self.offsets: list[int] = []
        self.timestamps_ms: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []
        self.headers: dict[int, Headers] = {}
        self.open: dict[str, int] = {}
        self.readers: dict[LogReader, None] = {}
        self.deleted = False

    @property
    def stable_end(self) -> int:
        """The last stable offset: nothing from here on is readable yet."""
        return min(self.open.values()) if self.open else self.end

    def append(self, key: bytes | None, value: bytes | None, timestamp_ms: int, headers: Headers | None) -> int:
        """Add a record and return its offset."""
        offset = self.end
        self.end = offset + 1
        self.offsets.append(offset)
        self.timestamps_ms.append(timestamp_ms)
        self.keys.append(key)
        self.values.append(value)
        if headers:
            self.headers[offset] = tuple(headers)
        if self.readers and not self.open:
            self._wake()
        return offset

    def close_transaction(self, transactional_id: str, aborted: Sequence[int] = ()) -> None:
        """Write the marker that ends a transaction, and drop the records that it aborts.  A marker takes one offset."""
        del self.open[transactional_id]
        self.end += 1
        if aborted:
            gone = set(aborted)
            first = bisect_left(self.offsets, aborted[0])
            self._keep([i for i in range(first, len(self.offsets)) if self.offsets[i] not in gone], since=first)
            for offset in gone:
                self.headers.pop(offset, None)
        self._wake()

    def read(self, position: int, limit: int) -> LogSlice | None:
        """Return up to `limit` readable records from `position`; None where there are none."""
        first = bisect_left(self.offsets, position)
        readable = self._readable()
        stop = min(first + limit, readable)
        if first >= stop:
            return None
        return LogSlice(self, first, stop, self.offsets[stop] if stop < readable else self.stable_end)

    def next_readable(self, position: int) -> int:
        """Return `position`, moved forward over what will never be read."""
        first = bisect_left(self.offsets, position)
        return self.offsets[first] if first < self._readable() else max(position, self.stable_end)

    def truncate(self, before: int) -> None:
        """Forget every record below `before`."""
        self.start = max(self.start, min(before, self.end))
        first = bisect_left(self.offsets, self.start)
        self._keep(range(first, len(self.offsets)))

    def compact(self, *, drop_tombstones: bool) -> None:
        """Keep the last record of each key, of what is stable; optionally none for a key whose last is a tombstone."""
        readable = self._readable()
        last = {key: i for i, key in enumerate(self.keys[:readable]) if key is not None}
        kept = [i for i in sorted(last.values()) if not (drop_tombstones and self.values[i] is None)]
        self._keep([*kept, *range(readable, len(self.offsets))])

    def _readable(self) -> int:
        return bisect_left(self.offsets, self.stable_end) if self.open else len(self.offsets)

    def _keep(self, indices: Sequence[int], since: int = 0) -> None:
        columns: tuple[list[Any], ...] = (self.offsets, self.timestamps_ms, self.keys, self.values)
        for column in columns:
            column[since:] = [column[i] for i in indices]
        if since == 0 and self.headers:
            # A new dict: batches that were handed out keep the headers that they had.
            kept = set(self.offsets)
            self.headers = {offset: headers for offset, headers in self.headers.items() if offset in kept}

    def _wake(self) -> None:
        for reader in self.readers:
            reader.wake()


if TYPE_CHECKING:
    _: type[RecordBatch] = LogSlice
