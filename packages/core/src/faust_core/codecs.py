"""The codecs of the standard library: `raw`, `text`, `json`; and what the engine calls of any codec."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json as jsonlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from faust_core._json_types import checker
from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.codec import Codec, CodecFactory

__all__ = ["Chain", "FunctionCodec", "codec_name", "decoder_of", "encoder_of", "json", "raw", "text"]

Errors = tuple[type[Exception], ...]


class FunctionCodec:
    """A codec made of two functions, which the engine calls directly.

    Attributes:
        name: as in `value_serializer="json"`.
        fast_decode, fast_encode: the functions.
        decode_errors, encode_errors: what they raise for bytes or values that are not theirs.
        encodes_bytes: a value of bytes is a value like others; elsewhere it is taken to be encoded already.
        unsafe: reading bytes can run code that they name, so that a topic must ask for this codec itself.
    """

    __slots__ = ("decode_errors", "encode_errors", "encodes_bytes", "fast_decode", "fast_encode", "name", "unsafe")

    def __init__(
        self,
        name: str,
        encode: Callable[[Any], bytes],
        encode_errors: Errors,
        decode: Callable[[bytes], Any],
        decode_errors: Errors,
        *,
        encodes_bytes: bool = False,
        unsafe: bool = False,
    ) -> None:
        self.name = name
        self.encodes_bytes = encodes_bytes
        self.unsafe = unsafe
        self.fast_encode = encode
        self.encode_errors = encode_errors
        self.fast_decode = decode
        self.decode_errors = decode_errors

    def encode(self, value: Any, /) -> bytes:
        try:
            return self.fast_encode(value)
        except self.encode_errors as exc:
            raise EncodeError(
                f"{self.name} cannot write a value of type {type(value).__name__}: {exc}", codec=self.name
            ) from exc

    def decode(self, data: bytes, /) -> Any:
        try:
            return self.fast_decode(data)
        except DecodeError as exc:
            if exc.codec:
                raise
            raise DecodeError(f"{self.name}: {exc.reason}", codec=self.name, field=exc.field) from exc
        except self.decode_errors as exc:
            raise DecodeError(f"not {self.name}: {str(exc) or repr(exc)}", codec=self.name) from exc

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


class Chain:
    """Codecs in a row: the first one writes the value, each other one takes the bytes of the one before."""

    __slots__ = ("_codecs", "encodes_bytes", "name", "unsafe")

    def __init__(self, codecs: Sequence[Codec]) -> None:
        self._codecs = tuple(codecs)
        self.name = "|".join(codec_name(codec) for codec in self._codecs)
        self.encodes_bytes: bool = getattr(self._codecs[0], "encodes_bytes", False)
        self.unsafe = any(getattr(codec, "unsafe", False) for codec in self._codecs)

    def encode(self, value: Any, /) -> bytes:
        for codec in self._codecs:
            value = codec.encode(value)
            if not isinstance(value, bytes):
                raise EncodeError(
                    f"{codec_name(codec)} wrote a {type(value).__name__} where bytes are due", codec=codec_name(codec)
                )
        return bytes(value)

    def decode(self, data: bytes, /) -> Any:
        value: Any = data
        for codec in reversed(self._codecs):
            if not isinstance(value, (bytes, bytearray, memoryview)):
                raise DecodeError(
                    f"{codec_name(codec)} gets a {type(value).__name__} from the codec behind it, not bytes: "
                    f"{self.name!r} is in the wrong order",
                    codec=codec_name(codec),
                )
            value = codec.decode(value if isinstance(value, bytes) else bytes(value))
        return value

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


def codec_name(codec: object) -> str:
    """Return what errors call a codec."""
    return str(getattr(codec, "name", "") or type(codec).__name__)


def decoder_of(codec: Codec) -> tuple[Callable[[bytes], Any], Errors]:
    """Return the fastest function that decodes, and all that it raises for bytes that are not as they should be."""
    fast = getattr(codec, "fast_decode", None)
    if fast is None:
        return codec.decode, (DecodeError,)
    return fast, (DecodeError, *getattr(codec, "decode_errors", ()))


def encoder_of(codec: Codec) -> tuple[Callable[[Any], bytes], Errors]:
    """Return the fastest function that encodes, and all that it raises for values that it cannot write."""
    fast = getattr(codec, "fast_encode", None)
    if fast is None:
        return codec.encode, (EncodeError,)
    return fast, (EncodeError, *getattr(codec, "encode_errors", ()))


def raw(value_type: Any = None, /) -> Codec:
    """Bytes as they are; str, int, float and Decimal as text, if that is the `value_type`."""
    return _plain("raw", bytes if value_type is None else value_type)


def text(value_type: Any = None, /) -> Codec:
    """UTF-8 text, or what is written as text: int, float, Decimal."""
    return _plain("text", str if value_type is None else value_type)


def json(value_type: Any = None, /) -> Codec:
    """JSON, compact, in UTF-8.

    Values are what JSON itself has, checked against `value_type`, which may be one of int, float, str, bool, list,
    dict, also with parameters, optional, or a dataclass of such.  Dates, Decimal, UUID, enumerations, sets and
    dataclasses can be written, and are read as text, lists and dicts.
    """
    check = checker(value_type)
    if check is None:
        return FunctionCodec("json", _write_json, _JSON_ENCODE_ERRORS, jsonlib.loads, _JSON_DECODE_ERRORS)

    def decode(data: bytes) -> Any:
        return check(jsonlib.loads(data), "")

    return FunctionCodec("json", _write_json, _JSON_ENCODE_ERRORS, decode, _JSON_DECODE_ERRORS)


_JSON_ENCODE_ERRORS: Errors = (TypeError, ValueError, RecursionError)
_JSON_DECODE_ERRORS: Errors = (ValueError, RecursionError)


def _plain(name: str, value_type: Any) -> Codec:
    if value_type is bytes:
        return FunctionCodec(name, _to_bytes, (TypeError, ValueError), bytes, (TypeError,))
    if value_type is str:
        return FunctionCodec(name, _to_bytes, (TypeError, ValueError), bytes.decode, (ValueError,))
    if value_type is int:
        return FunctionCodec(name, _number_writer(int), (TypeError, ValueError), int, (ValueError,))
    if value_type is float:
        return FunctionCodec(name, _number_writer(int, float), (TypeError, ValueError), float, (ValueError,))
    if value_type is Decimal:
        write = _number_writer(int, Decimal)
        return FunctionCodec(name, write, (TypeError, ValueError), _to_decimal, (ValueError, InvalidOperation))
    shown = getattr(value_type, "__name__", value_type)
    raise ConfigError(f"codec {name!r} carries bytes, str, int, float or Decimal, not {shown}: use 'json'")


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError("it takes bytes and str")


def _number_writer(*kinds: type) -> Callable[[Any], bytes]:
    names = " and ".join(kind.__name__ for kind in kinds)

    def write(value: Any) -> bytes:
        if isinstance(value, kinds) and not isinstance(value, bool):
            return str(value).encode()
        raise TypeError(f"it takes {names} here")

    return write


def _to_decimal(data: bytes) -> Decimal:
    return Decimal(data.decode())


def _for_json(value: Any) -> Any:
    """Return what stands in JSON for a value that JSON does not have."""
    if isinstance(value, dt.datetime):
        written = value.isoformat()
        return written.removesuffix("+00:00") + "Z" if written.endswith("+00:00") else written
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if (own := getattr(value, "__json__", None)) is not None and not isinstance(value, type):
        return own()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"JSON has nothing for {type(value).__name__}")


_json_text = jsonlib.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_for_json).encode


def _write_json(value: Any) -> bytes:
    return _json_text(value).encode()


if TYPE_CHECKING:
    _codec: type[Codec] = FunctionCodec
    _chain: type[Codec] = Chain
    _factories: list[CodecFactory] = [raw, text, json]
