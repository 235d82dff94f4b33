"""What a translated type is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from ._translate import Hook, record_options
from .tags import Tag

__all__ = ["closed", "decoding_strictness", "parts"]


def parts(value_type: Any) -> Iterator[inspect.Type]:
    """Yield the type and every type inside it, each once, the type itself first."""
    # Nodes of a recursive type cannot be compared, hence the ids; the dict keeps them alive.
    seen: dict[int, inspect.Type] = {}
    hooks: set[Any] = set()
    waiting = [inspect.type_info(value_type)]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        yield node
        hook = getattr(node, "cls", None)
        if type(hook) is not Hook:
            waiting += _children(node)
        elif hook not in hooks:
            hooks.add(hook)
            waiting += map(inspect.type_info, hook.members)


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
    if isinstance(node, inspect.StructType):
        own = record_options(node.cls)
        return [f.type for f in node.fields if own is None or f.name in own.descriptors]
    if isinstance(node, inspect.DataclassType | inspect.NamedTupleType | inspect.TypedDictType):
        return [field.type for field in node.fields]
    return []


def closed(value_type: Any) -> bool:
    """Return whether msgspec can write all that values of the type may hold."""
    return not any(map(_open, parts(value_type)))


def _open(node: inspect.Type) -> bool:
    cls = getattr(node, "cls", None)
    if isinstance(node, inspect.StructType):
        options = record_options(cls)
        return hasattr(cls, "__json__") if options is None else options.own_representation
    if isinstance(node, inspect.CustomType) and type(cls) is Hook and cls.members:
        return False
    if isinstance(node, inspect.CustomType) and isinstance(cls, type) and issubclass(cls, Tag):
        return False
    return isinstance(node, inspect.AnyType | inspect.CustomType) or hasattr(cls, "__json__")


def decoding_strictness(value_type: Any) -> bool:
    """Return whether decoding is strict: no record inside the type asks for coercion."""
    return not any(
        options.coerce
        for node in parts(value_type)
        if isinstance(node, inspect.StructType) and (options := record_options(node.cls)) is not None
    )
