"""Services: things with a start, a stop and work in the background, which an application runs beside its agents."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from faust_core.clock import Clock, SystemClock
from faust_core.cron import Cron
from faust_core.engine.schedule import Job, run_job
from faust_core.errors import ConfigError
from faust_core.settings import seconds

__all__ = ["Service", "WaitResult"]

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__faust_service_job__"


class WaitResult(NamedTuple):
    """What `service.wait` found.

    Attributes:
        result: of what was waited for; None where it was not done.
        stopped: the service was stopped meanwhile.
    """

    result: Any
    stopped: bool


class Service:
    """A part of a program that is started and stopped, with tasks and timers of its own.

        class Heartbeat(Service):
            async def on_start(self) -> None: ...

            @Service.timer(10.0)
            async def beat(self) -> None: ...

    Override the `on_…` methods.  What its background work raises is logged: a task is started again with back-off, a
    timer fires again.  `crash()` ends the service.  Used on one event loop; can be started again after `stop()`.
    """

    abstract: ClassVar[bool] = True
    _job_makers: ClassVar[dict[str, Callable[[str, Callable[..., Any]], Job]]] = {}

    def __init__(self, *, beacon: Any = None, loop: Any = None) -> None:  # noqa: ARG002  as `mode` has them
        #: what sleeps and timers go by
        self.clock: Clock = SystemClock()
        self.log = logging.getLogger(type(self).__module__)
        self._children: list[Any] = list(self.on_init_dependencies())
        self._futures: set[asyncio.Task[Any]] = set()
        self._started = False
        self._started_before = False
        self._stopped = asyncio.Event()
        self._shutdown = False
        self._contexts = AsyncExitStack()
        self.crash_reason: BaseException | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        makers = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if (maker := getattr(value, MARK, None)) is not None:
                    makers[name] = maker
                else:
                    makers.pop(name, None)
        cls._job_makers = makers

    # -- what a service does: to be overridden

    def on_init_dependencies(self) -> Iterable[Any]:
        """Return the services that are started with this one."""
        return ()

    async def on_first_start(self) -> None:
        """It is started for the first time."""

    async def on_start(self) -> None:
        """It is being started: nothing of it runs yet."""

    async def on_started(self) -> None:
        """Its dependencies, tasks and timers run."""

    async def on_stop(self) -> None:
        """It is being stopped: everything still runs."""

    async def on_shutdown(self) -> None:
        """Nothing of it runs any more."""

    async def on_restart(self) -> None:
        """It is being started again by `restart()`."""

    # -- background work

    @staticmethod
    def task(function: F) -> F:
        """Run a method from start to stop; one that raises is started again, with back-off."""
        return _mark(function, Job)

    @staticmethod
    def timer(interval: float | dt.timedelta, *, on_error: str = "log") -> Callable[[F], F]:
        """Run a method every `interval` seconds, first after one interval; runs never overlap."""
        interval_s = seconds("interval", interval)
        if interval_s <= 0:
            raise ConfigError(f"a timer's interval is a positive number of seconds, not {interval!r}")
        return lambda f: _mark(f, lambda n, m: Job(n, m, interval_s=interval_s, on_error=on_error))

    @staticmethod
    def crontab(
        cron_format: str, timezone: dt.tzinfo | str | None = None, *, on_error: str = "log"
    ) -> Callable[[F], F]:
        """Run a method at the times of a cron expression; in UTC where there is no time zone."""
        cron = Cron(cron_format, timezone or dt.UTC)
        return lambda f: _mark(f, lambda n, m: Job(n, m, cron=cron, on_error=on_error))

    def add_future(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine until it ends or the service stops.  What it raises crashes the service."""
        future = asyncio.get_running_loop().create_task(coroutine, name=f"faust {self.label}")
        self._futures.add(future)
        future.add_done_callback(self._future_done)
        return future

    def _future_done(self, future: asyncio.Task[Any]) -> None:
        self._futures.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._fail(error)

    def add_dependency(self, service: Any) -> Any:
        """Have another service (anything with async `start` and `stop`) started and stopped with this one."""
        self._children.append(service)
        return service

    async def add_runtime_dependency(self, service: Any) -> Any:
        """Likewise, while this one may be running: then the other one is started now."""
        if self._started:
            await service.start()
        return self.add_dependency(service)

    async def add_async_context(self, context: Any) -> Any:
        """Enter an async context manager, and leave it when the service stops."""
        return await self._contexts.enter_async_context(context)

    def add_context(self, context: Any) -> Any:
        """Likewise for a plain context manager."""
        return self._contexts.enter_context(context)

    # -- life

    async def start(self) -> None:
        """Start it, with what it depends on.  Does nothing where it runs.

        Raises:
            Exception: what `on_start` and its like raised; everything is stopped again.
        """
        if self._started:
            return
        self._started = True
        self._shutdown = False
        self._stopped.clear()
        self.crash_reason = None
        try:
            if not self._started_before:
                self._started_before = True
                await self.on_first_start()
            await self.on_start()
            for child in self._children:
                if isinstance(child, Service):
                    child.clock = self.clock
                await child.start()
            for name, make in self._job_makers.items():
                job = make(f"{self.label}.{name}", getattr(self, name))
                self.add_future(run_job(job, None, lambda: True, self.clock))
            await self.on_started()
        except BaseException:
            await self.stop()
            raise

    async def maybe_start(self) -> bool:
        """Start it unless it runs; returns whether it was started."""
        if self._started:
            return False
        await self.start()
        return True

    async def stop(self) -> None:
        """Stop it, then what it depends on, last started first.  Does nothing where it does not run."""
        if not self._started:
            return
        self._stopped.set()
        try:
            await self.on_stop()
        finally:
            self._started = False
            current = asyncio.current_task()
            futures = [future for future in self._futures if future is not current]
            for future in futures:
                future.cancel()
            await asyncio.gather(*futures, return_exceptions=True)
            for child in reversed(self._children):
                try:
                    await child.stop()
                except Exception:
                    log.exception("%s: stopping %r failed", self.label, child)
            await self._contexts.aclose()
            await self.on_shutdown()
            self._shutdown = True

    async def restart(self) -> None:
        """Stop it and start it again."""
        await self.stop()
        await self.on_restart()
        await self.start()

    async def crash(self, reason: BaseException) -> None:
        """End the service because of an error: who waits for it learns that."""
        self._fail(reason)

    def _fail(self, reason: BaseException) -> None:
        if not self.crashed:
            log.error("service %s crashed", self.label, exc_info=reason)
            self.crash_reason = reason
        self._stopped.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    # -- waiting

    async def sleep(self, n: float | dt.timedelta) -> None:
        """Wait for so many seconds, or until the service stops."""
        await self.wait_for_stopped(self.clock.sleep(seconds("sleep", n)))

    async def wait(self, *waited: Any, timeout: float | dt.timedelta | None = None) -> WaitResult:
        """Wait for a coroutine, future or asyncio.Event; no longer than until the service stops, or `timeout` is over.

        Without arguments: until the service stops.

        Raises:
            TimeoutError: `timeout` seconds are over.
        """
        pending = [asyncio.ensure_future(_awaitable(one)) for one in waited]
        stopping = asyncio.ensure_future(self._stopped.wait())
        timer = None if timeout is None else asyncio.ensure_future(self.clock.sleep(seconds("timeout", timeout)))
        every = [*pending, stopping, *([timer] if timer is not None else [])]
        try:
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            done = [future for future in pending if future.done()]
            if done:
                return WaitResult(done[0].result(), stopped=stopping.done())
            if timer is not None and timer.done() and not stopping.done():
                raise TimeoutError(f"{self.label}: waited for {seconds('timeout', timeout or 0):g} s")
            return WaitResult(None, stopped=True)
        finally:
            for future in every:
                future.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    async def wait_for_stopped(self, *waited: Any, timeout: float | dt.timedelta | None = None) -> bool:
        """Like `wait`; returns whether the service was stopped."""
        return (await self.wait(*waited, timeout=timeout)).stopped

    async def wait_until_stopped(self) -> None:
        """Wait until the service stops, or crashes.

        Raises:
            BaseException: what it crashed with.
        """
        await self._stopped.wait()
        if self.crash_reason is not None:
            raise self.crash_reason

    async def itertimer(self, interval: float | dt.timedelta, **_options: Any) -> AsyncIterator[float]:
        """Yield every `interval` seconds, until the service stops: the seconds since the last time."""
        span = seconds("interval", interval)
        last = self.clock.monotonic()
        due = last + span
        while not self.should_stop:
            await self.sleep(max(0.0, due - self.clock.monotonic()))
            if self._stopped.is_set():
                return
            now = self.clock.monotonic()
            yield now - last
            last, due = now, max(due + span, now)

    # -- state

    @property
    def started(self) -> bool:
        return self._started

    @property
    def crashed(self) -> bool:
        return self.crash_reason is not None

    @property
    def should_stop(self) -> bool:
        """Whether loops of the service should end."""
        return self._stopped.is_set()

    @property
    def state(self) -> str:
        """`init`, `running`, `stopping`, `shutdown` or `crashed`."""
        if self.crashed:
            return "crashed"
        if self._started:
            return "stopping" if self._stopped.is_set() else "running"
        return "shutdown" if self._shutdown else "init"

    @property
    def label(self) -> str:
        return type(self).__name__

    @property
    def shortlabel(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"<{self.label}: {self.state}>"


def _mark(function: F, make: Callable[[str, Callable[..., Any]], Job]) -> F:
    setattr(function, MARK, make)
    return function


def _awaitable(waited: Any) -> Awaitable[Any]:
    if isinstance(waited, asyncio.Event):
        return waited.wait()
    if not inspect.isawaitable(waited):
        raise TypeError(f"waiting is for coroutines, futures and events, not {waited!r}")
    return waited
