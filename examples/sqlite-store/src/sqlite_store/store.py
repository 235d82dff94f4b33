"""One partition of one table: rows in the order of their keys, and the offset, in one SQLite file.

Reads and writes share a connection.  A scan has one of its own, whose read transaction is its view of the moment:
in SQLite's write-ahead log readers do not see what is written after they began, and do not stop the writer.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from faust_core.errors import StoreClosed, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import Change
from sqlite_store.options import Options

__all__ = ["SqliteStore", "connect", "errors_of", "offset_of"]

#: Parameters of one statement; SQLite takes 32,766.
KEYS_AT_ONCE = 10_000
CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

TABLES = """
    CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 0), changelog_offset INTEGER NOT NULL);
"""
PUT = "INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
SET_OFFSET = (
    "INSERT INTO progress VALUES (0, ?) ON CONFLICT (id) DO UPDATE SET changelog_offset = excluded.changelog_offset"
)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that any thread may use, with no transaction that was not asked for."""
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those of the protocol, with the file's name."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF  # what is above are details
        kind = StoreCorrupt if code in CORRUPT else StoreLocked if code in LOCKED else StoreError
        raise kind(f"{path}: {exc}") from exc


def offset_of(connection: sqlite3.Connection) -> int | None:
    """Return the changelog offset of a file; None where nothing was applied yet."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'progress'").fetchone():
        return None
    row = connection.execute("SELECT changelog_offset FROM progress").fetchone()
    return None if row is None else int(row[0])


class SqliteStore:
    """A `faust_core.protocols.store.Store`, whose docstrings say what each method promises."""

    def __init__(
        self,
        table: str,
        partition: int,
        path: Path,
        options: Options,
        lock: sqlite3.Connection,
        on_close: Callable[[], None],
    ) -> None:
        """Open or create the file at `path`.

        Args:
            lock: keeps other processes out; closed with the store.
            on_close: called once.

        Raises:
            StoreCorrupt: it is not an SQLite file, or a damaged one.
            StoreError: it cannot be opened.
        """
        self.table = table
        self.partition = partition
        self._path = path
        self._lock = lock
        self._on_close = on_close
        self._scans: weakref.WeakSet[_Scan] = weakref.WeakSet()
        self._closed = False
        with errors_of(path):
            self._connection = connect(path)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(f"PRAGMA synchronous = {options.synchronous}")
                self._connection.execute(f"PRAGMA cache_size = -{options.cache_kib}")
                self._connection.executescript(TABLES)
                self._offset = offset_of(self._connection)
            except BaseException:
                self._connection.close()
                raise

    @property
    def changelog_offset(self) -> int | None:
        self._check_open()
        return self._offset

    def get(self, key: bytes, /) -> bytes | None:
        self._check_open()
        with errors_of(self._path):
            row = self._connection.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        self._check_open()
        found: dict[bytes, bytes] = {}
        wanted = list(set(keys))
        with errors_of(self._path):
            for first in range(0, len(wanted), KEYS_AT_ONCE):
                some = wanted[first : first + KEYS_AT_ONCE]
                query = f"SELECT key, value FROM rows WHERE key IN ({','.join('?' * len(some))})"  # noqa: S608  marks only
                found.update(self._connection.execute(query, some))
        return [found.get(key) for key in keys]

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        with errors_of(self._path):
            scan = _Scan(self._path, start, end)
        self._scans.add(scan)
        return scan

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        self._check_open()
        if self._offset is not None and changelog_offset < self._offset:
            raise ValueError(
                f"{self._path}: changelog offset {changelog_offset} is below the store's, which is {self._offset}"
            )
        latest = dict(changes)
        puts = [(key, value) for key, value in latest.items() if value is not None]
        deletes = [(key,) for key, value in latest.items() if value is None]
        connection = self._connection
        with errors_of(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(PUT, puts)
                connection.executemany("DELETE FROM rows WHERE key = ?", deletes)
                connection.execute(SET_OFFSET, (changelog_offset,))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._offset = changelog_offset

    def metrics(self) -> Mapping[str, float]:
        """Return what SQLite says of the file, cheaply."""
        self._check_open()
        with errors_of(self._path):
            ((pages,),) = self._connection.execute("PRAGMA page_count")
            ((page_size,),) = self._connection.execute("PRAGMA page_size")
        return {"file_bytes": pages * page_size}

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for scan in list(self._scans):
            scan.close(StoreClosed(f"{self._path} was closed while it was read"))
        self._connection.close()
        self._lock.close()
        self._on_close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"{self._path} is closed")


class _Scan:
    """An iterator over the rows of a range as they were when it was made.  Given up, it holds nothing."""

    def __init__(self, path: Path, start: bytes, end: bytes | None) -> None:
        self._path = path
        self._error: StoreError | None = None
        self._connection = connect(path)
        self._connection.execute("BEGIN")
        # The read transaction begins with the first read, not with BEGIN.
        self._connection.execute("SELECT count(*) FROM progress").fetchone()
        if end is None:
            self._rows = self._connection.execute("SELECT key, value FROM rows WHERE key >= ? ORDER BY key", (start,))
        else:
            query = "SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key"
            self._rows = self._connection.execute(query, (start, end))

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        if self._error is not None:
            raise self._error
        with errors_of(self._path):
            row: tuple[bytes, bytes] | None = next(self._rows, None)
        if row is None:
            self._connection.close()
            raise StopIteration
        return row

    def close(self, error: StoreError) -> None:
        """Let go of the file; whoever reads on gets `error`."""
        self._error = error
        self._connection.close()

    def __del__(self) -> None:
        self._connection.close()
