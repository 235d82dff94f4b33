"""Where the partitions are, and that each of them is open once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from faust_core.errors import ConfigError, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import StoreContext
from sqlite_store.options import Options
from sqlite_store.store import SqliteStore, connect, errors_of, offset_of

__all__ = ["SqliteBackend", "create"]

Name = tuple[str, int]


def create(url: str, context: StoreContext, /) -> SqliteBackend:
    """Make the backend for `sqlite://`: what the entry point names.

    Raises:
        ConfigError: the URL or an option is wrong, or the application has no data directory.
    """
    if context.directory is None:
        raise ConfigError(f"{url}: the SQLite store keeps files, so the application needs a data directory (datadir)")
    return SqliteBackend(context.directory / "sqlite", Options.parse(url, context.options))


class SqliteBackend:
    """Opens the partitions of one application's tables, each a file `<table>-<partition>.db` in one folder."""

    persistent = True
    shared = False

    def __init__(self, folder: Path, options: Options) -> None:
        self._folder = folder
        self._options = options
        self._lock = Lock()
        #: what is open here; None while it is being opened or destroyed
        self._open: dict[Name, SqliteStore | None] = {}

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> SqliteStore:
        name = (table, partition)
        chosen = self._options.with_options(options or {})
        self._reserve(name)
        try:
            lock = self._locked(name)
            try:
                store = SqliteStore(table, partition, self._path(name), chosen, lock, lambda: self._forget(name))
            except BaseException:
                lock.close()
                raise
        except BaseException:
            self._forget(name)
            raise
        self._open[name] = store
        return store

    def destroy(self, table: str, partition: int, /) -> None:
        name = (table, partition)
        self._reserve(name)
        try:
            path = self._path(name)
            if not self._folder.exists():
                return
            with closing(self._locked(name)), self._errors(path):
                for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
                    file.unlink(missing_ok=True)
            with self._errors(path):
                self._lock_path(name).unlink(missing_ok=True)
        finally:
            self._forget(name)

    def stored(self) -> Mapping[Name, int | None]:
        found: dict[Name, int | None] = {}
        for path in sorted(self._folder.glob("*.db")):
            table, _, partition = path.stem.rpartition("-")
            name = (unquote(table), int(partition))
            if name in self._open:
                continue
            try:
                with errors_of(path), closing(connect(path)) as connection:
                    found[name] = offset_of(connection)
            except (StoreCorrupt, StoreLocked):
                found[name] = None  # whoever opens it is told why
        return found

    def close(self) -> None:
        for store in list(self._open.values()):
            if store is not None:
                store.close()

    def _path(self, name: Name) -> Path:
        return self._folder / f"{quote(name[0], safe='')}-{name[1]}.db"

    def _lock_path(self, name: Name) -> Path:
        return self._path(name).with_suffix(".lock")

    def _locked(self, name: Name) -> sqlite3.Connection:
        """Keep other processes out until what is returned is closed; a process that dies lets go of it.

        Raises:
            StoreLocked: another process has it.
            StoreError: the folder cannot be used.
        """
        path = self._lock_path(name)
        with self._errors(path):
            self._folder.mkdir(parents=True, exist_ok=True)
        with errors_of(path):
            lock = connect(path)
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except BaseException:
                lock.close()
                raise
        return lock

    def _reserve(self, name: Name) -> None:
        with self._lock:
            if name in self._open:
                raise StoreLocked(f"table {name[0]}/{name[1]} in {self._folder} is open already: close the store first")
            self._open[name] = None

    def _forget(self, name: Name) -> None:
        self._open.pop(name, None)

    @contextmanager
    def _errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise StoreError(f"{path}: {exc.strerror or exc}") from exc
