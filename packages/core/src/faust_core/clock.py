"""Time as everything in this library asks for it, so that a test can stand in for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

__all__ = ["Clock", "SystemClock", "TimerHandle"]


class TimerHandle(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None:
        """Make sure that the callback is not called any more.  Idempotent."""
        ...


class Clock(Protocol):
    """A source of time.  Used on one event loop."""

    def time(self) -> float:
        """Return epoch seconds: what records are stamped with.  May jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary moment, never going back: what time-outs are measured with."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait.  Zero or less gives others a turn, and no more."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> TimerHandle:
        """Call `callback` on the event loop once `delay_s` has passed."""
        ...


class SystemClock:
    """The machine's own time."""

    __slots__ = ()

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, callback)


if TYPE_CHECKING:
    _: Clock = SystemClock()
