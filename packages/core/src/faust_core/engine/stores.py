"""Opening the stores of table partitions, and what to do when one cannot be opened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from faust_core.errors import StoreCorrupt, StoreLocked
from faust_core.protocols.store import Store, StoreBackend
from faust_core.table_partition import TablePartition
from faust_core.tables import Table

__all__ = ["Stores"]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A worker that stops keeps its stores locked for a moment after it has left the group.
LOCKED_PATIENCE_S = 10.0
LOCKED_RETRY_S = 0.2


class Stores:
    """Opens stores on a thread; a corrupt one is deleted, since its changelog has all of it."""

    def __init__(
        self,
        backend: StoreBackend,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        *,
        cache_size: int,
    ) -> None:
        self._backend = backend
        self._in_thread = in_thread
        self._cache_size = cache_size

    async def open(self, table: Table[Any, Any], partition: int) -> TablePartition:
        """Raises:
        StoreLocked: another process has had it open for longer than a shutdown takes.
        StoreError: the place cannot be used.
        """
        store = await self._open(table.name, partition)
        return table.open_partition(partition, store, self._cache_size)

    async def rebuild(self, part: TablePartition) -> None:
        """Empty the store of a table partition."""
        name, partition = part.table.name, part.changelog.partition
        await self._in_thread(part.store.close)
        await self._in_thread(lambda: self._backend.destroy(name, partition))
        part.store = await self._open(name, partition)
        part.forget_cache()

    async def _open(self, name: str, partition: int) -> Store:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LOCKED_PATIENCE_S
        while True:
            try:
                store: Store = await self._in_thread(lambda: self._backend.open(name, partition))
            except StoreLocked:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(LOCKED_RETRY_S)
            except StoreCorrupt as exc:
                log.warning("deleting and rebuilding the store of %s/%d: %s", name, partition, exc)
                await self._in_thread(lambda: self._backend.destroy(name, partition))
            else:
                return store
