"""An event loop on which nobody waits: when all are asleep, time jumps to the moment at which the first one wakes."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["Asleep", "VirtualTimeLoop", "WallClock"]


class Asleep(Exception):
    """Nothing will ever happen again, and not all is done."""


class _Jump(selectors.SelectSelector):
    """Lets time pass instead of waiting for the network, of which there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Asleep("nobody is waiting for any moment")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The same calls give the same run, in no time.

    What runs on a thread runs here, after a delay that `threads` decides and `slowness` bounds, in seconds.
    """

    def __init__(self, threads: Random) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._threads = threads
        self.slowness = 0.0

    def time(self) -> float:
        return self._jump.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()

        def run() -> None:
            if future.cancelled():
                return  # it was still in the queue
            try:
                result = func(*args)
            except Exception as exc:
                future.set_exception(exc)
            else:
                future.set_result(result)

        if self.slowness:
            self.call_later(self._threads.uniform(0, self.slowness), run)
        else:
            self.call_soon(run)
        return future


class WallClock:
    """The broker's clock: the loop's time, and a wall clock that somebody may set."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.start = 1_700_000_000.0

    def time(self) -> float:
        return self.start + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        return self._loop.call_later(max(delay_s, 0.0), callback)
