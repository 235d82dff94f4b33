"""How a table's keys and values stand in bytes, in its changelog and its store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import is_
from typing import Any, cast

from faust_core.codecs import codec_name, decoder_of, encoder_of
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.codec import Codec, FetchingCodec
from faust_core.protocols.store import Change
from faust_core.registry import codec as find_codec

__all__ = ["DELETED", "TableCodec", "WindowedCodec", "deleted_keys", "hashable", "read_window"]

#: What stands for the value of a key that is deleted.
DELETED: Any = object()


def deleted_keys(changes: Mapping[Any, Any]) -> list[Any]:
    """Return those keys whose value is `DELETED`."""
    # Most often none, which is found without a step of the interpreter for each; `in` would compare the values.
    if not any(map(is_, changes.values(), repeat(DELETED))):
        return []
    return [key for key, value in changes.items() if value is DELETED]


class TableCodec:
    """How a table's keys and values stand in its changelog and its store."""

    __slots__ = (
        "_decode_key",
        "_decode_value",
        "_encode_errors",
        "_key_codec",
        "_key_errors",
        "_name",
        "_value_codec",
        "_value_errors",
        "_write_key",
        "_write_value",
        "fetching",
    )

    def __init__(self, name: str, key: tuple[Any, Any], value: tuple[Any, Any], *, topic: str = "") -> None:
        """Args:
        key, value: codec and type.
        topic: the changelog's name.
        """
        key_codec = find_codec(*key, topic=topic, part="key")
        value_codec = find_codec(*value, topic=topic, part="value")
        self._key_codec, self._value_codec = key_codec, value_codec
        #: those that may have to ask a service first
        self.fetching: list[FetchingCodec] = [
            cast("FetchingCodec", codec) for codec in (key_codec, value_codec) if hasattr(codec, "missing")
        ]
        self._name = name
        self._decode_key, self._key_errors = decoder_of(key_codec)
        self._decode_value, self._value_errors = decoder_of(value_codec)
        self._write_key, key_errors = encoder_of(key_codec)
        self._write_value, value_errors = encoder_of(value_codec)
        self._encode_errors = (*key_errors, *value_errors)

    def changes(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[Change]:
        """Return what changelog records mean for the store."""
        if None not in keys:  # so it is with what tables write
            return list(zip(cast("Sequence[bytes]", keys), values, strict=True))
        return [(key, value) for key, value in zip(keys, values, strict=True) if key is not None]

    def encode_key(self, key: Any) -> bytes:
        try:
            return self._write_key(key)
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write the key {key!r}: {exc}") from exc

    def encode_changes(self, changes: Mapping[Any, Any]) -> list[Change]:
        """Return keys and their new values, `DELETED` being one, as the changelog has them.

        Raises:
            EncodeError: one of them cannot be written; says which.
        """
        try:
            return list(zip(self._encode_keys(changes), self._encode_values(changes), strict=True))
        except self._encode_errors:
            return self.encode_each(changes)  # whose verdict counts: it says which

    def encode_each(self, changes: Mapping[Any, Any]) -> list[Change]:
        """Do the same one by one, by `encode_key` and `encode_value`."""
        encode_key, encode_value = self.encode_key, self.encode_value
        return [(encode_key(key), None if value is DELETED else encode_value(value)) for key, value in changes.items()]

    def _encode_keys(self, keys: Iterable[Any]) -> Iterable[bytes]:
        return map(self._write_key, keys)

    def _encode_values(self, changes: Mapping[Any, Any]) -> Iterable[bytes | None]:
        write = self._write_value
        if deleted_keys(changes):
            return [None if value is DELETED else write(value) for value in changes.values()]
        return map(write, changes.values())

    def encode_value(self, value: Any) -> bytes:
        try:
            return self._write_value(value)
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write a {type(value).__name__}: {exc}") from exc

    def decode_key(self, data: bytes) -> Any:
        try:
            return hashable(self._decode_key(data))
        except self._key_errors:
            return hashable(self._tried_again(self._key_codec, data, "a key that is not what key_type says"))

    def decode_value(self, data: bytes) -> Any:
        try:
            return self._decode_value(data)
        except self._value_errors:
            return self._tried_again(self._value_codec, data, "a value that is not what value_type says")

    def _tried_again(self, codec: Codec, data: bytes, what: str) -> Any:
        """Decode the codec's slower way, whose verdict counts."""
        try:
            return codec.decode(data)
        except DecodeError as exc:
            raise DecodeError(
                f"table {self._name!r} holds {what}: {exc}", codec=exc.codec or codec_name(codec), field=exc.field
            ) from exc


class WindowedCodec(TableCodec):
    """The same for a windowed table: its key `(key, (start, end))` is `[key,[start,end]]` in bytes.

    The key inside is written and checked by the key's own codec, which must write JSON.
    """

    __slots__ = ("_last",)

    def __init__(self, name: str, key: tuple[Any, Any], value: tuple[Any, Any], *, topic: str = "") -> None:
        #: The last window and how it is written.  Keys of one window, which is one object, follow each other most
        #: often.  Replaced as a whole, as threads encode at the same time.
        self._last: tuple[Any, bytes] = (None, b"")
        serializer = key[0]
        format_name = serializer.strip() if isinstance(serializer, str) else getattr(serializer, "name", None)
        if format_name != "json":
            raise ConfigError(
                f"table {name!r} is windowed: its keys are written as JSON, together with their window. "
                f"Leave out key_serializer={serializer!r}, or use 'json'"
            )
        super().__init__(name, key, value, topic=topic)

    def encode_key(self, key: Any) -> bytes:
        try:
            inner, window = key
            last = self._last
            if last[0] is not window:
                last = self._last = (window, _write_window(window))
        except (TypeError, ValueError) as exc:
            raise EncodeError(
                f"table {self._name!r} is windowed: its keys are (key, (start, end)), not {key!r}"
            ) from exc
        try:
            return b"[" + self._write_key(inner) + last[1]
        except self._encode_errors as exc:
            raise EncodeError(f"table {self._name!r} cannot write the key {inner!r}: {exc}") from exc

    def _encode_keys(self, keys: Iterable[Any]) -> Iterable[bytes]:
        return map(self.encode_key, keys)

    def encode_inner_key(self, key: Any) -> bytes:
        """Return a key without its window."""
        return super().encode_key(key)

    def decode_inner_key(self, data: bytes) -> Any:
        return super().decode_key(data)

    def decode_key(self, data: bytes) -> Any:
        # The window has no list in it, so that the last one is the window, whatever the key is.
        at = data.rfind(b"[")
        before = data[:at].rstrip()
        if at < 1 or before[:1] != b"[" or before[-1:] != b",":
            raise DecodeError(f"table {self._name!r} is windowed: {data!r} is not [key,[start,end]]")
        try:
            window = read_window(data[at:])
        except (TypeError, ValueError) as exc:
            raise DecodeError(f"table {self._name!r} is windowed: {data!r} has no window: {exc}") from exc
        return super().decode_key(before[1:-1]), window


@lru_cache(maxsize=1024)
def _write_window(window: tuple[float, float]) -> bytes:
    """Return what stands behind a key."""
    start, end = window
    return f",[{float(start)!r},{float(end)!r}]]".encode()


@lru_cache(maxsize=1024)
def read_window(data: bytes) -> tuple[float, float]:
    start, end = json.loads(data.rstrip().removesuffix(b"]"))
    return float(start), float(end)


def hashable(key: Any) -> Any:
    """Return a decoded key as a dict takes it: JSON has lists where keys had tuples."""
    return tuple(hashable(part) for part in key) if isinstance(key, list) else key
