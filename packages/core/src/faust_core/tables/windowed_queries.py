"""Asking a windowed table: a key, and a time or a span of time."""

from __future__ import annotations

import datetime as dt
import functools
import math
import time
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from faust_core.errors import QueryError
from faust_core.protocols.queries import QueryOptions
from faust_core.tables.queries import Answers, Found, checked, find, find_rows, inner_key, route_of

__all__ = ["MAX_WINDOWS", "WindowedQueries", "find_windows"]

K = TypeVar("K")
V = TypeVar("V")

#: Start and end, epoch seconds.
Range = tuple[float, float]

MAX_WINDOWS = 1000


def moment(name: str, value: float | dt.datetime) -> float:
    """Return epoch seconds.

    Raises:
        QueryError: it is no time.
    """
    seconds: Any = value.timestamp() if isinstance(value, dt.datetime) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise QueryError(f"{name} = {value!r} is no time: give epoch seconds or a datetime", code="bad_time")
    return float(seconds)


def whole_us(seconds: float) -> int:
    """Return seconds as whole microseconds, as windows compare them."""
    return round(seconds * 1_000_000)


async def find_windows(
    table: Any, key: Any, start: float, end: float | None, options: QueryOptions
) -> tuple[dict[Range, bytes], Found]:
    """Look a key up in the windows between two times, or in the latest one that `start` is in where `end` is None.

    Raises:
        QueryError: more than `MAX_WINDOWS` windows, no time at all, or a span of time of sliding windows.
    """
    window = table.window
    if end is not None and end <= start:
        raise QueryError(f"the span of time from {start:g} to {end:g} is empty", code="bad_time")
    if hasattr(window, "step"):
        return await _find_aligned(table, key, start, end, options)
    rows, _, found = await find_rows(table, key, options)
    by_range = {table.codec.decode_key(data)[1]: value for data, value in rows}
    if hasattr(window, "gap"):
        return _sessions(window, by_range, start, end), found
    if end is not None:
        raise QueryError(
            f"table {table.name!r} has sliding windows, one for each moment: ask for one of them", code="bad_time"
        )
    return _sliding(table, by_range, start), found


async def _find_aligned(
    table: Any, key: Any, start: float, end: float | None, options: QueryOptions
) -> tuple[dict[Range, bytes], Found]:
    """Look in windows whose times are the same for all keys."""
    window = table.window
    try:
        ranges = [window.current(start)] if end is None else _between(window, start, end)
        written = {checked(table, (key, at)): at for at in ranges}
    except OverflowError as exc:
        raise QueryError(f"no window is at {start!r}", code="bad_time") from exc
    # Where the key is, whatever the window: as its own codec writes it.
    route = route_of(table, key, inner_key(table, key))
    found = await find(table, dict.fromkeys(written, route), options)
    return {at: found.values[data][0] for data, at in written.items() if data in found.values}, found


def _between(window: Any, start: float, end: float) -> list[Range]:
    if (end - start + window.size) / window.step > MAX_WINDOWS:
        raise QueryError(
            f"more than {MAX_WINDOWS} windows of {window} are between {start:g} and {end:g}: ask for less at once",
            code="too_many_windows",
        )
    ranges: dict[Range, None] = {}
    for n in range(math.ceil((end - start) / window.step) + 1):
        at = min(start + n * window.step, math.nextafter(end, start))
        ranges.update(dict.fromkeys(window.ranges(at)))
    return sorted(ranges)


def _sessions(window: Any, by_range: Mapping[Range, bytes], start: float, end: float | None) -> dict[Range, bytes]:
    """Return the session that an event at `start` would belong to, or those that have a part in the span of time."""
    ranges = sorted(by_range)
    if end is None:
        gap, moment_us = whole_us(window.gap), whole_us(start)
        ranges = [at for at in ranges if whole_us(at[0]) - gap <= moment_us <= whole_us(at[1]) + gap][-1:]
    else:
        ranges = [at for at in ranges if at[0] < end and start <= at[1]]
        if len(ranges) > MAX_WINDOWS:
            raise QueryError(f"more than {MAX_WINDOWS} sessions: ask for less at once", code="too_many_windows")
    return {at: by_range[at] for at in ranges}


def _sliding(table: Any, by_range: Mapping[Range, bytes], at: float) -> dict[Range, bytes]:
    """Merge the values of the times around `at`, each of which begins its range `before` itself."""
    window, codec = table.window, table.codec
    before, first, last = whole_us(window.before), whole_us(at - window.before), whole_us(at + window.after)
    values = [
        codec.decode_value(value)
        for (start, _), value in sorted(by_range.items())
        if first <= whole_us(start) + before <= last
    ]
    return {window.current(at): codec.encode_value(functools.reduce(window.merge, values))} if values else {}


class WindowedQueries(Generic[K, V]):
    """The questions of a windowed table; see `Queried` for what all of them take and raise."""

    async def query(
        self: Any,
        key: K,
        at: float | dt.datetime | None = None,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> V:
        """Return a key's value in the latest window that a time is in, of whichever worker has it.

        Args:
            at: epoch seconds, or a datetime; now where None.

        Raises:
            KeyError: there is no such value, and the table has no default.
            QueryError, QueryUnavailable, ConfigError: see `Queried`.
        """
        start = time.time() if at is None else moment("at", at)
        values, _ = await find_windows(self.table, key, start, None, QueryOptions(stale, committed, partition, timeout))
        for data in values.values():
            return self.table.codec.decode_value(data)  # type: ignore[no-any-return]  # codecs return V
        if self.table.default is None:
            raise KeyError(key)
        return self.table.default()  # type: ignore[no-any-return]  # as above

    async def query_windows(
        self: Any,
        key: K,
        start: float | dt.datetime,
        end: float | dt.datetime,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Answers[Range, V]:
        """Return a key's values in all windows that times from `start` until before `end` are in, earliest first.

        Args:
            start, end: epoch seconds, or datetimes; 1000 windows at most.
        """
        span = moment("start", start), moment("end", end)
        values, found = await find_windows(self.table, key, *span, QueryOptions(stale, committed, partition, timeout))
        answers: Answers[Range, V] = Answers()
        for at, data in values.items():
            answers[at] = self.table.codec.decode_value(data)
        answers.owner, answers.lag = found.owner, found.lag
        return answers
