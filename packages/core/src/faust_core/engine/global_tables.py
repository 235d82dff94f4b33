"""Global tables on one worker: all partitions, restored before agents get their first record, then followed."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from faust_core.engine.restore import Restorer
from faust_core.engine.stores import Stores
from faust_core.table_partition import TablePartition
from faust_core.tables import GlobalTable, Table

__all__ = ["GlobalTables"]

log = logging.getLogger(__name__)


class GlobalTables:
    """Owns the partitions of global tables from the worker's start to its end."""

    def __init__(
        self,
        tables: Mapping[str, Table[Any, Any]],
        stores: Stores,
        restorer: Restorer,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
    ) -> None:
        self._tables = [table for table in tables.values() if isinstance(table, GlobalTable)]
        self._stores = stores
        self._restorer = restorer
        self._in_thread = in_thread
        self._parts: dict[tuple[str, int], TablePartition] = {}

    async def start(self) -> None:
        """Return when every partition is at what was the end of its changelog when this began."""
        if not self._tables:
            return
        started = time.monotonic()
        for table in self._tables:
            assert table.partition_count is not None, "after the topics were prepared"
            for partition in range(table.partition_count):
                self._parts[table.name, partition] = await self._stores.open(table, partition)
        records = await self._restorer.follow(list(self._parts.values()))
        names = ", ".join(sorted(table.name for table in self._tables))
        log.info("restored global tables %s: %d records in %.1f s", names, records, time.monotonic() - started)
        for (_, partition), part in self._parts.items():
            part.table.attach(partition, part)
        for table in self._tables:
            for callback in table.recover_callbacks:
                result = callback()
                if inspect.isawaitable(result):
                    await result

    def part(self, table: str, partition: int) -> TablePartition:
        return self._parts[table, partition]

    async def aclose(self) -> None:
        """Close the stores; the restorer runs no more."""
        for table in self._tables:
            table.detach_all()
        parts = list(self._parts.values())
        self._parts.clear()
        await asyncio.gather(*(self._in_thread(part.close) for part in parts))
