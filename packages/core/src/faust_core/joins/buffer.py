"""Where a join keeps the records of both sides until their windows close: a table of its own, keyed time first.

Its key is (side, bucket of time, key), its value the rows of that key in that bucket.  So a record finds its
partners by two look-ups, and what is due is one range of the store, whatever else is in it.  One row more has the
stream time.  Like every table it has a changelog and is part of the checkpoint.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from faust_core.errors import DecodeError
from faust_core.protocols.store import Store
from faust_core.records import TopicPartition
from faust_core.table_partition import DELETED, MISSING, TablePartition
from faust_core.tables import Table

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


class BufferCodec:
    """Slots and rows in bytes.  The layout is part of what is stored: it may be added to, never changed."""

    def encode_key(self, slot: Slot) -> bytes:
        side, bucket, key = slot
        return _KEY.pack(side, bucket) + key

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


class BufferTable(Table[Any, Any]):
    """The buffer of one join; internal, so that no program changes it."""

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(app, name)
        self.codec = BufferCodec()  # type: ignore[assignment]  # the same methods, for its own keys and rows

    def open_partition(self, partition: int, store: Store, cache_size: int) -> TablePartition:
        self._opened = True
        changelog = TopicPartition(self.changelog_topic_name, partition)
        return BufferPartition(self, store, self.codec, changelog, cache_size)


class BufferPartition(TablePartition):
    """One partition of a join's buffer.

    Attributes:
        memo: what the join knows of it besides; None where that must be found out from the rows, because they were
            taken back or written by others.
    """

    __slots__ = ("_unstored", "memo")

    #: Its changes say that something was handed out.  They may be durable only when what came of that is.
    after_outputs = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.memo: Any = None
        #: the buckets that are not wholly in the store, with their keys
        self._unstored: dict[tuple[int, int], set[bytes]] = {}

    def rows(self, side: int, bucket: int, key: bytes) -> Sequence[Row]:
        """Return the rows of a key in a bucket; not to be changed."""
        rows: Any = self.get((side, bucket, key))
        return () if rows is MISSING else rows  # type: ignore[no-any-return]  # what the codec made

    def change(self, side: int, bucket: int, key: bytes) -> list[Row]:
        """Return the rows of a key in a bucket, to be changed in place before the next await."""
        slot = (side, bucket, key)
        rows: Any = self.dirty.get(slot, MISSING)
        if rows is MISSING or rows is DELETED:
            found = MISSING if rows is DELETED else self.settled(slot)
            # A copy: the other one is in a checkpoint, or what an aborted transaction goes back to.
            rows = self.dirty[slot] = [] if found is MISSING or found is DELETED else list(found)
            self._unstored.setdefault((side, bucket), set()).add(key)
        return rows

    def delete(self, side: int, bucket: int, key: bytes) -> None:
        self.dirty[side, bucket, key] = DELETED
        self._unstored.setdefault((side, bucket), set()).add(key)

    def slots(self, side: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield (bucket, key) of what is in the buckets `first` to `last`, in no particular order."""
        changed: list[tuple[int, bytes]] = []
        if last - first < len(self._unstored):
            buckets = [(bucket, self._unstored.get((side, bucket), ())) for bucket in range(first, last + 1)]
        else:
            buckets = [(b, keys) for (s, b), keys in self._unstored.items() if s == side and first <= b <= last]
        for bucket, keys in buckets:
            changed.extend((bucket, key) for key in keys)
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

    def settle(self) -> None:
        super().settle()
        self._unstored = {}
        self._note(self.dirty)

    def unstage(self) -> None:
        super().unstage()
        self._note(self.dirty)

    def _note(self, changes: dict[Any, Any]) -> None:
        for side, bucket, key in changes:
            if side != CLOCK[0]:
                self._unstored.setdefault((side, bucket), set()).add(key)

    def discard(self) -> None:
        super().discard()
        self.memo = None
        self._unstored = {}

    def forget_cache(self) -> None:
        super().forget_cache()
        self.memo = None
