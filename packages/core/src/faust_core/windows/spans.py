"""Tables whose windows follow the events of each key: sessions, and sliding windows."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from faust_core.errors import ConfigError
from faust_core.table_partition import DELETED, MISSING
from faust_core.windows.closed import ClosedWindows
from faust_core.windows.kinds import WindowRange, whole_us
from faust_core.windows.partition import WindowedPartition
from faust_core.windows.table import WindowedTable

__all__ = ["SessionTable", "SlidingTable"]

K = TypeVar("K")
V = TypeVar("V")


class _SpanTable(WindowedTable[K, V]):
    """A table that looks for the ranges of a key."""

    def _parts(self) -> list[WindowedPartition]:
        return self.table.visible()  # type: ignore[return-value]  # a windowed table's partitions

    def _visit(self) -> tuple[WindowedPartition, float]:
        timestamp = self._timestamp_of(None)
        part = self._partition()
        part.advance(timestamp)
        return part, timestamp

    def rows_at(self, timestamp: float) -> Iterator[tuple[K, V]]:
        for key in self.all_keys():
            value = self.find(key, timestamp)
            if value is not MISSING:
                yield key, value


class SessionTable(_SpanTable[K, V]):
    """A table split by sessions: `table[key]` is the session that an event of that time belongs to."""

    def _touched(self, part: WindowedPartition, key: K, timestamp: float) -> list[WindowRange]:
        gap_us, at_us = whole_us(self.window.gap), whole_us(timestamp)
        return [
            (start, end)
            for start, end in part.ranges_of(key)
            if whole_us(start) - gap_us <= at_us <= whole_us(end) + gap_us
        ]

    def find(self, key: K, timestamp: float) -> Any:
        """Return the value of the session that an event at a time would belong to; of the latest, if it would join two.

        A session that has been closed and is kept is found as well.
        """
        for part in self._parts():
            touched = self._touched(part, key, timestamp)
            if touched:
                return part.get((key, touched[-1]))
        return MISSING

    def _default_value(self, key: K, timestamp: float) -> V:
        return self._default((key, (timestamp, timestamp)))

    def read(self, key: K, timestamp: float) -> V:
        value = self.find(key, timestamp)
        return self._default_value(key, timestamp) if value is MISSING else value

    def set(self, key: K, value: V) -> None:
        """Set the value of the session that the event belongs to; sessions that it joins are gone."""
        self._update(key, lambda _joined: value)

    def change(self, key: K, operation: Callable[[V, Any], V], operand: Any) -> None:
        def changed(joined: Any) -> V:
            return operation(joined() if callable(joined) else joined, operand)

        self._update(key, changed)

    def _update(self, key: K, new_value: Callable[[Any], V]) -> None:
        part, timestamp = self._visit()
        late_us = part.late_us()
        # A session that is closed is final: the event is late, or begins another one.
        touched = [w for w in self._touched(part, key, timestamp) if self.window.over_us(w[1]) > late_us]
        start = min([timestamp, *(window[0] for window in touched)])
        end = max([timestamp, *(window[1] for window in touched)])
        if self._late(part, key, (start, end), timestamp):
            return
        values = [part.get((key, window)) for window in touched]
        if values:
            joined = values[0]
            for value in values[1:]:
                joined = self.window.merge(joined, value)
        else:
            joined = self._defaulted(key, timestamp)
        result = new_value(joined)
        ranges = part.ranges_of(key)
        for window in touched:
            ranges.remove(window)
            part.dirty[key, window] = DELETED
        insort(ranges, (start, end))
        part.dirty[key, (start, end)] = result

    def _defaulted(self, key: K, timestamp: float) -> Callable[[], V]:
        """Return what makes the value of a new session: `set` never asks for it."""
        return lambda: self._default_value(key, timestamp)


class SlidingTable(_SpanTable[K, V]):
    """A table of the values of each time that had events; reading merges those from `before` until `after` a time."""

    def find(self, key: K, timestamp: float) -> Any:
        before_us, after_us = whole_us(self.window.before), whole_us(self.window.after)
        at_us = whole_us(timestamp)
        result: Any = MISSING
        for part in self._parts():
            ranges = part.ranges_of(key)
            # The ranges begin `before` their own times.
            first = bisect_left(ranges, (timestamp - 2 * self.window.before - 1e-3, 0.0))
            for window in ranges[first:]:
                anchor_us = whole_us(window[0]) + before_us
                if anchor_us > at_us + after_us:
                    break
                if anchor_us >= at_us - before_us:
                    value = part.get((key, window))
                    result = value if result is MISSING else self.window.merge(result, value)
        return result

    def set(self, key: K, value: V) -> None:
        """Set the value of the event's own time."""
        self._update(key, lambda _old: value)

    def change(self, key: K, operation: Callable[[V, Any], V], operand: Any) -> None:
        """Change the value of the event's own time."""

        def changed(at: tuple[K, WindowRange]) -> V:
            old = part.get(at)
            return operation(self._default(at) if old is MISSING else old, operand)

        part = self._partition()
        self._update(key, changed)

    def _update(self, key: K, new_value: Callable[[tuple[K, WindowRange]], V]) -> None:
        part, timestamp = self._visit()
        window = self.window.current(timestamp)
        if self._late(part, key, window, timestamp):
            return
        part.dirty[key, window] = new_value((key, window))
        ranges = part.ranges_of(key)
        at = bisect_left(ranges, window)
        if at == len(ranges) or ranges[at] != window:
            ranges.insert(at, window)

    def closed(self) -> ClosedWindows:
        raise ConfigError(f"{self.name}: sliding windows have no final results; read them, or use hopping windows")
