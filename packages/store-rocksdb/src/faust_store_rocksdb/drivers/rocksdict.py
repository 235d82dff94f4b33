"""The default driver, over rocksdict.

What it works around, each held by a test: options are kept from the first opening unless given for
the column family by name; `items()` ends early and silently at damaged data, and a snapshot's
iterators show later writes, so scans go through `iter()` and its status; files of format 5 with
CRC32C are also read by RocksDB 6 and 7; errors are bare `Exception`s; an iterator does not keep its
upper bound alive, and then ends anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, cast

import rocksdict

from faust_core.errors import StoreClosed
from faust_core.protocols.store import Change
from faust_store_rocksdb.drivers import CHUNK_BYTES, CHUNK_ROWS, Driver, translate
from faust_store_rocksdb.options import RocksOptions

__all__ = ["RocksdictDriver", "make_driver"]

FORMAT_VERSION = 5
#: Share of a write buffer that is spent on a filter of its keys.  A read of a key that is not there costs 0.7 µs
#: instead of 1.7.
MEMTABLE_BLOOM_RATIO = 0.02
LOG_FILES = 2
LOG_FILE_BYTES = 4 << 20


def make_driver(options: RocksOptions) -> Driver:
    return RocksdictDriver(options)


class RocksdictDriver:
    """Opens databases that share one block cache and one budget of write buffers."""

    name = "rocksdict"

    def __init__(self, options: RocksOptions) -> None:
        self.version = version("rocksdict")
        self.options = options
        self._cache = rocksdict.Cache(options.block_cache_size)
        self._buffers = rocksdict.WriteBufferManager(options.total_write_buffer_size, False)

    def open(self, path: Path, own: RocksOptions | None = None, /, *, read_only: bool = False) -> RocksdictDatabase:
        options = self._make_options(own or self.options)
        access = rocksdict.AccessType.read_only(False) if read_only else rocksdict.AccessType.read_write()
        with _errors(path):
            database = rocksdict.Rdict(str(path), options, column_families={"default": options}, access_type=access)
        return RocksdictDatabase(database, path)

    def _make_options(self, wanted: RocksOptions) -> rocksdict.Options:
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_format_version(FORMAT_VERSION)
        blocks.set_checksum_type(rocksdict.ChecksumType.crc32c())
        if wanted.bloom_filter_bits:
            blocks.set_bloom_filter(wanted.bloom_filter_bits, False)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(wanted.write_buffer_size)
        options.set_max_write_buffer_number(wanted.max_write_buffer_number)
        if wanted.bloom_filter_bits:
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO)
            options.set_memtable_whole_key_filtering(True)
        options.set_target_file_size_base(wanted.target_file_size_base)
        options.set_max_open_files(wanted.max_open_files)
        options.set_compression_type(getattr(rocksdict.DBCompressionType, wanted.compression)())
        options.set_keep_log_file_num(LOG_FILES)
        options.set_max_log_file_size(LOG_FILE_BYTES)
        options.set_stats_dump_period_sec(0)
        return options


class RocksdictDatabase:
    def __init__(self, database: rocksdict.Rdict, path: Path) -> None:
        self._database = database
        self._path = path

    def get(self, key: bytes, /) -> bytes | None:
        try:  # not `_errors`, which would cost a third of the read
            value: bytes | None = self._database.get(key)
        except Exception as exc:  # noqa: BLE001 -- what this binding raises
            _fail(exc, self._path)
        return value

    def get_many(self, keys: list[bytes], /) -> list[bytes | None]:
        with _errors(self._path):
            values: Any = self._database.get(cast("Any", keys))  # its stub wants an invariant list
        return list(values)

    def write(self, changes: Iterable[Change], /, *, prefix: bytes = b"", last: Change | None = None) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in changes:
            if value is None:
                delete(prefix + key)
            else:
                put(prefix + key, value)
        if last is not None:
            put(*last)
        with _errors(self._path):
            self._database.write(batch)

    def scan(self, start: bytes, end: bytes, /) -> RocksdictCursor:
        with _errors(self._path):
            bounds = rocksdict.ReadOptions()
            bounds.set_iterate_upper_bound(end)
            rows = self._database.iter(bounds)
            rows.seek(start)
        return RocksdictCursor(rows, (bounds, end), self._path)

    def number(self, name: str, /) -> int | None:
        with _errors(self._path):
            return self._database.property_int_value(name)

    def close(self) -> None:
        with _errors(self._path):
            self._database.close()


class RocksdictCursor:
    def __init__(self, rows: rocksdict.RdictIter, bound: object, path: Path) -> None:
        self._rows: rocksdict.RdictIter | None = rows
        self._bound = bound  # the iterator only points at it: without it, it reads freed memory
        self._path = path

    def read(self) -> list[tuple[bytes, bytes]]:
        rows = self._rows
        if rows is None:
            raise StoreClosed(f"{self._path} was closed during a scan")
        chunk: list[tuple[bytes, bytes]] = []
        room = CHUNK_BYTES
        with _errors(self._path):
            while room > 0 and len(chunk) < CHUNK_ROWS and rows.valid():
                row: tuple[bytes, bytes] = (rows.key(), rows.value())
                room -= len(row[1])
                chunk.append(row)
                rows.next()
            if not rows.valid():
                rows.status()  # the end, or damage that looks like it
        return chunk

    def close(self) -> None:
        self._rows = None


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # noqa: BLE001 -- what this binding raises
        _fail(exc, path)


def _fail(exc: Exception, path: Path) -> NoReturn:
    if isinstance(exc, rocksdict.DbClosedError):
        raise StoreClosed(f"{path} is closed") from exc
    if type(exc) is not Exception and not isinstance(exc, OSError):  # ours, or a wrong argument
        raise exc
    raise translate(exc, path) from exc
