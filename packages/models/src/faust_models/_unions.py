"""Which unions msgspec can tell apart by what stands in the data."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import typing
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

__all__ = ["native_union"]

_TEXT = (str, bytes, bytearray, memoryview, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal)
_ARRAYS = (list, tuple, set, frozenset)
_ABSTRACT_ARRAYS = (collections.abc.Collection, collections.abc.Sequence, collections.abc.Set)


def native_union(members: Sequence[Any], rules: Any, options_of: Callable[[Any], Any]) -> bool:
    """Return whether no two members look alike in the data."""
    seen: set[str] = set()
    tags: set[Any] = set()
    for member in members:
        if isinstance(member, type) and member in rules.coercions:
            kinds = {"other"}
        elif (tag := _tag_of(member)) is not None and tag not in tags:
            tags.add(tag)
            continue
        else:
            kinds = _kinds(member)
        if seen & kinds or (options_of(member) is not None and tags):
            return False
        seen |= kinds
    return not (tags and "object" in seen) and ("other" not in seen or len(seen - {"none"}) == 1)


def _tag_of(member: Any) -> Any:
    config = getattr(get_origin(member) or member, "__struct_config__", None)
    return None if config is None or config.array_like else config.tag


def _kinds(member: Any) -> set[str]:
    if get_origin(member) is Annotated:
        return _kinds(get_args(member)[0])
    if get_origin(member) is Literal:
        return {_kind_of_value(value) for value in get_args(member)}
    if isinstance(member, TypeVar):
        return {"other"}
    if supertype := getattr(member, "__supertype__", None):
        return _kinds(supertype)
    cls = get_origin(member) or member
    if cls is type(None) or cls is None:
        return {"none"}
    if not isinstance(cls, type):
        return {"other"}
    if issubclass(cls, enum.Enum):
        return {_kind_of_value(value.value) for value in cls}
    for base, kind in ((bool, "bool"), (int, "int"), (float, "float")):
        if cls is base:
            return {kind}
    if cls in _TEXT or cls is dt.datetime:
        return {"text"}
    if issubclass(cls, msgspec.Struct):
        return {"array" if cls.__struct_config__.array_like else "object"}
    if issubclass(cls, _ARRAYS) or cls in _ABSTRACT_ARRAYS:
        return {"array"}
    if issubclass(cls, collections.abc.Mapping) or typing.is_typeddict(cls) or dataclasses.is_dataclass(cls):
        return {"object"}
    return {"object" if hasattr(cls, "__attrs_attrs__") else "other"}


def _kind_of_value(value: Any) -> str:
    if value is None:
        return "none"
    return "int" if isinstance(value, int) else "text"
