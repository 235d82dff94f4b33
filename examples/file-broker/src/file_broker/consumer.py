"""Reads partitions from the offsets that it is told."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Collection, Mapping, Sequence

from faust_core.records import ConsumerRecord, RecordBatch, RecordList, TopicPartition
from file_broker.broker_file import BrokerFile

__all__ = ["FileConsumer"]

log = logging.getLogger(__name__)

#: How often the file is looked at where there was nothing to read.
LOOK_S = 0.02
READ = """
    SELECT place, timestamp_ms, key, value, headers FROM records
    WHERE topic = ? AND partition = ? AND place >= ? ORDER BY place LIMIT ?
"""


class FileConsumer:
    """A `faust_core.protocols.transport.Consumer`, whose docstrings say what each method promises."""

    def __init__(self, file: BrokerFile, name: str) -> None:
        self._file = file
        self._name = name
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        #: grows when positions are set from outside: what was read before is void then
        self._version = 0
        self._turn = 0

    async def assign(self, positions: Mapping[TopicPartition, int], /) -> None:
        def ends(connection: sqlite3.Connection) -> dict[TopicPartition, int]:
            query = "SELECT following FROM logs WHERE topic = ? AND partition = ?"
            rows = {tp: connection.execute(query, tp).fetchone() for tp in positions}
            return {tp: 0 if row is None else row[0] for tp, row in rows.items()}

        for tp, end in (await self._file.run(ends)).items():
            position = min(max(positions[tp], 0), end)
            if position != positions[tp]:
                log.warning(
                    "%s: offset %d of %s does not exist, reading from %d", self._name, positions[tp], tp, position
                )
            self._positions[tp] = position
        self._version += 1

    async def unassign(self, partitions: Collection[TopicPartition], /) -> None:
        for tp in partitions:
            self._positions.pop(tp, None)
            self._paused.discard(tp)
        self._version += 1

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[RecordBatch]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            batches = await self._read(max_records)
            if batches or loop.time() >= deadline:
                return batches
            await asyncio.sleep(min(LOOK_S, max(0.0, deadline - loop.time())))

    async def _read(self, max_records: int) -> list[RecordBatch]:
        wanted = [(tp, position) for tp, position in self._positions.items() if tp not in self._paused]
        if not wanted:
            return []
        # Each partition has its turn to be the first, so that none starves behind a busy one.
        self._turn = (self._turn + 1) % len(wanted)
        wanted = wanted[self._turn :] + wanted[: self._turn]

        def read(connection: sqlite3.Connection) -> list[RecordBatch]:
            left = max_records
            found: list[RecordBatch] = []
            for tp, position in wanted:
                rows = connection.execute(READ, (*tp, position, left)).fetchall() if left else []
                if rows:
                    left -= len(rows)
                    found.append(RecordList(tp, [_record(tp, *row) for row in rows]))
            return found

        version = self._version
        batches = await self._file.run(read)
        # Nothing is awaited from here on: either the positions move and the batches are returned, or neither.
        if version != self._version:
            return []
        batches = [batch for batch in batches if batch.tp not in self._paused]
        for batch in batches:
            self._positions[batch.tp] = batch.next_offset
        return batches

    def pause(self, partitions: Collection[TopicPartition], /) -> None:
        self._paused.update(tp for tp in partitions if tp in self._positions)

    def resume(self, partitions: Collection[TopicPartition], /) -> None:
        self._paused.difference_update(partitions)

    def position(self, partition: TopicPartition, /) -> int | None:
        return self._positions.get(partition)

    async def aclose(self) -> None:
        self._positions.clear()


def _record(
    tp: TopicPartition, place: int, timestamp_ms: int, key: bytes | None, value: bytes | None, headers: str
) -> ConsumerRecord:
    pairs = [(name, None if text is None else bytes.fromhex(text)) for name, text in json.loads(headers or "[]")]
    return ConsumerRecord(tp.topic, tp.partition, place, timestamp_ms, key, value, pairs)
