"""What a join of two streams is: which side may stay alone, how far apart a pair may be, how long it waits."""

from __future__ import annotations

import datetime as dt
import enum
import math
from dataclasses import dataclass

from faust_core.errors import ConfigError

__all__ = ["LEFT", "RIGHT", "JoinWindow", "Mode", "join_window"]

LEFT, RIGHT = 0, 1

#: Buckets of less would be so many that finding what is due costs more than what is in them.
MIN_BUCKET_MS = 1_000


class Mode(enum.Enum):
    """Whose records are handed out without a partner, once none can come any more."""

    INNER = (False, False)
    LEFT = (True, False)
    RIGHT = (False, True)
    OUTER = (True, True)

    def keeps(self, side: int) -> bool:
        """Whether a side's records are handed out alone."""
        return self.value[side]


@dataclass(frozen=True, slots=True)
class JoinWindow:
    """A left record at `t` and a right one at `t - before_ms` … `t + after_ms` (both included) are a pair.

    A record's window is *closed* when the stream time has passed the time of its last possible partner by more
    than `grace_ms`.  From then on it is no part of any pair.
    """

    before_ms: int
    after_ms: int
    grace_ms: int = 0

    @property
    def span_ms(self) -> int:
        return self.before_ms + self.after_ms

    @property
    def bucket_ms(self) -> int:
        """How much time goes into one key of the buffer: what a record looks for is in two of them at most."""
        return max(self.span_ms, MIN_BUCKET_MS)

    def wait_ms(self, side: int) -> int:
        """How long after its own time a record's window is open."""
        return (self.after_ms if side == LEFT else self.before_ms) + self.grace_ms

    def partners(self, side: int, timestamp_ms: int) -> tuple[int, int]:
        """Return the first and the last time of the other side that go with a record."""
        if side == LEFT:
            return timestamp_ms - self.before_ms, timestamp_ms + self.after_ms
        return timestamp_ms - self.after_ms, timestamp_ms + self.before_ms


def join_window(
    who: str,
    within: float | dt.timedelta | None,
    before: float | dt.timedelta | None,
    after: float | dt.timedelta | None,
    grace: float | dt.timedelta,
) -> JoinWindow:
    """Return the window that a join's arguments describe.

    Raises:
        ConfigError: none is given, or one is negative or no time.
    """
    if within is None and before is None and after is None:
        raise ConfigError(
            f"{who}: a join of two streams needs within= (or before= and after=): how far apart the times of a pair "
            "may be. Without it every record would have to be kept for ever"
        )
    default: float | dt.timedelta = 0.0 if within is None else within
    return JoinWindow(
        _milliseconds(who, "before", default if before is None else before),
        _milliseconds(who, "after", default if after is None else after),
        _milliseconds(who, "grace", grace),
    )


def _milliseconds(who: str, name: str, value: float | dt.timedelta) -> int:
    given: object = value.total_seconds() if isinstance(value, dt.timedelta) else value
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given) or given < 0:
        raise ConfigError(f"{who}: {name} (or within) is a timedelta or a number of seconds from 0 on, not {value!r}")
    return round(given * 1000)
