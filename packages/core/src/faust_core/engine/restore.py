"""Restore and standbys: changelog → store, in batches, on a thread.

One consumer reads the changelogs of all tasks that are being restored, up to the end captured when it
began, and of all standbys, for ever.  Each task starts work as soon as its own tables are complete.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from faust_core.engine.changelog_events import tell_changelog_events
from faust_core.engine.task import Task
from faust_core.errors import StoreClosed, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.transport import Admin, Consumer
from faust_core.records import RecordBatch, TopicPartition
from faust_core.table_partition import TablePartition

__all__ = ["Progress", "Restorer"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class RunInThread(Protocol):
    """Runs a function on a thread that may block."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


MAX_POLL_RECORDS = 10_000
POLL_S = 0.5
STORE_RETRY_S = 1.0
PROGRESS_S = 1.0


@dataclass
class Replica:
    """One changelog partition that is read into a store."""

    table: TablePartition
    position: int
    end: int | None = None
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    #: read while an active task was being restored
    restored: int = 0
    #: follows the changelog for ever, whoever owns the partition
    followed: bool = False
    #: who waits for it to move
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def moved(self) -> None:
        while self.waiting:
            waiter = self.waiting.pop()
            if not waiter.done():
                waiter.set_result(None)

    async def reach(self, offset: int) -> None:
        """Wait until the store is at `offset`."""
        while self.position < offset:
            waiter = asyncio.get_running_loop().create_future()
            self.waiting.append(waiter)
            await waiter


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the restore of this worker's active tables is.

    Attributes:
        records: restored since the restore began.
        remaining: still to be read, gaps included.
        rate: records per second.
    """

    records: int
    remaining: int
    rate: float


class Restorer:
    """Owns the restore consumer."""

    def __init__(
        self,
        consumer: Consumer,
        admin: Admin,
        run_in_thread: RunInThread,
        *,
        rebuild: Callable[[TablePartition], Awaitable[None]],
        on_progress: Callable[[Progress], None],
        on_restored: Callable[[int], None] = lambda _records: None,
    ) -> None:
        """Args:
        on_restored: told how many records of active tables were applied.
        """
        self._on_restored = on_restored
        self._consumer = consumer
        self._admin = admin
        self._run_in_thread = run_in_thread
        self._rebuild = rebuild
        self._on_progress = on_progress
        self._replicas: dict[TopicPartition, Replica] = {}
        self._work = asyncio.Event()
        self._lock = asyncio.Lock()
        self._records = 0
        self._since = 0.0
        self._reported = 0.0

    async def restore(self, task: Task) -> int:
        """Bring an active task's stores to the present ends of their changelogs; returns the records applied.

        A standby's store goes on from where it stands: only the tail is read.
        """
        if not task.tables:
            return 0
        ends = await self._admin.end_offsets([table.changelog for table in task.tables.values()])
        tables = _unfollowed(task)
        await self._read(tables, ends)
        if not self._since:
            self._since = time.monotonic()
        restored = 0
        for table in task.tables.values():
            replica = self._replicas.get(table.changelog)
            if replica is None:
                continue
            if replica.followed:
                await replica.reach(ends[table.changelog])
            else:
                await replica.complete.wait()
                restored += replica.restored
        await self.release(task)
        if not any(replica.end is not None for replica in self._replicas.values()):
            self._report(final=True)
        return restored

    async def keep_warm(self, task: Task) -> None:
        """Follow a standby task's changelogs until `release`."""
        await self._read(_unfollowed(task), {})

    async def follow(self, tables: Sequence[TablePartition]) -> int:
        """Bring stores to the present ends of their changelogs, and have them follow these from then on.

        Returns the records applied.
        """
        ends = await self._admin.end_offsets([table.changelog for table in tables])
        await self._read(tables, ends, followed=True)
        if not self._since:
            self._since = time.monotonic()
        restored = 0
        for table in tables:
            replica = self._replicas[table.changelog]
            await replica.complete.wait()
            replica.end = None
            table.caught_up = replica.reach
            restored += replica.restored
        self._report(final=True)
        return restored

    async def release(self, task: Task) -> None:
        """Read a task's changelogs no further."""
        mine = [table.changelog for table in _unfollowed(task) if table.changelog in self._replicas]
        async with self._lock:
            for tp in mine:
                self._replicas.pop(tp, None)
            if mine:
                await self._consumer.unassign(mine)

    def offset(self, task: Task) -> int:
        """Return the sum of the changelog offsets that a task's resident stores are at."""
        return sum(self.position(table) for table in _resident(task))

    def position(self, table: TablePartition) -> int:
        """Return the changelog offset that a store is at."""
        replica = self._replicas.get(table.changelog)
        return replica.position if replica is not None else (table.store.changelog_offset or 0)

    def end(self, task: Task) -> int:
        """Return the sum of the changelog ends of an active task, as far as they are known here."""
        replicas = [self._replicas.get(table.changelog) for table in _resident(task)]
        return max(self.offset(task), sum(r.end for r in replicas if r is not None and r.end is not None))

    async def lag(self, task: Task) -> int:
        """Return how many offsets a task's stores are behind their changelogs."""
        ends = await self._admin.end_offsets([table.changelog for table in _resident(task)])
        return max(0, sum(ends.values()) - self.offset(task))

    @property
    def remaining(self) -> int:
        """How many offsets are left until all active tables are complete."""
        return sum(max(0, r.end - r.position) for r in list(self._replicas.values()) if r.end is not None)

    async def _read(
        self, wanted: Sequence[TablePartition], ends: Mapping[TopicPartition, int], *, followed: bool = False
    ) -> None:
        new: dict[TopicPartition, int] = {}
        tables = [table for table in wanted if table.changelog not in self._replicas]
        starts = await self._admin.start_offsets([table.changelog for table in tables]) if tables else {}
        bounds = ends or (await self._admin.end_offsets([table.changelog for table in tables]) if tables else {})
        for table in tables:
            tp = table.changelog
            offset = table.store.changelog_offset
            if offset is not None and not starts[tp] <= offset <= bounds[tp]:
                log.warning(
                    "the local state of %s is of another changelog (it is at offset %d, the topic has %d to %d): "
                    "it is deleted and rebuilt",
                    tp, offset, starts[tp], bounds[tp],
                )  # fmt: skip
                await self._rebuild(table)
                offset = None
            new[tp] = starts[tp] if offset is None else offset
            self._replicas[tp] = Replica(table, new[tp], followed=followed)
        for table in wanted:
            replica = self._replicas[table.changelog]
            replica.end = ends.get(table.changelog)
            self._check(replica)
        pending = {tp: pos for tp, pos in new.items() if followed or not self._replicas[tp].complete.is_set()}
        if pending:
            async with self._lock:
                await self._consumer.assign(pending)
        self._work.set()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            if not self._replicas:
                self._work.clear()
                await self._work.wait()
            batches = await self._consumer.poll(max_records=MAX_POLL_RECORDS, timeout_s=POLL_S)
            async with self._lock:
                begun_again: set[TopicPartition] = set()
                for batch in batches:
                    replica = self._replicas.get(batch.tp)
                    if replica is not None and batch.tp not in begun_again and not await self._apply(replica, batch):
                        begun_again.add(batch.tp)
                for tp, replica in list(self._replicas.items()):
                    position = self._consumer.position(tp)
                    if position is not None and position > replica.position:
                        replica.position = position  # a transaction marker, not a record
                        if replica.end is not None:
                            await self._mark(replica)
                        replica.moved()
                    self._check(replica)
            self._report()

    async def _apply(self, replica: Replica, batch: RecordBatch) -> bool:
        """Returns whether what follows the batch comes next; else it is read again, or not wanted any more."""
        part = replica.table
        size = part.table.batch_size(standby=replica.end is None) or len(batch)
        for first in range(0, max(1, len(batch)), max(1, size)):
            last = min(first + size, len(batch))
            next_offset = batch.next_offset if last == len(batch) else batch.offsets[last]
            keys = batch.keys[first:last]

            def apply(first: int = first, last: int = last, next_offset: int = next_offset) -> int:
                changes = part.codec.changes(batch.keys[first:last], batch.values[first:last])
                part.store.apply(part.indexed(changes), changelog_offset=next_offset)
                return last - first

            count = await self._stored(part, apply)
            if count is None:
                return False
            await tell_changelog_events(part, batch, first, last)
            replica.position = next_offset
            # What was read of the old values is out of date.
            part.forget_cache([key for key in keys if key is not None] if replica.followed else None)
            if replica.end is not None:
                self._records += count
                self._on_restored(count)
                replica.restored += count
        replica.moved()
        return True

    async def _stored(self, part: TablePartition, apply: Callable[[], int]) -> int | None:
        """Apply, as soon as the store can.  Returns None where it was closed, or has to be read from the beginning."""
        while True:
            try:
                return await self._run_in_thread(apply)
            except StoreClosed:
                return None  # taken away meanwhile
            except StoreCorrupt as exc:
                await self._begin_again(part, exc)
                return None
            except StoreLocked:
                raise
            except StoreError as exc:
                log.error("cannot restore %s, trying again in %.0f s: %s", part.changelog, STORE_RETRY_S, exc)
                await asyncio.sleep(STORE_RETRY_S)

    async def _begin_again(self, part: TablePartition, error: StoreCorrupt) -> None:
        """Empty a store, and read its changelog from the beginning."""
        tp = part.changelog
        log.warning("restoring %s from its beginning: %s", tp, error)
        await self._rebuild(part)
        starts = await self._admin.start_offsets([tp])
        self._replicas[tp].position = starts[tp]
        await self._consumer.assign(starts)

    async def _mark(self, replica: Replica) -> None:
        """Store a position that only moved over markers, so that a clean restart has nothing to read."""
        position = replica.position

        def apply() -> int:
            replica.table.store.apply((), changelog_offset=position)
            return 0

        await self._stored(replica.table, apply)

    def _check(self, replica: Replica) -> None:
        if replica.end is not None and replica.position >= replica.end:
            replica.complete.set()

    def _report(self, *, final: bool = False) -> None:
        now = time.monotonic()
        if not self._since or not self._records or (not final and now - self._reported < PROGRESS_S):
            return
        remaining = self.remaining
        if remaining or final:
            self._reported = now
            self._on_progress(Progress(self._records, remaining, self._records / max(now - self._since, 1e-9)))
        if final:
            self._since = 0.0
            self._records = 0


def _unfollowed(task: Task) -> list[TablePartition]:
    """Return those tables of a task that are read for the task only."""
    return [table for table in task.tables.values() if table.caught_up is None]


def _resident(task: Task) -> list[TablePartition]:
    """Return those whose data lies where the task is: what there is to catch up with decides where it should go."""
    return [table for table in task.tables.values() if table.resident]
