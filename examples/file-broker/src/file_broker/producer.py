"""Queues records, and writes them in batches."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from faust_core.errors import BufferFull, RecordTooLarge, TopicMissing, TransportError
from faust_core.partitioner import partition_for
from faust_core.protocols.transport import OnDelivery, TransportContext
from faust_core.records import Headers, RecordMetadata
from file_broker.broker_file import BrokerFile, change

__all__ = ["FileProducer"]

#: Records of one transaction of the file.
AT_ONCE = 5_000
CLOSE_S = 10.0

Fate = RecordMetadata | TransportError


class Queued(NamedTuple):
    """A record on its way."""

    topic: str
    partition: int | None
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    on_delivery: OnDelivery | None

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


class FileProducer:
    """A `faust_core.protocols.transport.Producer`, whose docstrings say what each method promises."""

    def __init__(self, file: BrokerFile, context: TransportContext) -> None:
        self._file = file
        self._context = context
        self._queue: list[Queued] = []
        self._queued_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._failure: TransportError | None = None
        self._closed = False

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        if self._closed:
            raise TransportError("the producer is closed")
        now_ms = time.time_ns() // 1_000_000
        record = Queued(
            topic, partition, now_ms if timestamp_ms is None else timestamp_ms, key, value, headers or (), on_delivery
        )
        if record.size > self._context.max_request_bytes:
            limit = self._context.max_request_bytes
            raise RecordTooLarge(f"a record of {record.size} bytes for {topic} is over the limit of {limit}")
        if self._queue and self._queued_bytes + record.size > self._context.max_buffered_bytes:
            raise BufferFull(f"{self._queued_bytes} bytes are queued for {self._file.path}")
        self._queue.append(record)
        self._queued_bytes += record.size
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="file-broker write")

    async def drain(self) -> None:
        while self._writing is not None and self._queued_bytes > self._context.max_buffered_bytes // 2:
            await asyncio.wait([self._writing], timeout=0.01)

    async def flush(self) -> None:
        while self._writing is not None:
            await asyncio.wait([self._writing])
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=CLOSE_S)

    async def _write(self) -> None:
        """Write until nothing is queued; the only one that does."""
        try:
            await asyncio.sleep(self._context.linger_s)
            while self._queue:
                batch, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
                try:
                    fates = await self._file.run(partial(_append, batch))
                except TransportError as exc:
                    fates = [exc] * len(batch)
                for record, fate in zip(batch, fates, strict=True):
                    self._queued_bytes -= record.size
                    failed = isinstance(fate, TransportError)
                    if failed:
                        self._failure = self._failure or fate  # type: ignore[assignment]  # it is one
                    if record.on_delivery is not None:
                        record.on_delivery(None, fate) if failed else record.on_delivery(fate, None)  # type: ignore[arg-type]
        finally:
            self._writing = None


def _append(batch: list[Queued], connection: sqlite3.Connection) -> list[Fate]:
    """Write a batch in one step; a record that cannot be written leaves the others alone."""
    fates: list[Fate] = []
    rows = []
    with change(connection):
        find = _remembered(lambda topic: _topic(connection, topic))
        ends: dict[tuple[str, int], int] = {}
        for record in batch:
            try:
                partitions, limit = find(record.topic)
                at = (record.topic, _partition(record, partitions))
                if record.size > limit:
                    raise RecordTooLarge(f"{record.size} bytes are over the limit of topic {record.topic}, {limit}")
            except TransportError as exc:
                fates.append(exc)
                continue
            if at not in ends:
                query = "SELECT following FROM logs WHERE topic = ? AND partition = ?"
                ends[at] = connection.execute(query, at).fetchone()[0]
            place = ends[at]
            ends[at] += 1
            headers = json.dumps([(name, None if data is None else data.hex()) for name, data in record.headers])
            rows.append((*at, place, record.timestamp_ms, record.key, record.value, headers))
            fates.append(RecordMetadata(*at, place, record.timestamp_ms))
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        following = [(end, *at) for at, end in ends.items()]
        connection.executemany("UPDATE logs SET following = ? WHERE topic = ? AND partition = ?", following)
    return fates


def _remembered(find: Callable[[str], tuple[int, int]]) -> Callable[[str], tuple[int, int]]:
    known: dict[str, tuple[int, int]] = {}

    def look(topic: str) -> tuple[int, int]:
        if topic not in known:
            known[topic] = find(topic)
        return known[topic]

    return look


def _topic(connection: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """Return the number of partitions and the size limit of a topic.

    Raises:
        TopicMissing: there is none of that name.
    """
    row = connection.execute("SELECT partitions, config FROM topics WHERE name = ?", (topic,)).fetchone()
    if row is None:
        raise TopicMissing(f"there is no topic {topic!r}: create it first")
    return row[0], int(json.loads(row[1]).get("max.message.bytes", 1 << 30))


def _partition(record: Queued, partitions: int) -> int:
    if record.partition is None:
        return random.randrange(partitions) if record.key is None else partition_for(record.key, partitions)
    if not 0 <= record.partition < partitions:
        raise TransportError(f"topic {record.topic} has {partitions} partitions, and no partition {record.partition}")
    return record.partition
