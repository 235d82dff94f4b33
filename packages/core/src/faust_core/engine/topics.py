"""The topics of a running application: which are read, how many partitions they have, which must be made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from faust_core.engine.assignor import TaskId
from faust_core.engine.declarations import Declarations
from faust_core.engine.fetch import AnySubscription
from faust_core.engine.topology import Demand, TaskGroup, co_partition, table_partitions
from faust_core.errors import ConfigError, PartitionsMismatch, RebalanceError, TopicMissing
from faust_core.protocols.transport import Admin, TopicSpec
from faust_core.records import TopicPartition
from faust_core.settings import Settings
from faust_core.tables import SetTable, Table
from faust_core.topics import Topic

__all__ = ["Topics"]

log = logging.getLogger(__name__)

#: How long, and how often, a topic is looked for that must be made by others.
MISSING_WAIT_S = 5.0
MISSING_LOOK_S = 0.25


class Topics:
    """Knows the partition counts, and makes the topics that the application declares."""

    def __init__(self, admin: Admin, declarations: Declarations, conf: Settings) -> None:
        self._admin = admin
        self._declarations = declarations
        self._tables = declarations.tables
        self._declared = declarations.topics
        self._conf = conf
        self._repartitioned: dict[str, Sequence[str]] = {}
        self._demands: dict[tuple[str, ...], Demand] = {}
        self._prepared = False
        self._counts: dict[str, int] = {}
        self._table_counts: dict[str, int] = {}
        self._compared: set[str] = set()
        self.inputs: set[str] = set()
        self.groups: dict[str, TaskGroup] = {}

    def repartitioned(self, name: str, parents: Sequence[str]) -> None:
        """A repartition topic is read, made from these."""
        self._repartitioned[name] = parents

    def add_buffer(self, table: Table[Any, Any]) -> None:
        """A join was opened; its buffer is a table like those that the application declares.

        Raises:
            ConfigError: the worker has started, so that there is no partition of it.
        """
        if table.name in self._tables:
            if type(self._tables[table.name]) is not type(table):
                raise ConfigError(f"there is a table {table.name!r}, as the join's buffer is called: give it a name=")
            return
        if self._prepared:
            raise ConfigError(
                f"join {table.name!r} was opened after the worker had started, and its buffer has to be restored "
                "before that: open it at the beginning of an agent"
            )
        self._declarations.add_table(table)

    def together(self, who: str, sides: Sequence[Sequence[str]], tables: Sequence[str]) -> None:
        """These topics and tables must be partitioned alike.

        Raises:
            PartitionsMismatch: they are not, and it is known already.
        """
        demand = self._demands[who, *tables] = Demand(who, sides, tables)
        if self._prepared:
            demand.check(self._counts, self._table_counts)

    async def resolve(self, subscriptions: Iterable[AnySubscription]) -> bool:
        """Give patterns the topics that match them now; returns whether there are more than before."""
        existing = await self._admin.partition_counts(None)
        more = False
        for subscription in subscriptions:
            topic = subscription.topic
            found = {name for name in existing if topic.matches(name) and not self.is_internal(name)}
            new = found.difference(topic.topics)
            if new:
                log.info("pattern %s matches: %s", topic, ", ".join(sorted(new)))
                topic.topics = (*topic.topics, *sorted(new))
                more = True
        return more

    def is_internal(self, name: str) -> bool:
        conf = self._conf
        return (
            name.startswith(("__", conf.reply_to_prefix))
            or name.endswith(("-changelog", "-repartition", "-__assignor-__leader"))
            or name == conf.dead_letter_topic
            or name in self._repartitioned
        )

    async def _existing(self, topics: Mapping[str, Topic[Any, Any]]) -> dict[str, int]:
        """Return the partition counts of those that exist; wait a moment for those that may not be made.

        Raises:
            TopicMissing: such a topic does not come to exist.
        """
        deadline = time.monotonic() + min(MISSING_WAIT_S, self._conf.broker_start_timeout)
        told = False
        while True:
            counts = dict(await self._admin.partition_counts(topics))
            needed = [
                name
                for name, topic in topics.items()
                if name not in counts and not topic.internal and not self._conf.topic_allow_declare
            ]
            if not needed:
                return counts
            names = ", ".join(map(repr, sorted(needed)))
            if time.monotonic() >= deadline:
                raise TopicMissing(
                    f"topic {names} does not exist, and topic_allow_declare=False forbids to create it: "
                    "create it, or allow it"
                )
            if not told:
                told = True
                log.warning("waiting for topic %s, which does not exist and may not be created here", names)
            await asyncio.sleep(MISSING_LOOK_S)

    async def _make_outputs(self, inputs: Collection[str]) -> None:
        """Make the topics that are declared with a number of partitions, and are neither read nor changelogs."""
        made_elsewhere = {*inputs, *(table.changelog_topic_name for table in self._tables.values())}
        outputs = {
            name: topic
            for topic in self._declared
            if topic.partitions is not None and (topic.internal or self._conf.topic_allow_declare)
            for name in topic.topics
            if name not in made_elsewhere
        }
        if not outputs:
            return
        existing = await self._admin.partition_counts(outputs)
        await self._create(
            [
                topic.spec(name, topic.partitions or self._conf.topic_partitions)
                for name, topic in outputs.items()
                if name not in existing
            ]
        )

    async def prepare(self, subscriptions: Iterable[AnySubscription]) -> None:
        """Make what is missing, and find the groups of topics and tables.

        Raises:
            TopicMissing: a topic does not exist and may not be made.
            PartitionsMismatch: topics, tables and changelogs do not fit together.
        """
        subscriptions = list(subscriptions)
        topics = {name: sub.topic for sub in subscriptions if not sub.topic.from_table for name in sub.topic.topics}
        # What is made from tables has as many partitions as they: it is created when those are known.
        sized_like = {name: topics.pop(name) for name in list(topics) if name in topics[name].sized_like}
        counts = await self._existing(topics)
        # A repartition topic has as many partitions as what it is made from, which may be one itself.
        managers = {t.manager_topic_name: t for t in self._tables.values() if isinstance(t, SetTable)}
        missing = [name for name in topics if name not in counts and name not in managers]
        while missing:
            specs = []
            for name in missing:
                count = topics[name].partitions or self._like_parents(name, counts)
                if count is None and name in self._repartitioned and not self._lost(name, counts, missing):
                    continue
                specs.append(topics[name].spec(name, count or self._conf.topic_partitions))
            await self._create(specs)
            counts.update({spec.name: spec.partitions for spec in specs})
            missing = [name for name in topics if name not in counts and name not in managers]
        for name in [name for name in managers if name in topics and name not in counts]:
            changelog = await self._admin.partition_counts([managers[name].changelog_topic_name])
            count = self._count(managers[name], next(iter(changelog.values()), None), counts)
            await self._create([topics[name].spec(name, count)])
            counts[name] = count
        for demand in self._demands.values():
            demand.check(counts, {})
        self._compare(topics, counts)
        await self._make_outputs({*counts, *sized_like})
        tables = self._tables
        if not topics and (patterns := [str(sub.topic) for sub in subscriptions if sub.topic.pattern is not None]):
            log.info("no topic matches %s yet: tables are opened when one does", ", ".join(patterns))
            tables = {name: table for name, table in tables.items() if table.is_global}
        await self._prepare_tables(tables, counts, sized_like)
        self.inputs = topics.keys() | sized_like.keys()
        self._counts = counts
        self._prepared = True

    def _compare(self, topics: Mapping[str, Topic[Any, Any]], counts: Mapping[str, int]) -> None:
        """Say once where a topic has not as many partitions as it is declared with."""
        for name in topics.keys() - self._compared:
            self._compared.add(name)
            if topics[name].partitions not in {None, counts[name]}:
                log.warning(
                    "topic %s has %d partitions, and is declared with %d here: what exists counts",
                    name,
                    counts[name],
                    topics[name].partitions,
                )

    def _like_parents(self, name: str, counts: dict[str, int]) -> int | None:
        # What it is joined with decides, unless that waits for a count as well.
        for demand in self._demands.values():
            partners = [counts[other] for other in demand.partners(name) if other in counts]
            if partners:
                return max(partners)
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

    async def _prepare_tables(
        self, tables: Mapping[str, Table[Any, Any]], counts: dict[str, int], sized_like: Mapping[str, Topic[Any, Any]]
    ) -> None:
        changelogs = {table.changelog_topic_name: table for table in tables.values()}
        existing = await self._admin.partition_counts(changelogs)
        table_counts: dict[str, int] = {}
        for name, table in tables.items():
            table_counts[name] = self._count(table, existing.get(table.changelog_topic_name), counts, table_counts)
        for demand in self._demands.values():
            demand.check(counts, table_counts)
        self._table_counts = table_counts
        filled = sorted(name for name, table in tables.items() if not table.is_global)
        if filled and not counts:
            raise PartitionsMismatch(
                f"tables {', '.join(filled)} are never filled: no agent reads a topic in this application"
            )
        for name, table in tables.items():
            table.partition_count = table_counts[name]
        await self._prepare_sized(sized_like, counts, table_counts)
        # A global table with another count than any topic can be read, but not changed here.
        written = {n: c for n, c in table_counts.items() if not tables[n].is_global or c in counts.values()}
        self.groups = co_partition(counts, written)
        await self._create(
            [
                tables[name].changelog_spec(count)
                for name, count in table_counts.items()
                if tables[name].changelog_topic_name not in existing
            ]
        )

    async def _prepare_sized(
        self, sized_like: Mapping[str, Topic[Any, Any]], counts: dict[str, int], table_counts: Mapping[str, int]
    ) -> None:
        """Make what joins of tables read besides changelogs."""
        existing = await self._admin.partition_counts(sized_like)
        missing = []
        for name, topic in sized_like.items():
            table = topic.sized_like[name]
            if table.name not in table_counts:
                raise ConfigError(f"{topic}: table {table.name!r} is not declared in this application")
            count = counts[name] = table_counts[table.name]
            if name not in existing and name != table.changelog_topic_name:
                missing.append(topic.spec(name, count))
            elif existing.get(name, count) != count:
                raise PartitionsMismatch(
                    f"{topic}: topic {name} has {existing[name]} partitions, and table {table.name!r} has {count}: "
                    "delete the topic while no worker runs (faust reset does), so that it is made anew"
                )
        await self._create(missing)

    def _demanded(
        self, table: str, counts: Mapping[str, int], table_counts: Mapping[str, int] | None = None
    ) -> int | None:
        """Return the count that a join wants a table to have, where the application says none."""
        for demand in self._demands.values():
            if table in demand.tables:
                return demand.count(counts, table_counts or {})
        return None

    def _count(
        self,
        table: Table[Any, Any],
        changelog: int | None,
        topics: dict[str, int],
        tables: Mapping[str, int] | None = None,
    ) -> int:
        if table.is_global and changelog is not None and table.partitions in {None, changelog}:
            return changelog
        wanted = table.partitions or self._demanded(table.name, topics, tables)
        return table_partitions(table.name, wanted, changelog, topics, self._conf.topic_partitions)

    def group(self, task_id: TaskId) -> TaskGroup:
        try:
            return self.groups[task_id.group]
        except KeyError:
            raise RebalanceError(
                f"this worker was given {task_id}, and reads no such topics: do all workers of {self._conf.id} run the "
                "same code?"
            ) from None

    def inputs_of(self, task_id: TaskId) -> frozenset[TopicPartition]:
        """Return what a task reads."""
        return frozenset(TopicPartition(name, task_id.partition) for name in self.group(task_id).topics)

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
