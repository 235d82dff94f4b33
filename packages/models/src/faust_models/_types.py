"""What a value type is made of, and how far its decoder forgives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_origin

import msgspec
from msgspec import inspect

from faust_core.errors import ConfigError

from .options import ModelOptions

__all__ = [
    "converter",
    "decoding_rules",
    "forgive",
    "inner_parts",
    "may_carry_metadata",
    "parts",
    "record_options",
    "underlying_class",
]

DecHook = Callable[[type[Any], Any], Any]


def underlying_class(value_type: Any) -> Any:
    """Return the class behind `Page[int]`; any other type is returned as it is."""
    return get_origin(value_type) or value_type


def record_options(value_type: Any) -> ModelOptions | None:
    """Return the options of a record class, None for any other type."""
    options = getattr(underlying_class(value_type), "_options", None)
    return options if isinstance(options, ModelOptions) else None


def parts(value_type: Any) -> Iterator[inspect.Type]:
    """Yield the type and every type inside it, each once, the type itself first."""
    return _reachable([inspect.type_info(value_type)])


def inner_parts(value_type: Any) -> Iterator[inspect.Type]:
    """Yield every type inside the type; the type itself is among them where it is recursive."""
    return _reachable(_children(inspect.type_info(value_type)))


def _reachable(waiting: list[inspect.Type]) -> Iterator[inspect.Type]:
    # Nodes of a recursive type cannot be compared, hence the ids; the dict keeps them alive.
    seen: dict[int, inspect.Type] = {}
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            yield node
            waiting += _children(node)


def _children(node: inspect.Type) -> list[inspect.Type]:
    if isinstance(node, inspect.CollectionType):
        return [node.item_type]
    if isinstance(node, inspect.TupleType):
        return list(node.item_types)
    if isinstance(node, inspect.DictType):
        return [node.key_type, node.value_type]
    if isinstance(node, inspect.UnionType):
        return list(node.types)
    if isinstance(node, inspect.Metadata):
        return [node.type]
    if isinstance(node, inspect.StructType | inspect.DataclassType | inspect.NamedTupleType | inspect.TypedDictType):
        return [field.type for field in node.fields]
    return []


def may_carry_metadata(node: inspect.Type) -> bool:
    """Return whether a value of this very type may be, or turn into, a record that writes `__faust`."""
    if isinstance(node, inspect.AnyType | inspect.CustomType):
        return True
    if isinstance(node, inspect.StructType):
        options = record_options(node.cls)
        return options is not None and (bool(options.tail) or options.own_representation)
    return hasattr(getattr(node, "cls", None), "__json__")


def decoding_rules(value_type: Any) -> tuple[bool, DecHook | None]:
    """Return whether decoding is strict, and the hook for types that the format knows nothing about.

    Raises:
        ConfigError: two records inside the type coerce the same type by different functions.
    """
    strict = True
    coercions: dict[Any, Callable[[Any], Any]] = {}
    for node in parts(value_type):
        options = record_options(node.cls) if isinstance(node, inspect.StructType) else None
        if options is None:
            continue
        strict = strict and not options.coerce
        for kind, function in options.coercions.items():
            if coercions.setdefault(kind, function) is not function:
                raise ConfigError(f"{value_type!r}: two records in it coerce {kind.__qualname__} in different ways")
    if not coercions:
        return strict, None

    def coerce(kind: type[Any], value: Any) -> Any:
        if kind in coercions:
            return coercions[kind](value)
        if isinstance(value, kind):
            return value
        raise TypeError(f"Expected `{kind.__qualname__}`, got `{type(value).__qualname__}`")

    return strict, coerce


def converter(value_type: Any) -> Callable[[Any], Any]:
    """Return the function that makes a value of this type from a plain one.

    It raises what msgspec raises, and forgives what `forgive` does.
    """
    strict, hook = decoding_rules(value_type)
    node = inspect.type_info(value_type)

    def convert(plain: Any) -> Any:
        return msgspec.convert(forgive(plain, node), value_type, strict=strict, dec_hook=hook, str_keys=True)

    return convert


def forgive(value: Any, node: inspect.Type) -> Any:
    """Return plain `value` without what older writers do and a strict decoder refuses.

    A null in a field that has a default counts as left out; 5.0 counts as 5 where an int is due.
    """
    if isinstance(node, inspect.Metadata):
        return forgive(value, node.type)
    if isinstance(node, inspect.IntType):
        return int(value) if type(value) is float and value.is_integer() else value
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
                if not (item is None and key in fields and _stands_for_default(fields[key]))
            }
    return value


def _stands_for_default(field: inspect.Field) -> bool:
    if field.required:
        return False
    # Where None is a value of its own it only stands for a default of None, which is the same.
    has_default = field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
    members = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    return has_default and not any(isinstance(m, inspect.NoneType | inspect.AnyType) for m in members)
