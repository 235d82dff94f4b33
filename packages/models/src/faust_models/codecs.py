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
from ._convert import converter
from ._findings import find
from ._metadata import KEY
from ._polymorphism import maybe_model
from ._translate import Hook, dec_hook, finalise, from_pydantic, record_options, translate, underlying_class
from ._types import decoding_strictness
from .errors import ValidationError
from .options import ModelOptions
from .plain import field_path
from .registry import registry

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
        decode_leniently: Callable[[bytes, Exception], Any],
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
            DecodeError: `data` is malformed or has the wrong type; the reason carries each wrong field's path,
                and `__cause__.errors` what is wrong with each.
        """
        try:
            return self.fast_decode(data)
        except self.decode_errors as exc:
            strict = exc
        try:
            return self._decode_leniently(data, strict)
        except self.decode_errors as exc:
            reason = str(exc) or repr(exc)
            path = (
                str(exc.path).removeprefix("$").lstrip(".") if isinstance(exc, ValidationError) else field_path(reason)
            )
            raise DecodeError(f"{self.name}: {reason}", codec=self.name, field=path) from exc

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

    Records end with ``"__faust":{"ns":…}`` unless their class says `include_metadata=False`.  When reading, that key
    chooses the class where the type leaves it open: None, `Record`, an abstract record, a union of records, and where
    `polymorphic_fields` or `allow_blessed_key` ask for it.  Elsewhere it is skipped like any other unknown one.

    Raises:
        ConfigError: JSON cannot carry that type.
    """
    if hasattr(value_type, "__pydantic_validator__"):
        return _pydantic(value_type)
    return _typed(
        "json",
        value_type,
        lambda strict, type_: msgspec.json.Decoder(type_, strict=strict, dec_hook=dec_hook).decode,
        _json.encoder_for,
        stdlib_json.loads,
    )


def msgpack(value_type: Any = None, /) -> TypedCodec:
    """Return the MessagePack codec of a type; None reads plain values and writes anything.

    `__faust` is written and read as in JSON.

    Raises:
        ConfigError: MessagePack cannot carry that type.
    """
    return _typed(
        "msgpack",
        value_type,
        lambda strict, type_: msgspec.msgpack.Decoder(type_, strict=strict, dec_hook=dec_hook).decode,
        lambda _: _json.pack,
        msgspec.msgpack.decode,
    )


def _typed(
    name: str,
    value_type: Any,
    decoder: Callable[[bool, Any], Callable[[bytes], Any]],
    encoder_for: Callable[[Any], Callable[[Any], bytes]],
    parse: Callable[[bytes], Any],
) -> TypedCodec:
    target = Any
    try:
        if value_type is not None:
            target = translate(value_type, record_options(value_type) or ModelOptions())
        strict = decoding_strictness(target)
        native = decoder(strict, target)
        fast_encode = _json.encode_any if value_type is None and name == "json" else encoder_for(target)
        convert = maybe_model if value_type is None else converter(target, strict)
    except (TypeError, ValueError, NameError) as exc:
        raise ConfigError(f"{name} cannot carry {_type_name(value_type)}: {exc}") from exc
    fast_decode = native
    if value_type is None:
        fast_decode = _models_in(native)
    elif type(target) is Hook and target.by_namespace:
        fast_decode = _by_namespace(native, target, decoder)

    def decode_leniently(data: bytes, strict_error: Exception) -> Any:
        try:
            plain = parse(data)
        except Exception:  # noqa: BLE001 - the strict decoder says better what is wrong with the bytes
            raise strict_error from None
        try:
            return convert(plain)
        except Exception:
            errors = find(plain, target, strict) if value_type is not None else ()
            if not errors:
                raise
            raise errors[0].with_others(errors[1:]) from strict_error

    return TypedCodec(
        name,
        value_type,
        fast_decode=fast_decode,
        fast_encode=fast_encode,
        decode_leniently=decode_leniently,
    )


def _models_in(native: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        value = native(data)
        return maybe_model(value) if type(value) is dict and KEY in value else value

    return decode


class _Named(msgspec.Struct, gc=False):
    ns: str = ""


class _Envelope(msgspec.Struct, gc=False, rename={"metadata": KEY}):
    metadata: _Named = msgspec.field(default_factory=_Named)


def _by_namespace(
    native: Callable[[bytes], Any], hook: Hook, decoder: Callable[[bool, Any], Callable[[bytes], Any]]
) -> Callable[[bytes], Any]:
    """Return the function that looks at the name first, and then decodes straight into that class."""
    peek = decoder(True, _Envelope)
    decoders: dict[Any, Callable[[bytes], Any]] = {}

    def decode(data: bytes) -> Any:
        try:
            namespace = peek(data).metadata.ns
        except msgspec.DecodeError:
            return native(data)
        # Looked up each time: a later class may take over a name.
        named = registry.get(namespace)
        if named is None:
            return native(data)
        if named not in decoders:
            target = hook.member_of({KEY: {"ns": namespace}})
            if target is None or type(target) is Hook:
                return native(data)
            finalise(underlying_class(target))
            decoders[named] = decoder(decoding_strictness(target), target)
        return decoders[named](data)

    return decode


def _pydantic(model: Any) -> TypedCodec:
    """Return the codec that leaves reading and writing to pydantic, which does so straight from bytes."""

    def decode_leniently(data: bytes, _: Exception) -> Any:
        return from_pydantic(model.model_validate_json, data)

    def encode(value: Any) -> bytes:
        return _json.encode_any(value) if type(value) is not model else value.model_dump_json(by_alias=True).encode()

    return TypedCodec(
        "json",
        model,
        fast_decode=model.model_validate_json,
        fast_encode=encode,
        decode_leniently=decode_leniently,
    )


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
