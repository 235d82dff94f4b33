"""The time of an event, as a windowed table sees it: the record's, the wall clock's, a field's, or a function's."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from faust_core._context import current_claim
from faust_core.errors import ConfigError, NoCurrentEvent
from faust_core.events import Event, current_event

__all__ = ["TimeOf", "record_time", "time_of"]

#: The time, epoch seconds, of an event; of the event in hand where None.
TimeOf = Callable[[Event[Any, Any] | None], float]


def record_time(event: Event[Any, Any] | None = None) -> float:
    """Return the timestamp of the event's record."""
    if event is not None:
        return event.message.timestamp
    claim = current_claim.get()
    if claim is None:
        raise NoCurrentEvent("a window relative to the stream has no time outside of an event: use now() there")
    return claim.batch.timestamps_ms[claim.index] / 1000


def time_of(what: Any, table: str, timezone: dt.tzinfo | str) -> TimeOf:
    """Return the function that finds the time which `relative_to(what)` means.

    Args:
        what: None (the record's), epoch seconds, a datetime, a model's field or the name of one, or a function of
            the event.
        timezone: of datetimes that say none.

    Raises:
        ConfigError: `what` is none of these.
    """
    if what is None:
        return record_time
    if isinstance(what, str) or hasattr(what, "field"):
        return _field_time(what, table, timezone)
    if callable(what):
        return lambda event: seconds_of(what(_event(event, table)), table, timezone)
    if isinstance(what, bool) or not isinstance(what, (int, float, dt.datetime)):
        raise ConfigError(
            f"{table}: windows are relative to a field, a time, a datetime or a function of the event, not {what!r}"
        )
    fixed = seconds_of(what, table, timezone)
    return lambda _event: fixed


def _field_time(field: Any, table: str, timezone: dt.tzinfo | str) -> TimeOf:
    name: str = field if isinstance(field, str) else field.field
    getter = getattr(field, "getattr", None)

    def timestamp(event: Event[Any, Any] | None) -> float:
        value = _event(event, table).value
        found = value[name] if isinstance(value, dict) else getter(value) if getter else getattr(value, name)
        return seconds_of(found, f"{table}: field {name!r}", timezone)

    return timestamp


def _event(event: Event[Any, Any] | None, table: str) -> Event[Any, Any]:
    event = event or current_event()
    if event is None:
        raise NoCurrentEvent(f"{table}: its windows are relative to an event, and there is none here: use now()")
    return event


def seconds_of(value: Any, what: str, timezone: dt.tzinfo | str) -> float:
    """Return a time as epoch seconds.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if isinstance(value, dt.datetime):
        zone = value.tzinfo or (ZoneInfo(timezone) if isinstance(timezone, str) else timezone)
        moment: dt.datetime = value.replace(tzinfo=zone)
        return moment.timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{what} is to be a time - epoch seconds, a datetime or ISO 8601 text - not {value!r}")
    return float(value)
