"""Bugs to plant: what the simulation must find, each within the seeds that every test run tries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from faust_core.engine.outgoing import AtLeastOnce
from faust_core.engine.progress import Done, Progress
from faust_core.engine.restore import Restorer
from faust_core.engine.subscription import PartitionQueue
from faust_core.engine.task import Task
from faust_core.engine.task_host import WorkerTasks
from faust_core.protocols.notes import NotedOffset
from faust_core.protocols.store import Change
from faust_core.table_partition import TablePartition

__all__ = ["BUGS", "planted"]

#: by name: whose method, which one, and what stands in its place, made of the right one
BUGS: dict[str, list[tuple[type[Any], str, Callable[[Any], Any]]]] = {}


def _commit_first(commit: Any) -> Any:
    async def commit_then_flush(self: AtLeastOnce, offsets: Any, member: Any) -> None:
        await commit(self, offsets, member)
        await self.producer.flush()

    return commit_then_flush


def _flush_nothing(_flush: Any) -> Any:
    async def flush(_self: AtLeastOnce) -> None:
        pass

    return flush


def _skip_last(stage: Any) -> Any:
    def stage_all_but_one(self: TablePartition) -> list[Change]:
        changes: list[Change] = stage(self)
        return changes[:-1] if len(changes) > 2 else changes

    return stage_all_but_one


def _forget_claims(_done: Any) -> Any:
    def done(self: PartitionQueue) -> Done:
        return (self.batches[0].offsets[self.at] if self.batches else self.position,)

    return property(done)


def _drop_revoked(commit: Any) -> Any:
    async def commit_offsets_only(self: WorkerTasks, tasks: Collection[Task] | None) -> None:
        for task in tasks or ():
            for table in task.tables.values():
                table.discard()
        await commit(self, tasks)

    return commit_offsets_only


def _keep_aborted(_rewind: Any) -> Any:
    def rewind(self: TablePartition) -> None:
        self.unstage()

    return rewind


def _restore_nothing(_restore: Any) -> Any:
    async def restore(_self: Restorer, _task: Task) -> int:
        return 0

    return restore


def _as_far_as_the_first(_ahead: Any) -> Any:
    def ahead(self: Progress, _stream: str) -> Done:
        return (self.end,) if self.streams else ()

    return ahead


def _lose_the_note(_noted: Any) -> Any:
    def noted(self: Progress) -> NotedOffset:
        return NotedOffset(self.offset)

    return noted


BUGS |= {
    "commit-before-flush": [(AtLeastOnce, "commit", _commit_first), (AtLeastOnce, "flush", _flush_nothing)],
    "skip-a-dirty-key": [(TablePartition, "stage", _skip_last)],
    "ack-an-unfinished-event": [(PartitionQueue, "done", _forget_claims)],
    "lose-a-revoked-tasks-write": [(WorkerTasks, "commit", _drop_revoked)],
    "keep-what-was-aborted": [(TablePartition, "rewind", _keep_aborted)],
    "skip-what-another-stream-did": [(Progress, "ahead", _as_far_as_the_first)],
    "lose-a-note": [(Progress, "noted", _lose_the_note)],
    "start-before-restored": [(Restorer, "restore", _restore_nothing)],
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Have a bug in this process for a while."""
    patches = BUGS[name] if name else []
    right = [(owner, method, owner.__dict__[method]) for owner, method, _ in patches]
    for owner, method, wrong in patches:
        setattr(owner, method, wrong(owner.__dict__[method]))
    try:
        yield
    finally:
        for owner, method, original in right:
            setattr(owner, method, original)
