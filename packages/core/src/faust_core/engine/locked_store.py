"""One call at a time into a store, whoever calls: events and jobs read while a thread applies a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from faust_core.protocols.store import Change, Store

__all__ = ["LockedStore"]

#: rows that a scan reads at once: another thread waits for so many at most
PAGE_ROWS = 256


class LockedStore:
    """Any thread may call.  The offset can be read while another call is under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._offset = store.changelog_offset
        self._closed = False

    @property
    def changelog_offset(self) -> int | None:
        return self._store.changelog_offset if self._closed else self._offset

    def get(self, key: bytes, /) -> bytes | None:
        with self._lock:
            return self._store.get(key)

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        with self._lock:
            return self._store.get_many(keys)

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            rows = self._store.scan(start, end)
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
            self._store.apply(changes, changelog_offset=changelog_offset)
            self._offset = changelog_offset

    def close(self) -> None:
        with self._lock:
            self._store.close()
            self._closed = True


if TYPE_CHECKING:
    _: type[Store] = LockedStore
