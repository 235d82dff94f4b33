"""Codecs from bytes to bytes, for the end of a chain: `binary`, `zlib`, `gzip`."""

from __future__ import annotations

import base64
import binascii
import zlib as zliblib
from typing import TYPE_CHECKING, Any, Final

from faust_core.codecs import FunctionCodec
from faust_core.errors import ConfigError, DecodeError
from faust_core.protocols.codec import Codec, CodecFactory

__all__ = ["MAX_OUTPUT_BYTES", "binary", "gzip", "zlib"]

#: What a compressed value may grow to unless said otherwise: a record of 1 MB can hold a thousand times as much.
MAX_OUTPUT_BYTES: Final = 64 * 1024 * 1024
#: How zlib tells the two formats apart.
_ZLIB, _GZIP = 15, 31


def binary(value_type: Any = None, /) -> FunctionCodec:
    """Base64, as text in ASCII; line breaks are not taken."""
    _only_bytes("binary", value_type)
    return FunctionCodec(
        "binary",
        lambda value: base64.b64encode(_bytes(value)),
        (TypeError, ValueError),
        lambda data: base64.b64decode(data, validate=True),
        (binascii.Error, ValueError),
        encodes_bytes=True,
    )


def zlib(value_type: Any = None, /, *, level: int = -1, max_output_bytes: int = MAX_OUTPUT_BYTES) -> FunctionCodec:
    """The format of zlib (RFC 1950).

    Args:
        level: 0 (none) to 9 (best); -1 is zlib's own choice.
        max_output_bytes: a value that would become larger is refused before it does.

    Raises:
        ConfigError: `value_type` is another than bytes, or an option cannot be.
    """
    return _deflate("zlib", _ZLIB, value_type, level, max_output_bytes)


def gzip(value_type: Any = None, /, *, level: int = -1, max_output_bytes: int = MAX_OUTPUT_BYTES) -> FunctionCodec:
    """The format of gzip (RFC 1952), of one member or several; options and errors as `zlib`."""
    return _deflate("gzip", _GZIP, value_type, level, max_output_bytes)


def _deflate(name: str, format_bits: int, value_type: Any, level: int, max_output_bytes: int) -> FunctionCodec:
    _only_bytes(name, value_type)
    if not -1 <= level <= 9:
        raise ConfigError(f"codec {name!r}: level is -1 to 9, not {level!r}")
    if max_output_bytes < 1:
        raise ConfigError(f"codec {name!r}: max_output_bytes is a number of bytes, not {max_output_bytes!r}")

    def decode(data: bytes) -> bytes:
        parts: list[bytes] = []
        room = max_output_bytes
        while True:
            inflate = zliblib.decompressobj(format_bits)
            part = inflate.decompress(data, room + 1)
            room -= len(part)
            if room < 0:
                raise DecodeError(too_large(name, len(data), max_output_bytes), codec=name)
            if not inflate.eof:
                raise DecodeError(f"not {name}: the data ends too early", codec=name)
            parts.append(part)
            data = inflate.unused_data
            if not data:
                return b"".join(parts)
            if format_bits != _GZIP:
                raise DecodeError(f"not {name}: {len(data)} bytes too many", codec=name)

    return FunctionCodec(
        name,
        lambda value: zliblib.compress(_bytes(value), level, format_bits),
        (TypeError, ValueError, zliblib.error),
        decode,
        (zliblib.error,),
        encodes_bytes=True,
    )


def too_large(name: str, size: int, limit: int) -> str:
    """Say that a value would become too large."""
    return (
        f"{name}: {size:,} bytes would become more than {limit:,}, the limit against decompression bombs; where such "
        f"values are expected, register this codec with a larger max_output_bytes"
    )


def _only_bytes(name: str, value_type: Any) -> None:
    if value_type not in (None, bytes, Any):
        shown = getattr(value_type, "__name__", value_type)
        raise ConfigError(f"codec {name!r} carries bytes, not {shown}: put one before it, as in 'json|{name}'")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError("it takes bytes and str; put a codec for the value before it")


if TYPE_CHECKING:
    _codec: Codec = binary()
    _factories: list[CodecFactory] = [binary, zlib, gzip]
