"""Timers, crontabs and tasks of the application."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faust_core._context import Run, current_claim, current_run
from faust_core.clock import Clock, SystemClock
from faust_core.cron import Cron

__all__ = ["Job", "JobWatch", "run_job"]

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 60.0
#: How soon a worker notices that it is the leader, or is it no more.
LEADER_CHECK_S = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """Something to run beside the agents.

    Attributes:
        interval_s: every so many seconds; None where it runs by `cron`, or once where both are None.
        on_leader: only while this worker leads.  A task begins when it comes to lead; where it has not returned
            by then, it is cancelled when another worker does.
        on_error: `log` (a timer fires again, a task restarts with back-off) or `crash`.
    """

    name: str
    function: Callable[..., Any]
    interval_s: float | None = None
    cron: Cron | None = None
    on_leader: bool = False
    on_error: str = "log"


class JobWatch:
    """Who wants to know of jobs.

    Attributes:
        saw: told of each error, whatever the job's policy is.
        under_way: the asyncio tasks of those jobs whose function runs now.
    """

    def __init__(self, saw: Callable[[str, BaseException], None] = lambda _name, _error: None) -> None:
        self.saw = saw
        self.under_way: set[asyncio.Task[Any] | None] = set()


async def run_job(
    job: Job,
    app: Any,
    is_leader: Callable[[], bool],
    clock: Clock | None = None,
    watch: JobWatch | None = None,
) -> None:
    """Run a job until it is over or cancelled.

    A timer's first run comes after one interval; runs never overlap; one that takes longer than the
    interval delays the next, and runs that were missed are not made up for.

    Raises:
        Exception: what the function raised, where `on_error` is `crash`.
    """
    clock = clock or SystemClock()
    watch = watch or JobWatch()
    if job.cron is not None:
        await _run_cron(job, job.cron, app, is_leader, clock, watch)
    elif job.interval_s is not None:
        await _run_timer(job, job.interval_s, app, is_leader, clock, watch)
    else:
        await _run_task(job, app, is_leader, clock, watch)


async def _run_timer(
    job: Job, interval_s: float, app: Any, is_leader: Callable[[], bool], clock: Clock, watch: JobWatch
) -> None:
    due = clock.monotonic() + interval_s
    while True:
        await clock.sleep(max(0.0, due - clock.monotonic()))
        if not job.on_leader or is_leader():
            await _guarded(job, app, watch)
        due = max(due + interval_s, clock.monotonic())


async def _run_cron(
    job: Job, cron: Cron, app: Any, is_leader: Callable[[], bool], clock: Clock, watch: JobWatch
) -> None:
    now = _now(clock)
    while True:
        due = cron.next_after(now)
        while (left := (due - _now(clock)).total_seconds()) > 0:
            # In short steps: the wall clock may be set, and sleeps do not count while a machine is suspended.
            await clock.sleep(min(left, 60.0))
        now = max(due, _now(clock))
        if not job.on_leader or is_leader():
            await _guarded(job, app, watch)


async def _run_task(job: Job, app: Any, is_leader: Callable[[], bool], clock: Clock, watch: JobWatch) -> None:
    if not job.on_leader:
        await _until_done(job, app, clock, watch)
        return
    while True:
        while not is_leader():
            await clock.sleep(LEADER_CHECK_S)
        run = asyncio.create_task(_until_done(job, app, clock, watch), name=f"faust {job.name} on leader")
        try:
            while is_leader() and not run.done():
                look = asyncio.ensure_future(clock.sleep(LEADER_CHECK_S))
                try:
                    await asyncio.wait([run, look], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    look.cancel()
        finally:
            if not run.done():
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
        if not run.cancelled():
            run.result()
            return
        log.info("%s was ended: another worker leads now", job.name)


async def _until_done(job: Job, app: Any, clock: Clock, watch: JobWatch) -> None:
    """Run a task; after an error again, with back-off."""
    delay = 0.5
    while not await _guarded(job, app, watch):
        await clock.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(delay * 2, MAX_BACKOFF_S)


def _now(clock: Clock) -> dt.datetime:
    return dt.datetime.fromtimestamp(clock.time(), dt.UTC)


async def _guarded(job: Job, app: Any, watch: JobWatch) -> bool:
    run = asyncio.current_task()
    watch.under_way.add(run)
    try:
        return await _run(job, app, watch)
    finally:
        watch.under_way.discard(run)


async def _run(job: Job, app: Any, watch: JobWatch) -> bool:
    current_run.set(Run(job.function))
    try:
        result = job.function(app) if _takes_app(job.function) else job.function()
        if inspect.isawaitable(result):
            await result
    except Exception as exc:
        _give_back()
        watch.saw(job.name, exc)
        if job.on_error == "crash":
            raise
        log.exception("%s raised", job.name)
        return False
    except asyncio.CancelledError:
        _give_back()
        raise
    return True


def _give_back() -> None:
    """Where the function was iterating a stream: its item is not done, and is handed out again."""
    claim = current_claim.get()
    current_claim.set(None)
    if claim is not None:
        claim.failed = True
        claim.source.release(claim)


def _takes_app(function: Callable[..., Any]) -> bool:
    """Whether the function has a parameter for the application."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) and p.default is p.empty
        for p in parameters
    )
