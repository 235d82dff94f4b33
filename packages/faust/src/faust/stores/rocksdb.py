"""Tables in RocksDB: `store="rocksdb://"`."""

from faust_store_rocksdb import RocksStore as Store

__all__ = ["Store"]
