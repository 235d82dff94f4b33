"""What happens to a task on this worker: opened, restored, read, kept warm, closed."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

from faust_core.engine.declarations import Declarations, Signals
from faust_core.engine.fencing import Fencing
from faust_core.engine.fetch import Fetcher
from faust_core.engine.global_tables import GlobalTables
from faust_core.engine.patience import patiently
from faust_core.engine.plans import TaskId
from faust_core.engine.rebalance import WorkPlan
from faust_core.engine.restore import Restorer
from faust_core.engine.stores import Stores
from faust_core.engine.task import Task, TaskState
from faust_core.engine.topics import Topics
from faust_core.errors import TopicMissing
from faust_core.joins.results import ResultPartition
from faust_core.protocols.transport import Admin, Membership
from faust_core.records import TopicPartition
from faust_core.sensors.delegate import State
from faust_core.settings import Settings

__all__ = ["WorkerTasks"]

log = logging.getLogger(__name__)


class WorkerTasks:
    """The `TaskHost` of a worker's rebalances."""

    def __init__(
        self,
        app: Any,
        conf: Settings,
        declarations: Declarations,
        signals: Signals,
        topics: Topics,
        stores: Stores,
        fetcher: Fetcher,
        restorer: Restorer,
        global_tables: GlobalTables,
        admin: Admin,
        *,
        membership: Callable[[], Membership],
        commit: Callable[[Collection[Task] | None], Awaitable[None]],
        dropped: Callable[[], Awaitable[None]],
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
        gate: asyncio.Lock,
        fencing: Fencing | None,
    ) -> None:
        """Args:
        fencing: ends what former owners left open; None under at-least-once.
        gate: held during a checkpoint.  Under exactly-once a task comes to run between two of them only: what it
            sent during one would be committed without its offsets.
        """
        self._app = app
        self._conf = conf
        self._tables = declarations.tables
        self._signals = signals
        self._topics = topics
        self._stores = stores
        self._fetcher = fetcher
        self._restorer = restorer
        self._global_tables = global_tables
        self._admin = admin
        self._membership = membership
        self._commit = commit
        self._dropped = dropped
        self._in_thread = in_thread
        self._gate = gate
        self._fencing = fencing
        #: what sensors said of the rebalance that is under way: before this worker has its partitions, and after
        self._rebalance: State | None = None
        self._returned: State | None = None

    async def make_task(self, task_id: TaskId, state: TaskState) -> Task:
        group = self._topics.group(task_id)
        resident = sorted(name for name in group.tables if self._stores.resident(self._tables[name]))
        tables = {name: await self._stores.open(self._tables[name], task_id.partition) for name in resident}
        return Task(task_id, self._topics.inputs_of(task_id), tables, state)

    async def activate(self, task: Task, plan: WorkPlan) -> None:
        if self._fencing is not None:
            await self._fencing.fence(plan)
        await self._open_others(task)
        started = time.monotonic()
        restored = await patiently(partial(self._restorer.restore, task))
        if task.tables:
            log.info("restored %s: %d records in %.1f s", task, restored, time.monotonic() - started)
        positions = await patiently(partial(self.positions, task))
        await self._note_doubts(task)
        async with self._gate if self._conf.exactly_once else nullcontext():
            if task.state is TaskState.CLOSED:
                return  # dropped meanwhile
            task.enter(TaskState.RUNNING)
            task.halted = False
        for table in task.tables.values():
            table.table.attach(task.partition, table, task)
            table.table.taken_over(table)
        await self._fetcher.start(task, positions)

    async def _note_doubts(self, task: Task) -> None:
        """Tell joins of tables up to where a former owner may have handed out what it did not commit."""
        for part in task.tables.values():
            reads = getattr(part.table, "rereads", ())
            inputs = [tp for tp in task.inputs if tp.topic in reads]
            if inputs and isinstance(part, ResultPartition):
                part.in_doubt = dict(await patiently(partial(self._admin.end_offsets, inputs)))

    async def _open_others(self, task: Task) -> None:
        """Give a task that becomes active what no standby has: tables in shared stores, and global ones."""
        for name in sorted(self._topics.group(task.id).tables - task.tables.keys()):
            table = self._tables[name]
            if table.is_global:
                task.tables[name] = self._global_tables.part(name, task.partition)
                continue
            opening = asyncio.ensure_future(self._stores.open(table, task.partition))
            try:
                task.tables[name] = await asyncio.shield(opening)
            except asyncio.CancelledError:
                # Somebody has to close what a thread has opened meanwhile.
                await asyncio.wait([opening])
                if not opening.cancelled() and opening.exception() is None:
                    task.tables[name] = opening.result()
                raise

    async def _give_others_back(self, task: Task) -> None:
        for name, part in [(name, part) for name, part in task.tables.items() if not part.resident]:
            del task.tables[name]
            if part.caught_up is None:
                await self._in_thread(part.close)
            else:
                part.discard()

    async def extend(self, task: Task) -> None:
        """Read the topics that have come to the task's group since it was made."""
        known = {tp.topic for tp in task.inputs}
        new = {TopicPartition(name, task.partition) for name in self._topics.group(task.id).topics if name not in known}
        task.inputs |= new
        if new and task.state is TaskState.RUNNING:
            positions = await self.positions(task)
            await self._fetcher.start(task, {tp: positions[tp] for tp in new})

    async def positions(self, task: Task) -> dict[TopicPartition, int]:
        """Return where a task's inputs go on: at the committed offset, else as `consumer_auto_offset_reset` says.

        Raises:
            TopicMissing: there is no committed offset and the setting is `none`.
        """
        committed = await self._membership().committed(task.inputs)
        positions = {tp: offset for tp, offset in committed.items() if offset is not None}
        task.committed = dict(positions)
        new = [tp for tp in task.inputs if tp not in positions]
        if not new:
            return positions
        reset = self._conf.consumer_auto_offset_reset
        if reset == "none":
            raise TopicMissing(
                f"no committed offset for {', '.join(map(str, sorted(new)))}, and consumer_auto_offset_reset is 'none'"
            )
        offsets = self._admin.end_offsets(new) if reset == "latest" else self._admin.start_offsets(new)
        return {**positions, **await offsets}

    async def warm(self, task: Task) -> None:
        for table in task.tables.values():
            table.table.detach(task.partition)
            table.discard()
        await self._give_others_back(task)
        await self._restorer.keep_warm(task)

    async def stop_reading(self, task: Task) -> None:
        await self._fetcher.stop(task)
        for table in task.tables.values():
            table.table.detach(task.partition)

    async def close_task(self, task: Task) -> None:
        await self._restorer.release(task)
        for table in task.tables.values():
            table.table.detach(task.partition)
        await self._give_others_back(task)
        await self._in_thread(task.close)

    async def commit(self, tasks: Collection[Task] | None) -> None:
        await self._commit(tasks)

    async def told(self, revoked: Iterable[TopicPartition], assigned: Iterable[TopicPartition]) -> None:
        await self._signals.on_partitions_revoked.send(self._app, set(revoked))
        await self._signals.on_partitions_assigned.send(self._app, set(assigned))

    async def settled(self, recovered: Collection[Task]) -> None:
        names = {name for task in recovered for name in task.tables}
        for name in sorted(name for name in names if not self._tables[name].is_global):
            for callback in self._tables[name].recover_callbacks:
                result = callback()
                if inspect.isawaitable(result):
                    await result
        await self._signals.on_rebalance_complete.send(self._app)

    async def caught_up(self, tasks: Collection[Task]) -> bool:
        lags = await asyncio.gather(*(self._restorer.lag(task) for task in tasks))
        return all(lag <= self._conf.acceptable_recovery_lag for lag in lags)

    async def dropped(self) -> None:
        await self._dropped()

    def rebalance_began(self) -> None:
        if self._rebalance is None:
            self._rebalance = self._app.sensors.begin("on_rebalance_start", self._app)

    def rebalance_returned(self) -> None:
        self.rebalance_began()  # a worker's first one begins with its partitions
        self._returned, self._rebalance = self._rebalance, None
        assert self._returned is not None, "set just above"
        self._app.sensors.end("on_rebalance_return", self._returned, (self._app,))

    def rebalance_ended(self) -> None:
        if self._returned is not None:
            returned, self._returned = self._returned, None
            self._app.sensors.end("on_rebalance_end", returned, (self._app,))
