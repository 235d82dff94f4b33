"""Tables in RocksDB: embedded, persistent stores for the Faust stream processor."""

from __future__ import annotations

from faust_store_rocksdb.backend import RocksBackend, create
from faust_store_rocksdb.options import RocksOptions
from faust_store_rocksdb.store import RocksStore

__all__ = ["RocksBackend", "RocksOptions", "RocksStore", "create"]
