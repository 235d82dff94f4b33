"""What a running application tells of itself, and what runs beside its agents."""

from __future__ import annotations

import asyncio
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from faust_core.clock import Clock
from faust_core.engine.task import TaskState
from faust_core.engine.worker import Worker
from faust_core.errors import ConfigError
from faust_core.settings import seconds

__all__ = ["Runs"]


class Runs(ABC):
    """The state of an application, as its own code asks for it."""

    _worker: Worker | None
    clock: Clock

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._futures: set[asyncio.Task[Any]] = set()

    @property
    @abstractmethod
    def should_stop(self) -> bool:
        """Whether loops of tasks should end."""

    @abstractmethod
    async def sleep(self, seconds: float | dt.timedelta) -> None:
        """Wait."""

    @property
    def rebalancing(self) -> bool:
        """Whether the group divides its partitions anew at this moment."""
        return self._worker is not None and self._worker.rebalancer.rebalancing

    @property
    def rebalancing_count(self) -> int:
        """How many times it has done so since this application was started."""
        return 0 if self._worker is None else self._worker.rebalancer.count

    @property
    def unassigned(self) -> bool:
        """Whether this worker takes part, and has no partition."""
        return self._worker is not None and not any(
            task.state in {TaskState.RUNNING, TaskState.RESTORING} for task in self._worker.rebalancer.tasks.values()
        )

    @property
    def in_recovery(self) -> bool:
        """Whether a partition of this worker is being restored: its tables are not complete."""
        return self._worker is not None and any(
            task.state is TaskState.RESTORING for task in self._worker.rebalancer.tasks.values()
        )

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop at hand.

        Raises:
            RuntimeError: none is running.
        """
        return asyncio.get_running_loop()

    def add_future(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine until it ends or the application stops.  What it raises stops the worker.

        `@app.task` declares one that is started again instead.

        Raises:
            ConfigError: the application does not run.
        """
        if self._worker is None:
            coroutine.close()
            raise ConfigError("app.add_future needs a running application: declare it by @app.task")
        future = asyncio.get_running_loop().create_task(coroutine, name="faust future")
        self._futures.add(future)
        future.add_done_callback(self._future_done)
        return future

    def _future_done(self, future: asyncio.Task[Any]) -> None:
        self._futures.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None and self._worker is not None:
            self._worker.fail(error)

    async def _end_futures(self) -> None:
        futures = list(self._futures)
        for future in futures:
            future.cancel()
        await asyncio.gather(*futures, return_exceptions=True)

    async def crash(self, reason: BaseException) -> None:
        """Stop the worker without committing; whoever waits for it gets `reason`."""
        if self._worker is not None:
            self._worker.fail(reason)

    async def itertimer(self, interval: float | dt.timedelta, **_options: Any) -> AsyncIterator[float]:
        """Yield every `interval` seconds, until the application stops: the seconds since the last time."""
        span = seconds("interval", interval)
        last = self.clock.monotonic()
        due = last + span
        while not await self._stopped_by(due):
            now = self.clock.monotonic()
            yield now - last
            last, due = now, max(due + span, now)

    async def _stopped_by(self, due: float) -> bool:
        if not self.should_stop:
            await self.sleep(max(0.0, due - self.clock.monotonic()))
        return self.should_stop
