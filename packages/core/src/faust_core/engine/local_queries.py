"""Answering questions from the tables that are on this worker.

An answer is given by the owner of a partition while it is the owner: its task runs, so that everything was restored,
and the group would not have given it to anybody else yet.  Both are looked at before reading and again after, since
reading takes place on a thread.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from faust_core.engine.lags import Lags
from faust_core.engine.plans import TaskId
from faust_core.engine.task import Task, TaskState
from faust_core.errors import AnswerTooLarge, DecodeError, EncodeError, QueryError, StoreClosed, StoreError
from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, Scan, TableQuery
from faust_core.protocols.store import Store
from faust_core.table_partition import DELETED, MISSING, TablePartition
from faust_core.tables import Table
from faust_core.tables.selection import Rows

__all__ = ["LocalQueries"]

T = TypeVar("T")

#: Rows that one scan looks at, so that a page of few has an end as well; and where its rows may weigh no more.
MAX_SCANNED = 20_000
MAX_SCANNED_BYTES = 4 * 1024 * 1024
THREADS = 4


class LocalQueries:
    """Reads what is here; never asks others.

    Args:
        tasks: those of this worker.
        task_id: the task that a partition of a table belongs to; None where it belongs to none.
        lease_s: for how long the group takes this worker for living at least; None where nobody can tell.
    """

    def __init__(
        self,
        app_id: str,
        tables: Mapping[str, Table[Any, Any]],
        tasks: Callable[[], Mapping[TaskId, Task]],
        task_id: Callable[[str, int], TaskId | None],
        lease_s: Callable[[], float | None],
        lags: Lags,
    ) -> None:
        self._app_id = app_id
        self._tables = tables
        self._tasks = tasks
        self._task_id = task_id
        self._lease_s = lease_s
        self._lags = lags
        self._executor = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="faust-query")
        self._closed = False

    def close(self) -> None:
        """Answer nothing any more; what is being read is refused."""
        self._closed = True
        # What waits is not cancelled, or those who asked would take themselves for cancelled: it finds a closed store.
        self._executor.shutdown(wait=False)

    def owns(self, table: Table[Any, Any], partition: int) -> bool:
        """Whether a partition is this worker's, restored."""
        return not isinstance(self._find(table, partition, stale=False), PartitionAnswer)

    def runs(self, task_id: TaskId) -> bool:
        """Whether a task is this worker's, restored."""
        task = self._tasks().get(task_id)
        lease_s = self._lease_s()
        return task is not None and task.state is TaskState.RUNNING and (lease_s is None or lease_s > 0)

    def has_copy(self, table: Table[Any, Any], partition: int) -> bool:
        """Whether there is anything here to answer from, stale perhaps."""
        return not isinstance(self._find(table, partition, stale=True), PartitionAnswer)

    async def answer(self, query: TableQuery) -> list[PartitionAnswer]:
        """Answer for each partition, or say why not.

        Raises:
            QueryError: the question is wrong.
            AnswerTooLarge: the values are more than `max_bytes`.
        """
        if query.app != self._app_id:
            reason = f"this is a worker of {self._app_id!r}, not of {query.app!r}"
            return [PartitionAnswer(part.partition, "other_application", reason) for part in query.parts]
        table = self._tables.get(query.table)
        if table is None:
            reason = f"this version of {self._app_id!r} has no table {query.table!r}"
            return [PartitionAnswer(part.partition, "no_such_table", reason) for part in query.parts]
        return [await self._answer(table, part, query) for part in query.parts]

    async def _answer(self, table: Table[Any, Any], asked: PartitionQuery, query: TableQuery) -> PartitionAnswer:
        place = self._find(table, asked.partition, stale=query.stale)
        if isinstance(place, PartitionAnswer):
            return place
        part, owner = place
        position = self._lags.position(part)
        try:
            if asked.scan is None:
                values = await self._values(part, asked.keys, uncommitted=owner and not query.committed)
                if len(values) > 1 and sum(len(value) for value in values if value is not None) > query.max_bytes:
                    raise AnswerTooLarge(
                        f"the values of {len(values)} keys of table {table.name!r} are more than {query.max_bytes} "
                        "bytes: ask for fewer at once"
                    )
                answer = PartitionAnswer(asked.partition, values=values, owner=owner)
            else:
                rows, after = await self._rows(table, part, asked.scan, uncommitted=owner and not query.committed)
                answer = PartitionAnswer(asked.partition, rows=rows, after=after, owner=owner)
        except StoreClosed as exc:  # it was given up meanwhile, or the worker has stopped
            return PartitionAnswer(asked.partition, "moved", f"partition {asked.partition} was closed: {exc}")
        except StoreError as exc:
            return PartitionAnswer(asked.partition, "store", str(exc))
        except (DecodeError, EncodeError) as exc:
            raise QueryError(str(exc), code="unreadable") from exc
        now = self._find(table, asked.partition, stale=query.stale)
        if isinstance(now, PartitionAnswer):
            return now
        if now != (part, owner):
            return PartitionAnswer(asked.partition, "moved", f"partition {asked.partition} moved while it was read")
        if owner:
            return answer
        return PartitionAnswer(
            asked.partition,
            values=answer.values,
            rows=answer.rows,
            after=answer.after,
            owner=False,
            lag=await self._lags.of(part, position),
        )

    def _find(
        self, table: Table[Any, Any], partition: int, *, stale: bool
    ) -> tuple[TablePartition, bool] | PartitionAnswer:
        """Return a partition, and whether it is this worker's own; or why it cannot be read."""

        def refuse(why: str, detail: str) -> PartitionAnswer:
            return PartitionAnswer(partition, why, f"partition {partition} of table {table.name!r} {detail}")

        if table.is_global:
            copy = table.copy_of(partition)
            return refuse("restoring", "is being restored") if copy is None else (copy, table.owns(partition))
        task_id = self._task_id(table.name, partition)
        task = None if task_id is None else self._tasks().get(task_id)
        part = None if task is None else task.tables.get(table.name)
        if task is None or task.state is TaskState.CLOSED:
            return refuse("not_owner", "is not with this worker")
        lease_s = self._lease_s()
        leased = lease_s is None or lease_s > 0
        if task.state is TaskState.RUNNING and part is not None and leased:
            return part, True
        if stale and part is not None:
            return part, False
        if task.state is TaskState.STANDBY:
            return refuse("not_owner", "is with another worker, this one keeps a copy")
        if task.state is TaskState.RESTORING or part is None:
            return refuse("restoring", "is being restored")
        return refuse("out_of_touch", "may be another worker's: this one has not reached its group for too long")

    # -- reading

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._closed:
            raise StoreClosed("the worker has stopped")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def _values(
        self, part: TablePartition, keys: Sequence[bytes], *, uncommitted: bool
    ) -> tuple[bytes | None, ...]:
        values: dict[bytes, bytes | None] = {}
        if uncommitted and (part.dirty or part.staged):
            for key in keys:
                value = changed(part, part.codec.decode_key(key))
                if value is not MISSING:
                    values[key] = None if value is DELETED else part.codec.encode_value(value)
        rest = [key for key in keys if key not in values]
        if rest:
            store = part.store
            values.update(zip(rest, await self._in_thread(lambda: store.get_many(rest)), strict=True))
        return tuple(values[key] for key in keys)

    async def _rows(
        self, table: Table[Any, Any], part: TablePartition, scan: Scan, *, uncommitted: bool
    ) -> tuple[tuple[tuple[bytes, bytes], ...], bytes | None]:
        rows = table.rows_of(scan.criteria)
        changes = table.uncommitted(part, scan.criteria) if uncommitted else {}
        store, codec = part.store, part.codec

        def read() -> tuple[list[tuple[bytes, Any]], bytes | None]:
            # Keys never change, so a thread may write them; values may, so that is left to the loop.
            over = sorted((codec.encode_key(key), value) for key, value in changes.items() if _wanted(rows, key))
            return _page(store, codec.decode_key, rows, scan, over)

        found, after = await self._in_thread(read)
        written = tuple((key, v if isinstance(v, bytes) else codec.encode_value(v.value)) for key, v in found)
        return written, after


class Uncommitted:
    """The value of a change, not encoded yet."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def changed(part: TablePartition, key: Any) -> Any:
    """Return what was made of a key since the last checkpoint: a value, `DELETED`, or `MISSING` for nothing."""
    value = part.dirty.get(key, MISSING)
    return part.staged.get(key, MISSING) if value is MISSING else value


def _wanted(rows: Rows, key: Any) -> bool:
    return rows.matches is None or rows.matches(key)


def _page(
    store: Store, decode_key: Callable[[bytes], Any], rows: Rows, scan: Scan, over: Iterable[tuple[bytes, Any]]
) -> tuple[list[tuple[bytes, Any]], bytes | None]:
    """Return rows of a store with the changes `over` it, in order, and behind which key there is more."""
    first = rows.first if scan.after is None else max(rows.first, scan.after + b"\0")
    found: list[tuple[bytes, Any]] = []
    if rows.last is not None and first >= rows.last:
        return found, None
    changes: list[tuple[bytes, int, Any]] = [
        (key, 0, Uncommitted(value)) for key, value in over if first <= key and (rows.last is None or key < rows.last)
    ]
    stored: Iterable[tuple[bytes, int, Any]] = ((key, 1, value) for key, value in store.scan(first, rows.last))
    last_key, scanned, size = None, 0, 0
    for key, rank, value in heapq.merge(changes, stored, key=lambda row: row[:2]):
        if key == last_key:
            continue  # a change was there already
        if len(found) >= scan.limit or scanned >= MAX_SCANNED or size >= MAX_SCANNED_BYTES:
            return found, last_key
        last_key = key
        scanned += 1
        if rank and rows.matches is not None and not rows.matches(decode_key(key)):
            continue
        if not rank and value.value is DELETED:
            continue
        size += len(key) + (len(value) if rank else 0)
        found.append((key, value))
    return found, None
