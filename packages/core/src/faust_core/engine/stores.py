"""Opening the stores of table partitions, and what to do when one cannot be opened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from faust_core.engine.backends import Backends
from faust_core.engine.locked_store import LockedStore
from faust_core.engine.shared_state import SharedState
from faust_core.errors import StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import Store
from faust_core.table_partition import TablePartition
from faust_core.tables import Table

__all__ = ["Stores"]

log = logging.getLogger(__name__)

#: A worker that stops keeps its stores locked for a moment after it has left the group.
LOCKED_PATIENCE_S = 10.0
LOCKED_RETRY_S = 0.2
OPEN_RETRY_S = 1.0


class Stores:
    """Opens stores on a thread; a corrupt one is deleted, since its changelog has all of it."""

    def __init__(
        self,
        backends: Backends,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        shared_state: SharedState,
        *,
        cache_size: int,
        on_close: Callable[[str, int], None] = lambda _table, _keys: None,
    ) -> None:
        """Args:
        on_close: told how many keys were read from a table's store, on any thread.
        """
        self._on_close = on_close
        self._backends = backends
        self._shared_state = shared_state
        self._in_thread = in_thread
        self._cache_size = cache_size
        #: found corrupt while they were open
        self._corrupt: set[tuple[str, int]] = set()
        #: the worker has been running: a place that cannot be used now could be used before, and is waited for
        self.patient = False

    def resident(self, table: Table[Any, Any]) -> bool:
        """Whether a task of this table should be where its data is, so that standbys keep it."""
        return self._backends.resident(table)

    async def open(self, table: Table[Any, Any], partition: int) -> TablePartition:
        """Raises:
        StoreLocked: another process has had it open for longer than a shutdown takes.
        StoreError: the place cannot be used, and the worker has not been running yet.
        ConfigError: the table's store does not know one of its options.
        """
        store = await self._open(table, partition)
        return table.open_partition(
            partition,
            store,
            self._cache_size,
            resident=self._backends.resident(table),
            remote=self._backends.remote(table.name),
        )

    async def rebuild(self, part: TablePartition) -> None:
        """Empty the store of a table partition."""
        table, partition = part.table, part.changelog.partition
        assert isinstance(table, Table)
        await self._in_thread(part.store.close)
        await self._in_thread(lambda: self._backends.of(table.name).destroy(table.name, partition))
        part.store = await self._open(table, partition)
        part.forget_cache()

    async def _open(self, table: Table[Any, Any], partition: int) -> Store:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LOCKED_PATIENCE_S
        name = (table.name, partition)

        def open_store() -> Store:
            if name in self._corrupt:
                log.warning("deleting and rebuilding the store of %s/%d, which is damaged", *name)
                self._backends.of(table.name).destroy(*name)
                self._corrupt.discard(name)
            opened = self._shared_state.checked(table, partition, self._backends.open(table, partition))
            return LockedStore(opened, lambda: self._corrupt.add(name), lambda keys: self._on_close(table.name, keys))

        while True:
            try:
                store: Store = await self._in_thread(open_store)
            except StoreLocked as exc:
                if loop.time() > deadline:
                    if table.is_global:
                        raise StoreLocked(
                            f"global table {table.name!r} is kept whole by each worker, so workers on one machine need "
                            f"a data directory each: {exc}"
                        ) from exc
                    raise
                await asyncio.sleep(LOCKED_RETRY_S)
            except StoreCorrupt as exc:
                log.warning("deleting and rebuilding the store of %s/%d: %s", table.name, partition, exc)
                await self._in_thread(lambda: self._backends.of(table.name).destroy(table.name, partition))
            except StoreError as exc:
                if not self.patient:
                    raise
                log.error("cannot open the store of %s/%d, trying again: %s", *name, exc)
                await asyncio.sleep(OPEN_RETRY_S)
            else:
                return store
