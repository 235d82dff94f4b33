"""Windowed tables: `table[key]` is a value for each window."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.errors import ConfigError
from faust_core.events import Event
from faust_core.table_partition import DELETED, MISSING
from faust_core.tables import Table
from faust_core.tables.windowed_queries import WindowedQueries
from faust_core.windows.closed import ClosedWindows
from faust_core.windows.kinds import HoppingWindow, SessionWindow, SlidingWindow, Window, WindowRange
from faust_core.windows.partition import WindowedPartition
from faust_core.windows.times import TimeOf, record_time, time_of
from faust_core.windows.views import WindowedView, WindowSet

__all__ = ["LateEvent", "WindowedTable", "split"]

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class LateEvent(NamedTuple):
    """A change that was dropped, as its window was closed.

    Attributes:
        timestamp: of the event, as the table sees it, epoch seconds.
        stream_time: how far the partition's time was, epoch seconds.
    """

    key: Any
    window: WindowRange
    timestamp: float
    stream_time: float


class Lateness:
    """Counts what came too late; one for all views of a table."""

    def __init__(self, on_late: Callable[[LateEvent], Any] | None) -> None:
        self.events = 0
        self.tell = on_late


class WindowedTable(WindowedQueries[K, V]):
    """A table split by windows: `table[key]` is the `WindowSet` of a key.

    The time of a partition is the largest that was written to it.  Windows past `expires`, and closed ones, are
    deleted by the next checkpoint, in the changelog too.
    """

    def __init__(
        self,
        table: Table[Any, V],
        window: Any,
        timestamp_of: TimeOf = record_time,
        *,
        key_index: bool = False,
        lateness: Lateness | None = None,
    ) -> None:
        self.table = table
        self.window = window
        self.key_index = key_index
        self._lateness = lateness or Lateness(None)
        self._timestamp_of = timestamp_of
        # The last claim whose events were written here, its partition of the table, and its events' times.
        self._claim: Claim | None = None
        self._part: Any = None
        self._times_ms: Sequence[int] = ()
        # The windows of the last time that was written, and from when until when they are the same.
        self._ranges: list[WindowRange] = []
        self._since = self._until = math.inf
        self._timed = window.expires is not None or window.grace is not None

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def late_events(self) -> int:
        """How many changes this process has dropped because their window was closed."""
        return self._lateness.events

    # -- which time

    def relative_to(self, what: Any) -> Self:
        """Let `value()`, `delta()` and the operators mean another time.

        Args:
            what: epoch seconds, a datetime, a model's field or the name of one, a function of the event; None for
                the record's timestamp.
        """
        return self._relative(time_of(what, self.name, self.table.app.conf.timezone))

    def wall_time(self) -> float:
        """Return the time now, epoch seconds."""
        return self.table.app.clock.time()

    def relative_to_now(self) -> Self:
        """Let them mean the wall clock's window."""
        return self._relative(lambda _event: self.wall_time())

    def relative_to_stream(self) -> Self:
        """Let them mean the window of the event's record; the default."""
        return self._relative(record_time)

    def relative_to_field(self, field: Any) -> Self:
        """Let them mean the window of a field of the event's value: a datetime, ISO 8601 text or epoch seconds."""
        if not isinstance(field, str) and not hasattr(field, "field"):
            raise ConfigError(f"{self.name}: relative_to_field takes a model's field or the name of one, not {field!r}")
        return self.relative_to(field)

    def _relative(self, timestamp_of: TimeOf) -> Self:
        return type(self)(self.table, self.window, timestamp_of, key_index=self.key_index, lateness=self._lateness)

    def timestamp(self, event: Event[Any, Any] | None = None) -> float:
        """Return the time that windows are relative to, epoch seconds: of `event`, or of the one in hand."""
        return self._timestamp_of(event)

    def get_timestamp(self, event: Event[Any, Any] | None = None) -> float:
        return self._timestamp_of(event)

    def advance(self) -> None:
        """Let the time of the event in hand count, although it changes nothing: it may close windows."""
        part = self._partition()
        part.advance(self._timestamp_of(None))

    # -- one key

    def __getitem__(self, key: K) -> WindowSet[K, V]:
        return WindowSet(self, key)

    def __setitem__(self, key: K, value: Any) -> None:
        if not isinstance(value, WindowSet):
            self.set(key, value)
        elif value.key is not key:
            raise TypeError(f"{self.name}[{key!r}] cannot be set to {value!r}: set it to its value()")
        # Else it is `table[key] += 1`, which has changed the windows already.

    def __contains__(self, key: K) -> bool:
        return self.find(key, self.timestamp()) is not MISSING

    def find(self, key: K, timestamp: float) -> Any:
        """Return the value of `key` in the latest window of a time, or `MISSING`."""
        return self.table.get((key, self.window.current(timestamp)), MISSING)

    def read(self, key: K, timestamp: float) -> V:
        """Return the value of `key` in the latest window of a time, or the table's default.

        Raises:
            KeyError: there is neither.
        """
        value = self.find(key, timestamp)
        if value is not MISSING:
            return value  # type: ignore[no-any-return]  # layers hold decoded values of V
        return self._default((key, self.window.current(timestamp)))

    def set(self, key: K, value: V) -> None:
        """Set a key's value in every window of the present time."""
        part, ranges = self._enter(key)
        for window in ranges:
            part.dirty[key, window] = value

    def change(self, key: K, operation: Callable[[V, Any], V], operand: Any) -> None:
        """Set a key's value to `operation(value, operand)` in every window of the present time."""
        part, ranges = self._enter(key)
        dirty = part.dirty
        for window in ranges:
            at = (key, window)
            value = dirty.get(at, MISSING)
            if value is MISSING:
                value = part.settled(at)
            if value is MISSING or value is DELETED:
                value = self._default(at)
            dirty[at] = operation(value, operand)

    def _default(self, at: tuple[K, WindowRange]) -> V:
        if self.table.default is None:
            raise KeyError(at)
        return self.table.default()

    def _partition(self) -> WindowedPartition:
        return self.table.current_partition(change=True)  # type: ignore[return-value]  # its window made it so

    def _enter(self, key: K) -> tuple[WindowedPartition, list[WindowRange]]:
        """Go to the present time.  Returns where to write, and the windows that are not closed."""
        # What is the same for all of a claim is looked up once, as this is done for every event.
        claim = current_claim.get()
        if claim is None or claim is not self._claim or claim.task.closed:
            claim = self._take_up(claim)
        index = claim.index
        timestamp = self._times_ms[index] / 1000 if self._timestamp_of is record_time else self._timestamp_of(None)
        if not self._since <= timestamp < self._until:
            self._since, self._until = self.window.span(timestamp)
            self._ranges = self.window.ranges(timestamp)
        claim.wrote = index
        part = self._part
        if self._timed or part.closing is not None:
            if timestamp > part.stream_time:
                if part.loaded:
                    part.stream_time = timestamp
                else:
                    part.advance(timestamp)
            if timestamp < part.stream_time:
                return part, [window for window in self._ranges if not self._late(part, key, window, timestamp)]
        return part, self._ranges

    def _take_up(self, claim: Claim | None) -> Claim:
        """Go on with another claim.

        Raises:
            NoCurrentEvent: there is none.
            FencedError: its partition was taken away.
        """
        if claim is None:
            self._timestamp_of(None)  # may say more than what follows
        self._claim = None
        self._part = self._partition()
        assert claim is not None, "else it has raised"
        self._claim, self._times_ms = claim, claim.batch.timestamps_ms
        return claim

    def _late(self, part: WindowedPartition, key: K, window: WindowRange, timestamp: float) -> bool:
        if self.window.over_us(window[1]) > part.late_us():
            return False
        self._lateness.events += 1
        if self._lateness.tell is not None:
            try:
                self._lateness.tell(LateEvent(key, window, timestamp, part.stream_time))
            except Exception:
                log.exception("on_late of table %s raised", self.name)
        return True

    # -- all keys

    def keys(self) -> WindowedView:
        """Return the keys in the window of the table's time; `.now()`, `.current()`, `.delta()` choose another."""
        return WindowedView(self, lambda key, _value: key)

    def values(self) -> WindowedView:
        """Return the values in that window."""
        return WindowedView(self, lambda _key, value: value)

    def items(self) -> Any:
        """Return keys and values in that window with `key_index=True`; else ((key, window), value) of all windows."""
        return WindowedView(self, lambda key, value: (key, value)) if self.key_index else self.table.items()

    def all_keys(self) -> Iterator[K]:
        """Yield each key that has a value in any window of this worker (of the event's partition in a stream)."""
        seen = set()
        for key, _ in self.table:
            if key not in seen:
                seen.add(key)
                yield key

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def __len__(self) -> int:
        """Return how many keys have a value in any window."""
        return sum(1 for _ in self.all_keys())

    def __bool__(self) -> bool:
        return True

    def rows_at(self, timestamp: float) -> Iterator[tuple[K, V]]:
        """Yield the keys and values in the latest window of a time."""
        window = self.window.current(timestamp)
        for part in self.table.visible():
            yield from part.in_window(window)  # type: ignore[attr-defined]  # a windowed table's partitions

    def on_recover(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Call `function` (which may be async) when this worker's partitions of the table are restored."""
        return self.table.on_recover(function)

    # -- final results

    def closed(self) -> ClosedWindows:
        """Return the stream of final results; call it where the table is declared.

        Raises:
            ConfigError: the application runs already, or windows of this kind never close.
        """
        self.table.close_windows("closed()")
        return ClosedWindows(self.table)

    def __repr__(self) -> str:
        return f"<WindowedTable: {self.name} {self.window}>"


def split(
    table: Table[Any, Any],
    window: Window,
    *,
    key_index: bool = False,
    on_late: Callable[[LateEvent], Any] | None = None,
) -> WindowedTable[Any, Any]:
    """Return the table as it looks through a window of this kind."""
    from faust_core.windows.spans import SessionTable, SlidingTable  # noqa: PLC0415  they are kinds of this

    kinds: list[tuple[type[Window], type[WindowedTable[Any, Any]]]] = [
        (HoppingWindow, WindowedTable),
        (SessionWindow, SessionTable),
        (SlidingWindow, SlidingTable),
    ]
    for kind, view in kinds:
        if isinstance(window, kind):
            return view(table, window, key_index=key_index, lateness=Lateness(on_late))
    raise ConfigError(f"table {table.name!r}: {window!r} is no window; see faust_core.windows")
