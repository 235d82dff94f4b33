"""Avro schemas of Python types: records, dataclasses, attrs classes, TypedDicts and what they are made of.

| Python | Avro |
|---|---|
| bool, int, float, str, bytes | boolean, long, double, string, bytes |
| datetime | long, timestamp-micros; with `Meta(tz=False)` local-timestamp-micros |
| date, time | int, date; long, time-micros |
| UUID | string, uuid |
| Decimal | string; with `Meta(extra={"avro": …})` what it says |
| an Enum of names | enum; of other text string, of numbers long |
| list, set, tuple[X, ...] | array |
| dict[str, X] | map |
| X or None | a union with null |
| a class with fields | record |

Any field may say itself what it is: `Annotated[Decimal, msgspec.Meta(extra={"avro": {"type": "bytes", "logicalType":
"decimal", "precision": 12, "scale": 2}})]`.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from faust_core.errors import ConfigError

__all__ = ["AvroType", "avro_type"]

#: Turns a value into what fastavro writes; None where it is that already.
ToAvro = Callable[[Any], Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: How a record says in JSON which class it is; a registry knows it by its schema.
METADATA: Final = "__faust"

_SIMPLE: Final[Mapping[type[inspect.Type], Any]] = {
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "long",
    inspect.FloatType: "double",
    inspect.StrType: "string",
    inspect.BytesType: "bytes",
    inspect.ByteArrayType: "bytes",
    inspect.DateType: {"type": "int", "logicalType": "date"},
    inspect.TimeType: {"type": "long", "logicalType": "time-micros"},
    inspect.UUIDType: {"type": "string", "logicalType": "uuid"},
    inspect.DecimalType: "string",
}
_MISSING: Final = object()


class AvroType:
    """The Avro schema of a Python type, and how its values become what fastavro writes.

    Attributes:
        schema: as JSON has it.
        name: the full name of the record, empty for types without one.
        to_avro: None where values need no change.
    """

    def __init__(self, value_type: Any, name: str | None) -> None:
        self._named: dict[Any, str] = {}
        self._writers: dict[Any, ToAvro] = {}
        self._whole = value_type
        self._given_name = name
        try:
            node = inspect.type_info(value_type)
        except (TypeError, NameError) as exc:
            raise ConfigError(f"avro cannot carry {value_type!r}: {exc}") from exc
        self.schema, self.to_avro = self._of(node, "")
        self.name = f"{self.schema['name']}" if isinstance(self.schema, dict) and "name" in self.schema else ""

    def _of(self, node: inspect.Type, path: str) -> tuple[Any, ToAvro | None]:
        if isinstance(node, inspect.Metadata):
            own = (node.extra or {}).get("avro")
            return (own, _as_it_is(node.type)) if own is not None else self._of(node.type, path)
        if isinstance(node, inspect.DateTimeType):
            if node.tz is False:
                return {"type": "long", "logicalType": "local-timestamp-micros"}, None
            return {"type": "long", "logicalType": "timestamp-micros"}, _instant
        simple = _SIMPLE.get(type(node))
        if simple is not None:
            return simple, str if isinstance(node, inspect.DecimalType) else None
        if isinstance(node, inspect.EnumType):
            return self._enum(node.cls), _enum_value
        if isinstance(node, inspect.LiteralType):
            kinds = {type(value) for value in node.values}
            if kinds == {str}:
                return "string", None
            if kinds == {int}:
                return "long", None
        if isinstance(node, inspect.CollectionType):
            items, convert = self._of(node.item_type, f"{path}[]")
            return {"type": "array", "items": items}, _each(convert)
        if isinstance(node, inspect.DictType):
            if not isinstance(node.key_type, inspect.StrType):
                raise self._cannot(path, "a map's keys are text in Avro")
            values, convert = self._of(node.value_type, f"{path}{{}}")
            return {"type": "map", "values": values}, _each_value(convert)
        if isinstance(node, inspect.UnionType):
            return self._union(node, path)
        if isinstance(node, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
            return self._record(node, path)
        raise self._cannot(path, f"Avro has nothing for {type(node).__name__.removesuffix('Type')}")

    def _enum(self, cls: type[enum.Enum]) -> Any:
        values = [member.value for member in cls]
        if all(isinstance(value, int) for value in values):
            return "long"
        if not all(isinstance(value, str) for value in values):
            raise self._cannot(cls.__name__, "the values of an Enum are text or numbers")
        if not all(_NAME.match(value) for value in values) or cls in self._named:
            return self._named.get(cls, "string")
        full = self._named[cls] = _full_name(cls)
        return {"type": "enum", "name": full, "symbols": values}

    def _union(self, node: inspect.UnionType, path: str) -> tuple[Any, ToAvro | None]:
        members = [member for member in node.types if not isinstance(member, inspect.NoneType)]
        # 1 is a double too, so the whole numbers come first.
        members.sort(key=lambda member: isinstance(member, inspect.FloatType))
        schemas = [self._of(member, path) for member in members]
        converts = [convert for _, convert in schemas if convert is not None]
        if converts and len(members) > 1:
            raise self._cannot(path, "a union of such types cannot be told apart when it is read; use one and None")
        union = [schema for schema, _ in schemas]
        if len(members) < len(node.types):
            union.insert(0, "null")
        convert = _unless_none(converts[0]) if converts else None
        return (union if len(union) > 1 else union[0]), convert

    def _record(
        self, node: inspect.StructType | inspect.DataclassType | inspect.TypedDictType, path: str
    ) -> tuple[Any, ToAvro | None]:
        cls: Any = node.cls
        if cls in self._named:
            # A type that has itself inside: by the time that a value is written, its writer is there.
            return self._named[cls], lambda value: self._writers[cls](value)  # noqa: PLW0108
        first = not self._named
        full = self._given_name if first and self._given_name else _full_name(cls)
        _check_name(full)
        self._named[cls] = full
        fields, parts = [], []
        for field in node.fields:
            if field.encode_name == METADATA:
                continue
            where = f"{path}.{field.encode_name}"
            if not _NAME.match(field.encode_name):
                raise self._cannot(where, "names are letters, digits and '_' in Avro")
            schema, convert = self._of(field.type, where)
            described: dict[str, Any] = {"name": field.encode_name, "type": schema}
            default = self._default(field, convert, where)
            if default is not _MISSING:
                if isinstance(schema, list):
                    described["type"] = _default_first(schema, default)
                described["default"] = default
            elif not field.required or (isinstance(node, inspect.TypedDictType) and not field.required):
                raise self._cannot(where, "a key that may be missing needs another type, such as one or None")
            fields.append(described)
            parts.append((field.name, field.encode_name, convert))
        is_mapping = isinstance(node, inspect.TypedDictType)
        self._writers[cls] = _mapping_writer(parts) if is_mapping else _object_writer(cls, parts)
        return {"type": "record", "name": full, "fields": fields}, self._writers[cls]

    def _default(self, field: inspect.Field, convert: ToAvro | None, path: str) -> Any:
        """Return a field's default as JSON has it in a schema."""
        if field.default is not msgspec.NODEFAULT:
            value = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            value = field.default_factory()
        else:
            return _MISSING
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, dt.date | dt.time):
            raise self._cannot(path, "a date cannot be a default here; use None")
        try:
            plain = value if convert is None else convert(value)
            return msgspec.json.decode(msgspec.json.encode(plain))
        except (TypeError, ValueError, AttributeError) as exc:
            raise self._cannot(path, f"its default {value!r} cannot stand in a schema: {exc}") from exc

    def _cannot(self, path: str, why: str) -> ConfigError:
        shown = getattr(self._whole, "__qualname__", None) or repr(self._whole)
        return ConfigError(f"avro cannot carry {shown}{path and f' because of {path.lstrip(chr(46))}'}: {why}")


def avro_type(value_type: Any, name: str | None = None) -> AvroType:
    """Return the Avro schema of a type.

    Args:
        name: full name of the record, in place of its module and class.

    Raises:
        ConfigError: Avro has nothing for it, or for a part of it; names the part.
    """
    return AvroType(value_type, name)


def _full_name(cls: type) -> str:
    path = f"{cls.__module__}.{cls.__qualname__}".replace("<locals>.", "")
    return re.sub(r"[^A-Za-z0-9_.]", "_", path)


def _check_name(full: str) -> None:
    if not all(_NAME.match(part) for part in full.split(".")):
        raise ConfigError(f"avro: {full!r} is no name for a record: letters, digits and '_', with dots between")


def _default_first(union: list[Any], default: Any) -> list[Any]:
    """Return a union with the branch of its default in front, where Avro looks for it."""
    if default is None or union[0] != "null":
        return union
    return [*union[1:], "null"]


def _as_it_is(node: inspect.Type) -> ToAvro | None:
    return _enum_value if isinstance(node, inspect.EnumType) else None


def _instant(value: Any) -> Any:
    # Avro would take a time without a zone for one of this machine's zone.
    if getattr(value, "tzinfo", None) is None:
        raise ValueError(
            f"{value!r} has no time zone: give it one, or declare the field Annotated[datetime, msgspec.Meta(tz=False)]"
        )
    return value


def _enum_value(member: Any) -> Any:
    return member.value


def _each(convert: ToAvro | None) -> ToAvro:
    if convert is None:
        return list
    return lambda items: [convert(item) for item in items]


def _each_value(convert: ToAvro | None) -> ToAvro | None:
    return None if convert is None else lambda mapping: {key: convert(value) for key, value in mapping.items()}


def _unless_none(convert: ToAvro) -> ToAvro:
    return lambda value: None if value is None else convert(value)


def _object_writer(cls: Any, parts: list[tuple[str, str, ToAvro | None]]) -> ToAvro:
    def write(value: Any) -> Any:
        if not isinstance(value, cls):
            raise TypeError(f"expected {cls.__qualname__}, got {type(value).__qualname__}")
        return {
            key: getattr(value, name) if convert is None else convert(getattr(value, name))
            for name, key, convert in parts
        }

    return write


def _mapping_writer(parts: list[tuple[str, str, ToAvro | None]]) -> ToAvro:
    def write(value: Any) -> Any:
        return {key: value[name] if convert is None else convert(value[name]) for name, key, convert in parts}

    return write
