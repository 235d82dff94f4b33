"""Commits of a worker: when a checkpoint is taken, and how it goes on after one that failed."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any

from faust_core.application import AppProtocol
from faust_core.engine.checked_sends import CheckedProducer
from faust_core.engine.checkpoint import Checkpointer, StuckError
from faust_core.engine.dead_letters import DeadLetters
from faust_core.engine.fetch import Fetcher
from faust_core.engine.outgoing import Outgoing
from faust_core.engine.patience import patiently
from faust_core.engine.rebalance import Rebalancer
from faust_core.engine.restore import Restorer
from faust_core.engine.streams import Streams
from faust_core.engine.task import Task
from faust_core.engine.task_host import WorkerTasks
from faust_core.errors import (
    FencedError,
    RecordTooLarge,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    TopicMissing,
    TransactionAborted,
    TransactionInDoubt,
    TransportError,
)
from faust_core.protocols.transport import Admin, Membership
from faust_core.table_partition import ChangeTooLarge, UnwritableChange

__all__ = ["Commits"]

log = logging.getLogger(__name__)

#: How often it is looked whether a checkpoint is due by count.
TICK_S = 0.05
#: How long events wait before they are repeated, when transactions fail again and again.
MAX_ABORT_DELAY_S = 3.0
#: Checkpoints that fail one after the other because of a refused record, before the worker stops.
MAX_REFUSALS = 4
#: How long events wait when a store fails again and again.
MAX_STORE_DELAY_S = 10.0


class Commits:
    """Takes checkpoints one at a time; one that fails is followed by what it takes to go on, before the next one.

    Attributes:
        committing: held from the beginning of a checkpoint until it is known what comes of it.
    """

    def __init__(
        self,
        app: AppProtocol,
        admin: Admin,
        outgoing: Outgoing,
        checkpointer: Checkpointer,
        rebalancer: Rebalancer,
        fetcher: Fetcher,
        streams: Streams,
        dead_letters: DeadLetters,
        tasks: WorkerTasks,
        restorer: Restorer,
        membership: Membership,
        *,
        gate: asyncio.Lock,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        stopping: Callable[[], bool],
    ) -> None:
        """Args:
        gate: held during a checkpoint, and while actors are cancelled and sent back: never both.
        spawn: runs a long-lived task of the worker.
        stopping: whether the worker is about to stop.
        """
        self._app = app
        self._conf = app.conf
        self._admin = admin
        self._outgoing = outgoing
        self._checkpointer = checkpointer
        self._rebalancer = rebalancer
        self._fetcher = fetcher
        self._streams = streams
        self._dead_letters = dead_letters
        self._tasks = tasks
        self._restorer = restorer
        self._membership = membership
        self._gate = gate
        self._spawn = spawn
        self._stopping = stopping
        self.committing = asyncio.Lock()
        self._committed_at = 0.0
        self._sends_checked = False
        #: checkpoints that failed one after the other because of a refused record
        self._refusals = 0
        #: transactions that were aborted one after the other
        self._aborts = 0
        #: the same of stores that failed
        self._store_failures = 0
        self._recovering = False

    async def run(self) -> None:
        """Take a checkpoint whenever one is due, until it is cancelled."""
        conf, loop = self._conf, asyncio.get_running_loop()
        self._committed_at = loop.time()
        records = self._fetcher.records
        while True:
            await asyncio.sleep(min(TICK_S, conf.broker_commit_interval))
            await self._rebalancer.stable.wait()
            due = (
                loop.time() - self._committed_at >= conf.broker_commit_interval
                or self._fetcher.records - records >= conf.broker_commit_every
                or self._dirty_keys() >= conf.overlay_max_keys
                or any(table.pressing for task in self._rebalancer.running() for table in task.tables.values())
            )
            if due:
                records = self._fetcher.records
                await self.commit(None)
            elif draining := self._checkpointer.draining:
                await self.commit(draining)

    def _dirty_keys(self) -> int:
        tasks = self._rebalancer.running()
        return sum(len(table.dirty) for task in tasks for table in task.tables.values()) + sum(
            len(task.attached or ()) for task in tasks
        )

    async def commit(self, tasks: Collection[Task] | None) -> None:
        """Take a checkpoint; on failure rewind or give up the partitions, as the guarantee demands."""
        if tasks is None:
            self._committed_at = asyncio.get_running_loop().time()
        async with self.committing:
            await self._commit(tasks)

    def commit_soon(self) -> None:
        """Have the next checkpoint taken at once, instead of after the commit interval."""
        self._committed_at = -math.inf

    async def _commit(self, tasks: Collection[Task] | None) -> None:
        try:
            async with self._gate:
                await self._checkpointer.run(tasks)
        except (RecordTooLarge, TopicMissing) as exc:
            self._refused(exc)
            if isinstance(exc, ChangeTooLarge):
                # Then the event itself fails, and its agent's policy decides.
                exc.table.max_change_bytes = exc.max_bytes
                exc.table.be_strict()
            await self.rewind()
        except (TransactionAborted, TransactionInDoubt, StuckError) as exc:
            if isinstance(exc, TransactionAborted) and exc.refused:
                self._refused(exc)
            delay = min(0.1 * 2 ** min(self._aborts, 10) - 0.1, MAX_ABORT_DELAY_S)
            log.warning("the transaction failed, what is not committed is repeated in %.1f s: %s", delay, exc)
            self._aborts += 1
            await self.rewind(delay, in_doubt=isinstance(exc, TransactionInDoubt))
        except UnwritableChange as exc:
            log.error("a change cannot be written, so what follows the last commit is repeated: %s", exc)
            # Then the event itself fails, and its agent's policy decides.
            exc.table.be_strict()
            await self.rewind()
        except (StoreLocked, StoreCorrupt) as exc:
            self.store_failed(exc)
        except FencedError as exc:
            await self._fenced(exc)
        else:
            self._aborts = self._refusals = self._store_failures = 0

    def _refused(self, error: TransportError) -> None:
        """The broker refused a record: from now on that is found out where it is sent, so that its event fails.

        Raises:
            TransportError: `error`, where that does not help: no event has sent the record.
        """
        self._refusals += 1
        self._app.counts.send_errors += 1
        if self._refusals > MAX_REFUSALS:
            raise error
        if self._sends_checked:
            return
        self._sends_checked = True
        log.error("a record was refused; what follows the last commit is repeated, and its event will fail: %s", error)
        checked = CheckedProducer(self._outgoing.app_producer, self._admin)
        self._app.use_producer(checked)
        producer = CheckedProducer(self._outgoing.producer, self._admin, checked)
        self._dead_letters.send_by(producer)
        watched = self._app.watched(producer)
        self._streams.send_by(watched)
        self._checkpointer.send_by(watched, producer)

    def store_failed(self, error: StoreError) -> None:
        """Go back to the last commit, and try again; where it is lost, take the partitions anew."""
        self._checkpointer.abandon(f"a store failed: {error}")
        if self._recovering or self._stopping():
            return
        self._recovering = True
        self._spawn(self._recover(error), "faust recover")

    async def _recover(self, error: StoreError) -> None:
        delay = min(0.5 * 2 ** min(self._store_failures, 10), MAX_STORE_DELAY_S)
        self._store_failures += 1
        if isinstance(error, StoreLocked | StoreCorrupt):
            log.error("a store is lost, its partitions are given up and taken anew: %s", error)
            await self._rebalancer.drop_all()
            await self.rewind(delay)
            self._membership.rejoin()
        else:
            log.error("a store cannot be read, what follows the last commit is repeated in %.1f s: %s", delay, error)
            async with self.committing:
                await self.rewind(delay)
        self._recovering = False

    async def _fenced(self, error: FencedError) -> None:
        if self._rebalancer.rebalancing or not self._conf.exactly_once:
            # The group has moved on in the middle of the commit; the next one is under the new generation.
            log.warning("not committed, the group is being rebalanced: %s", error)
            if self._conf.exactly_once:
                await self.rewind()
            return
        log.error("fenced: the partitions of this worker belong to others: %s", error)
        self._rebalancer.stop_all()
        self._outgoing.void()
        # Not here: a rebalance that is under way may be waiting for this very commit.
        self._spawn(self._drop_and_rejoin(), "faust drop")

    async def _drop_and_rejoin(self) -> None:
        await self._rebalancer.drop_all()
        self._membership.rejoin()

    async def rewind(self, delay_s: float = 0.0, *, in_doubt: bool = False) -> None:
        """Go back to the committed offsets with the tables as they were then, and go on after `delay_s`.

        Args:
            in_doubt: the last checkpoint failed, and may be committed all the same.
        """
        async with self._gate:
            # Before the next transaction begins, or what they still send would be part of it.
            await self._streams.cancel()
            await self._outgoing.abort()
            # Tasks that have come to run meanwhile have lost what they sent, too.
            tasks = self._rebalancer.running()
            for task in tasks:
                task.halted = True
                if task.attached:
                    task.attached.clear()
            positions = {task: await patiently(partial(self._tasks.positions, task)) for task in tasks}
            committed = in_doubt and any(self._checkpointer.was_committed(task.committed) for task in tasks)
            if committed:
                log.info("the transaction in doubt was committed: its changes are read from the changelogs")
            for task in tasks:
                for table in task.tables.values():
                    table.rewind(committed=committed)
                if committed:
                    await patiently(partial(self._restorer.restore, task))
            await self._outgoing.go_on(committed=committed)
            for task in tasks:
                if not task.closed:
                    await self._fetcher.rewind(positions[task])
                    self._fetcher.start_closing(task)
            await asyncio.sleep(delay_s)
            self._streams.restart()
        for task in tasks:
            task.halted = task.closed
        for subscription in self._fetcher.subscriptions():
            subscription.wake()

    async def dropped(self) -> None:
        """All tasks were lost; what was done since the last commit is void."""
        if self._conf.exactly_once:
            self._outgoing.void()  # before anything else: a commit without tasks has no offset to be fenced by
            self._checkpointer.wake()
            await self.rewind()
