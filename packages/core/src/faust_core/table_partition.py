"""One partition of a table: its layers over a store, and how its keys and values stand in bytes.

A table partition is three layers over a store: `dirty` (changed since the last checkpoint), `staged` (in
the checkpoint that is under way), a bounded cache of decoded values, then the bytes in the store.
A key that changes fifty times between two checkpoints is encoded, logged and stored once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.store import Change, Store
from faust_core.records import TopicPartition
from faust_core.registry import codec as find_codec

__all__ = ["DELETED", "MISSING", "PartitionedTable", "TableCodec", "TablePartition", "WindowedCodec", "hashable"]

log = logging.getLogger(__name__)

DELETED: Any = object()
MISSING: Any = object()


class TableCodec:
    """How a table's keys and values stand in its changelog and its store."""

    __slots__ = (
        "_decode_key",
        "_decode_value",
        "_encode_errors",
        "_key_errors",
        "_name",
        "_value_errors",
        "_write_key",
        "_write_value",
    )

    def __init__(self, name: str, key: tuple[str, Any], value: tuple[str, Any]) -> None:
        key_codec, value_codec = find_codec(*key), find_codec(*value)
        self._name = name
        self._decode_key, self._key_errors = decoder_of(key_codec)
        self._decode_value, self._value_errors = decoder_of(value_codec)
        self._write_key, key_errors = encoder_of(key_codec)
        self._write_value, value_errors = encoder_of(value_codec)
        self._encode_errors = (*key_errors, *value_errors)

    def encode_key(self, key: Any) -> bytes:
        try:
            return self._write_key(key)
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write the key {key!r}: {exc}") from exc

    def encode_value(self, value: Any) -> bytes:
        try:
            return self._write_value(value)
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write a {type(value).__name__}: {exc}") from exc

    def decode_key(self, data: bytes) -> Any:
        try:
            return hashable(self._decode_key(data))
        except self._key_errors as exc:
            raise DecodeError(f"table {self._name!r} holds a key that is not what key_type says: {exc}") from exc

    def decode_value(self, data: bytes) -> Any:
        try:
            return self._decode_value(data)
        except self._value_errors as exc:
            raise DecodeError(f"table {self._name!r} holds a value that is not what value_type says: {exc}") from exc


class WindowedCodec(TableCodec):
    """The same for a windowed table: its key `(key, (start, end))` is `[key,[start,end]]` in bytes.

    The key inside is written and checked by the key's own codec, which must write JSON.
    """

    __slots__ = ()

    def __init__(self, name: str, key: tuple[Any, Any], value: tuple[Any, Any]) -> None:
        serializer = key[0]
        format_name = serializer.strip() if isinstance(serializer, str) else getattr(serializer, "name", None)
        if format_name != "json":
            raise ConfigError(
                f"table {name!r} is windowed: its keys are written as JSON, together with their window. "
                f"Leave out key_serializer={serializer!r}, or use 'json'"
            )
        super().__init__(name, key, value)

    def encode_key(self, key: Any) -> bytes:
        try:
            inner, window = key
            ending = _write_window(window)
        except (TypeError, ValueError) as exc:
            raise EncodeError(
                f"table {self._name!r} is windowed: its keys are (key, (start, end)), not {key!r}"
            ) from exc
        try:
            return b"[" + self._write_key(inner) + ending
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write the key {inner!r}: {exc}") from exc

    def decode_key(self, data: bytes) -> Any:
        # The window has no list in it, so that the last one is the window, whatever the key is.
        at = data.rfind(b"[")
        before = data[:at].rstrip()
        if at < 1 or before[:1] != b"[" or before[-1:] != b",":
            raise DecodeError(f"table {self._name!r} is windowed: {data!r} is not [key,[start,end]]")
        try:
            window = _read_window(data[at:])
        except (TypeError, ValueError) as exc:
            raise DecodeError(f"table {self._name!r} is windowed: {data!r} has no window: {exc}") from exc
        return super().decode_key(before[1:-1]), window


@lru_cache(maxsize=1024)
def _write_window(window: tuple[float, float]) -> bytes:
    """Return what stands behind a key."""
    start, end = window
    return f",[{float(start)!r},{float(end)!r}]]".encode()


@lru_cache(maxsize=1024)
def _read_window(data: bytes) -> tuple[float, float]:
    start, end = json.loads(data.rstrip().removesuffix(b"]"))
    return float(start), float(end)


def hashable(key: Any) -> Any:
    """Return a decoded key as a dict takes it: JSON has lists where keys had tuples."""
    return tuple(hashable(part) for part in key) if isinstance(key, list) else key


class PartitionedTable(Protocol):
    """What a partition knows of its table."""

    name: str

    def attach(self, partition: int, part: TablePartition, /) -> None: ...

    def detach(self, partition: int, /) -> None: ...


class TablePartition:
    """One partition of a table on the worker that owns it.  The event loop's thread alone calls it."""

    #: Its changes may be durable only once everything that was sent before the checkpoint is.
    after_outputs = False

    __slots__ = (
        "_cache_size",
        "_closed",
        "_old",
        "_young",
        "changelog",
        "codec",
        "dirty",
        "expiry",
        "staged",
        "store",
        "table",
    )

    def __init__(
        self, table: PartitionedTable, store: Store, codec: TableCodec, changelog: TopicPartition, cache_size: int
    ) -> None:
        self.table = table
        self.store = store
        self.codec = codec
        self.changelog = changelog
        self.dirty: dict[Any, Any] = {}
        self.staged: dict[Any, Any] = {}
        #: what a windowed table knows of its windows; None where that is to be found out from the keys
        self.expiry: Any = None
        # Two generations: when the young one is full it becomes the old one.  Bounded, and no bookkeeping per read.
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._cache_size = max(1, cache_size // 2)
        self._closed = False

    def get(self, key: Any) -> Any:
        """Return the value of `key`, or `MISSING`."""
        value = self.dirty.get(key, MISSING)
        if value is MISSING:
            value = self.settled(key)
        return MISSING if value is DELETED else value

    def settled(self, key: Any) -> Any:
        """Look below the uncommitted changes."""
        for layer in (self.staged, self._young):
            value = layer.get(key, MISSING)
            if value is not MISSING:
                return value
        value = self._old.get(key, MISSING)
        if value is MISSING:
            data = self.store.get(self.codec.encode_key(key))
            if data is None:
                return MISSING
            value = self.codec.decode_value(data)
        self._remember(key, value)
        return value

    def _remember(self, key: Any, value: Any) -> None:
        self._young[key] = value
        if len(self._young) >= self._cache_size:
            self._old = self._young
            self._young = {}

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Yield decoded keys and values, uncommitted changes included, in no particular order."""
        over = {**self.staged, **self.dirty}
        for key_bytes, value_bytes in self.store.scan():
            key = self.codec.decode_key(key_bytes)
            if key not in over:
                yield key, self.codec.decode_value(value_bytes)
        for key, value in over.items():
            if value is not DELETED:
                yield key, value

    def readable_keys(self) -> Iterator[Any]:
        """Yield decoded keys, uncommitted ones included; those of another type are left out, with a warning."""
        over = {**self.staged, **self.dirty}
        foreign, reason = 0, None
        for key_bytes, _ in self.store.scan():
            try:
                key = self.codec.decode_key(key_bytes)
            except DecodeError as exc:
                foreign, reason = foreign + 1, exc
            else:
                if key not in over:
                    yield key
        if foreign:
            log.warning("%d keys of %s are left alone: %s", foreign, self.changelog, reason)
        yield from (key for key, value in over.items() if value is not DELETED)

    # -- the checkpoint's side

    def stage(self) -> list[Change]:
        """Move the uncommitted changes into the checkpoint, and return them as bytes."""
        if self.dirty:
            self.staged = {**self.staged, **self.dirty} if self.staged else self.dirty
            self.dirty = {}
        encode_key, encode_value = self.codec.encode_key, self.codec.encode_value
        return [
            (encode_key(key), None if value is DELETED else encode_value(value)) for key, value in self.staged.items()
        ]

    def unstage(self) -> None:
        """The checkpoint did not come about: its changes are uncommitted again."""
        if self.staged:
            self.staged.update(self.dirty)
            self.dirty = self.staged
            self.staged = {}

    def settle(self) -> None:
        """The checkpoint's changes are in the store."""
        staged, self.staged = self.staged, {}
        if len(staged) > self._cache_size:
            self._young, self._old = {}, {}
            return
        for key, value in staged.items():
            self._old.pop(key, None)
            if value is DELETED:
                self._young.pop(key, None)
            else:
                self._young[key] = value
        if len(self._young) >= self._cache_size:
            self._old, self._young = self._young, {}

    def discard(self) -> None:
        """Forget what is not committed."""
        self.expiry = None
        self.dirty = {}
        self.staged = {}

    def forget_cache(self) -> None:
        """The store was changed by others than the checkpoint."""
        self.expiry = None
        self._young, self._old = {}, {}

    def close(self) -> None:
        self.discard()
        self.forget_cache()
        if not self._closed:
            self._closed = True
            self.store.close()
