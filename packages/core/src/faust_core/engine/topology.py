"""Which topics and tables belong together: groups that are partitioned alike.

A table may be changed from the stream of any topic that has as many partitions: which one, only running
the agent tells.  So where there are tables, all topics with the same number of partitions form one group,
and partition n of all of them is one task.  Without tables each topic is a group of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faust_core.errors import PartitionsMismatch

__all__ = ["Demand", "TaskGroup", "co_partition", "table_partitions"]


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Topics and tables whose partitions with the same number are on the same worker.

    Attributes:
        name: the same on all workers.
        tables: names of tables.
    """

    name: str
    partitions: int
    topics: frozenset[str]
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Demand:
    """Topics and tables that a join reads together.

    Attributes:
        sides: the topics of each side.
    """

    who: str
    sides: Sequence[Sequence[str]]
    tables: Sequence[str]

    def partners(self, topic: str) -> list[str]:
        """Return the topics of the other side."""
        if not any(topic in side for side in self.sides):
            return []
        return [name for side in self.sides if topic not in side for name in side]

    def count(self, topics: Mapping[str, int], tables: Mapping[str, int]) -> int | None:
        """Return the count that is wanted, as far as anything is known."""
        counts = [topics[name] for side in self.sides for name in side if name in topics]
        counts += [tables[name] for name in self.tables if name in tables]
        return counts[0] if counts else None

    def check(self, topics: Mapping[str, int], tables: Mapping[str, int]) -> None:
        """Raises:
        PartitionsMismatch: the counts differ; names all of them.
        """
        found = [(f"topic {name}", topics[name]) for side in self.sides for name in side if name in topics]
        found += [(f"table {name}", tables[name]) for name in self.tables if name in tables]
        if len({count for _, count in found}) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in found)
            if not self.sides:
                raise PartitionsMismatch(
                    f"{self.who}: what is joined must have the same number of partitions, so that equal keys are on "
                    f"one worker ({counts}): declare the tables with equal partitions=, and fill them from topics "
                    "with as many (group_by sends a stream through one)"
                )
            raise PartitionsMismatch(
                f"{self.who}: what is joined must have the same number of partitions, so that equal keys are on one "
                f"worker ({counts}): send one side through a topic with as many as the other, "
                "stream.group_by(key) without partitions=, or create the topics or the table with equal partitions="
            )


def co_partition(topics: Mapping[str, int], tables: Mapping[str, int]) -> dict[str, TaskGroup]:
    """Return the groups of topics and tables with these partition counts, by name.

    Raises:
        PartitionsMismatch: a table has a count that no topic has.
    """
    if not tables:
        return {name: TaskGroup(name, count, frozenset([name]), frozenset()) for name, count in topics.items()}
    for table, count in tables.items():
        if count not in topics.values():
            have = ", ".join(f"{name} has {n}" for name, n in sorted(topics.items()))
            raise PartitionsMismatch(
                f"table {table!r} has {count} partitions, and no topic that is read here has as many ({have}): set "
                "partitions= of the table, or repartition the stream with group_by(…, partitions=…)"
            )
    groups = {}
    for count in set(topics.values()):
        name = f"p{count}"
        groups[name] = TaskGroup(
            name,
            count,
            frozenset(topic for topic, n in topics.items() if n == count),
            frozenset(table for table, n in tables.items() if n == count),
        )
    return groups


def table_partitions(
    table: str, declared: int | None, changelog: int | None, topics: Mapping[str, int], default: int
) -> int:
    """Return how many partitions a table has.

    Args:
        declared: what the application says.
        changelog: what the changelog topic has, if it exists.
        topics: the topics that are read, with their counts.
        default: the setting `topic_partitions`.

    Raises:
        PartitionsMismatch: the changelog exists with another count than was declared, or than any topic has.
    """
    if declared is not None and changelog is not None and declared != changelog:
        raise PartitionsMismatch(
            f"table {table!r} is declared with {declared} partitions, and its changelog topic has {changelog}: "
            "set partitions= to that, or reset the table (faust reset) and let it be counted anew"
        )
    if declared is None and changelog is not None and topics and changelog not in topics.values():
        have = ", ".join(f"{name} has {n}" for name, n in sorted(topics.items()))
        raise PartitionsMismatch(
            f"the changelog topic of table {table!r} exists with {changelog} partitions, and no topic that is read "
            f"here has as many ({have}): was a topic made anew with another number? Make it as it was, or reset the "
            "table (faust reset) and let it be counted anew"
        )
    known = declared or changelog
    if known is not None:
        return known
    counts = set(topics.values())
    if len(counts) == 1:
        return counts.pop()
    return default
