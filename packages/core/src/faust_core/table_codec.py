"""How a table's keys and values stand in bytes, in its changelog and its store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.store import Change
from faust_core.registry import codec as find_codec

__all__ = ["TableCodec", "WindowedCodec", "hashable", "read_window"]


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

    def changes(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[Change]:
        """Return what changelog records mean for the store."""
        return [(key, value) for key, value in zip(keys, values, strict=True) if key is not None]

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
