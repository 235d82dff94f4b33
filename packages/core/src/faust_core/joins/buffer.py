"""Where a join keeps the records of both sides until their windows close: a table of its own, keyed time first.

Its key is (side, bucket of time, key, chunk), its value rows of that key in that bucket.  So a record finds its
partners by two look-ups, and what is due is one range of the store, whatever else is in it.  A key with many records
has several chunks: none grows beyond what a broker takes, and a checkpoint writes the last one only.  One row more has
the stream time.  Like every table it has a changelog and is part of the checkpoint.
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


#: side, bucket, key, chunk
Slot = tuple[int, int, bytes, int]

#: A chunk that has as many rows, or as many bytes of values, takes no more.
CHUNK_ROWS = 64
CHUNK_BYTES = 16 * 1024

CLOCK: Slot = (255, 0, b"", 0)
_KEY = struct.Struct(">BQ")
_CHUNK = struct.Struct(">I")
_ROW = struct.Struct(">qqHBI")
_CLOCK = struct.Struct(">qqqq")


class BufferCodec(StateCodec):
    """Slots and rows in bytes.  The layout is part of what is stored: it may be added to, never changed."""

    __slots__ = ()

    def encode_key(self, key: Slot) -> bytes:
        side, bucket, inner, chunk = key
        return _KEY.pack(side, bucket) + inner + _CHUNK.pack(chunk)

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
        return side, bucket, data[_KEY.size : -_CHUNK.size], _CHUNK.unpack(data[-_CHUNK.size :])[0]

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

    __slots__ = ("_tails", "memo")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.memo: Any = None
        #: the last chunk of keys that have several: of all those in buckets that the join has looked through
        self._tails: dict[tuple[int, int, bytes], int] = {}

    def group_of(self, key: Slot) -> tuple[int, int] | None:
        side, bucket, _, _ = key
        return None if side == CLOCK[0] else (side, bucket)

    def chunk_of(self, slot: Slot) -> Sequence[Row]:
        """Return the rows of one chunk; not to be changed."""
        rows: Any = self.get(slot)
        return () if rows is MISSING else rows

    def rows_of(self, side: int, bucket: int, key: bytes) -> Sequence[Row]:
        """Return the rows of a key in a bucket; not to be changed."""
        rows = self.chunk_of((side, bucket, key, 0))
        if not _is_full(rows):
            return rows
        found = list(rows)
        chunk = 0
        while _is_full(rows):
            chunk += 1
            rows = self.chunk_of((side, bucket, key, chunk))
            found += rows
        return found

    def add(self, side: int, bucket: int, key: bytes, row: Row) -> int | None:
        """Keep a record; returns its chunk, None for one that is there already, as it is repeated after a crash."""
        place = (side, bucket, key)
        chunk = self._tails.get(place, 0)
        rows = self.chunk_of((*place, chunk))
        before: Sequence[Row] = ()
        while _is_full(rows):
            chunk += 1
            before, rows = rows, self.chunk_of((*place, chunk))
        # Records of a topic come in the order of their offsets.
        latest = next((known for known in reversed(rows or before) if known.topic == row.topic), None)
        if (latest is None and chunk) or (latest is not None and latest.offset >= row.offset):
            for earlier in range(chunk + 1):
                for index, known in enumerate(self.chunk_of((*place, earlier))):
                    if known.offset == row.offset and known.topic == row.topic:
                        self._change((*place, earlier))[index] = row._replace(matched=row.matched or known.matched)
                        return None
        self._change((*place, chunk)).append(row)
        if chunk:
            self._tails[place] = chunk
        return chunk

    def match(self, side: int, bucket: int, key: bytes, first_ms: int, last_ms: int) -> None:
        """Note that the rows of a key in a bucket that are of that time have a partner."""
        chunk = 0
        while rows := self.chunk_of((side, bucket, key, chunk)):
            alone = [i for i, row in enumerate(rows) if not row.matched and first_ms <= row.timestamp_ms <= last_ms]
            if alone:
                changed = self._change((side, bucket, key, chunk))
                for index in alone:
                    changed[index] = changed[index]._replace(matched=True)
            if not _is_full(rows):
                return
            chunk += 1

    def _change(self, slot: Slot) -> list[Row]:
        """Return the rows of a chunk, to be changed in place before the next await."""
        rows: Any = self.dirty.get(slot, MISSING)
        if rows is MISSING or rows is DELETED:
            found = MISSING if rows is DELETED else self.settled(slot)
            # A copy: the other one is in a checkpoint, or what an aborted transaction goes back to.
            rows = [] if found is MISSING or found is DELETED else list(found)
            self.change_key(slot, rows)
        changed: list[Row] = rows
        return changed

    def delete(self, side: int, bucket: int, key: bytes) -> None:
        """Delete all chunks of a key in a bucket that the join has looked through."""
        place = (side, bucket, key)
        for chunk in range(self._tails.pop(place, 0) + 1):
            self.delete_key((*place, chunk))

    def delete_slot(self, slot: Slot) -> None:
        self._tails.pop(slot[:3], None)
        self.delete_key(slot)

    def looked_through(self, slot: Slot) -> None:
        """Note that a chunk is there, so that `delete` finds it."""
        side, bucket, key, chunk = slot
        if chunk > self._tails.get((side, bucket, key), 0):
            self._tails[side, bucket, key] = chunk

    def slots(self, side: int, first: int, last: int) -> Iterator[Slot]:
        """Yield what is in the buckets `first` to `last`, in no particular order."""
        changed: list[Slot] = []
        groups = self.unstored_groups
        if last - first < len(groups):
            wanted: Iterable[tuple[int, int]] = [(side, bucket) for bucket in range(first, last + 1)]
        else:
            wanted = [(s, bucket) for s, bucket in groups if s == side and first <= bucket <= last]
        for group in wanted:
            changed.extend(self.unstored(group))
        known = set(changed)
        for data, _ in self.store.scan(_KEY.pack(side, first), _KEY.pack(side, last + 1)):
            slot: Slot = self.codec.decode_key(data)
            if slot not in known:
                yield slot
        for slot in changed:
            if self.get(slot) is not MISSING:
                yield slot

    @property
    def clock(self) -> Clock | None:
        """Return what was kept of the stream time; None in a new buffer."""
        clock = self.get(CLOCK)
        return clock if isinstance(clock, Clock) else None

    # -- the checkpoint's side

    def discard(self) -> None:
        super().discard()
        self.memo = None
        self._tails = {}

    def forget_cache(self, keys: Sequence[bytes] | None = None) -> None:
        super().forget_cache(keys)
        self.memo = None
        self._tails = {}


def _is_full(rows: Sequence[Row]) -> bool:
    """Whether a chunk takes no more, so that there may be another one.  It stays so: rows go with their bucket."""
    return len(rows) >= CHUNK_ROWS or (bool(rows) and sum(len(row.value) for row in rows) >= CHUNK_BYTES)


class BufferTable(JoinState):
    """The buffer of one join."""

    partition_type = BufferPartition
    state_codec = BufferCodec
