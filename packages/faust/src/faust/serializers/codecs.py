"""Codecs by name."""

from __future__ import annotations

from typing import Any

from faust_core.protocols.codec import Codec
from faust_core.registry import codec, register_codec

__all__ = ["dumps", "get_codec", "loads", "register"]


def register(name: str, codec: Codec) -> None:
    """Let topics and tables use `codec` under a name: `app.topic(…, value_serializer=name)`."""
    register_codec(name, lambda _value_type=None, /: codec)


def get_codec(name_or_codec: str | Codec) -> Codec:
    """Return the codec of a name; `json|zlib` is a chain.

    Raises:
        PluginMissing: there is none.
    """
    return codec(name_or_codec)


def dumps(codec: str | Codec | None, obj: Any) -> bytes:
    """Return the bytes of `obj`; without a codec it must be bytes already."""
    return obj if codec is None else get_codec(codec).encode(obj)


def loads(codec: str | Codec | None, s: bytes) -> Any:
    """Return the value of bytes; without a codec the bytes themselves."""
    return s if codec is None else get_codec(codec).decode(s)
