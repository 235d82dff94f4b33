"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from faust_core.clock import Clock, TimerHandle

__all__ = ["ManualClock"]

#: Turns of the event loop given to what a timer woke, before the next one fires.
_TURNS = 20


class _Timer:
    __slots__ = ("callback", "cancelled", "due", "order")

    def __init__(self, due: float, order: int, callback: Callable[[], object]) -> None:
        self.due = due
        self.order = order
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: _Timer) -> bool:
        return (self.due, self.order) < (other.due, other.order)


class ManualClock:
    """A clock that only `advance` and `elapse` move; what is due fires in the order of time, then of asking.

    Used on one event loop.  `monotonic` begins at zero, `time` at `start`.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._now = 0.0
        self._timers: list[_Timer] = []
        self._order = count()
        #: the asyncio tasks that sleep on this clock
        self.sleepers: set[asyncio.Task[object] | None] = set()

    def time(self) -> float:
        return self._start + self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float, /) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_later(seconds, woken.set)
        sleeper = asyncio.current_task()
        self.sleepers.add(sleeper)
        try:
            await woken.wait()
        finally:
            self.sleepers.discard(sleeper)
            timer.cancel()

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> TimerHandle:
        timer = _Timer(self._now + max(delay_s, 0.0), next(self._order), callback)
        heappush(self._timers, timer)
        return timer

    def next_due(self) -> float | None:
        """Return the seconds until the next timer fires; None where nobody waits."""
        while self._timers and self._timers[0].cancelled:
            heappop(self._timers)
        return max(self._timers[0].due - self._now, 0.0) if self._timers else None

    def advance(self, seconds: float) -> None:
        """Move the time and fire what is due, each at its own moment.  Those woken run when the caller next waits."""
        target = self._now + seconds
        while self._fire_next(target):
            pass
        self._now = target

    async def elapse(self, seconds: float) -> None:
        """Move the time as `advance` does, and let those woken run before the next timer fires.

        So what sleeps in a loop is woken as often as it would be in real time.
        """
        target = self._now + seconds
        await self.settle()
        while self._fire_next(target):
            await self.settle()
        self._now = target

    async def settle(self) -> None:
        """Let everybody run who can run without the time moving."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _fire_next(self, target: float) -> bool:
        delay = self.next_due()
        if delay is None or self._now + delay > target:
            return False
        timer = heappop(self._timers)
        self._now = max(self._now, timer.due)
        timer.callback()
        return True


if TYPE_CHECKING:
    _: Clock = ManualClock()
