"""From plain values to declared types, forgiving what older writers do."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from ._metadata import KEY
from ._translate import dec_hook, finalise, record_options, underlying_class
from ._types import decoding_strictness

__all__ = ["checker", "converter", "forgive"]

#: What stands for itself where a value was made by hand: text is no date there.
_PYTHON_TYPES = (bytes, bytearray, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal)
_KEPT = 4096


@lru_cache(_KEPT)
def converter(kind: Any, strict: bool | None = None) -> Callable[[Any], Any]:
    """Return the function that makes a value of this translated type from a plain one.

    It raises what msgspec raises and what the user's own code does, and forgives what `forgive` does.
    """
    if record_options(kind) is not None:
        finalise(underlying_class(kind))  # found by its name, it may not have been met before
    if strict is None:
        strict = decoding_strictness(kind)
    node = inspect.type_info(kind)

    def convert(plain: Any) -> Any:
        try:
            return msgspec.convert(plain, kind, strict=strict, dec_hook=dec_hook, str_keys=True)
        except Exception:  # noqa: BLE001 - whatever it was, it counts only if forgiving does not help
            forgiven = forgive(plain, node)
        return msgspec.convert(forgiven, kind, strict=strict, dec_hook=dec_hook, str_keys=True)

    return convert


@lru_cache(_KEPT)
def checker(kind: Any) -> Callable[[Any], None]:
    """Return the function that raises unless a value made by hand is of this translated type."""

    def check(value: Any) -> None:
        made = msgspec.convert(value, kind, dec_hook=dec_hook, builtin_types=_PYTHON_TYPES)
        if type(made) is not type(value) and made != value:
            raise TypeError(f"Expected `{type(made).__name__}`, got `{type(value).__name__}`")

    return check


def forgive(value: Any, node: inspect.Type) -> Any:
    """Return plain `value` without what older writers do and a strict decoder refuses.

    A null in a field that has a default counts as left out; 5.0 counts as 5 where an int is due; a date may
    be written in any form of ISO 8601; a `__faust` that makes no sense is skipped.
    """
    if isinstance(node, inspect.Metadata):
        return forgive(value, node.type)
    if isinstance(node, inspect.IntType):
        return int(value) if type(value) is float and value.is_integer() else value
    if isinstance(node, inspect.DateTimeType):
        return _any_iso(value) if isinstance(value, str) else value
    if isinstance(node, inspect.UnionType):
        others = [member for member in node.types if not isinstance(member, inspect.NoneType)]
        return forgive(value, others[0]) if value is not None and len(others) == 1 else value
    if isinstance(value, list):
        if isinstance(node, inspect.CollectionType):
            return [forgive(item, node.item_type) for item in value]
        if isinstance(node, inspect.TupleType):
            return [*map(forgive, value, node.item_types), *value[len(node.item_types) :]]
    if isinstance(value, dict):
        if isinstance(node, inspect.DictType):
            return {key: forgive(item, node.value_type) for key, item in value.items()}
        if isinstance(node, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
            fields = {field.encode_name: field for field in node.fields}
            return {
                key: forgive(item, fields[key].type) if key in fields else item
                for key, item in value.items()
                if key != KEY and not (item is None and key in fields and _stands_for_default(fields[key]))
            }
    return value


def _any_iso(text: str) -> Any:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return text


def _stands_for_default(field: inspect.Field) -> bool:
    if field.required:
        return False
    # Where None is a value of its own it only stands for a default of None, which is the same.
    has_default = field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
    members = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    return has_default and not any(isinstance(m, inspect.NoneType | inspect.AnyType) for m in members)
