"""`memory://`: stores in dictionaries, for tests and for tables that may be restored at every start."""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Any

from faust_core.errors import StoreClosed, StoreLocked
from faust_core.protocols.store import Change, StoreContext

__all__ = ["MemoryBackend", "MemoryStore", "create"]

#: Keys that may have come or gone before the order is made anew.
MIN_UNORDERED = 1_000


def create(url: str, context: StoreContext, /) -> MemoryBackend:  # noqa: ARG001 -- the signature of every factory
    """Make the backend for `memory://`, which has no options."""
    return MemoryBackend()


class MemoryBackend:
    """Keeps the data of open stores only: closing a store drops what is in it."""

    persistent = False
    shared = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[tuple[str, int], MemoryStore] = {}

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> MemoryStore:  # noqa: ARG002  it has none
        with self._lock:
            if (table, partition) in self._open:
                raise StoreLocked(f"the memory store of {table}/{partition} is open already: close it first")
            store = self._open[table, partition] = MemoryStore(table, partition, self)
        return store

    def destroy(self, table: str, partition: int, /) -> None:
        if (table, partition) in self._open:
            raise StoreLocked(f"the memory store of {table}/{partition} is open: close it before it is destroyed")

    def stored(self) -> Mapping[tuple[str, int], int | None]:
        return {}

    def close(self) -> None:
        for store in list(self._open.values()):
            store.close()

    def forget(self, store: MemoryStore) -> None:
        """Let the partition of `store`, which is being closed, be opened again."""
        with self._lock:
            if self._open.get((store.table, store.partition)) is store:
                del self._open[store.table, store.partition]


class MemoryStore:
    """One partition of one table in a dictionary.

    A scan reads the dictionary as it was: while one is alive, the first `apply` goes to a copy.
    """

    def __init__(self, table: str, partition: int, backend: MemoryBackend | None = None) -> None:
        self.table = table
        self.partition = partition
        self._backend = backend
        self._data: dict[bytes, bytes] | None = {}
        self._offset: int | None = None
        #: all keys in order, perhaps with some that are gone; None until it is asked for
        self._ordered: list[bytes] | None = None
        #: those that have come since, in order
        self._fresh: list[bytes] = []
        self._gone = 0
        self._scans: weakref.WeakSet[Iterator[tuple[bytes, bytes]]] = weakref.WeakSet()

    @property
    def changelog_offset(self) -> int | None:
        self._opened()
        return self._offset

    def get(self, key: bytes, /) -> bytes | None:
        return self._opened().get(key)

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        return list(map(self._opened().get, keys))

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        data = self._opened()
        rows = self._rows(data, self._keys(data, start, end))
        self._scans.add(rows)
        return rows

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        data = self._opened()
        if self._offset is not None and changelog_offset < self._offset:
            name = f"{self.table}/{self.partition}"
            raise ValueError(f"{name}: changelog offset {changelog_offset} is below the store's, {self._offset}")
        latest = dict(changes)
        if self._scans:
            data = self._data = data.copy()
            self._scans.clear()
        if self._ordered is not None:
            self._fresh += [key for key in latest if key not in data]
            self._fresh.sort()
        deleted = [key for key, value in latest.items() if value is None] if None in latest.values() else ()
        data.update(latest)  # type: ignore[arg-type]  # a None stays for the moment of the next two lines only
        for key in deleted:
            del data[key]
        self._gone += len(deleted)
        self._offset = changelog_offset

    def metrics(self) -> Mapping[str, float]:
        return {"keys": len(self._opened())}

    def close(self) -> None:
        self._data = None
        self._ordered, self._fresh = None, []
        if self._backend is not None:
            self._backend.forget(self)

    def _opened(self) -> dict[bytes, bytes]:
        if self._data is None:
            raise StoreClosed(f"the memory store of {self.table}/{self.partition} is closed")
        return self._data

    def _keys(self, data: dict[bytes, bytes], start: bytes, end: bytes | None) -> Sequence[bytes]:
        """Return the keys of a range in order; keys that are gone may be among them, and one that is back twice.

        The order is kept beside what has changed since, and made anew when that is much: a range costs what is in it.
        """
        if self._ordered is None:
            self._ordered = sorted(data)
            self._gone = 0
        elif len(self._fresh) + self._gone > MIN_UNORDERED + len(self._ordered) // 16:
            # Two runs in order, which sort() merges.
            self._ordered = sorted({key: None for key in chain(self._ordered, self._fresh) if key in data})
            self._fresh, self._gone = [], 0
        found = [
            keys[bisect_left(keys, start) : len(keys) if end is None else bisect_left(keys, end)]
            for keys in (self._ordered, self._fresh)
        ]
        return sorted(chain(*found)) if found[1] else found[0]

    def _rows(self, data: dict[bytes, bytes], keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        last = None
        for key in keys:
            if self._data is None:
                break
            if key != last and key in data:
                yield key, data[key]
            last = key
        self._opened()
