"""`rocksdb://`: a directory of databases, `<directory>/<table>/<partition>/db`, each with a note beside it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from faust_core.errors import ConfigError, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb.drivers import Driver, load_driver
from faust_store_rocksdb.marker import Marker, rocksdb_version
from faust_store_rocksdb.options import RocksOptions
from faust_store_rocksdb.store import RocksStore, read_offset

__all__ = ["RocksBackend", "create"]

log = logging.getLogger(__name__)

Name = tuple[str, int]

DATABASE = "db"
TRASH = "deleted"
MARKER = "store.json"
CURRENT = "CURRENT"  # the file by which a database is known; RocksDB makes it last


def create(url: str, context: StoreContext, /) -> RocksBackend:
    """Make the backend for `rocksdb://`, with options in the URL's query or in the context.

    Raises:
        ConfigError: an option is wrong, no binding is installed, or there is no data directory.
    """
    options = RocksOptions.parse(url, context.options)
    if context.directory is None:
        raise ConfigError(f"{url} needs a directory to keep tables in: set `datadir` (APP_DATADIR)")
    return RocksBackend(context.directory, load_driver(options))


class RocksBackend:
    """Opens one database for every partition of every table."""

    persistent = True
    shared = False

    def __init__(self, directory: Path, driver: Driver) -> None:
        self._directory = directory
        self._driver = driver
        self._lock = Lock()
        self._open: dict[Name, RocksStore | None] = {}  # None while it is being opened or destroyed

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> RocksStore:
        name = (table, partition)
        self._reserve(name)
        try:
            store = self._open_store(name, options)
        except BaseException:
            self._open.pop(name, None)
            raise
        self._open[name] = store
        return store

    def destroy(self, table: str, partition: int, /) -> None:
        name = (table, partition)
        self._reserve(name)
        try:
            self._destroy(self._place(name))
        finally:
            del self._open[name]

    def stored(self) -> Mapping[Name, int | None]:
        return {name: self._stored_offset(place) for name, place in self._places() if name not in self._open}

    def close(self) -> None:
        for store in list(self._open.values()):
            if store is not None:
                store.close()

    def _open_store(self, name: Name, options: Mapping[str, Any] | None) -> RocksStore:
        place = self._place(name)
        own = self._driver.options.for_table(options) if options else None
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreError(f"the directory {place} cannot be made: {exc.strerror}") from exc
        written_by = Marker.read(place / MARKER)
        try:
            store = RocksStore(place, partial(self._driver.open, place / DATABASE, own), partial(self._closed, name))
        except StoreCorrupt as exc:
            self._refuse_to_call_corrupt(written_by, place, exc)
            raise
        marker = Marker(self._driver.name, self._driver.version, rocksdb_version(place / DATABASE))
        try:
            marker.write(place / MARKER)
        except OSError as exc:
            store.close()
            raise StoreError(f"{place / MARKER} cannot be written: {exc.strerror}") from exc
        return store

    def _refuse_to_call_corrupt(self, marker: Marker | None, place: Path, exc: StoreCorrupt) -> None:
        """Raise another error where it may be the binding that is wrong, not the data."""
        if marker is None or (marker.driver, marker.driver_version) == (self._driver.name, self._driver.version):
            return
        raise StoreError(
            f"{place} was written by {marker} and cannot be read by {self._driver.name} {self._driver.version}: "
            f"install what wrote it, or delete the directory to have it restored from the changelog ({exc})"
        ) from exc

    def _closed(self, name: Name, offset: int | None) -> None:
        """Note at which offset the store was closed, and let it be opened again."""
        path = self._place(name) / MARKER
        try:
            if (marker := Marker.read(path)) is not None:
                replace(marker, closed=True, changelog_offset=offset).write(path)
        except OSError as exc:
            log.warning("%s cannot be written, so the store must be opened to tell its offset: %s", path, exc.strerror)
        self._open.pop(name, None)

    def _destroy(self, place: Path) -> None:
        database, trash = place / DATABASE, place / TRASH
        if (database / CURRENT).exists():
            try:
                self._driver.open(database).close()
            except StoreLocked:
                raise
            except StoreError as exc:
                log.warning("deleting %s, written by %s: %s", database, Marker.read(place / MARKER), exc)
        try:
            if trash.exists():
                shutil.rmtree(trash)
            if database.exists():
                database.rename(trash)  # a kill from here on leaves no half of a database
                shutil.rmtree(trash)
            (place / MARKER).unlink(missing_ok=True)
            for directory in (place, place.parent):
                if directory.exists() and not any(directory.iterdir()):
                    directory.rmdir()
        except OSError as exc:
            raise StoreError(f"{place} cannot be deleted: {exc.strerror}") from exc

    def _stored_offset(self, place: Path) -> int | None:
        marker = Marker.read(place / MARKER)
        if marker is not None and marker.closed:
            return marker.changelog_offset
        try:  # killed while it was open, or open in another process
            with closing(self._driver.open(place / DATABASE, read_only=True)) as database:
                return read_offset(database, place)
        except StoreError:
            return None

    def _places(self) -> Iterator[tuple[Name, Path]]:
        try:
            for current in self._directory.glob(f"*/*/{DATABASE}/{CURRENT}"):
                place = current.parent.parent
                if place.name.isdecimal():
                    yield (unquote(place.parent.name), int(place.name)), place
        except OSError as exc:
            raise StoreError(f"{self._directory} cannot be read: {exc.strerror}") from exc

    def _place(self, name: Name) -> Path:
        table, partition = name
        directory = quote(table, safe="")
        if not directory.strip("."):
            directory = directory.replace(".", "%2E")
        return self._directory / directory / str(partition)

    def _reserve(self, name: Name) -> None:
        with self._lock:
            if name in self._open:
                raise StoreLocked(f"{self._place(name)} is open already: close the store first")
            self._open[name] = None
