"""One partition of a windowed table: its stream time, and a time-first index of what is in its store.

Beside each `[key,[start,end]]` the local store has an entry that begins with the end, so that expiry and closing
read what is due and nothing else, and hold none of it in memory.  The index is written with the changes in one
step, made again from the changelog's keys on restore, and is never in the changelog.

The stream time, and up to which window all are closed, is a record of the changelog under `MARK_KEY`: a key whose
window ends before it begins, which no event can have.  It is written only by tables with `grace` or closing.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from faust_core.claims import TaskView
from faust_core.errors import DecodeError
from faust_core.protocols.store import Change
from faust_core.table_codec import read_window
from faust_core.table_partition import DELETED, TablePartition
from faust_core.windows.closing import Closing
from faust_core.windows.kinds import Window, WindowRange, whole_us

__all__ = ["MARK_KEY", "WindowedPartition"]

log = logging.getLogger(__name__)

MARK_KEY = b"[null,[0.0,-1.0]]"
INDEX = b"\x00i"
BEHIND = b"\x00j"
#: The local store has the index of all that is in it.
INDEXED = b"\x00v"
#: Windows that one checkpoint deletes at most: the next one goes on.
MAX_DUE = 10_000
#: Sorts times before the epoch, too.
BIAS = 1 << 63


def index_key(end_us: int, key: bytes = b"") -> bytes:
    return INDEX + (end_us + BIAS).to_bytes(8, "big") + key


def key_of(entry: bytes) -> bytes:
    return entry[len(INDEX) + 8 :]


@lru_cache(maxsize=1024)
def start_of_entry(window: bytes) -> bytes | None:
    """Return what stands before the key in the index, by the window as the key has it; None where it is none."""
    try:
        return index_key(whole_us(read_window(window)[1]))
    except (TypeError, ValueError, OverflowError):
        return None


class WindowedPartition(TablePartition):
    """A `TablePartition` that knows its stream time: the largest time that was written to it, of committed events.

    Attributes:
        stream_time: epoch seconds, with what is not committed yet; -inf before the first event.
        loaded: what the store knows of time has been read.
        closed: the index entry up to which all windows are closed; None where none is.
    """

    __slots__ = (
        "_by_key",
        "_cursor",
        "_due",
        "_full",
        "_saved",
        "_staged_mark",
        "closed",
        "loaded",
        "stream_time",
        "window",
    )

    def __init__(self, *args: Any, window: Window, closes: bool, **places: Any) -> None:
        super().__init__(*args, **places)
        self.window = window
        self.closing = Closing(self) if closes else None
        self._by_key: dict[Any, list[WindowRange]] = {}
        self._forget()

    def _forget(self) -> None:
        self.stream_time = -math.inf
        self.closed: bytes | None = None
        self.loaded = False
        self._saved: tuple[float, bytes | None] = (-math.inf, None)
        self._staged_mark: tuple[float, bytes | None] = self._saved
        #: no entry in the store is before this
        self._cursor = INDEX if self._closed or self.store.changelog_offset is not None else BEHIND
        self._due = True
        self._full = False
        self._by_key.clear()

    # -- time

    @property
    def marks(self) -> bool:
        """Whether the stream time is kept in the changelog."""
        return self.closing is not None or self.window.grace is not None

    def advance(self, timestamp: float) -> None:
        """Move the stream time to `timestamp`, if that is later."""
        self.load()
        self.stream_time = max(self.stream_time, timestamp)

    def load(self) -> None:
        """Read what is known of this partition from its store, once."""
        if self.loaded:
            return
        self.loaded = True
        if self.store.changelog_offset is not None and self.store.get(INDEXED) is None:
            self._build_index()
        data = self.store.get(MARK_KEY)
        if data is not None:
            try:
                mark = json.loads(data)
                closed = mark["closed"]
                self.stream_time = max(self.stream_time, float(mark["stream_time"]))
                self.closed = None if closed is None else index_key(closed[0], closed[1].encode())
            except (ValueError, TypeError, KeyError, IndexError) as exc:
                raise DecodeError(f"{self.changelog} has a stream time that cannot be read: {data!r}") from exc
            self._saved = self._staged_mark = (float(mark["stream_time"]), self.closed)

    @property
    def committed_time(self) -> float:
        return self._saved[0]

    def late_us(self) -> float:
        """Return which windows are late: those that are over at this time or before, microseconds."""
        grace = self.window.grace
        if grace is None:
            if self.closing is None:
                return -math.inf
            grace = self.window.expires or 0.0
        return self._us(self.stream_time) - whole_us(grace)

    def close_until(self) -> bytes | None:
        """Return the end of the index's part that may be closed by committed events; None where there is none."""
        if self.committed_time == -math.inf:
            return None
        grace = self.window.grace if self.window.grace is not None else (self.window.expires or 0.0)
        return index_key(whole_us(self.committed_time) - whole_us(grace) - self.window.tail_us + 1)

    def _us(self, time: float) -> float:
        return time if time == -math.inf else whole_us(time)

    # -- the index

    def indexed(self, changes: Sequence[Change]) -> list[Change]:
        found: list[Change] = []
        foreign = 0
        cursor = self._cursor
        last: bytes | None = None
        start: bytes | None = None
        for key, value in changes:
            window = key[key.rfind(b"[") :]
            if window != last:  # keys of one window follow each other most often
                start = start_of_entry(window)
                last = window
            if start is None:
                foreign += 1
                continue
            entry = start + key
            if value is None:
                found.append((entry, None))
            elif key != MARK_KEY:
                found.append((entry, b""))
                if entry < cursor:
                    cursor = entry
        self._cursor = cursor
        if foreign:
            log.warning("%d keys of %s are left alone: they have no window", foreign, self.changelog)
        if self.store.changelog_offset is None:
            found.append((INDEXED, b""))
        return [*changes, *found]

    def _build_index(self) -> None:
        """Index a store that was written before there was an index."""
        offset = self.store.changelog_offset
        assert offset is not None
        rows = self.rows()
        while chunk := list(islice(rows, MAX_DUE)):
            self.store.apply(self.indexed(chunk)[len(chunk) :], changelog_offset=offset)
        self.store.apply([(INDEXED, b"")], changelog_offset=offset)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        return (row for row in self.store.scan(b"\x01") if row[0] != MARK_KEY)

    def in_window(self, window: WindowRange) -> Iterator[tuple[Any, Any]]:
        """Yield the keys, without their window, and values of one window."""
        self.load()
        over = {**self.staged, **self.dirty}
        end_us = whole_us(window[1])
        for entry, _ in self.store.scan(index_key(end_us), index_key(end_us + 1)):
            at = self.codec.decode_key(key_of(entry))
            if at[1] == window and at not in over:
                value = self.get(at)
                yield at[0], value
        for at, value in over.items():
            if at[1] == window and value is not DELETED:
                yield at[0], value

    def ranges_of(self, key: Any) -> list[WindowRange]:
        """Return the windows of a key, in order.  The list is this partition's own: change it with its values."""
        ranges = self._by_key.get(key)
        if ranges is None:
            prefix = self.codec.encode_key((key, (0.0, 0.0))).rpartition(b"[")[0] + b"["
            stored = {self.codec.decode_key(data)[1] for data, _ in self.store.scan(prefix, prefix[:-1] + b"\\")}
            for (other, window), value in {**self.staged, **self.dirty}.items():
                if other == key:
                    (stored.discard if value is DELETED else stored.add)(window)
            if len(self._by_key) >= self._cache_size:
                self._by_key.clear()
            ranges = self._by_key[key] = sorted(stored)
        return ranges

    first_entry = INDEX
    key_of = staticmethod(key_of)

    def over_ms(self, entry: bytes) -> int:
        """Return when the window of an index entry was over, epoch milliseconds."""
        end_us = int.from_bytes(entry[len(INDEX) : len(INDEX) + 8], "big") - BIAS
        return (end_us + self.window.tail_us) // 1000

    # -- expiry

    def _expired(self) -> Iterator[bytes]:
        """Yield the index entries of what is to be deleted now, earliest first."""
        if self.loaded and self.stream_time != -math.inf:
            expires, end = self.window.expires, None
            if expires is not None:
                end = index_key(whole_us(self.stream_time) - whole_us(expires) - self.window.tail_us)
            if self.closing is not None:
                if self.closed is None:
                    return
                behind = self.closed + b"\x00"
                end = behind if end is None else min(end, behind)
            if end is not None and self._cursor < end:
                for entry, _ in self.store.scan(self._cursor, end):
                    yield entry

    def _expire(self) -> None:
        number = 0
        for entry in islice(self._expired(), MAX_DUE):
            number += 1
            self._cursor = entry + b"\x00"
            try:
                at = self.codec.decode_key(key_of(entry))
            except DecodeError as exc:
                log.warning("a key of %s is left alone: %s", self.changelog, exc)
                continue
            self.dirty[at] = DELETED
            self._by_key.pop(at[0], None)
        self._due = self._full = number == MAX_DUE

    # -- the checkpoint's side

    @property
    def changed(self) -> bool:
        if self.dirty or self.staged or (self._due and self.loaded):
            return True
        if self.closing is not None and self.closing.ready:
            return True
        return self.marks and self.stream_time > self._saved[0]

    @property
    def pressing(self) -> bool:
        return self._full or (self.closing is not None and self.closing.full)

    def stage(self) -> list[Change]:
        self.load()
        if self.closing is not None:
            self.closing.fold()
        self._expire()
        changes = super().stage()
        mark = (self.stream_time, self.closed)
        if self.marks and mark != self._saved and self.stream_time != -math.inf:
            closed = None
            if self.closed is not None:
                key = key_of(self.closed)
                closed = [int.from_bytes(self.closed[len(INDEX) : len(INDEX) + 8], "big") - BIAS, key.decode()]
            data = json.dumps({"stream_time": self.stream_time, "closed": closed}, separators=(",", ":"))
            changes.append((MARK_KEY, data.encode()))
            self._staged_mark = mark
        return changes

    def settle(self) -> None:
        super().settle()
        self._saved = self._staged_mark
        self._due = next(self._expired(), None) is not None
        if self.closing is not None:
            self.closing.deliver()

    def discard(self) -> None:
        super().discard()
        self._forget()

    def forget_cache(self, keys: Sequence[bytes] | None = None) -> None:
        super().forget_cache(keys)
        self._forget()

    def start_closing(self, task: TaskView, subscriptions: Collection[Any]) -> None:
        if self.closing is not None:
            self.load()
            self.closing.start(task, subscriptions)

    def stop_closing(self) -> None:
        if self.closing is not None:
            self.closing.stop()
