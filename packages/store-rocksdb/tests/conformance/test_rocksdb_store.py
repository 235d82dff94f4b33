"""RocksDB keeps every rule, with each binding that is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from faust_conformance.capabilities import StoreCapability
from faust_conformance.store import StoreConformance
from faust_core.protocols.store import StoreContext
from faust_store_rocksdb import RocksBackend, create


class RocksConformance(StoreConformance):
    capabilities = frozenset(
        {
            StoreCapability.PERSISTENT,
            StoreCapability.EXCLUSIVE,
            StoreCapability.STORED_OFFSETS,
            StoreCapability.MEASURED,
            StoreCapability.DETECTS_DAMAGE,
        }
    )
    driver: str

    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[], RocksBackend]:
        return functools.partial(create, f"rocksdb://?driver={self.driver}", StoreContext("app-v1", tmp_path / "data"))

    @pytest.fixture
    def damage(self, tmp_path: Path) -> Callable[[str, int], None]:
        """Turn bits in the middle of the largest table file."""

        def damage(table: str, partition: int) -> None:
            database = tmp_path / "data" / table / str(partition) / "db"
            if not list(database.glob("*.sst")):  # this binding leaves all in the log
                import rocksdb

                rocksdb.DB(str(database), rocksdb.Options()).compact_range()
            largest = max(database.glob("*.sst"), key=lambda path: path.stat().st_size)
            content = bytearray(largest.read_bytes())
            middle = len(content) // 2
            content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
            largest.write_bytes(content)

        return damage


class TestRocksdict(RocksConformance):
    driver = "rocksdict"


@pytest.mark.skipif(find_spec("rocksdb") is None, reason="python-rocksdb is not installed")
class TestPythonRocksdb(RocksConformance):
    driver = "rocksdb"
