"""Zstandard, through the package `zstandard`; needs the extra `zstd`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from faust_core.errors import ConfigError, DecodeError, EncodeError, PluginMissing
from faust_core.protocols.codec import Codec, CodecFactory

__all__ = ["MAX_OUTPUT_BYTES", "ZstdCodec", "zstd"]

#: What a compressed value may grow to unless said otherwise; a record of 1 MB can hold many thousand times as much.
MAX_OUTPUT_BYTES: Final = 64 * 1024 * 1024


class ZstdCodec:
    """Bytes to a Zstandard frame and back; for the end of a chain, as in `json|zstd`.  May be called by any thread."""

    name = "zstd"
    encodes_bytes = True

    def __init__(self, *, level: int = 3, max_output_bytes: int = MAX_OUTPUT_BYTES) -> None:
        """Args:
            level: 1 to 22, negative for more speed.
            max_output_bytes: a value that would become larger is refused before it does.

        Raises:
            PluginMissing: the package is not installed.
            ConfigError: an option cannot be.
        """
        try:
            import zstandard  # noqa: PLC0415
        except ImportError as exc:
            raise PluginMissing("codec 'zstd' needs the package zstandard: pip install 'faust-models[zstd]'") from exc
        if not -(1 << 17) <= level <= zstandard.MAX_COMPRESSION_LEVEL:
            raise ConfigError(f"codec 'zstd': level is at most {zstandard.MAX_COMPRESSION_LEVEL}, not {level!r}")
        if max_output_bytes < 1:
            raise ConfigError(f"codec 'zstd': max_output_bytes is a number of bytes, not {max_output_bytes!r}")
        self._zstandard = zstandard
        self._level = level
        self._limit = max_output_bytes
        # Neither compressor nor decompressor may be shared by threads.
        self._own = threading.local()

    def encode(self, value: Any, /) -> bytes:
        if isinstance(value, str):
            value = value.encode()
        if not isinstance(value, bytes | bytearray | memoryview):
            raise EncodeError(
                f"zstd cannot write a {type(value).__name__}: it takes bytes and str; put a codec before it, as in "
                f"'json|zstd'",
                codec="zstd",
            )
        compressor = getattr(self._own, "compressor", None)
        if compressor is None:
            compressor = self._own.compressor = self._zstandard.ZstdCompressor(level=self._level)
        return bytes(compressor.compress(value))

    def decode(self, data: bytes, /) -> bytes:
        decompressor = getattr(self._own, "decompressor", None)
        if decompressor is None:
            decompressor = self._own.decompressor = self._zstandard.ZstdDecompressor(
                max_window_size=max(1 << 27, 1 << (self._limit - 1).bit_length())
            )
        try:
            size = self._zstandard.frame_content_size(data)
            if size > self._limit:
                raise DecodeError(self._too_large(data), codec="zstd")
            if size < 0:
                return self._decode_unsized(decompressor, data)
            value = decompressor.decompress(data, max_output_size=max(size, 1), allow_extra_data=False)
        except (self._zstandard.ZstdError, MemoryError) as exc:
            raise DecodeError(f"not zstd: {exc}", codec="zstd") from exc
        return bytes(value)

    def _decode_unsized(self, decompressor: Any, data: bytes) -> bytes:
        """Decompress a frame that does not say how large it becomes."""
        unpacking = decompressor.decompressobj(write_size=1 << 16)
        parts, size = [], 0
        # In small pieces: nothing else bounds what one call returns.
        for start in range(0, len(data), 256):
            part = unpacking.decompress(data[start : start + 256])
            size += len(part)
            if size > self._limit:
                raise DecodeError(self._too_large(data), codec="zstd")
            parts.append(part)
            if unpacking.eof:
                break
        if not unpacking.eof:
            raise DecodeError("not zstd: the data ends too early", codec="zstd")
        if unpacking.unused_data or start + 256 < len(data):
            raise DecodeError("not zstd: there are bytes behind the frame", codec="zstd")
        return b"".join(parts)

    def _too_large(self, data: bytes) -> str:
        return (
            f"zstd: {len(data):,} bytes would become more than {self._limit:,}, the limit against decompression bombs; "
            f"where such values are expected, register this codec with a larger max_output_bytes"
        )

    def __repr__(self) -> str:
        return "<codec zstd>"


def zstd(value_type: Any = None, /, *, level: int = 3, max_output_bytes: int = MAX_OUTPUT_BYTES) -> ZstdCodec:
    """Return the Zstandard codec.

    Raises:
        PluginMissing: the package `zstandard` is not installed.
        ConfigError: `value_type` is another than bytes, or an option cannot be.
    """
    if value_type not in (None, bytes, Any):
        shown = getattr(value_type, "__name__", value_type)
        raise ConfigError(f"codec 'zstd' carries bytes, not {shown}: put one before it, as in 'json|zstd'")
    return ZstdCodec(level=level, max_output_bytes=max_output_bytes)


if TYPE_CHECKING:
    _codec: type[Codec] = ZstdCodec
    _factory: CodecFactory = zstd
