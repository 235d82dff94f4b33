"""One call at a time into a store, whoever calls, and all calls counted: events read while a thread applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from faust_core.errors import StoreCorrupt
from faust_core.protocols.store import Change, MeasuredStore, Store

__all__ = ["LockedStore"]

#: rows that a scan reads at once: another thread waits for so many at most
PAGE_ROWS = 256


class _Guard:
    """A lock that tells of damage found by whoever holds it."""

    __slots__ = ("_acquire", "_on_corrupt", "_release", "lock")

    def __init__(self, on_corrupt: Callable[[], None]) -> None:
        self.lock = Lock()
        self._acquire, self._release = self.lock.acquire, self.lock.release
        self._on_corrupt = on_corrupt

    def __enter__(self) -> None:
        self._acquire()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._release()
        if kind is not None and issubclass(kind, StoreCorrupt):
            self._on_corrupt()


class LockedStore:
    """Any thread may call.  The offset can be read while another call is under way.

    Attributes:
        reads, keys_read, scans, batches, changes: how many of them there were.
        read_s, write_s: seconds in them, without waiting for another call to end.
    """

    def __init__(
        self, store: Store, on_corrupt: Callable[[], None], on_close: Callable[[int], None] = lambda _keys: None
    ) -> None:
        """Args:
        on_corrupt: called when the store turns out to be damaged, on any thread.
        on_close: told how many keys were read.
        """
        self._on_close = on_close
        self._store = store
        self._lock = _Guard(on_corrupt)
        self._bare_lock = self._lock.lock
        self._on_corrupt = on_corrupt
        self._offset = store.changelog_offset
        self._closed = False
        self.reads = self.keys_read = self.scans = self.batches = self.changes = 0
        self.read_s = self.write_s = 0.0

    @property
    def changelog_offset(self) -> int | None:
        return self._store.changelog_offset if self._closed else self._offset

    def get(self, key: bytes, /) -> bytes | None:
        try:
            with self._bare_lock:  # not the guard, which costs as much as the read: this is called for each new key
                began = perf_counter()
                value = self._store.get(key)
                self.read_s += perf_counter() - began
                self.reads += 1
                self.keys_read += 1
        except StoreCorrupt:
            self._on_corrupt()
            raise
        return value

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        with self._lock:
            began = perf_counter()
            values = self._store.get_many(keys)
            self.reads += 1
            self.keys_read += len(keys)
            self.read_s += perf_counter() - began
        return values

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            rows = self._store.scan(start, end)
            self.scans += 1
        return self._pages(rows)

    def _pages(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        while True:
            with self._lock:
                page = list(islice(rows, PAGE_ROWS))
            yield from page
            if len(page) < PAGE_ROWS:
                return

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        with self._lock:
            began = perf_counter()
            self._store.apply(changes, changelog_offset=changelog_offset)
            self._offset = changelog_offset
            self.batches += 1
            self.changes += len(changes)
            self.write_s += perf_counter() - began

    def metrics(self) -> Mapping[str, float]:
        """Return what the store says of itself; nothing where it says nothing."""
        measure = getattr(self._store, "metrics", None)
        if measure is None:
            return {}
        with self._lock:
            found: Mapping[str, float] = measure()
        return found

    def close(self) -> None:
        with self._lock:
            self._store.close()
            if not self._closed:
                self._closed = True
                self._on_close(self.keys_read)

    @property
    def keys_read_open(self) -> int:
        """Keys read, as long as it is open: afterwards `on_close` has them."""
        return 0 if self._closed else self.keys_read


if TYPE_CHECKING:
    _: type[MeasuredStore] = LockedStore
