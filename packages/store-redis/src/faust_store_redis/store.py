"""One partition of one table in Redis."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faust_core.errors import StoreClosed, StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import Change
from faust_store_redis import scripts
from faust_store_redis.connection import Connection
from faust_store_redis.scan import View

__all__ = ["Keys", "RedisStore"]

LAYOUT = b"1"

#: A page of a scan, and the keys of one HMGET: a round trip is hidden, and Redis does not stop for others.
PAGE_ROWS = 1000
PAGE_BYTES = 1 << 20
KEYS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a partition in Redis; all in one hash slot."""

    values: str
    order: str
    meta: str

    @classmethod
    def of(cls, prefix: str) -> Keys:
        return cls(prefix, f"{prefix}:keys", f"{prefix}:meta")

    def __iter__(self) -> Iterator[str]:
        return iter((self.values, self.order, self.meta))


class RedisStore:
    """The store of one table partition, of which the latest opener is the writer.

    Every reading and writing checks that this object still is the writer and that Redis is where it left it.
    So neither a worker that has lost its partition nor a Redis that has lost its memory goes unnoticed.
    """

    def __init__(
        self, connection: Connection, name: str, keys: Keys, writer: bytes, on_close: Callable[[], None]
    ) -> None:
        """Take the partition over as `writer`, a name nobody had before."""
        self.name = name
        self._connection = connection
        self._keys = keys
        self._writer = writer
        self._on_close = on_close
        self._closed = False
        self._offset: int | None = None
        self._unconfirmed: int | None = None  # the offset of an `apply` of which no answer came
        self._views: weakref.WeakSet[View] = weakref.WeakSet()
        self._apply = connection.client.register_script(scripts.APPLY)
        self._page = connection.client.register_script(scripts.PAGE)
        self._open()

    def _open(self) -> None:
        script = self._connection.client.register_script(scripts.OPEN)
        outcome, *details = self._call(lambda: script([*self._keys], [self._writer, LAYOUT]))
        if outcome == b"LAYOUT":
            raise StoreError(
                f"{self} has layout {_text(details[0])}, written by another version of faust-store-redis; "
                f"this one knows layout {_text(LAYOUT)}"
            )
        if outcome == b"CORRUPT":
            raise StoreCorrupt(f"{self} is damaged: {_text(details[0])}")
        self._offset = int(details[0]) if details[0] else None
        self._note = _text(details[1]) if len(details) > 1 and details[1] is not None else None

    def __str__(self) -> str:
        return f"table {self.name} in {self._connection} at {self._keys.values}"

    @property
    def changelog_offset(self) -> int | None:
        self._require_open()
        return self._offset

    @property
    def note(self) -> str | None:
        self._require_open()
        return self._note

    def set_note(self, note: str, /) -> None:
        self._require_open()
        script = self._connection.client.register_script(scripts.NOTE)
        outcome, *details = self._call(lambda: script([*self._keys], [self._writer, note]))
        if outcome == b"FENCED":
            raise self._fenced()
        if outcome == b"LOST":
            raise self._lost(details[0])
        self._note = note

    def get(self, key: bytes, /) -> bytes | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        self._require_open()
        values: list[bytes | None] = []
        for first in range(0, len(keys), KEYS_AT_ONCE):
            values += self._read(keys[first : first + KEYS_AT_ONCE])
        return values

    def scan(self, start: bytes = b"", end: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        self._require_open()
        view = View(start, end)
        self._views.add(view)
        return self._rows(view)

    def apply(self, changes: Sequence[Change], /, *, changelog_offset: int) -> None:
        self._require_open()
        if self._unconfirmed is not None:
            self._read([])
        if self._offset is not None and changelog_offset < self._offset:
            raise ValueError(f"{self}: changelog offset {changelog_offset} is below the store's, {self._offset}")
        latest = dict(changes)
        if self._views:
            before = dict(zip(latest, self.get_many(list(latest)), strict=True))
            for view in list(self._views):
                view.remember(before)
        arguments = [self._writer, _as_text(self._offset), _as_text(changelog_offset), b""]
        deleted = []
        for key, value in latest.items():
            if value is None:
                deleted.append(key)
            else:
                arguments += (key, value)
        arguments[3] = b"%d" % (len(latest) - len(deleted))
        arguments += deleted
        self._unconfirmed = changelog_offset
        outcome, *details = self._call(lambda: self._apply([*self._keys], arguments))
        self._unconfirmed = None
        if outcome == b"FENCED":
            raise self._fenced()
        if outcome == b"LOST":
            raise self._lost(details[0])
        if outcome == b"CORRUPT":
            raise StoreCorrupt(f"{self} is damaged: {_text(details[0])}")
        self._offset = changelog_offset

    def metrics(self) -> Mapping[str, float]:
        """Return what Redis says of this partition, in one round trip."""
        self._require_open()

        def work() -> list[Any]:
            with self._connection.client.pipeline(transaction=False) as pipeline:
                pipeline.hlen(self._keys.values)
                for key in self._keys:
                    pipeline.memory_usage(key)
                replies: list[Any] = pipeline.execute()
                return replies

        keys, *sizes = self._call(work)
        return {"keys": keys, "bytes": sum(size or 0 for size in sizes)}

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._on_close()

    def _read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        def work() -> list[Any]:
            with self._connection.client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(self._keys.meta, ["writer", "offset"])
                if keys:
                    pipeline.hmget(self._keys.values, keys)
                replies: list[Any] = pipeline.execute()
                return replies

        (writer, offset), *values = self._call(work)
        self._check(writer, offset)
        return values[0] if values else []

    def _rows(self, view: View) -> Iterator[tuple[bytes, bytes]]:
        more = True
        while more:
            self._require_open()
            arguments = [view.lower_bound, view.upper_bound, PAGE_ROWS, PAGE_BYTES]
            writer, offset, more, *flat = self._call(lambda: self._page([*self._keys], arguments))  # noqa: B023
            self._check(writer, offset)
            page = list(zip(flat[::2], flat[1::2], strict=True))
            if any(value is None for _, value in page):
                raise StoreCorrupt(f"{self} is damaged: {self._keys.order} has keys without a value")
            yield from view.as_it_was(page, last=not more)
        self._require_open()

    def _check(self, writer: bytes | None, offset: bytes | None) -> None:
        if not writer:
            raise self._lost(b"nothing")
        if writer != self._writer:
            raise self._fenced()
        found = offset or b""
        if self._unconfirmed is not None and found == _as_text(self._unconfirmed):
            self._offset, self._unconfirmed = self._unconfirmed, None
        elif found != _as_text(self._offset):
            raise self._lost(found)

    def _call(self, work: Callable[[], Any]) -> Any:
        return self._connection.call(work, f"table {self.name}")

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"{self} is closed")

    def _fenced(self) -> StoreLocked:
        return StoreLocked(f"{self} has been opened by another process since; nothing was read or written here")

    def _lost(self, found: bytes) -> StoreCorrupt:
        return StoreCorrupt(
            f"{self} is not what was left there: expected changelog offset {self._offset}, "
            f"found {_text(found) or 'none'} (restarted without its latest data, flushed, or written by others)"
        )


def _as_text(offset: int | None) -> bytes:
    return b"" if offset is None else b"%d" % offset


def _text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace")
