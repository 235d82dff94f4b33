"""Where a join keeps the records of both sides until their windows close: a table of its own, keyed time first.

Its key is (side, bucket of time, key), its value the rows of that key in that bucket.  So a record finds its
partners by two look-ups, and what is due is one range of the store, whatever else is in it.  One row more has the
stream time.  Like every table it has a changelog and is part of the checkpoint.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from faust_core.errors import DecodeError
from faust_core.joins.state import GroupedPartition, JoinState, StateCodec
from faust_core.table_partition import DELETED, MISSING

__all__ = ["CLOCK", "BufferPartition", "BufferTable", "Clock", "Row"]


class Row(NamedTuple):
    """One record of one side, as it came.

    Attributes:
        topic: index of its topic among those of its side.
        matched: it has been part of a pair.
    """

    timestamp_ms: int
    offset: int
    topic: int
    matched: bool
    value: bytes


class Clock(NamedTuple):
    """The stream time, and with which window it was reached."""

    stream_time_ms: int
    bucket_ms: int
    left_wait_ms: int
    right_wait_ms: int


#: side, bucket, key
Slot = tuple[int, int, bytes]

CLOCK: Slot = (255, 0, b"")
_KEY = struct.Struct(">BQ")
_ROW = struct.Struct(">qqHBI")
_CLOCK = struct.Struct(">qqqq")


class BufferCodec(StateCodec):
    """Slots and rows in bytes.  The layout is part of what is stored: it may be added to, never changed."""

    __slots__ = ()

    def encode_key(self, key: Slot) -> bytes:
        side, bucket, inner = key
        return _KEY.pack(side, bucket) + inner

    def encode_value(self, value: Sequence[Row] | Clock) -> bytes:
        if isinstance(value, Clock):
            return b"C" + _CLOCK.pack(*value)
        parts = [b"R"]
        for row in value:
            parts.append(_ROW.pack(row.timestamp_ms, row.offset, row.topic, row.matched, len(row.value)))
            parts.append(row.value)
        return b"".join(parts)

    def decode_key(self, data: bytes) -> Slot:
        side, bucket = _KEY.unpack_from(data)
        return side, bucket, data[_KEY.size :]

    def decode_value(self, data: bytes) -> list[Row] | Clock:
        """Raises:
        DecodeError: these bytes were written by something else.
        """
        rows, at = [], 1
        try:
            if data[:1] == b"C":
                return Clock(*_CLOCK.unpack_from(data, 1))
            if data[:1] != b"R":
                raise DecodeError(f"the buffer of a join holds what is no row of it: {data[:40]!r}")
            while at < len(data):
                timestamp_ms, offset, topic, matched, size = _ROW.unpack_from(data, at)
                at += _ROW.size
                rows.append(Row(timestamp_ms, offset, topic, bool(matched), data[at : at + size]))
                at += size
        except struct.error as exc:
            raise DecodeError(f"the buffer of a join holds what is no row of it: {exc}") from exc
        return rows


class BufferPartition(GroupedPartition):
    """One partition of a join's buffer; its groups are the buckets of each side.

    Attributes:
        memo: what the join knows of it besides; None where that must be found out from the rows, because they were
            taken back or written by others.
    """

    __slots__ = ("memo",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.memo: Any = None

    def group_of(self, key: Slot) -> tuple[int, int] | None:
        side, bucket, _ = key
        return None if side == CLOCK[0] else (side, bucket)

    def rows_of(self, side: int, bucket: int, key: bytes) -> Sequence[Row]:
        """Return the rows of a key in a bucket; not to be changed."""
        rows: Any = self.get((side, bucket, key))
        return () if rows is MISSING else rows

    def change(self, side: int, bucket: int, key: bytes) -> list[Row]:
        """Return the rows of a key in a bucket, to be changed in place before the next await."""
        slot = (side, bucket, key)
        rows: Any = self.dirty.get(slot, MISSING)
        if rows is MISSING or rows is DELETED:
            found = MISSING if rows is DELETED else self.settled(slot)
            # A copy: the other one is in a checkpoint, or what an aborted transaction goes back to.
            rows = [] if found is MISSING or found is DELETED else list(found)
            self.change_key(slot, rows)
        changed: list[Row] = rows
        return changed

    def delete(self, side: int, bucket: int, key: bytes) -> None:
        self.delete_key((side, bucket, key))

    def slots(self, side: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield (bucket, key) of what is in the buckets `first` to `last`, in no particular order."""
        changed: list[tuple[int, bytes]] = []
        groups = self.unstored_groups
        if last - first < len(groups):
            wanted: Iterable[tuple[int, int]] = [(side, bucket) for bucket in range(first, last + 1)]
        else:
            wanted = [(s, bucket) for s, bucket in groups if s == side and first <= bucket <= last]
        for group in wanted:
            changed.extend((bucket, key) for _, bucket, key in self.unstored(group))
        known = set(changed)
        for data, _ in self.store.scan(_KEY.pack(side, first), _KEY.pack(side, last + 1)):
            _, bucket, key = self.codec.decode_key(data)
            if (bucket, key) not in known:
                yield bucket, key
        for bucket, key in changed:
            if self.get((side, bucket, key)) is not MISSING:
                yield bucket, key

    @property
    def clock(self) -> Clock | None:
        """Return what was kept of the stream time; None in a new buffer."""
        clock = self.get(CLOCK)
        return clock if isinstance(clock, Clock) else None

    # -- the checkpoint's side

    def discard(self) -> None:
        super().discard()
        self.memo = None

    def forget_cache(self, keys: Sequence[bytes] | None = None) -> None:
        super().forget_cache(keys)
        self.memo = None


class BufferTable(JoinState):
    """The buffer of one join."""

    partition_type = BufferPartition
    state_codec = BufferCodec
