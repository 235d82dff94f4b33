"""The kinds of windows: which spans of time an event belongs to, and when such a span is over.

A range is `(start, end)` in epoch seconds.  Tumbling and hopping ranges end 0.1 s before the next one begins, as they
always have on the wire; a time in between belongs to them all the same.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from operator import add
from typing import Any

from faust_core.errors import ConfigError

__all__ = ["HoppingWindow", "SessionWindow", "SlidingWindow", "TumblingWindow", "Window", "WindowRange", "whole_us"]

#: start and end, epoch seconds.  A time just before the next window is in its window, although `end` is before it.
WindowRange = tuple[float, float]
Duration = float | dt.timedelta

END_GAP_S = 0.1


def whole_us(seconds: float) -> int:
    """Return seconds as whole microseconds: sums of floats are compared exactly then."""
    return round(seconds * 1_000_000)


def _function(name: str, given: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    if not callable(given):
        raise ConfigError(f"{name}= of a window is a function of an earlier and a later value, not {given!r}")
    return given


def _microseconds(name: str, value: Duration, *, least: int = 1) -> int:
    given: object = value.total_seconds() if isinstance(value, dt.timedelta) else value
    seconds = float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else math.nan
    if not math.isfinite(seconds) or seconds * 1_000_000 < least:
        kind = "positive number of seconds" if least else "number of seconds from 0 on"
        raise ConfigError(f"{name} of a window is a {kind} or a timedelta, not {value!r}")
    return round(seconds * 1_000_000)


class Window:
    """What all kinds share.

    Attributes:
        expires: seconds of stream time that a window is kept for after it is over; None keeps it.
        grace: seconds of stream time after its end in which a late event still counts; None: see `docs/windows.md`.
        tail_us: how long after the end of its range a window is over, in microseconds.
    """

    tail_us = 0

    def __init__(self, expires: Duration | None, grace: Duration | None) -> None:
        self.expires = None if expires is None else _microseconds("expires", expires) / 1_000_000
        self.grace = None if grace is None else _microseconds("grace", grace, least=0) / 1_000_000
        if self.expires is not None and self.grace is not None and self.grace > self.expires:
            raise ConfigError(f"grace {grace!r} over expires {expires!r}: late events would have no window to go to")

    @property
    def length(self) -> float:
        """From the start of a window until it is over, seconds; of a session the least."""
        raise NotImplementedError

    def over_us(self, end: float) -> int:
        """Return when a window whose range ends with `end` is over, microseconds since the epoch."""
        return whole_us(end) + self.tail_us

    def stale(self, end: float, stream_time: float) -> bool:
        """Whether a window whose range ends with `end` is past its expiry."""
        return self.expires is not None and self.over_us(end) + whole_us(self.expires) < whole_us(stream_time)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Window) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        if shown["grace"] is None:
            del shown["grace"]
        expires = shown.pop("expires")
        return f"{type(self).__name__}({', '.join(f'{n}={v}' for n, v in {**shown, 'expires': expires}.items())})"


class HoppingWindow(Window):
    """Windows of `size` that begin every `step`, at multiples of it since the epoch.

    Attributes:
        size, step: seconds, to the microsecond.
    """

    tail_us = whole_us(END_GAP_S)

    def __init__(
        self, size: Duration, step: Duration, expires: Duration | None = None, grace: Duration | None = None
    ) -> None:
        super().__init__(expires, grace)
        self._size_us = _microseconds("size", size)
        self._step_us = _microseconds("step", step)
        self.size = self._size_us / 1_000_000
        self.step = self._step_us / 1_000_000
        if self._step_us > self._size_us:
            raise ConfigError(f"step {step!r} over size {size!r} would leave times that belong to no window")

    @property
    def length(self) -> float:
        return self.size

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

    def _values(self) -> tuple[Any, ...]:
        return self.size, self.step, self.expires, self.grace


class TumblingWindow(HoppingWindow):
    """Windows of `size`, one after the other."""

    def __init__(self, size: Duration, expires: Duration | None = None, grace: Duration | None = None) -> None:
        super().__init__(size, size, expires, grace)


class SlidingWindow(Window):
    """The time from `before` an event until `after` it: each event has a window of its own.

    A value is kept for each time that had events; what is in a window is the values of its times, merged.
    """

    def __init__(
        self,
        before: Duration,
        after: Duration,
        expires: Duration,
        grace: Duration | None = None,
        *,
        merge: Callable[[Any, Any], Any] = add,
    ) -> None:
        super().__init__(expires, grace)
        self.before = _microseconds("before", before, least=0) / 1_000_000
        self.after = _microseconds("after", after, least=0) / 1_000_000
        self._merge = _function("merge", merge)

    @property
    def merge(self) -> Callable[[Any, Any], Any]:
        return self._merge

    @property
    def length(self) -> float:
        return self.before + self.after

    def current(self, timestamp: float) -> WindowRange:
        """Return the window of an event at `timestamp`."""
        return timestamp - self.before, timestamp + self.after

    def ranges(self, timestamp: float) -> list[WindowRange]:
        return [self.current(timestamp)]

    earliest = current

    def _values(self) -> tuple[Any, ...]:
        return "sliding", self.before, self.after, self.expires, self.grace


class SessionWindow(Window):
    """From the first to the last event of a key between which no two are more than `gap` apart.

    An event that touches several sessions makes them one, whose value is `merge(earlier, later)`.
    """

    def __init__(
        self,
        gap: Duration,
        expires: Duration | None = None,
        grace: Duration | None = None,
        *,
        merge: Callable[[Any, Any], Any] = add,
    ) -> None:
        super().__init__(expires, grace)
        self.gap = _microseconds("gap", gap) / 1_000_000
        # An event exactly `gap` after the last one belongs to the session still.
        self.tail_us = whole_us(self.gap) + 1
        self._merge = _function("merge", merge)

    @property
    def merge(self) -> Callable[[Any, Any], Any]:
        return self._merge

    @property
    def length(self) -> float:
        return self.gap

    def __repr__(self) -> str:
        return f"SessionWindow(gap={self.gap}, expires={self.expires})"

    def _values(self) -> tuple[Any, ...]:
        return "session", self.gap, self.expires, self.grace
