"""The file, and the thread that works on it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from faust_core.errors import RetriableTransportError, TransportError

__all__ = ["BrokerFile", "change", "connect"]

T = TypeVar("T")

#: How long one process waits for the others to let it write.
BUSY_S = 10.0

TABLES = """
    CREATE TABLE IF NOT EXISTS topics (
        name TEXT PRIMARY KEY, id TEXT NOT NULL, partitions INTEGER NOT NULL, config TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS logs (
        topic TEXT, partition INTEGER, following INTEGER NOT NULL, PRIMARY KEY (topic, partition));
    CREATE TABLE IF NOT EXISTS records (
        topic TEXT, partition INTEGER, place INTEGER, timestamp_ms INTEGER, key BLOB, value BLOB, headers TEXT,
        PRIMARY KEY (topic, partition, place)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS groups (
        id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, since REAL NOT NULL, generation INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS members (
        number INTEGER PRIMARY KEY, group_id TEXT, id TEXT, client_id TEXT, topics TEXT, expires REAL,
        session_s REAL, rebalance_s REAL, ready INTEGER, metadata BLOB, partitions TEXT, plan BLOB,
        UNIQUE (group_id, id));
    CREATE TABLE IF NOT EXISTS offsets (
        group_id TEXT, topic TEXT, partition INTEGER, place INTEGER, PRIMARY KEY (group_id, topic, partition));
"""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that has no transaction that was not asked for."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def change(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Have the file for oneself, and change all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class BrokerFile:
    """The way of one transport to the file.  Work is done on one thread, in the order in which it was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, "file-broker")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns for the connection.

        Raises:
            RetriableTransportError: the file is held by others for long.
            TransportError: it cannot be used, or the transport is closed; names the file.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)
        except RuntimeError as exc:
            raise TransportError(f"the transport to {self.path} is closed") from exc

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = connect(self.path)
                self._connection.executescript(TABLES)
            return work(self._connection)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise RetriableTransportError(f"{self.path} is held by others for more than {BUSY_S:g} s") from exc
            raise TransportError(f"{self.path}: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            raise TransportError(f"{self.path}: {exc}") from exc

    def close(self) -> None:
        """Finish what was asked for, then let go of the file."""

        def close() -> None:
            if self._connection is not None:
                self._connection.close()

        try:
            self._thread.submit(close)
        except RuntimeError:
            return  # closed already
        self._thread.shutdown(wait=False)
