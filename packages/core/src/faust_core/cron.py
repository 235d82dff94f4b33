"""Cron expressions: when a schedule fires next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from faust_core.errors import ConfigError

__all__ = ["Cron"]


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)

_SHORTHANDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY: Final = dt.timedelta(days=1)


class Cron:
    """The times that a cron expression names, on the clocks of a time zone.

    Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday), each a `*`, a number, a range
    `1-5`, any of them with a step `*/5`, or a list of such; months and days of the week also by their first three
    letters.  Or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.  Where both days are given,
    either will do.

    When clocks are turned: a time that is skipped comes at the end of the gap, one that occurs twice counts once.
    That is for schedules with fixed hours; one whose hours begin with `*` goes on through the turn as real time does.
    """

    def __init__(self, expression: str, tz: dt.tzinfo | str | None = None) -> None:
        """Take an expression and the zone that it is meant in, UTC where None.

        Raises:
            ConfigError: the expression, names the field; or the name of the zone.
        """
        self.expression = expression
        self.tz = _zone(tz)
        fields = _SHORTHANDS.get(expression.strip().lower(), expression).split()
        if len(fields) != len(_FIELDS):
            raise ConfigError(
                f"cron expression {expression!r} must have 5 fields (minute, hour, day of month, month, day of week), "
                f"not {len(fields)}, or be one of {', '.join(_SHORTHANDS)}"
            )
        parsed = [_parse(expression, field, text) for field, text in zip(_FIELDS, fields, strict=True)]
        self._minutes, self._hours, self._days, self._months, weekdays = map(frozenset, parsed)
        self._weekdays = frozenset(day % 7 for day in weekdays)
        self._any_day, self._any_weekday = fields[2].startswith("*"), fields[4].startswith("*")
        self._fixed_hours = not fields[1].startswith("*")
        self._times = [dt.time(hour, minute) for hour in sorted(self._hours) for minute in sorted(self._minutes)]
        if (self._any_weekday or self._any_day) and not any(
            min(self._days) <= _LONGEST_MONTHS[month - 1] for month in self._months
        ):
            raise ConfigError(
                f"cron expression {expression!r}, field day of month: none of its months has a day {min(self._days)}"
            )

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first time later than `moment`, in the schedule's zone; a naive `moment` is meant in that zone.

        Raises:
            OverflowError: there is none before the year 10000.
        """
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.tz)
        after = moment.astimezone(dt.UTC)
        # Times that occur twice are looked at twice, as the earlier and as the later.
        folds = (0,) if self._fixed_hours else (0, 1)
        return min(self._first_after(after, fold) for fold in folds).astimezone(self.tz)

    def _first_after(self, after: dt.datetime, fold: int) -> dt.datetime:
        moments = (self._moment(local, fold) for local in self._local_times(self._look_from(after)))
        return next(moment for moment in moments if moment is not None and moment > after)

    def _look_from(self, after: dt.datetime) -> dt.datetime:
        """Return a local time that is early enough although clocks may be turned about then."""
        local = after.astimezone(self.tz)
        offsets = {(after + day).astimezone(self.tz).utcoffset() for day in (-_DAY, 0 * _DAY, _DAY)}
        start = local.replace(tzinfo=None)
        return start if len(offsets) == 1 else start - _DAY

    def _moment(self, local: dt.datetime, fold: int) -> dt.datetime | None:
        """Return when clocks show `local`, None where they never do and that is to be ignored."""
        moment = local.replace(tzinfo=self.tz, fold=fold).astimezone(dt.UTC)
        if moment.astimezone(self.tz).replace(tzinfo=None) == local:
            return moment
        if not self._fixed_hours:
            return None
        # In a gap fold 1 uses the offset behind it, so this lies before the gap by as much as `local` lies in it.
        before = local.replace(tzinfo=self.tz, fold=1).astimezone(dt.UTC)
        return _gap_end(before, moment, self.tz)

    def _local_times(self, start: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the matching times on clocks that are never turned, ascending from `start` on."""
        day = start.date()
        while True:
            if day.month not in self._months:
                day = (day.replace(day=1) + 31 * _DAY).replace(day=1)
                continue
            if self._has_day(day):
                for time in self._times:
                    local = dt.datetime.combine(day, time)
                    if local >= start:
                        yield local
            day += _DAY

    def _has_day(self, day: dt.date) -> bool:
        in_month, in_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        if self._any_day or self._any_weekday:
            return in_month and in_week
        return in_month or in_week

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, {self.tz})"


@lru_cache(maxsize=256)
def _gap_end(low: dt.datetime, high: dt.datetime, tz: dt.tzinfo) -> dt.datetime:
    """Return the first moment after the change of offset between `low` and `high`, to the second."""
    offset = low.astimezone(tz).utcoffset()
    while high - low > dt.timedelta(seconds=1):
        middle = low + dt.timedelta(seconds=(high - low) // dt.timedelta(seconds=2))
        if middle.astimezone(tz).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def _zone(tz: dt.tzinfo | str | None) -> dt.tzinfo:
    if isinstance(tz, dt.tzinfo):
        return tz
    if tz is None or tz.upper() == "UTC":
        return dt.UTC
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ConfigError(f"there is no time zone {tz!r}: give a name such as Europe/Berlin") from exc


def _parse(expression: str, field: _Field, text: str) -> set[int]:
    try:
        return {number for part in text.lower().split(",") for number in _parse_part(field, part)}
    except ValueError as exc:
        raise ConfigError(f"cron expression {expression!r}, field {field.name}: {exc}") from None


def _parse_part(field: _Field, part: str) -> range:
    span, has_step, step_text = part.partition("/")
    first, is_range, last = span.partition("-")
    if span == "*":
        low, high = field.first, field.last if field.last != 7 else 6
    elif is_range:
        low, high = _number(field, first), _number(field, last)
        if low > high == 0 and field.last == 7:
            high = 7  # fri-sun
        if low > high:
            raise ValueError(f"{span!r} ends before it begins")
    else:
        low = _number(field, span)
        high = field.last if has_step else low
    if has_step and (not step_text.isdecimal() or int(step_text) < 1):
        raise ValueError(f"{step_text!r} is no step: give a number >= 1")
    return range(low, high + 1, int(step_text) if has_step else 1)


def _number(field: _Field, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.first
    if text.isascii() and text.isdecimal() and field.first <= int(text) <= field.last:
        return int(text)
    names = f" or one of {', '.join(field.names)}" if field.names else ""
    raise ValueError(f"{text!r} is not a number from {field.first} to {field.last}{names}")
