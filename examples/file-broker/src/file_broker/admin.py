"""Topics and offsets."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections.abc import Collection, Mapping, Sequence

from faust_core.errors import ConfigError, TopicMissing
from faust_core.protocols.transport import TopicSpec
from faust_core.records import TopicPartition
from file_broker import group
from file_broker.broker_file import BrokerFile, change

__all__ = ["FileAdmin"]

NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


class FileAdmin:
    """A `faust_core.protocols.transport.Admin`, whose docstrings say what each method promises."""

    def __init__(self, file: BrokerFile) -> None:
        self._file = file

    async def partition_counts(self, topics: Collection[str] | None = None, /) -> Mapping[str, int]:
        counts = await self._file.run(group.partition_counts)
        return counts if topics is None else {name: counts[name] for name in topics if name in counts}

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        for spec in specs:
            if not NAME.fullmatch(spec.name):
                raise TopicMissing(f"topic {spec.name!r} cannot be created: use letters, digits, '.', '_' and '-'")
            if spec.partitions < 1:
                raise TopicMissing(f"topic {spec.name!r} cannot be created with {spec.partitions} partitions")

        def create(connection: sqlite3.Connection) -> None:
            with change(connection):
                for spec in specs:
                    config = json.dumps({"cleanup.policy": "delete", **spec.config})
                    row = (spec.name, uuid.uuid4().hex, spec.partitions, config)
                    made = connection.execute("INSERT OR IGNORE INTO topics VALUES (?, ?, ?, ?)", row)
                    if made.rowcount:
                        logs = [(spec.name, partition, 0) for partition in range(spec.partitions)]
                        connection.executemany("INSERT INTO logs VALUES (?, ?, ?)", logs)

        await self._file.run(create)

    async def delete_topics(self, topics: Collection[str], /) -> None:
        def delete(connection: sqlite3.Connection) -> None:
            with change(connection):
                for name in topics:
                    connection.execute("DELETE FROM topics WHERE name = ?", (name,))
                    connection.execute("DELETE FROM logs WHERE topic = ?", (name,))
                    connection.execute("DELETE FROM records WHERE topic = ?", (name,))

        await self._file.run(delete)

    async def topic_config(self, topic: str, /) -> Mapping[str, str]:
        query = "SELECT config FROM topics WHERE name = ?"
        row = await self._file.run(lambda connection: connection.execute(query, (topic,)).fetchone())
        if row is None:
            raise TopicMissing(f"there is no topic {topic!r} in {self._file.path}")
        config: dict[str, str] = json.loads(row[0])
        return config

    async def topic_ids(self, topics: Collection[str], /) -> Mapping[str, str]:
        rows = await self._file.run(lambda connection: connection.execute("SELECT name, id FROM topics").fetchall())
        return {name: topic_id for name, topic_id in rows if name in topics}

    async def start_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(await self.end_offsets(partitions), 0)

    async def end_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        def ends(connection: sqlite3.Connection) -> dict[TopicPartition, int]:
            query = "SELECT following FROM logs WHERE topic = ? AND partition = ?"
            found = {TopicPartition(*tp): connection.execute(query, tp).fetchone() for tp in partitions}
            missing = [str(tp) for tp, row in found.items() if row is None]
            if missing:
                raise TopicMissing(f"there is no partition {missing[0]} in {self._file.path}")
            return {tp: row[0] for tp, row in found.items()}

        return await self._file.run(ends)

    async def group_members(self, group_id: str, /) -> Sequence[str]:
        return await self._file.run(lambda connection: group.client_ids(connection, group_id))

    async def delete_group(self, group_id: str, /) -> None:
        await self._file.run(lambda connection: group.delete(connection, group_id))

    async def committed_by(
        self, group_id: str, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, str]:
        return {}  # nothing is committed in a transaction

    async def fence(self, transactional_ids: Collection[str], /) -> None:
        raise ConfigError("the file broker has no transactions: use processing_guarantee='at_least_once'")

    async def aclose(self) -> None:
        """Nothing is held."""
