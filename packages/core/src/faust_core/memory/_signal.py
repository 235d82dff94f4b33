"""Waiting for something to change, measured on the broker's clock."""

from __future__ import annotations

import asyncio
from functools import partial

from faust_core.clock import Clock

__all__ = ["Signal"]


class Signal:
    """Wakes everyone who waits when it is set.  Who is woken looks for itself whether it was meant."""

    __slots__ = ("_clock", "_waiters")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiters: list[asyncio.Future[None]] = []

    def set(self) -> None:
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                _wake(waiter)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Return at the next `set`, or after `timeout_s`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        timer = None
        if timeout_s is not None:
            timer = self._clock.call_later(timeout_s, partial(_wake, waiter))
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
