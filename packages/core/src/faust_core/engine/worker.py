"""The worker: owns every long-lived task of a running application, from start to shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from faust_core.application import AppProtocol
from faust_core.engine.backends import Backends
from faust_core.engine.checkpoint import Checkpointer
from faust_core.engine.commits import Commits
from faust_core.engine.dead_letters import DeadLetters
from faust_core.engine.declarations import Declarations, Identity, Signals
from faust_core.engine.fencing import Fencing
from faust_core.engine.fetch import Fetcher
from faust_core.engine.global_tables import GlobalTables
from faust_core.engine.lags import Lags
from faust_core.engine.late_topics import LateTopics
from faust_core.engine.local_queries import LocalQueries
from faust_core.engine.local_state import LocalState
from faust_core.engine.membership import Member
from faust_core.engine.outgoing import AtLeastOnce, ExactlyOnce, Outgoing
from faust_core.engine.queries import Queries
from faust_core.engine.read_ahead import ReadAhead
from faust_core.engine.rebalance import Rebalancer
from faust_core.engine.reporting import Reporter
from faust_core.engine.restore import Progress, Restorer
from faust_core.engine.schedule import Job, JobWatch, run_job
from faust_core.engine.shared_state import SharedState
from faust_core.engine.stores import Stores
from faust_core.engine.streams import Streams
from faust_core.engine.task_host import WorkerTasks
from faust_core.engine.topics import Topics
from faust_core.engine.watchdog import Watchdog
from faust_core.engine.web import Web
from faust_core.errors import (
    FencedError,
    StoreCorrupt,
    StoreLocked,
    TransactionAborted,
    TransactionInDoubt,
    TransportError,
)
from faust_core.protocols.transport import Producer, Transport
from faust_core.table_partition import UnwritableChange

__all__ = ["Worker"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class Worker:
    """Runs one application: joins the group, restores, processes, commits, leaves.

    `start` returns when the first assignment is restored and running; `stop` drains, commits and leaves;
    `wait` returns when it has stopped and raises what it failed with.  All on one event loop.
    """

    def __init__(
        self,
        app: AppProtocol,
        declarations: Declarations,
        signals: Signals,
        transport: Transport,
        backends: Backends,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        web: Web,
    ) -> None:
        self.app = app
        self.conf = app.conf
        self._declarations = declarations
        self._signals = signals
        self._transport = transport
        self._backends = backends
        self._on_progress = on_progress or _log_progress
        self._web = web
        self._main: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._group: asyncio.TaskGroup | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._jobs: dict[asyncio.Task[Any], Job] = {}
        self._job_watch = JobWatch(app.saw_error)
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="faust-store")
        self._over = False
        self.watchdog: Watchdog | None = None
        self._reporter = Reporter(lambda: app.monitor)
        self._identity = Identity.of(self.conf)
        self._build()

    def _build(self) -> None:
        conf, transport = self.conf, self._transport
        #: held during a checkpoint, and while actors are cancelled and sent back: never both
        self._gate = gate = asyncio.Lock()
        sensors, counts = self.app.sensors, self.app.counts
        self.admin = transport.admin()
        self.topics = Topics(self.admin, self._declarations, conf)
        remote = [name for name in self._declarations.tables if self._backends.remote(name)]
        self.fetcher = Fetcher(
            transport.consumer(name="input"),
            max_queued=conf.stream_buffer_maxsize,
            before_delivery=ReadAhead(self._in_thread).before_delivery if remote else None,
            counts=counts,
            on_full=lambda tp: sensors.tell("on_topic_buffer_full", tp),
        )
        self.shared_state = SharedState(self._backends, self._declarations.tables.values())
        self.stores = Stores(
            self._backends,
            self._in_thread,
            self.shared_state,
            cache_size=conf.table_cache_size,
            on_close=counts.store_closed,
        )
        self._restore_consumer = transport.consumer(name="restore")
        self.restorer = Restorer(
            self._restore_consumer,
            self.admin,
            self._in_thread,
            rebuild=self.stores.rebuild,
            on_progress=self._on_progress,
            on_restored=counts.records_restored,
        )
        self.member = Member(
            conf,
            self._identity,
            self.topics,
            self._backends,
            self._declarations.tables,
            lambda: self.rebalancer.tasks,
            self.restorer,
            sensors,
        )
        self.local_state = LocalState(Path(conf.tabledir), self._backends, self._declarations.tables.values())
        self.global_tables = GlobalTables(self._declarations.tables, self.stores, self.restorer, self._in_thread)
        self.membership = transport.membership(conf.id, self.member.protocol)
        self.outgoing: Outgoing
        if conf.exactly_once:
            self.outgoing = ExactlyOnce(
                lambda: transport.transactional_producer(self._identity.transactional_id), self.membership
            )
        else:
            self.outgoing = AtLeastOnce(transport.producer(reports=bool(self._declarations.tables)), self.membership)
        fencing = Fencing(self.admin, conf.id, self._identity.transactional_id, self.topics.inputs_of)
        self.tasks = WorkerTasks(
            self.app,
            conf,
            self._declarations,
            self._signals,
            self.topics,
            self.stores,
            self.fetcher,
            self.restorer,
            self.global_tables,
            self.admin,
            membership=lambda: self.membership,
            commit=lambda tasks: self.commits.commit(tasks),  # noqa: PLW0108  made below
            dropped=lambda: self.commits.dropped(),  # noqa: PLW0108
            in_thread=self._in_thread,
            gate=gate,
            fencing=fencing if conf.exactly_once else None,
        )
        self.rebalancer = Rebalancer(
            self.tasks,
            self.member.work_plan,
            rejoin=self.membership.rejoin,
            spawn=self.spawn,
            fail=self.fail,
            prepare_timeout_s=conf.broker_rebalance_timeout / 3,
        )
        self.checkpointer = Checkpointer(
            self.outgoing,
            self.fetcher,
            self.rebalancer.running,
            lambda: self.rebalancer.member or self.membership.metadata(),
            # The last commit must fit into the shutdown with its wait for items in flight.
            stuck_after_s=conf.transaction_timeout if conf.exactly_once else conf.shutdown_timeout * 0.8,
            run_in_thread=self._in_thread,
            asking=self.app.rpc.asking,
            sensors=sensors,
            counts=counts,
        )
        self.checkpointer.send_by(self.app.watched(self.outgoing.producer), self.outgoing.producer)
        self.queries = Queries(
            conf.id,
            LocalQueries(
                conf.id,
                self._declarations.tables,
                lambda: self.rebalancer.tasks,
                self.topics.task_of,
                getattr(self.membership, "lease_s", lambda: None),
                Lags(self.restorer, self.admin),
            ),
            lambda: self.member.plan,
            self.topics.task_of,
            lambda: self._web.endpoint,
            self._web.peers,
            timeout_s=conf.query_timeout,
            committed=conf.exactly_once,
        )
        self.dead_letters = DeadLetters(
            conf.dead_letter_topic.format(id=conf.id),
            self.admin,
            self.outgoing.producer,
            replication_factor=conf.topic_replication_factor,
            on_written=counts.dead_letter,
        )
        self.streams = Streams(
            self.app,
            self.fetcher,
            self.topics,
            self.app.watched(self.outgoing.producer),
            self.dead_letters,
            spawn=self.spawn,
            on_idle=self.checkpointer.wake,
            on_new_topic=lambda subscription: self.late_topics.read(subscription),  # noqa: PLW0108
            store_failed=lambda error: self.commits.store_failed(error),  # noqa: PLW0108  made next
        )
        self.late_topics = LateTopics(
            self.topics, self.fetcher, self.rebalancer, self.tasks, self.membership, spawn=self.spawn
        )
        self.commits = Commits(
            self.app,
            self.admin,
            self.outgoing,
            self.checkpointer,
            self.rebalancer,
            self.fetcher,
            self.streams,
            self.dead_letters,
            self.tasks,
            self.restorer,
            self.membership,
            gate=gate,
            spawn=self.spawn,
            stopping=self._stopping.is_set,
        )

    # -- life

    async def start(self) -> None:
        """Start, and return when the first assignment is running.

        Raises:
            FaustError: what is wrong with the broker, the topics or the tables.
        """
        self._main = asyncio.create_task(self._run(), name="faust worker")
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait([self._main, started], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            started.cancel()
        if self._main.done():
            await self.wait()

    async def stop(self) -> None:
        """Finish what is in flight, commit, leave the group, close.  Bounded by `shutdown_timeout`."""
        self._stopping.set()
        if self._main is not None:
            await asyncio.wait([self._main])

    async def wait(self) -> None:
        """Return when the worker has stopped.

        Raises:
            BaseException: what it failed with.
        """
        assert self._main is not None, "start() first"
        await asyncio.wait([self._main])
        if self._failure is not None:
            raise self._failure

    def fail(self, error: BaseException) -> None:
        """Stop without committing; `wait` raises `error`."""
        if self._failure is None:
            self._failure = error
        self._stopping.set()

    @property
    def failed(self) -> bool:
        """Whether it has stopped, or is about to, because of an error."""
        return self._failure is not None or (self._main is not None and self._main.done())

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What it failed with; None where it has not."""
        return self._failure

    @property
    def started(self) -> bool:
        """Whether its first assignment has been restored, and it is not told to stop."""
        return self._started.is_set() and not self._stopping.is_set()

    @property
    def producer(self) -> Producer:
        """What the application sends with."""
        return self.outgoing.app_producer

    def _in_thread(self, function: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, function)

    def spawn(self, coroutine: Awaitable[None], name: str) -> asyncio.Task[None]:
        """Run a long-lived task; if it raises, the worker stops."""
        assert self._group is not None, "only while running"
        assert isinstance(coroutine, Coroutine)
        try:
            if self._over:
                raise RuntimeError(f"the worker is stopping, not started: {name}")
            task = self._group.create_task(coroutine, name=name)
        except RuntimeError:  # the group itself refuses once another of its tasks has failed
            coroutine.close()
            # It is that failure which stops the worker, not what comes of this refusal.
            self.rebalancer.stop_listening()
            raise
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _run(self) -> None:
        watchdog = Watchdog(
            self.streams.in_flight,
            timeout_s=self.conf.stuck_agent_timeout,
            give_up=(lambda reason: self.fail(TransportError(reason)))
            if self.conf.stuck_agent_policy == "give_up"
            else None,
            on_report=self.app.counts.agent_stuck,
        )
        self.watchdog = watchdog
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                try:
                    if await self._until_stopping(self._start_up(watchdog)):
                        await self._stopping.wait()
                    if self._failure is None:
                        await self._drain()
                finally:
                    self._over = True
                    self.rebalancer.stop_listening()
                    for task in list(self._background):
                        task.cancel()
        except asyncio.CancelledError:
            raise
        except BaseExceptionGroup as errors:
            self._failure = self._failure or _first(errors)
        except Exception as exc:  # noqa: BLE001  reported by wait()
            self._failure = self._failure or exc
        finally:
            watchdog.stop()
            if self._failure is not None:
                # Here, so that it comes before what its consequences are while everything is closed.
                log.error("the worker stops: %r", self._failure)
            await self._close()
            self._reporter.end()

    async def _start_up(self, watchdog: Watchdog) -> None:
        await self._web.bind()
        self.member.endpoint = self._web.endpoint
        if self._web.serves:
            self.spawn(self._web.run(), "faust web")
        await self._transport.check()
        self.streams.start(self._declarations.agents)
        await self.streams.opened()
        await self.late_topics.begin()
        await self.topics.prepare(self.fetcher.subscriptions())
        for table in self._declarations.tables.values():
            for codec in table.codec.fetching:
                await asyncio.to_thread(codec.prepare)
        await self._check_state()
        await self.outgoing.start()
        watchdog.start()
        # What is sent before there is anything to read is committed, too.
        self.rebalancer.stable.set()
        self.spawn(self.fetcher.run(), "faust fetch")
        self.spawn(self.restorer.run(), "faust restore")
        self.spawn(self.commits.run(), "faust commit")
        await self.global_tables.start()
        await self._signals.on_started.send(self.app)
        if self.topics.inputs:
            await self.membership.join(self.topics.inputs, self.rebalancer)
            await self.rebalancer.ready.wait()
        self.stores.patient = True
        self.spawn(self.late_topics.run(), "faust topics")
        for job in self._declarations.jobs:
            self.start_job(job)
        if self._reporter.wanted:
            self.spawn(self._reporter.run(), "faust monitor")
        log.info("worker ready")
        self._started.set()

    async def _check_state(self) -> None:
        if changelogs := [*self.local_state.changelogs, *self.shared_state.changelogs]:
            ids = await self.admin.topic_ids(changelogs)
            self.shared_state.learn(ids)
            await self._in_thread(lambda: self.local_state.check(ids))

    async def _until_stopping(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine; cancel it, and return False, where the worker is to stop before it is done."""
        work = asyncio.create_task(coroutine)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            return work.done()
        finally:
            stopping.cancel()
            work.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)

    async def _drain(self) -> None:
        for task in list(self._jobs):
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self._signals.on_before_shutdown.send(self.app)
        try:
            async with asyncio.timeout(self.conf.shutdown_timeout):
                await self.rebalancer.stop_taking_over()
                async with self.commits.committing, self._gate:
                    await self.checkpointer.run(final=True)
                    # What agents have put into channels lasts no longer than this process.
                    await self.streams.channels_empty()
                    await self.checkpointer.run(final=True)
        except (
            TimeoutError,
            FencedError,
            TransactionAborted,
            TransactionInDoubt,
            UnwritableChange,
            StoreLocked,
            StoreCorrupt,
        ) as exc:
            log.warning("the last commit did not come about, its events will be repeated: %r", exc)

    async def _close(self) -> None:
        closing: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("leave the channels", self.streams.leave_channels),
            ("stop reading answers", self.app.rpc.aclose),
            ("stop serving", self._web.aclose),
            ("stop answering", self.queries.aclose),
            ("leave the group", self.membership.leave),
            ("close the tables", self._close_tables),
            ("close the producer", self.outgoing.aclose),
            ("close the consumers", self._close_consumers),
            ("close the connection", self._transport.aclose),
        ]
        for what, close in closing:
            try:
                async with asyncio.timeout(self.conf.shutdown_timeout):
                    await close()
            except Exception as exc:  # noqa: BLE001  the others must be closed all the same
                log.warning("could not %s: %r", what, exc)
        self._executor.shutdown(wait=False)
        self._backends.close()

    async def _close_tables(self) -> None:
        for task in list(self.rebalancer.tasks.values()):
            await self.tasks.close_task(task)
        self.rebalancer.tasks.clear()
        await self.global_tables.aclose()

    async def _close_consumers(self) -> None:
        await self.fetcher.aclose()
        await self._restore_consumer.aclose()
        await self.admin.aclose()

    # -- jobs

    def start_job(self, job: Job) -> None:
        task = self.spawn(run_job(job, self.app, self.is_leader, self.app.clock, self._job_watch), f"faust {job.name}")
        self._jobs[task] = job
        task.add_done_callback(lambda done: self._jobs.pop(done, None))

    def timers_under_way(self) -> list[asyncio.Task[Any]]:
        """Return the timers and crontabs, as asyncio tasks, whose function runs now."""
        timed = {task for task, job in self._jobs.items() if job.interval_s is not None or job.cron is not None}
        return [task for task in self._job_watch.under_way if task in timed and task is not None]

    def is_leader(self) -> bool:
        """Whether this worker owns the first of all tasks: one worker at a time does."""
        return self.topics.first_task in {task.id for task in self.rebalancer.running()}


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that came first of those that ended the worker."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _log_progress(progress: Progress) -> None:
    left = progress.remaining / progress.rate if progress.rate else 0.0
    log.info(
        "restoring: %d records, %d to go, %.0f records/s, %.0f s left",
        progress.records, progress.remaining, progress.rate, left,
    )  # fmt: skip
