"""The second driver, over python-rocksdb, for systems whose own RocksDB library shall be used.

It has no flush: closing leaves the log to be replayed when the database is next opened.  It takes no upper
bound for iterators and no explicit format of files; RocksDB 7 writes format 5, as the other driver does.
It leaves checksums unread unless told otherwise, and then damaged files may abort the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import rocksdb

from faust_core.errors import StoreClosed
from faust_core.protocols.store import Change
from faust_store_rocksdb.drivers import CHUNK_BYTES, CHUNK_ROWS, Driver, translate
from faust_store_rocksdb.options import RocksOptions

__all__ = ["RocksdbDriver", "make_driver"]

COMPRESSIONS = {"none": "no", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd", "zlib": "zlib"}
LOG_FILES = 2
LOG_FILE_BYTES = 4 << 20


def make_driver(options: RocksOptions) -> Driver:
    return RocksdbDriver(options)


class RocksdbDriver:
    """Opens databases that share one block cache; `total_write_buffer_size` is not known to this binding."""

    name = "rocksdb"

    def __init__(self, options: RocksOptions) -> None:
        self.version = _version()
        self.options = options
        self._cache = rocksdb.LRUCache(options.block_cache_size)

    def open(self, path: Path, own: RocksOptions | None = None, /, *, read_only: bool = False) -> RocksdbDatabase:
        with _errors(path):
            return RocksdbDatabase(
                rocksdb.DB(str(path), self._make_options(own or self.options), read_only=read_only), path
            )

    def _make_options(self, wanted: RocksOptions) -> Any:
        bits = wanted.bloom_filter_bits
        return rocksdb.Options(
            create_if_missing=True,
            table_factory=rocksdb.BlockBasedTableFactory(
                block_cache=self._cache,
                checksum="crc32",
                filter_policy=rocksdb.BloomFilterPolicy(bits) if bits else None,
            ),
            write_buffer_size=wanted.write_buffer_size,
            max_write_buffer_number=wanted.max_write_buffer_number,
            target_file_size_base=wanted.target_file_size_base,
            max_open_files=wanted.max_open_files,
            compression=getattr(rocksdb.CompressionType, f"{COMPRESSIONS[wanted.compression]}_compression"),
            keep_log_file_num=LOG_FILES,
            max_log_file_size=LOG_FILE_BYTES,
            stats_dump_period_sec=0,
        )


class RocksdbDatabase:
    def __init__(self, database: Any, path: Path) -> None:
        self._database = database
        self._path = path

    def get(self, key: bytes, /) -> bytes | None:
        with _errors(self._path):
            value: bytes | None = self._database.get(key, verify_checksums=True)
        return value

    def get_many(self, keys: list[bytes], /) -> list[bytes | None]:
        with _errors(self._path):
            values = self._database.multi_get(keys, verify_checksums=True)
        return [values[key] for key in keys]

    def write(self, changes: Iterable[Change], /, *, prefix: bytes = b"", last: Change | None = None) -> None:
        batch = rocksdb.WriteBatch()
        for key, value in changes:
            if value is None:
                batch.delete(prefix + key)
            else:
                batch.put(prefix + key, value)
        if last is not None:
            batch.put(*last)
        with _errors(self._path):
            self._database.write(batch)

    def scan(self, start: bytes, end: bytes, /) -> RocksdbCursor:
        with _errors(self._path):
            rows = self._database.iteritems(verify_checksums=True)
            rows.seek(start)
        return RocksdbCursor(rows, end, self._path)

    def number(self, name: str, /) -> int | None:
        with _errors(self._path):
            value: bytes | None = self._database.get_property(name.encode())
        return None if value is None else int(value)

    def close(self) -> None:
        self._database = None  # this binding closes with the last reference


class RocksdbCursor:
    def __init__(self, rows: Any, end: bytes, path: Path) -> None:
        self._rows: Any = rows
        self._end = end
        self._path = path
        self._ended = False

    def read(self) -> list[tuple[bytes, bytes]]:
        if self._rows is None:
            raise StoreClosed(f"{self._path} was closed during a scan")
        chunk: list[tuple[bytes, bytes]] = []
        room = CHUNK_BYTES
        with _errors(self._path):
            while room > 0 and len(chunk) < CHUNK_ROWS and not self._ended:
                row = next(self._rows, None)
                if row is None or row[0] >= self._end:
                    self._ended = True
                else:
                    room -= len(row[1])
                    chunk.append(row)
        return chunk

    def close(self) -> None:
        self._rows = None


def _version() -> str:
    for distribution in ("python-rocksdb", "rocksdb", "faust-streaming-rocksdb"):
        try:
            return f"{distribution} {version(distribution)}"
        except PackageNotFoundError:
            continue
    return "unknown"


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        if type(exc) is not Exception and type(exc).__module__ != rocksdb.errors.__name__:  # a wrong argument
            raise
        raise translate(exc, path) from exc
