"""Codecs by name, and the ones that are there, to be put into chains: `json() | zlib()`."""

from __future__ import annotations

from typing import Any

from faust_core.custom_codecs import Codec, NamedCodec
from faust_core.errors import ConfigError
from faust_core.registry import codec as find_codec
from faust_core.registry import register_codec

__all__ = [
    "Codec",
    "binary",
    "dumps",
    "get_codec",
    "gzip",
    "json",
    "loads",
    "msgpack",
    "pickle",
    "pickle_restricted",
    "raw",
    "raw_pickle",
    "register",
    "text",
    "yaml",
    "zlib",
    "zstd",
]


def register(name: str, codec: Any) -> None:
    """Let topics, tables and records use `codec` under a name: `app.topic(…, value_serializer=name)`.

    Args:
        codec: a `Codec`, or a function that makes one, which may take the value's type.

    Raises:
        ConfigError: this can be no name, or this is no codec.
    """
    register_codec(name, codec)


def get_codec(name_or_codec: Any) -> Any:
    """Return the codec of a name; `json|zlib` is a chain, and so is `get_codec("json") | get_codec("zlib")`.

    Raises:
        PluginMissing: there is none.
    """
    if not isinstance(name_or_codec, str):
        return name_or_codec
    names = [name.strip() for name in name_or_codec.split("|")]
    if not all(names):
        raise ConfigError(f"{name_or_codec!r} is no chain of codecs: a name is missing beside '|'")
    return NamedCodec(names[0], [NamedCodec(name) for name in names[1:]])


def dumps(codec: Any, obj: Any) -> bytes:
    """Return the bytes of `obj`; without a codec it must be bytes already.

    Raises:
        EncodeError: it cannot be written; names the codec.
    """
    return obj if codec is None else find_codec(codec).encode(obj)


def loads(codec: Any, s: bytes) -> Any:
    """Return the plain value of bytes; without a codec the bytes themselves.

    Raises:
        DecodeError: they are malformed; names the codec.
    """
    return s if codec is None else find_codec(codec).decode(s)


def raw() -> Codec:
    """Bytes as they are."""
    return NamedCodec("raw")


def text() -> Codec:
    """UTF-8."""
    return NamedCodec("text")


def json() -> Codec:
    """JSON."""
    return NamedCodec("json")


def msgpack() -> Codec:
    """MessagePack."""
    return NamedCodec("msgpack")


def yaml() -> Codec:
    """YAML of plain values; needs PyYAML."""
    return NamedCodec("yaml")


def binary() -> Codec:
    """Base64."""
    return NamedCodec("binary")


def pickle() -> Codec:
    """Python's pickle in base64.  UNSAFE: whoever can write to the topic can run code in your workers."""
    return NamedCodec("pickle")


def raw_pickle() -> Codec:
    """Python's pickle.  UNSAFE: whoever can write to the topic can run code in your workers."""
    return NamedCodec("raw_pickle")


def pickle_restricted() -> Codec:
    """The format of `pickle`, of plain values only."""
    return NamedCodec("pickle_restricted")


def zlib(**options: Any) -> Codec:
    """Compressed by zlib; options: `level`, `max_output_bytes`."""
    return NamedCodec("zlib", **options)


def gzip(**options: Any) -> Codec:
    """Compressed by gzip; options: `level`, `max_output_bytes`."""
    return NamedCodec("gzip", **options)


def zstd(**options: Any) -> Codec:
    """Compressed by Zstandard; options: `level`, `max_output_bytes`.  Needs the package zstandard."""
    return NamedCodec("zstd", **options)
