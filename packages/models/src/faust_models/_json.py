"""Values to JSON: straight from msgspec where that is all, through orjson where records may be inside.

A record's object ends with `"__faust":{"ns":…}`, which msgspec cannot write.  A record without
other records in it is encoded by msgspec, and its last brace replaced by the ready-made tail.
Anything that may hold records goes through orjson, which asks for what it does not know.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import msgspec
import orjson

from ._types import inner_parts, may_carry_metadata, parts, record_options, underlying_class
from .options import ModelOptions

__all__ = ["encode_any", "encoder_for", "plain", "unknown"]

Encode = Callable[[Any], bytes]


def encoder_for(value_type: Any) -> Encode:
    """Return the fastest function that writes values of this type.

    Raises:
        ConfigError: the type's annotations cannot be resolved.
    """
    if value_type is None:
        return encode_any
    if record_options(value_type) is not None:
        return _record_encoder(value_type)
    return encode_any if any(map(may_carry_metadata, parts(value_type))) else _native


def unknown(value: Any) -> Any:
    """Turn what msgspec does not know into what it does."""
    found = _represent(value)
    if found is value:
        raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")
    return found


_native = msgspec.json.Encoder(enc_hook=unknown).encode


@cache
def _record_encoder(value_type: Any) -> Encode:
    cls = underlying_class(value_type)
    options: ModelOptions = cls._options
    if options.own_representation or any(map(may_carry_metadata, inner_parts(value_type))):
        return encode_any
    if not options.tail:
        return _native
    tail, kept = options.tail, -1
    if not cls.__struct_fields__:
        tail, kept = b"{" + tail[1:], 0

    def encode_with_tail(value: Any) -> bytes:
        # A subclass has fields and a tail of its own, and anything else need not end with a brace.
        if type(value) is not cls:
            return encode_any(value)
        return _native(value)[:kept] + tail

    return encode_with_tail


def _for_orjson(cls: Any) -> Callable[[Any], Any]:
    """Return what turns values of a class that orjson does not know into something that it does."""
    options = record_options(cls)
    if options is None:
        return _plainer
    encode = _record_encoder(cls)
    if encode is not encode_any:
        return lambda record: orjson.Fragment(encode(record))
    if options.own_representation or cls.__struct_encode_fields__ != cls.__struct_fields__:
        return _represent
    metadata = {"__faust": {"ns": options.namespace}} if options.tail else {}
    asdict = msgspec.structs.asdict
    return lambda record: asdict(record) | metadata


def _plainer(value: Any) -> Any:
    found = _represent(value)
    return orjson.Fragment(_native(value)) if found is value else found


class _Writers(dict[type[Any], Callable[[Any], Any]]):
    """What `_for_orjson` returned, by class: a look-up that costs next to nothing."""

    def __missing__(self, cls: type[Any]) -> Callable[[Any], Any]:
        writer = self[cls] = _for_orjson(cls)
        return writer


_writers = _Writers()


def _unknown_to_orjson(value: Any) -> Any:
    return _writers[type(value)](value)


def _represent(value: Any) -> Any:
    """Return a plainer form of `value`, or `value` itself where there is none."""
    to_json = getattr(value, "__json__", None)
    if to_json is not None:
        return to_json()
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        if config.array_like:
            return list(msgspec.structs.astuple(value))
        tag = {} if config.tag is None else {config.tag_field: config.tag}
        return {**tag, **dict(zip(value.__struct_encode_fields__, msgspec.structs.astuple(value), strict=True))}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, set | frozenset | tuple | deque):
        return list(value)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    return value


_dumps = partial(orjson.dumps, default=_unknown_to_orjson, option=orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS)


def encode_any(value: Any) -> bytes:
    """Encode whatever JSON can say.

    Raises:
        TypeError, ValueError: something in `value` cannot be written.
    """
    try:
        return _dumps(value)
    except orjson.JSONEncodeError:
        # Keys other than strings would make every object slower, and integers of more than
        # 64 bits are not written at all: both are rare, so both are left to the slow way.
        return _native(plain(value))


def plain(value: Any) -> Any:
    """Return `value` as dicts and lists, records with their metadata, and keys that are text or numbers."""
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | deque):
        return [plain(item) for item in value]
    found = _represent(value)
    return value if found is value else plain(found)


def _key(key: Any) -> Any:
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return key
