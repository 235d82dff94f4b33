"""Bytes to values and back."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Codec", "CodecFactory", "SelfDescribingType"]


class Codec(Protocol):
    """Translates between bytes and one kind of value.  Pure; may be called by any thread."""

    def encode(self, value: Any, /) -> bytes:
        """Return the bytes of `value`.

        Raises:
            EncodeError: `value` cannot be written in this format.
        """
        ...

    def decode(self, data: bytes, /) -> Any:
        """Return the value of `data`.

        Raises:
            DecodeError: `data` is malformed or has the wrong type; the reason carries the field's path.
        """
        ...


class CodecFactory(Protocol):
    """What an entry point in the group `faust.codecs` names."""

    def __call__(self, value_type: Any = None, /) -> Codec:
        """Return a codec for values of `value_type`; None means whatever the format itself says.

        Raises:
            ConfigError: this format cannot carry that type.
        """
        ...


class SelfDescribingType(Protocol):
    """A value type that names its own codec, as `class Order(Record, serializer='json')` does."""

    __faust_serializer__: str | None
