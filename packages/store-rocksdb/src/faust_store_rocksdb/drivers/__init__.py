"""The few things that are asked of a RocksDB binding, and the bindings that can do them.

Keys and values are bytes.  Methods raise `StoreError`, `StoreLocked` and `StoreCorrupt`, with the path in the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Protocol

from faust_core.errors import ConfigError, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import Change
from faust_store_rocksdb.options import RocksOptions

__all__ = ["CHUNK_BYTES", "CHUNK_ROWS", "Cursor", "Database", "Driver", "load_driver", "translate"]

#: A cursor reads ahead so much at most: large enough to hide the cost of a call, small beside any cache.
CHUNK_ROWS = 256
CHUNK_BYTES = 1 << 20

DRIVERS = ("rocksdict", "rocksdb")


class Cursor(Protocol):
    """A fixed view of a range of keys, in ascending order."""

    def read(self) -> list[tuple[bytes, bytes]]:
        """Return the next rows, at most CHUNK_ROWS and about CHUNK_BYTES of them; none at the end."""
        ...

    def close(self) -> None:
        """Let the view go: a database with a view on it stays open, and locked.  Idempotent."""
        ...


class Database(Protocol):
    """One open database with one column family."""

    def get(self, key: bytes, /) -> bytes | None: ...

    def get_many(self, keys: list[bytes], /) -> list[bytes | None]: ...

    def write(self, changes: Iterable[Change], /, *, prefix: bytes = b"", last: Change | None = None) -> None:
        """Write all of `changes` or none, into the log before the tables, without waiting for the disk.

        Args:
            prefix: stands before each key of `changes`.
            last: one more change, whose key has no prefix.
        """
        ...

    def scan(self, start: bytes, end: bytes, /) -> Cursor: ...

    def number(self, name: str, /) -> int | None:
        """Return a property of RocksDB that is a number, by its name there; None where it is not known."""
        ...

    def close(self) -> None:
        """Write to files what is in memory only, where the binding can, and unlock the directory."""
        ...


class Driver(Protocol):
    """A binding, with options that hold for every database it opens."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def options(self) -> RocksOptions: ...

    def open(self, path: Path, options: RocksOptions | None = None, /, *, read_only: bool = False) -> Database:
        """Open or create a database; the directory above it must exist.  Reading only needs no lock.

        Args:
            options: instead of the driver's own.
        """
        ...


def load_driver(options: RocksOptions) -> Driver:
    """Import the driver that `options` names; `auto` takes the first one installed.

    Raises:
        ConfigError: it is unknown, not installed, or cannot be loaded.
    """
    if options.driver != "auto" and options.driver not in DRIVERS:
        raise ConfigError(f"rocksdb option driver={options.driver!r}: must be auto, {' or '.join(DRIVERS)}")
    reasons = []
    for name in DRIVERS if options.driver == "auto" else (options.driver,):
        try:
            module = import_module(f"faust_store_rocksdb.drivers.{name}")
        except ImportError as exc:
            reasons.append(f"{name}: {exc}")
        else:
            driver: Driver = module.make_driver(options)
            return driver
    raise ConfigError(f"no binding of RocksDB can be loaded ({'; '.join(reasons)}): pip install rocksdict")


def translate(exc: Exception, path: Path) -> StoreError:
    """Turn the error of a binding, which is the text of a RocksDB status, into one of ours."""
    status = str(exc)
    if "lock hold" in status or "While lock file" in status:
        return StoreLocked(f"{path} is open in another process, or by another store of this one ({status})")
    if "Corruption" in status or "does not match existing comparator" in status:
        return StoreCorrupt(f"{path} is damaged ({status})")
    if "No such file or directory" in status:
        return StoreCorrupt(f"{path} is incomplete ({status})")
    if "No space left on device" in status:
        return StoreError(f"the disk of {path} is full ({status})")
    return StoreError(f"RocksDB failed in {path} ({status})")
