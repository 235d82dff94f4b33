"""What a windowed table shows: the windows of one key, and the keys of one window."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterator
from operator import add
from typing import Any, Generic, Protocol, TypeVar

from faust_core.events import Event
from faust_core.windows.times import record_time

__all__ = ["WindowSet", "WindowedView"]

K = TypeVar("K")
V = TypeVar("V")


class Windowed(Protocol):
    """The table that is shown."""

    @property
    def name(self) -> str: ...

    def timestamp(self, event: Event[Any, Any] | None = None, /) -> float: ...

    def wall_time(self) -> float: ...

    def read(self, key: Any, timestamp: float, /) -> Any: ...

    def rows_at(self, timestamp: float, /) -> Iterator[tuple[Any, Any]]: ...

    def change(self, key: Any, operation: Callable[[Any, Any], Any], operand: Any, /) -> None: ...


def _seconds(span: float | dt.timedelta) -> float:
    return span.total_seconds() if isinstance(span, dt.timedelta) else span


class WindowSet(Generic[K, V]):
    """One key of a windowed table: a value for each window."""

    __slots__ = ("_table", "key")

    def __init__(self, table: Windowed, key: K) -> None:
        self._table = table
        self.key = key

    def value(self, event: Event[Any, Any] | None = None) -> V:
        """Return the value in the latest window of the table's time: that of `event`, or of the one in hand."""
        return self._at(self._table.timestamp(event))

    def current(self, event: Event[Any, Any] | None = None) -> V:
        """Return the value in the latest window of the timestamp of the event's record."""
        return self._at(record_time(event))

    def now(self) -> V:
        """Return the value in the latest window of the wall clock."""
        return self._at(self._table.wall_time())

    def delta(self, seconds: float | dt.timedelta, event: Event[Any, Any] | None = None) -> V:
        """Return the value in the latest window of so many seconds before the table's time."""
        return self._at(self._table.timestamp(event) - _seconds(seconds))

    @property
    def timestamp(self) -> float:
        """The time that the table's windows are relative to, epoch seconds."""
        return self._table.timestamp()

    def __getitem__(self, event: Event[Any, Any]) -> V:
        """Return the value in the latest window of `event`, by the table's time."""
        if not isinstance(event, Event):
            raise TypeError(f"{self!r} takes an event, not {event!r}; for a time before now use delta(seconds)")
        return self.value(event)

    def apply(self, operation: Callable[[V, Any], V], value: Any) -> WindowSet[K, V]:
        """Set the value to `operation(old, value)` in every window of the table's time."""
        self._table.change(self.key, operation, value)
        return self

    def _at(self, timestamp: float) -> V:
        value: V = self._table.read(self.key, timestamp)
        return value

    def __iadd__(self, other: Any) -> WindowSet[K, V]:
        self._table.change(self.key, add, other)
        return self

    def __isub__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.sub, other)

    def __imul__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.mul, other)

    def __itruediv__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.truediv, other)

    def __ifloordiv__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.floordiv, other)

    def __imod__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.mod, other)

    def __ipow__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.pow, other)

    def __ilshift__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.lshift, other)

    def __irshift__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.rshift, other)

    def __ior__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.or_, other)

    def __iand__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.and_, other)

    def __ixor__(self, other: Any) -> WindowSet[K, V]:
        return self.apply(operator.xor, other)

    def __repr__(self) -> str:
        return f"<WindowSet: {self._table.name}[{self.key!r}]>"


class WindowedView:
    """Keys, values or items of one window of this worker (of the event's partition inside a stream)."""

    def __init__(self, table: Windowed, pick: Callable[[Any, Any], Any]) -> None:
        self._table = table
        self._pick = pick

    def __iter__(self) -> Iterator[Any]:
        """Yield those of the latest window of the table's time."""
        return self._at(self._table.timestamp())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def now(self) -> Iterator[Any]:
        """Yield those of the latest window of the wall clock."""
        return self._at(self._table.wall_time())

    def current(self, event: Event[Any, Any] | None = None) -> Iterator[Any]:
        """Yield those of the latest window of the timestamp of the event's record."""
        return self._at(record_time(event))

    def delta(self, seconds: float | dt.timedelta, event: Event[Any, Any] | None = None) -> Iterator[Any]:
        """Yield those of the latest window of so many seconds before the table's time."""
        return self._at(self._table.timestamp(event) - _seconds(seconds))

    def _at(self, timestamp: float) -> Iterator[Any]:
        return (self._pick(key, value) for key, value in self._table.rows_at(timestamp))
