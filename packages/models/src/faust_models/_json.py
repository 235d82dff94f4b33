"""Values to JSON and MessagePack: by msgspec where it knows all that may be inside, else asked for piece by piece.

A record that decides itself what is written cannot be left to msgspec, which would write its fields.  JSON of what may
hold one goes through orjson, which asks for what it does not know.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import orjson

from ._metadata import MARKER, RepresentsItself
from ._translate import finalise, record_options
from ._types import closed
from .tags import Tag

__all__ = ["encode_any", "encoder_for", "pack", "plain", "unknown"]


def encoder_for(translated: Any) -> Callable[[Any], bytes]:
    """Return the fastest function that writes values of this type."""
    return encode_closed if closed(translated) else encode_any


def encode_closed(value: Any) -> bytes:
    """Encode what msgspec knows, except where a subclass that represents itself stands for its parent."""
    try:
        return _native(value)
    except RepresentsItself:
        return encode_any(value)


def unknown(value: Any) -> Any:
    """Turn what msgspec does not know into what it does."""
    if value is MARKER:
        raise RepresentsItself("a record in it represents itself")
    found = _represent(value)
    if found is value:
        raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")
    return found


_native = msgspec.json.Encoder(enc_hook=unknown).encode
_native_pack = msgspec.msgpack.Encoder(enc_hook=unknown).encode


def pack(value: Any) -> bytes:
    """Encode whatever MessagePack can say.

    Raises:
        TypeError, ValueError, OverflowError: something in `value` cannot be written.
    """
    try:
        return _native_pack(value)
    except RepresentsItself:
        return _native_pack(plain(value))


def _for_orjson(cls: Any) -> Callable[[Any], Any]:
    """Return what turns values of a class that orjson does not know into something that it does."""
    options = record_options(cls)
    if options is None:
        return _plainer
    if options.own_representation:
        return _represent
    finalise(cls)
    if closed(cls):
        return _fragment
    return _represent


def _fragment(value: Any) -> Any:
    try:
        return orjson.Fragment(_native(value))
    except RepresentsItself:
        return _represent(value)


def _plainer(value: Any) -> Any:
    found = _represent(value)
    return _fragment(value) if found is value else found


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
    if isinstance(value, Tag):
        return value.get_value()
    to_json = getattr(value, "__json__", None)
    if to_json is not None:
        return to_json()
    if hasattr(type(value), "__pydantic_serializer__"):
        return value.model_dump(mode="json", by_alias=True)
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
