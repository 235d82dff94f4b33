"""Which store each table is kept in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from faust_core.errors import ConfigError
from faust_core.protocols.store import Store, StoreBackend
from faust_core.tables import Table

__all__ = ["Backends"]

log = logging.getLogger(__name__)


class Backends:
    """The backends of an application: its own, and those that tables name.  Any thread may call."""

    def __init__(self, make: Callable[[str | None], StoreBackend], tables: Iterable[Table[Any, Any]] = ()) -> None:
        """Args:
            make: makes the backend of a URL; None is the application's own.

        Raises:
            ConfigError: a URL or an option is wrong, or a global table is to be kept in a store that workers share.
        """
        self._by_url: dict[str | None, StoreBackend] = {}
        self._urls: dict[str, str | None] = {}
        try:
            self._by_url[None] = make(None)
            for table in tables:
                if table.store not in self._by_url:
                    self._by_url[table.store] = make(table.store)
                self._urls[table.name] = table.store
                if table.is_global and self._by_url[table.store].shared:
                    if table.store is not None:
                        raise ConfigError(
                            f"table {table.name!r} is global: every worker keeps a copy of its own, and {table.store} "
                            "is one place for all. Use store='memory://' or 'rocksdb://'"
                        )
                    log.info("global table %s is kept in memory: the application's store is shared", table.name)
                    self._urls[table.name] = "memory://"
                    if "memory://" not in self._by_url:
                        self._by_url["memory://"] = make("memory://")
        except BaseException:
            self.close()
            raise

    def of(self, table: str) -> StoreBackend:
        return self._by_url[self._urls.get(table)]

    def resident(self, table: Table[Any, Any]) -> bool:
        """Whether a task of this table should be where its data is."""
        return not table.is_global and not self.of(table.name).shared

    def remote(self, table: str) -> bool:
        """Whether reading is a round trip, so that it pays to read many keys at once."""
        return bool(getattr(self.of(table), "remote", False))

    def open(self, table: Table[Any, Any], partition: int) -> Store:
        backend = self.of(table.name)
        if table.options:
            return backend.open(table.name, partition, table.options)
        return backend.open(table.name, partition)

    def stored(self, tables: Iterable[str]) -> dict[tuple[str, int], int | None]:
        """Return partition and changelog offset of what an earlier life of this worker has left of `tables`."""
        wanted: dict[str | None, set[str]] = {}
        for name in tables:
            wanted.setdefault(self._urls.get(name), set()).add(name)
        found: dict[tuple[str, int], int | None] = {}
        for url, names in wanted.items():
            if self._by_url[url].persistent:
                found |= {at: offset for at, offset in self._by_url[url].stored().items() if at[0] in names}
        return found

    def close(self) -> None:
        for backend in self._by_url.values():
            backend.close()
