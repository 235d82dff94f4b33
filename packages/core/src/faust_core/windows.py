"""Windows: which spans of time an event belongs to, and tables that are split by them.

On the wire a window is `[start, end]` in epoch seconds with `end = start + size - 0.1`, and a windowed
table's key is `[key, [start, end]]`.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

from faust_core._context import current_claim
from faust_core.errors import ConfigError, NoCurrentEvent
from faust_core.table_partition import DELETED, MISSING, TablePartition
from faust_core.tables import Table

__all__ = ["HoppingWindow", "TumblingWindow", "Window", "WindowRange", "WindowSet", "WindowedTable"]

K = TypeVar("K")
V = TypeVar("V")

#: start and end, epoch seconds.  A time just before the next window is in its window, although `end` is before it.
WindowRange = tuple[float, float]

END_GAP_S = 0.1


def _microseconds(name: str, value: float | dt.timedelta) -> int:
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if not math.isfinite(seconds) or seconds < 1e-6:
        raise ConfigError(f"{name} of a window is a positive number of seconds or a timedelta, not {value!r}")
    return round(seconds * 1_000_000)


class HoppingWindow:
    """Windows of `size` that begin every `step`, at multiples of it since the epoch.

    Attributes:
        size, step, expires: seconds, to the microsecond; `expires` None keeps windows for ever.
    """

    def __init__(
        self, size: float | dt.timedelta, step: float | dt.timedelta, expires: float | dt.timedelta | None = None
    ) -> None:
        self._size_us = _microseconds("size", size)
        self._step_us = _microseconds("step", step)
        self.size = self._size_us / 1_000_000
        self.step = self._step_us / 1_000_000
        self.expires = None if expires is None else _microseconds("expires", expires) / 1_000_000
        if self._step_us > self._size_us:
            raise ConfigError(f"step {step!r} over size {size!r} would leave times that belong to no window")

    def ranges(self, timestamp: float) -> list[WindowRange]:
        """Return the windows that `timestamp` (epoch seconds) belongs to, earliest first."""
        first, last = self._ended(timestamp) + 1, self._begun(timestamp)
        return [self._range(index) for index in range(first, last + 1)]

    def current(self, timestamp: float) -> WindowRange:
        """Return the latest window that `timestamp` belongs to."""
        return self._range(self._begun(timestamp))

    def earliest(self, timestamp: float) -> WindowRange:
        """Return the earliest window that `timestamp` belongs to."""
        return self._range(self._ended(timestamp) + 1)

    def span(self, timestamp: float) -> tuple[float, float]:
        """Return from when until (but not at) when times have the same `ranges` as `timestamp`."""
        ended, begun = self._ended(timestamp), self._begun(timestamp)
        since = max(self._time(begun), self._time(ended, self._size_us))
        until = min(self._time(begun + 1), self._time(ended + 1, self._size_us))
        return since, until

    def _time(self, index: int, offset_us: int = 0) -> float:
        """Return the start of a window, or the time so long after it, as the float that is nearest."""
        return (index * self._step_us + offset_us) / 1_000_000

    def _begun(self, timestamp: float, offset_us: int = 0) -> int:
        """Return the index of the last window that had begun (with an offset: had lasted for it) at `timestamp`."""
        index = math.floor((timestamp - offset_us / 1_000_000) / self.step)
        # Floats divide inexactly: 0.3 is in the window that begins at 0.3, though 0.3 / 0.1 is less than 3.
        if self._time(index, offset_us) > timestamp:
            return index - 1
        return index + 1 if self._time(index + 1, offset_us) <= timestamp else index

    def _ended(self, timestamp: float) -> int:
        """Return the index of the last window that was over at `timestamp`."""
        return self._begun(timestamp, self._size_us)

    def _range(self, index: int) -> WindowRange:
        start = self._time(index)
        return start, start + self.size - END_GAP_S

    def stale(self, end: float, stream_time: float) -> bool:
        """Whether a window whose range ends with `end` is past its expiry."""
        return self.expires is not None and end + END_GAP_S + self.expires < stream_time

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HoppingWindow) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[float, float, float | None]:
        return self.size, self.step, self.expires

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, step={self.step}, expires={self.expires})"


class TumblingWindow(HoppingWindow):
    """Windows of `size`, one after the other."""

    def __init__(self, size: float | dt.timedelta, expires: float | dt.timedelta | None = None) -> None:
        super().__init__(size, size, expires)


Window = HoppingWindow


class WindowedTable(Generic[K, V]):
    """A table split by windows: `table[key]` is the `WindowSet` of a key.

    Windows past `expires` are deleted, in the changelog too, when a later time of their partition is written.
    """

    def __init__(self, table: Table[Any, V], window: Window, timestamp_of: Callable[[], float] | None = None) -> None:
        self.table = table
        self.window = window
        self._timestamp_of = timestamp_of or _event_time
        # The windows of the last time that was written, and from when until when they are the same.
        self._ranges: list[WindowRange] = []
        self._since = self._until = math.inf
        self._expires = window.expires is not None

    @property
    def name(self) -> str:
        return self.table.name

    def relative_to_now(self) -> WindowedTable[K, V]:
        """Let `value()` and the operators mean the wall clock's window."""
        return WindowedTable(self.table, self.window, time.time)

    def relative_to_stream(self) -> WindowedTable[K, V]:
        """Let them mean the window of the event's record; the default."""
        return WindowedTable(self.table, self.window, _event_time)

    def relative_to_field(self, field: Any) -> WindowedTable[K, V]:
        """Let them mean the window of a field of the event's value: a datetime or epoch seconds."""
        from faust_core.events import current_event  # noqa: PLC0415  events know tables' claims

        def timestamp() -> float:
            event = current_event()
            if event is None:
                raise NoCurrentEvent(f"{self.name}: relative_to_field has no event to look at")
            name = field.field if hasattr(field, "field") else field
            value = event.value[name] if isinstance(event.value, dict) else getattr(event.value, name)
            if isinstance(value, dt.datetime):
                return value.timestamp()
            if isinstance(value, str):
                return dt.datetime.fromisoformat(value).timestamp()
            return float(value)

        return WindowedTable(self.table, self.window, timestamp)

    def timestamp(self) -> float:
        """Return the time that windows are relative to, epoch seconds."""
        return self._timestamp_of()

    def __getitem__(self, key: K) -> WindowSet[K, V]:
        return WindowSet(self, key)

    def __setitem__(self, key: K, value: Any) -> None:
        if not isinstance(value, WindowSet):
            self.set(key, value)
        elif value.key is not key:
            raise TypeError(f"{self.name}[{key!r}] cannot be set to {value!r}: set it to its value()")
        # Else it is `table[key] += 1`, which has changed the windows already.

    def __contains__(self, key: K) -> bool:
        return (key, self.window.current(self.timestamp())) in self.table

    def set(self, key: K, value: V) -> None:
        """Set a key's value in every window of the present time."""
        part = self._enter()
        for window in self._ranges:
            at = (key, window)
            if self._expires:
                part.expiry.note(at)
            part.dirty[at] = value

    def change(self, key: K, operation: Callable[[V, Any], V], operand: Any) -> None:
        """Set a key's value to `operation(value, operand)` in every window of the present time."""
        part = self._enter()
        dirty = part.dirty
        for window in self._ranges:
            at = (key, window)
            value = dirty.get(at, MISSING)
            if value is MISSING or value is DELETED:
                # What is in `dirty` was noted when it came there.
                if self._expires:
                    part.expiry.note(at)
                if value is MISSING:
                    value = part.settled(at)
                if value is MISSING or value is DELETED:
                    value = self._default(at)
            dirty[at] = operation(value, operand)

    def _default(self, at: tuple[K, WindowRange]) -> V:
        if self.table.default is None:
            raise KeyError(at)
        return self.table.default()

    def _enter(self) -> TablePartition:
        """Go to the present time: its windows, what has expired by then.  Returns where to write."""
        timestamp = self._timestamp_of()
        if not self._since <= timestamp < self._until:
            self._since, self._until = self.window.span(timestamp)
            self._ranges = self.window.ranges(timestamp)
        claim = current_claim.get()
        # The short way, as this is done for every event; where it does not lead anywhere, the table says why.
        part: TablePartition | None = claim.task.open_tables.get(self.table.name) if claim is not None else None
        if claim is None or part is None:
            part = self.table.current_partition(change=True)
        else:
            claim.wrote = claim.index
        if self._expires:
            expiry = part.expiry
            if expiry is None:
                expiry = part.expiry = _Expiry(part, self.window)
            if timestamp > expiry.due:
                expiry.advance(timestamp)
        return part

    def items(self) -> Iterator[tuple[tuple[K, WindowRange], V]]:
        """Yield ((key, window), value) of all windows of this worker."""
        yield from self.table.items()

    def __repr__(self) -> str:
        return f"<WindowedTable: {self.name} {self.window}>"


class WindowSet(Generic[K, V]):
    """One key of a windowed table: a value for each window."""

    __slots__ = ("_table", "key")

    def __init__(self, table: WindowedTable[K, V], key: K) -> None:
        self._table = table
        self.key = key

    def value(self) -> V:
        """Return the value in the latest window of the table's time."""
        return self._at(self._table.timestamp())

    def current(self) -> V:
        """Return the value in the latest window of the event's time."""
        return self._at(_event_time())

    def now(self) -> V:
        """Return the value in the latest window of the wall clock."""
        return self._at(time.time())

    def delta(self, seconds: float | dt.timedelta) -> V:
        """Return the value in the latest window of so many seconds before the table's time."""
        ago = seconds.total_seconds() if isinstance(seconds, dt.timedelta) else seconds
        return self._at(self._table.timestamp() - ago)

    def apply(self, operation: Callable[[V, Any], V], value: Any) -> WindowSet[K, V]:
        """Set the value to `operation(old, value)` in every window of the table's time."""
        self._table.change(self.key, operation, value)
        return self

    def _at(self, timestamp: float) -> V:
        return self._table.table[(self.key, self._table.window.current(timestamp))]

    def __iadd__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.add, other)
        return self

    def __isub__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.sub, other)
        return self

    def __imul__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.mul, other)
        return self

    def __itruediv__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.truediv, other)
        return self

    def __ior__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.or_, other)
        return self

    def __iand__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, operator.and_, other)
        return self

    def __repr__(self) -> str:
        return f"<WindowSet: {self._table.name}[{self.key!r}]>"


class _Expiry:
    """Deletes the windows of one table partition that are past their expiry, at a cost in proportion to them.

    It begins with one look at all keys, so that what was restored expires as well, and belongs to the
    partition: it is made anew where another worker has written to that meanwhile, or changes were taken back.
    Memory is in proportion to the keys of the windows that have not expired.

    Attributes:
        due: after this time there is something to delete.
    """

    __slots__ = ("_keys", "_lasts", "_part", "_queue", "due")

    def __init__(self, part: TablePartition, window: Window) -> None:
        assert window.expires is not None
        self._part = part
        self._lasts = END_GAP_S + window.expires
        self._keys: dict[WindowRange, set[tuple[Any, WindowRange]]] = {}
        #: a heap of (due, window)
        self._queue: list[tuple[float, WindowRange]] = []
        self.due = math.inf
        for at in part.readable_keys():
            self.note(at)

    def note(self, at: tuple[Any, WindowRange]) -> None:
        """A key is written in a window."""
        window = at[1]
        keys = self._keys.get(window)
        if keys is None:
            keys = self._keys[window] = set()
            heappush(self._queue, (window[1] + self._lasts, window))
            self.due = self._queue[0][0]
        keys.add(at)

    def advance(self, timestamp: float) -> None:
        """Delete what was due before `timestamp`."""
        while self.due < timestamp:
            _, window = heappop(self._queue)
            self.due = self._queue[0][0] if self._queue else math.inf
            for at in self._keys.pop(window):
                self._part.dirty[at] = DELETED


def _event_time() -> float:
    claim = current_claim.get()
    if claim is None:
        raise NoCurrentEvent("a window relative to the stream has no time outside of an event: use now() there")
    return claim.batch.timestamps_ms[claim.index] / 1000
