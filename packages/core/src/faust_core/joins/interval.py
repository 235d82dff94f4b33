"""The join of two streams within an interval: what one more record brings about.

Pure over the buffer: no topic, no task, no waiting.  The stream time of a partition is the largest timestamp of
either side; it moves by records only, and is kept in the buffer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from faust_core.joins.buffer import CLOCK, BufferPartition, Clock, Row, Slot
from faust_core.joins.window import LEFT, RIGHT, JoinWindow, Mode

__all__ = ["IntervalJoin", "Pair"]


class Pair(NamedTuple):
    """What is handed out: a row of each side, None for the one that is missing."""

    left: Row | None
    right: Row | None


#: time, offset, topic, key, chunk
Lonely = tuple[int, int, int, bytes, int]


class IntervalJoin:
    """Finds the pairs of one join.

    Attributes:
        dropped: how many records were left out here, by reason: `late`, `null_key`, `null_value`.
    """

    def __init__(self, window: JoinWindow, mode: Mode) -> None:
        self.window = window
        self.mode = mode
        self.dropped: Counter[str] = Counter()

    def add(
        self, part: BufferPartition, side: int, key: bytes | None, row: Row
    ) -> tuple[list[tuple[bytes | None, Pair]], str | None]:
        """Take one record in; return the pairs it brings, each with its key, and why it was dropped, if it was.

        First come the records whose windows it closes, oldest first, then its own pairs, by the time of the partner.
        """
        memo: _Memo = part.memo or self._load(part)
        found: list[tuple[bytes | None, Pair]] = []
        at = row.timestamp_ms
        if at > memo.stream_time_ms or memo.overdue:
            memo.stream_time_ms = max(at, memo.stream_time_ms)
            self._write_clock(part, memo.stream_time_ms)
            found = self._close(part, memo)
        if key is None:
            if not self.mode.keeps(side):
                return found, self._drop("null_key")
            found.append((None, _alone(side, row)))
            return found, None
        if at + self.window.wait_ms(side) < memo.stream_time_ms:
            return found, self._drop("late")
        partners = self._partners(part, memo, side, key, at)
        found.extend((key, Pair(row, p) if side == LEFT else Pair(p, row)) for p in partners)
        self._keep(part, memo, side, key, row._replace(matched=bool(partners)))
        return found, None

    def null_value(self) -> str:
        return self._drop("null_value")

    def _drop(self, reason: str) -> str:
        self.dropped[reason] += 1
        return reason

    def _partners(self, part: BufferPartition, memo: _Memo, side: int, key: bytes, at: int) -> list[Row]:
        other = 1 - side
        first, last = self.window.partners(side, at)
        # What is closed was handed out alone, or deleted: a pair now would contradict that.
        first = max(first, memo.stream_time_ms - self.window.wait_ms(other), 0)
        size = self.window.bucket_ms
        found: list[Row] = []
        for bucket in range(first // size, last // size + 1) if last >= first else ():
            rows = part.rows_of(other, bucket, key)
            here = [row for row in rows if first <= row.timestamp_ms <= last]
            found.extend(here)
            if self.mode.keeps(other) and not all(row.matched for row in here):
                part.match(other, bucket, key, first, last)
        found.sort()
        return found

    def _keep(self, part: BufferPartition, memo: _Memo, side: int, key: bytes, row: Row) -> None:
        bucket = row.timestamp_ms // self.window.bucket_ms
        chunk = part.add(side, bucket, key, row)
        if chunk is not None and bucket == memo.loaded[side]:
            memo.keys[side].add(key)
            if self.mode.keeps(side) and not row.matched:
                heappush(memo.alone[side], (row.timestamp_ms, row.offset, row.topic, key, chunk))

    # -- closing

    def _close(self, part: BufferPartition, memo: _Memo) -> list[tuple[bytes | None, Pair]]:
        """Delete what the stream time has closed; return what must be handed out alone."""
        size = self.window.bucket_ms
        found: list[tuple[int, int, bytes, Row]] = list(memo.overdue)
        memo.overdue.clear()
        for side in (LEFT, RIGHT):
            #: what is older than this is closed
            edge = memo.stream_time_ms - self.window.wait_ms(side)
            bucket = edge // size
            self._pop(part, memo, side, edge, found)
            if bucket <= memo.loaded[side]:
                continue
            # Wholly closed: the bucket in hand, and those before the one that the edge is in.
            for key in memo.keys[side]:
                part.delete(side, memo.loaded[side], key)
            memo.keys[side].clear()
            first = max(memo.loaded[side] + 1, 0)
            memo.loaded[side] = bucket
            there = list(part.slots(side, first, bucket)) if bucket >= first else []
            if self.mode.keeps(side):
                for slot in there:
                    self._note_alone(memo, side, slot, part.chunk_of(slot))
                self._pop(part, memo, side, edge, found)
            self._keep_open(part, memo, side, bucket, there)
        found.sort(key=lambda one: (one[0], one[1], one[3].offset))
        return [(key, _alone(side, row)) for _, side, key, row in found]

    def _pop(
        self, part: BufferPartition, memo: _Memo, side: int, edge: int, found: list[tuple[int, int, bytes, Row]]
    ) -> None:
        heap = memo.alone[side]
        while heap and heap[0][0] < edge:
            at, offset, topic, key, chunk = heappop(heap)
            due = at + self.window.wait_ms(side)
            rows = part.chunk_of((side, at // self.window.bucket_ms, key, chunk))
            found.extend(
                (due, side, key, row) for row in rows if row.offset == offset and row.topic == topic and not row.matched
            )

    # -- the stream time, and what is known besides

    def _write_clock(self, part: BufferPartition, at: int) -> None:
        window = self.window
        part.dirty[CLOCK] = Clock(at, window.bucket_ms, window.wait_ms(LEFT), window.wait_ms(RIGHT))

    def _load(self, part: BufferPartition) -> _Memo:
        clock = part.clock
        memo = part.memo = _Memo(-1 if clock is None else clock.stream_time_ms)
        if clock is not None:
            if clock[1:] != (self.window.bucket_ms, self.window.wait_ms(LEFT), self.window.wait_ms(RIGHT)):
                self._convert(part, memo, clock)
                self._write_clock(part, clock.stream_time_ms)
            for side in (LEFT, RIGHT):
                self._resume(part, memo, side)
        return memo

    def _resume(self, part: BufferPartition, memo: _Memo, side: int) -> None:
        """Go on in the bucket that the edge is in; what is older has been dealt with."""
        edge = memo.stream_time_ms - self.window.wait_ms(side)
        bucket = memo.loaded[side] = edge // self.window.bucket_ms
        if bucket < 0:
            return
        there = list(part.slots(side, 0, bucket))
        self._keep_open(part, memo, side, bucket, there)
        if self.mode.keeps(side):
            for slot in there:
                if slot[1] == bucket:
                    open_rows = [row for row in part.chunk_of(slot) if row.timestamp_ms >= edge]
                    self._note_alone(memo, side, slot, open_rows)

    def _note_alone(self, memo: _Memo, side: int, slot: Slot, rows: Sequence[Row]) -> None:
        _, _, key, chunk = slot
        for row in rows:
            if not row.matched:
                heappush(memo.alone[side], (row.timestamp_ms, row.offset, row.topic, key, chunk))

    def _keep_open(self, part: BufferPartition, memo: _Memo, side: int, bucket: int, there: Sequence[Slot]) -> None:
        """Note what is in the bucket in hand; what is in earlier ones, also left behind by a crash, is deleted."""
        for slot in there:
            if slot[1] == bucket:
                memo.keys[side].add(slot[2])
                part.looked_through(slot)
            else:
                part.delete_slot(slot)

    def _convert(self, part: BufferPartition, memo: _Memo, old: Clock) -> None:
        """The application was changed: sort what is kept by the new window; what that closes is overdue."""
        for side, old_wait_ms in ((LEFT, old.left_wait_ms), (RIGHT, old.right_wait_ms)):
            kept: list[tuple[bytes, Row]] = []
            for slot in list(part.slots(side, 0, (1 << 63) - 1)):
                rows = part.chunk_of(slot)
                kept.extend((slot[2], row) for row in rows if row.timestamp_ms + old_wait_ms >= old.stream_time_ms)
                part.delete_slot(slot)
            kept.sort(key=lambda one: one[1].offset)
            wait_ms = self.window.wait_ms(side)
            for key, row in kept:
                due = row.timestamp_ms + wait_ms
                if due >= old.stream_time_ms:
                    part.add(side, row.timestamp_ms // self.window.bucket_ms, key, row)
                elif self.mode.keeps(side) and not row.matched:
                    memo.overdue.append((due, side, key, row))


class _Memo:
    """What a join remembers of one partition: of each side, one bucket of time.

    Attributes:
        loaded: the bucket in which closed and open rows meet.
        keys: of that bucket.
        alone: a heap of its rows that have no partner yet: (time, offset, topic, key, chunk).
        overdue: to be handed out as soon as the stream time moves.
    """

    __slots__ = ("alone", "keys", "loaded", "overdue", "stream_time_ms")

    def __init__(self, stream_time_ms: int) -> None:
        self.stream_time_ms = stream_time_ms
        self.loaded = [-1, -1]
        self.keys: tuple[set[bytes], set[bytes]] = (set(), set())
        self.alone: tuple[list[Lonely], list[Lonely]] = ([], [])
        self.overdue: list[tuple[int, int, bytes, Row]] = []


def _alone(side: int, row: Row) -> Pair:
    return Pair(row, None) if side == LEFT else Pair(None, row)
