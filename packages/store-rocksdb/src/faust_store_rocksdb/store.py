"""One partition of one table in one RocksDB database.

A data key has the prefix `d`; the changelog offset is the one key outside of that range.  Both are in the same
column family and the same batch, which is what keeps them together through a kill, whatever the log does.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from faust_core.errors import StoreClosed, StoreCorrupt, StoreError
from faust_core.protocols.store import Change
from faust_store_rocksdb.drivers import Cursor, Database

__all__ = ["RocksStore", "read_offset"]

log = logging.getLogger(__name__)

DATA = b"d"
BEHIND_DATA = b"e"
OFFSET = b"o"
OFFSET_BYTES = 8

#: What is measured, and what RocksDB calls it.
METRICS = {
    "keys_estimated": "rocksdb.estimate-num-keys",
    "files_bytes": "rocksdb.total-sst-files-size",
    "write_buffers_bytes": "rocksdb.cur-size-all-mem-tables",
    "open_files_bytes": "rocksdb.estimate-table-readers-mem",
    "block_cache_bytes": "rocksdb.block-cache-usage",
    "compaction_pending_bytes": "rocksdb.estimate-pending-compaction-bytes",
}


def read_offset(database: Database, path: Path) -> int | None:
    """Return the changelog offset that `database` holds.

    Raises:
        StoreCorrupt: what is there is not an offset.
    """
    stored = database.get(OFFSET)
    if stored is None:
        return None
    if len(stored) != OFFSET_BYTES:
        raise StoreCorrupt(f"{path} is damaged (its changelog offset reads {stored!r})")
    return int.from_bytes(stored, "big")


class RocksStore:
    """The store of one table partition.

    After a failed write RocksDB refuses all others, so the next `apply` opens the database anew first.
    """

    def __init__(
        self, path: Path, open_database: Callable[[], Database], on_close: Callable[[int | None], None]
    ) -> None:
        """Open the database at `path`; `on_close` is told once, with the last offset."""
        self.path = path
        self._open_database = open_database
        self._on_close = on_close
        self._database: Database | None = open_database()
        try:
            self._offset = read_offset(self._database, path)
        except BaseException:
            self._database.close()
            raise
        self._closed = False
        self._write_failed = False
        self._cursors: weakref.WeakSet[Cursor] = weakref.WeakSet()

    @property
    def changelog_offset(self) -> int | None:
        self._opened()
        return self._offset

    def get(self, key: bytes, /) -> bytes | None:
        return self._opened().get(DATA + key)

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        return self._opened().get_many([DATA + key for key in keys])

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        behind = BEHIND_DATA if end is None else DATA + end
        cursor = self._opened().scan(DATA + start, max(behind, DATA + start))
        self._cursors.add(cursor)
        return self._rows(cursor)

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        if self._write_failed and not self._closed:
            self._release()
        database = self._opened()
        if self._offset is not None and changelog_offset < self._offset:
            raise ValueError(f"{self.path}: changelog offset {changelog_offset} is below the store's, {self._offset}")
        try:
            database.write(changes, prefix=DATA, last=(OFFSET, changelog_offset.to_bytes(OFFSET_BYTES, "big")))
        except StoreError:
            self._write_failed = True
            raise
        self._offset = changelog_offset

    def metrics(self) -> Mapping[str, float]:
        """Return RocksDB's own numbers.  The block cache is shared by all tables of the worker."""
        database = self._opened()
        found = {ours: database.number(name) for ours, name in METRICS.items()}
        return {name: number for name, number in found.items() if number is not None}

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._release()
        self._on_close(self._offset)

    def _opened(self) -> Database:
        if self._closed:
            raise StoreClosed(f"{self.path} is closed")
        if self._database is None:  # released after a failed write
            database = self._open_database()
            self._offset = read_offset(database, self.path)
            self._database = database
            self._write_failed = False
        return self._database

    def _release(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        database, self._database = self._database, None
        try:
            if database is not None:
                database.close()
        except StoreError as exc:  # nothing is lost: what was acknowledged is in the log
            log.warning("%s was not closed cleanly: %s", self.path, exc)

    def _rows(self, cursor: Cursor) -> Iterator[tuple[bytes, bytes]]:
        try:
            while chunk := cursor.read():
                for key, value in chunk:
                    yield key[1:], value
        finally:
            cursor.close()
