"""Disks that outlive the processes which write to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faust_core.errors import StoreClosed, StoreError, StoreLocked
from faust_core.memory.store import MemoryStore
from faust_core.protocols.store import Change, Store, StoreBackend, StoreContext

__all__ = ["Disk", "create"]

At = tuple[str, int]

_disks: dict[str, Disk] = {}


class Disk:
    """What one machine has stored.  `sim://NAME` leads a worker to it.

    Attributes:
        files: the content of each table partition.
        failing: how many of the next writes fail.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[At, MemoryStore] = {}
        self.opened: dict[At, DiskStore] = {}
        self.failing = 0
        _disks[name] = self

    def kill(self) -> None:
        """The process that has the files open is gone, with whatever it was about to write."""
        for store in list(self.opened.values()):
            store.close()

    def forget(self) -> None:
        """Be gone: the machine is replaced by an empty one."""
        self.kill()
        self.files.clear()


class DiskStore:
    """One open file."""

    def __init__(self, disk: Disk, at: At) -> None:
        self._disk = disk
        self._at = at
        self._file = disk.files.setdefault(at, MemoryStore(*at))
        self._closed = False
        disk.opened[at] = self

    @property
    def changelog_offset(self) -> int | None:
        return self._open().changelog_offset

    def get(self, key: bytes, /) -> bytes | None:
        return self._open().get(key)

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        return self._open().get_many(keys)

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        return self._open().scan(start, end)

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        file = self._open()
        if self._disk.failing:
            self._disk.failing -= 1
            raise StoreError(f"the disk of {self._disk.name} is full (a fault that was asked for)")
        file.apply(changes, changelog_offset=changelog_offset)

    def close(self) -> None:
        self._closed = True
        if self._disk.opened.get(self._at) is self:
            del self._disk.opened[self._at]

    def _open(self) -> MemoryStore:
        if self._closed:
            raise StoreClosed(f"{self._at} on the disk of {self._disk.name} is closed")
        return self._file


class DiskBackend:
    """One worker's access to its disk."""

    persistent = True
    shared = False

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._mine: list[DiskStore] = []

    def open(self, table: str, partition: int, options: Mapping[str, Any] | None = None, /) -> DiskStore:
        at = (table, partition)
        if at in self._disk.opened:
            raise StoreLocked(f"{at} on the disk of {self._disk.name} is open")
        store = DiskStore(self._disk, at)
        self._mine.append(store)
        return store

    def destroy(self, table: str, partition: int, /) -> None:
        if (table, partition) in self._disk.opened:
            raise StoreLocked(f"{table}/{partition} on the disk of {self._disk.name} is open")
        self._disk.files.pop((table, partition), None)

    def stored(self) -> Mapping[At, int | None]:
        files = self._disk.files.items()
        return {at: file.changelog_offset for at, file in files if at not in self._disk.opened}

    def close(self) -> None:
        for store in self._mine:
            store.close()


def create(url: str, context: StoreContext, /) -> DiskBackend:
    """Make the backend of `sim://NAME`."""
    return DiskBackend(_disks[url.removeprefix("sim://")])


if TYPE_CHECKING:
    _store: type[Store] = DiskStore
    _backend: type[StoreBackend] = DiskBackend
