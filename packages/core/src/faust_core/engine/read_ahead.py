"""Reading ahead: the keys of a batch of records, from stores that are a round trip away, all at once.

Most tables are keyed as their topic is.  Where one is not, what was read ahead is never asked for; then it stops.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from faust_core.engine.task import Task
from faust_core.errors import DecodeError, EncodeError, StoreError
from faust_core.records import RecordBatch
from faust_core.table_partition import TablePartition
from faust_core.topics import Topic

__all__ = ["ReadAhead"]

log = logging.getLogger(__name__)

#: After so many keys it is clear whether they are the table's: at least one in `USEFUL` has been used by then.
TRIAL_KEYS = 20_000
USEFUL = 20


class ReadAhead:
    """Called for each batch before streams get it."""

    def __init__(self, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._in_thread = in_thread
        self._read: dict[tuple[str, str], tuple[int, int]] = {}
        self._given_up: set[tuple[str, str]] = set()

    async def before_delivery(self, task: Task, batch: RecordBatch, topic: Topic[Any, Any]) -> None:
        for name, part in list(task.open_tables.items()):
            place = (name, batch.tp.topic)
            if not part.remote or place in self._given_up:
                continue
            await self._read_keys(part, batch, topic, place)

    async def _read_keys(
        self, part: TablePartition, batch: RecordBatch, topic: Topic[Any, Any], place: tuple[str, str]
    ) -> None:
        read, used = self._read.get(place, (0, 0))
        if read > TRIAL_KEYS:
            if (part.fetched_used - used) * USEFUL < read:
                log.info("table %s is not keyed as topic %s is: its keys are not read ahead", *place)
                self._given_up.add(place)
                return
            read, used = 0, part.fetched_used
        try:
            keys = [key for data in dict.fromkeys(batch.keys) if data is not None for key in _keys(data, topic, part)]
            read += await part.read_ahead(keys, self._in_thread)
        except (DecodeError, EncodeError) as exc:
            log.info("table %s is not keyed as topic %s is: %s", *place, exc)
            self._given_up.add(place)
        except StoreError as exc:
            # Whoever needs the key reads it, and gets the error.
            log.debug("not read ahead for table %s: %s", place[0], exc)
        self._read[place] = (read, used)


def _keys(data: bytes, topic: Topic[Any, Any], part: TablePartition) -> list[Any]:
    """Return what an agent would call a key: as the topic decodes it; as text where the table has no bytes."""
    try:
        key = topic.raw_key_decode(data)
    except topic.key_errors:
        return []
    if isinstance(key, bytes) and getattr(part.table, "key_type", None) is not bytes:
        try:
            return [key.decode()]
        except UnicodeDecodeError:
            return [key]
    return [key]
