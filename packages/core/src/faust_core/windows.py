"""Windows: which spans of time an event belongs to, and tables that are split by them.

On the wire a window is `[start, end]` in epoch seconds with `end = start + size - 0.1`, and a windowed
table's key is `[key, [start, end]]`.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from faust_core._context import current_claim
from faust_core.errors import ConfigError, NoCurrentEvent
from faust_core.tables import Table

__all__ = ["HoppingWindow", "TumblingWindow", "Window", "WindowRange", "WindowSet", "WindowedTable"]

K = TypeVar("K")
V = TypeVar("V")

WindowRange = tuple[float, float]


def _seconds(name: str, value: float | dt.timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ConfigError(f"{name} of a window is a positive number of seconds or a timedelta, not {value!r}")
    return seconds


class HoppingWindow:
    """Windows of `size` that begin every `step`.

    Attributes:
        size, step, expires: seconds; `expires` None keeps windows for ever.
    """

    def __init__(
        self, size: float | dt.timedelta, step: float | dt.timedelta, expires: float | dt.timedelta | None = None
    ) -> None:
        self.size = _seconds("size", size)
        self.step = _seconds("step", step)
        self.expires = None if expires is None else _seconds("expires", expires)
        if self.step > self.size:
            raise ConfigError(f"step {step!r} over size {size!r} would leave times that belong to no window")

    def ranges(self, timestamp: float) -> list[WindowRange]:
        """Return the windows that `timestamp` (epoch seconds) belongs to, earliest first."""
        last = math.floor(timestamp / self.step) * self.step
        count = math.ceil((self.size - (timestamp - last)) / self.step)
        return [self._range(last - i * self.step) for i in range(count - 1, -1, -1)]

    def current(self, timestamp: float) -> WindowRange:
        """Return the latest window that `timestamp` belongs to."""
        return self._range(math.floor(timestamp / self.step) * self.step)

    def earliest(self, timestamp: float) -> WindowRange:
        return self.ranges(timestamp)[0]

    def _range(self, start: float) -> WindowRange:
        return start, start + self.size - 0.1

    def stale(self, end: float, stream_time: float) -> bool:
        """Whether a window that ended at `end` is past its expiry."""
        return self.expires is not None and end + self.expires < stream_time

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, step={self.step}, expires={self.expires})"


class TumblingWindow(HoppingWindow):
    """Windows of `size`, one after the other."""

    def __init__(self, size: float | dt.timedelta, expires: float | dt.timedelta | None = None) -> None:
        super().__init__(size, size, expires)


Window = HoppingWindow


class WindowedTable(Generic[K, V]):
    """A table split by windows: `table[key]` is the `WindowSet` of a key.

    Windows past `expires` are deleted, in the changelog too, while later events of their partition arrive.
    """

    def __init__(
        self,
        table: Table[Any, V],
        window: Window,
        timestamp_of: Callable[[], float] | None = None,
        expiry: _Expiry | None = None,
    ) -> None:
        self.table = table
        self.window = window
        self._timestamp_of = timestamp_of or _event_time
        self._expiry = expiry or _Expiry(table, window)

    @property
    def name(self) -> str:
        return self.table.name

    def relative_to_now(self) -> WindowedTable[K, V]:
        """Let `value()` and the operators mean the wall clock's window."""
        return WindowedTable(self.table, self.window, time.time, self._expiry)

    def relative_to_stream(self) -> WindowedTable[K, V]:
        """Let them mean the window of the event's record; the default."""
        return WindowedTable(self.table, self.window, _event_time, self._expiry)

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

        return WindowedTable(self.table, self.window, timestamp, self._expiry)

    def timestamp(self) -> float:
        """Return the time that windows are relative to, epoch seconds."""
        return self._timestamp_of()

    def __getitem__(self, key: K) -> WindowSet[K, V]:
        return WindowSet(self, key)

    def __setitem__(self, key: K, value: Any) -> None:
        if isinstance(value, WindowSet):
            return  # `table[key] += 1` has changed the windows already
        self.set(key, value)

    def __contains__(self, key: K) -> bool:
        return (key, self.window.current(self.timestamp())) in self.table

    def set(self, key: K, value: V) -> None:
        """Set a key's value in every window of the present time."""
        for window in self.window.ranges(self.timestamp()):
            self.table[(key, window)] = value
            self._expiry.note(key, window)
        self._expiry.advance()

    def apply(self, key: K, operation: Callable[[V], V]) -> None:
        """Change a key's value in every window of the present time."""
        table = self.table
        for window in self.window.ranges(self.timestamp()):
            at = (key, window)
            table[at] = operation(table[at])
            self._expiry.note(key, window)
        self._expiry.advance()

    def items(self) -> Iterator[tuple[tuple[K, WindowRange], V]]:
        """Yield ((key, window), value) of all windows of this worker."""
        yield from self.table.items()

    def __repr__(self) -> str:
        return f"<WindowedTable: {self.name} {self.window}>"


class WindowSet(Generic[K, V]):
    """One key of a windowed table: a value for each window."""

    __slots__ = ("_key", "_table")

    def __init__(self, table: WindowedTable[K, V], key: K) -> None:
        self._table = table
        self._key = key

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
        return self._at(self._table.timestamp() - _seconds("delta", seconds))

    def apply(self, operation: Callable[[V, Any], V], value: Any) -> WindowSet[K, V]:
        self._table.apply(self._key, lambda old: operation(old, value))
        return self

    def _at(self, timestamp: float) -> V:
        return self._table.table[(self._key, self._table.window.current(timestamp))]

    def _change(self, operation: Callable[[Any], Any]) -> Any:
        self._table.apply(self._key, operation)
        return self

    def __iadd__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value + other)  # type: ignore[no-any-return]  # it is self

    def __isub__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value - other)  # type: ignore[no-any-return]  # it is self

    def __imul__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value * other)  # type: ignore[no-any-return]  # it is self

    def __itruediv__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value / other)  # type: ignore[no-any-return]  # it is self

    def __ior__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value | other)  # type: ignore[no-any-return]  # it is self

    def __iand__(self, other: Any) -> WindowSet[K, V]:
        return self._change(lambda value: value & other)  # type: ignore[no-any-return]  # it is self

    def __repr__(self) -> str:
        return f"<WindowSet: {self._table.name}[{self._key!r}]>"


class _Expiry:
    """Deletes windows that are past their expiry, at a cost in proportion to what is due."""

    def __init__(self, table: Table[Any, Any], window: Window) -> None:
        self._table = table
        self._window = window
        # Per table partition: window → keys written in it, and the stream time.  Kept with the partition
        # object and its epoch, so that what was restored, elsewhere or after an abort, is found by one scan.
        self._known: dict[int, tuple[Any, dict[WindowRange, set[Any]], list[float]]] = {}

    def _state(self) -> tuple[dict[WindowRange, set[Any]], list[float]]:
        part = self._table.current_partition()
        entry = self._known.get(part.changelog.partition)
        epoch = (part, part.epoch)
        if entry is None or entry[0] != epoch:
            windows: dict[WindowRange, set[Any]] = {}
            for (key, window), _ in part.items():  # noqa: PERF102  not a dict
                windows.setdefault(window, set()).add(key)
            entry = self._known[part.changelog.partition] = (epoch, windows, [0.0])
        return entry[1], entry[2]

    def note(self, key: Any, window: WindowRange) -> None:
        if self._window.expires is not None:
            self._state()[0].setdefault(window, set()).add(key)

    def advance(self) -> None:
        """Move stream time to the event in hand, and delete what has expired by then."""
        if self._window.expires is None:
            return
        windows, stream_time = self._state()
        now = _event_time()
        # Once per step is enough: what becomes due in between goes with the next one.
        if now < stream_time[0] + self._window.step:
            return
        stream_time[0] = now
        for window in [window for window in windows if self._window.stale(window[1], now)]:
            for key in windows.pop(window):
                self._table.pop((key, window), None)


def _event_time() -> float:
    claim = current_claim.get()
    if claim is None:
        raise NoCurrentEvent("a window relative to the stream has no time outside of an event: use now() there")
    return claim.timestamp_ms / 1000
