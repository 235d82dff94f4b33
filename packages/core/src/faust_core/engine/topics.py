"""The topics of a running application: which are read, how many partitions they have, which must be made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from faust_core.engine.assignor import TaskId
from faust_core.engine.declarations import Declarations
from faust_core.engine.fetch import AnySubscription
from faust_core.engine.topology import TaskGroup, co_partition, table_partitions
from faust_core.errors import PartitionsMismatch, RebalanceError, TopicMissing
from faust_core.protocols.transport import Admin, TopicSpec
from faust_core.settings import Settings
from faust_core.tables import SetTable, Table

__all__ = ["Topics"]

log = logging.getLogger(__name__)


class Topics:
    """Knows the partition counts, and makes the topics that the application declares."""

    def __init__(self, admin: Admin, declarations: Declarations, conf: Settings) -> None:
        self._admin = admin
        self._tables = declarations.tables
        self._conf = conf
        self._repartitioned: dict[str, Sequence[str]] = {}
        self.inputs: set[str] = set()
        self.groups: dict[str, TaskGroup] = {}

    def repartitioned(self, name: str, parents: Sequence[str]) -> None:
        """A repartition topic is read, made from these."""
        self._repartitioned[name] = parents

    async def prepare(self, subscriptions: Iterable[AnySubscription]) -> None:
        """Make what is missing, and find the groups of topics and tables.

        Raises:
            TopicMissing: a topic does not exist and may not be made.
            PartitionsMismatch: topics, tables and changelogs do not fit together.
        """
        topics = {name: sub.topic for sub in subscriptions if not sub.topic.from_table for name in sub.topic.topics}
        counts = dict(await self._admin.partition_counts(topics))
        # A repartition topic has as many partitions as what it is made from, which may be one itself.
        managers = {t.manager_topic_name: t for t in self._tables.values() if isinstance(t, SetTable)}
        missing = [name for name in topics if name not in counts and name not in managers]
        while missing:
            specs = []
            for name in missing:
                count = topics[name].partitions or self._like_parents(name, counts)
                if count is None and name in self._repartitioned and not self._lost(name, counts, missing):
                    continue
                if not topics[name].internal and not self._conf.topic_allow_declare:
                    raise TopicMissing(
                        f"topic {name!r} does not exist, and topic_allow_declare=False forbids to create it: "
                        "create it, or allow it"
                    )
                specs.append(topics[name].spec(name, count or self._conf.topic_partitions))
            await self._create(specs)
            counts.update({spec.name: spec.partitions for spec in specs})
            missing = [name for name in topics if name not in counts and name not in managers]
        for name in [name for name in managers if name in topics and name not in counts]:
            changelog = await self._admin.partition_counts([managers[name].changelog_topic_name])
            count = self._count(managers[name], next(iter(changelog.values()), None), counts)
            await self._create([topics[name].spec(name, count)])
            counts[name] = count
        await self._prepare_tables(counts)
        self.inputs = set(topics)

    def _like_parents(self, name: str, counts: dict[str, int]) -> int | None:
        parents = [counts[parent] for parent in self._repartitioned.get(name, ()) if parent in counts]
        return max(parents, default=None)

    def _lost(self, name: str, counts: dict[str, int], missing: Sequence[str]) -> bool:
        """Whether no parent will ever tell a count."""
        return not any(parent in counts or parent in missing for parent in self._repartitioned[name])

    async def _create(self, specs: Sequence[TopicSpec]) -> None:
        for spec in specs:
            log.info("creating topic %s with %d partitions", spec.name, spec.partitions)
        async with asyncio.timeout(self._conf.broker_start_timeout):
            await self._admin.create_topics(specs)

    async def _prepare_tables(self, counts: dict[str, int]) -> None:
        changelogs = {table.changelog_topic_name: table for table in self._tables.values()}
        existing = await self._admin.partition_counts(changelogs)
        table_counts: dict[str, int] = {}
        for name, table in self._tables.items():
            table_counts[name] = self._count(table, existing.get(table.changelog_topic_name), counts)
        filled = sorted(name for name, table in self._tables.items() if not table.is_global)
        if filled and not counts:
            raise PartitionsMismatch(
                f"tables {', '.join(filled)} are never filled: no agent reads a topic in this application"
            )
        for name, table in self._tables.items():
            table.partition_count = table_counts[name]
        # A global table with another count than any topic can be read, but not changed here.
        written = {n: c for n, c in table_counts.items() if not self._tables[n].is_global or c in counts.values()}
        self.groups = co_partition(counts, written)
        await self._create(
            [
                self._tables[name].changelog_spec(count)
                for name, count in table_counts.items()
                if self._tables[name].changelog_topic_name not in existing
            ]
        )

    def _count(self, table: Table[Any, Any], changelog: int | None, topics: dict[str, int]) -> int:
        if table.is_global and changelog is not None and table.partitions in {None, changelog}:
            return changelog
        return table_partitions(table.name, table.partitions, changelog, topics, self._conf.topic_partitions)

    def group(self, task_id: TaskId) -> TaskGroup:
        try:
            return self.groups[task_id.group]
        except KeyError:
            raise RebalanceError(
                f"this worker was given {task_id}, and reads no such topics: do all workers of {self._conf.id} run the "
                "same code?"
            ) from None

    def task_of(self, table: str, partition: int) -> TaskId | None:
        """Return the task that a table's partition belongs to; None where it belongs to none."""
        for group in self.groups.values():
            if table in group.tables:
                return TaskId(group.name, partition)
        return None

    def changelogs(self, group: TaskGroup) -> list[str]:
        return [self._tables[name].changelog_topic_name for name in sorted(group.tables)]

    @property
    def first_task(self) -> TaskId | None:
        return min((TaskId(name, 0) for name in self.groups), default=None)
