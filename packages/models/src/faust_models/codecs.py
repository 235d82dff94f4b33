"""JSON and MessagePack for records, dataclasses, TypedDicts, attrs classes, plain types and plain values."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from faust_core.errors import ConfigError, DecodeError, EncodeError
from faust_core.protocols.codec import Codec, CodecFactory
from faust_core.registry import codec as find_codec

from . import _json
from ._types import converter, decoding_rules, record_options
from .plain import field_path

__all__ = ["TypedCodec", "codec_for", "json", "msgpack"]

#: `__post_init__`, coercions and `__json__` are the user's code and may raise anything: what they
#: raise for a record is that record's fault, to be handled by the topic's policy.
_ERRORS: tuple[type[Exception], ...] = (Exception,)


class TypedCodec:
    """A codec of one value type.  May be used by any thread.

    `fast_decode` and `fast_encode` are the bare functions behind `decode` and `encode`, for callers
    that count nanoseconds; they raise `decode_errors` and `encode_errors`.  After an error of
    `fast_decode` call `decode` with the same bytes: its answer counts, because a few rare forms that
    older writers left behind are only understood there (a null where the field has a default, 5.0
    for an int, NaN).

    Attributes:
        name: of the format, as in `serializer="json"`.
        value_type: what `decode` returns; None where the bytes alone decide.
    """

    __slots__ = (
        "_decode_leniently",
        "decode_errors",
        "encode_errors",
        "fast_decode",
        "fast_encode",
        "name",
        "value_type",
    )

    def __init__(
        self,
        name: str,
        value_type: Any,
        *,
        fast_decode: Callable[[bytes], Any],
        fast_encode: Callable[[Any], bytes],
        decode_leniently: Callable[[bytes], Any],
    ) -> None:
        self.name = name
        self.value_type = value_type
        self.fast_decode = fast_decode
        self.fast_encode = fast_encode
        self.decode_errors = _ERRORS
        self.encode_errors = _ERRORS
        self._decode_leniently = decode_leniently

    def __repr__(self) -> str:
        return f"{self.name}({'' if self.value_type is None else _type_name(self.value_type)})"

    def decode(self, data: bytes, /) -> Any:
        """Return the value of `data`.

        Raises:
            DecodeError: `data` is malformed or has the wrong type; the reason carries the field's path.
        """
        try:
            return self.fast_decode(data)
        except self.decode_errors as exc:
            strict = exc
        try:
            return self._decode_leniently(data)
        except self.decode_errors:
            # The strict decoder says what is wrong with the bytes as they are.
            reason = str(strict) or repr(strict)
            raise DecodeError(f"{self.name}: {reason}", codec=self.name, field=field_path(reason)) from strict

    def encode(self, value: Any, /) -> bytes:
        """Return the bytes of `value`.

        Raises:
            EncodeError: `value`, or something in it, cannot be written in this format.
        """
        try:
            return self.fast_encode(value)
        except self.encode_errors as exc:
            raise EncodeError(f"{self.name} cannot write {type(value).__qualname__}: {exc}", codec=self.name) from exc


def json(value_type: Any = None, /) -> TypedCodec:
    """Return the JSON codec of a type; None reads plain values and writes anything.

    Records end with ``"__faust":{"ns":…}`` unless their class says `include_metadata=False`; when
    reading, that key is skipped like any other unknown one.

    Raises:
        ConfigError: JSON cannot carry that type.
    """
    return _typed(
        "json",
        value_type,
        lambda strict, hook, type_: msgspec.json.Decoder(type_, strict=strict, dec_hook=hook).decode,
        _json.encoder_for,
        stdlib_json.loads,
    )


def msgpack(value_type: Any = None, /) -> TypedCodec:
    """Return the MessagePack codec of a type; None reads plain values and writes anything.

    Records are written without metadata.

    Raises:
        ConfigError: MessagePack cannot carry that type.
    """
    encode = msgspec.msgpack.Encoder(enc_hook=_own_json).encode
    return _typed(
        "msgpack",
        value_type,
        lambda strict, hook, type_: msgspec.msgpack.Decoder(type_, strict=strict, dec_hook=hook).decode,
        lambda _: encode,
        msgspec.msgpack.decode,
    )


def _typed(
    name: str,
    value_type: Any,
    decoder: Callable[[bool, Any, Any], Callable[[bytes], Any]],
    encoder_for: Callable[[Any], Callable[[Any], bytes]],
    parse: Callable[[bytes], Any],
) -> TypedCodec:
    options = record_options(value_type)
    if options is not None and options.abstract:
        raise ConfigError(f"{_type_name(value_type)} is abstract: name the record class that the values have")
    target = Any if value_type is None else value_type
    try:
        strict, hook = decoding_rules(target)
        fast_decode = decoder(strict, hook, target)
        fast_encode = encoder_for(value_type)
        convert = converter(target)
    except (TypeError, ValueError, NameError) as exc:
        raise ConfigError(f"{name} cannot carry {_type_name(value_type)}: {exc}") from exc

    return TypedCodec(
        name,
        value_type,
        fast_decode=fast_decode,
        fast_encode=fast_encode,
        decode_leniently=lambda data: convert(parse(data)),
    )


def _own_json(value: Any) -> Any:
    to_json = getattr(value, "__json__", None)
    if to_json is None:
        raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")
    return to_json()


def _type_name(value_type: Any) -> str:
    return value_type.__qualname__ if isinstance(value_type, type) else repr(value_type)


@cache
def codec_for(name: str, value_type: Any) -> Codec:
    """Return the codec that a serializer's name, or a chain of names, stands for.

    Raises:
        ConfigError: there is none, or it cannot carry the type.
    """
    return find_codec(name, value_type)


if TYPE_CHECKING:
    _codec: type[Codec] = TypedCodec
    _factories: list[CodecFactory] = [json, msgpack]
