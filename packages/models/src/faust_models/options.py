"""What `class Order(Record, serializer='json', …)` may say about a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import msgspec

from faust_core.errors import ConfigError

from .fields import FieldDescriptor
from .registry import canonical_name

__all__ = ["ModelOptions", "complete", "read_options"]


@dataclass(frozen=True, eq=False)
class ModelOptions:
    """The options and the fields of one record class.

    Attributes:
        serializer: name of the codec; None leaves the choice to the topic or the application.
        namespace: name of the class in `__faust`; by default its module and qualified name.
        include_metadata: end every JSON object with ``"__faust":{"ns":namespace}``.
        isodates, decimals: accepted; a field typed `datetime` or `Decimal` always holds one.
        coerce: also read numbers, booleans and timestamps that stand in strings, and the like.
        coercions: type to function, for types that JSON knows nothing about.
        validation: check the types of all fields in the constructor too, not only when decoding.
        abstract: not a type of its own: never registered, and no topic can have it.
        lazy_creation: accepted; types are always resolved when they are first needed.
        tail: what the JSON object ends with, in place of its last brace; empty without metadata.
        own_representation: the class overrides `to_representation`, which then writes its JSON.
        descriptors: the fields in order.
    """

    serializer: str | None = None
    namespace: str = ""
    include_metadata: bool = True
    isodates: bool = False
    decimals: bool = False
    coerce: bool = False
    coercions: Mapping[type[Any], Callable[[Any], Any]] = field(default_factory=dict)
    validation: bool = False
    abstract: bool = False
    lazy_creation: bool = False
    polymorphic_fields: bool = False
    allow_blessed_key: bool = False
    date_parser: Callable[[Any], Any] | None = None
    tail: bytes = b""
    own_representation: bool = False
    descriptors: Mapping[str, FieldDescriptor[Any]] = field(default_factory=dict)

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """Name to type."""
        return {name: descriptor.type for name, descriptor in self.descriptors.items()}

    @cached_property
    def fieldset(self) -> frozenset[str]:
        return frozenset(self.descriptors)

    @cached_property
    def fieldpos(self) -> Mapping[int, str]:
        return dict(enumerate(self.descriptors))

    @cached_property
    def optionalset(self) -> frozenset[str]:
        """Names of the fields that may be left out."""
        return frozenset(name for name, descriptor in self.descriptors.items() if not descriptor.required)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Name to default, of the fields that may be left out."""
        return {name: descriptor.default for name, descriptor in self.descriptors.items() if not descriptor.required}


#: What a user may set; the other fields of ModelOptions follow from the class.
_SETTABLE = frozenset(f.name for f in fields(ModelOptions)) - {"tail", "own_representation", "descriptors"}
_NOT_INHERITED = ("namespace", "validation", "date_parser", "abstract", "lazy_creation")
#: They would change what is read, so accepting them without effect would be a lie.
_NOT_YET = {
    "polymorphic_fields": "fields are read as the type they declare, never as the one that `__faust` names",
    "allow_blessed_key": "values are read as the type their topic declares, never as the one that `__faust` names",
    "date_parser": "dates are read as RFC 3339; declare the field as `str` and parse it in `__post_init__`",
}


def read_options(
    name: str, namespace: Mapping[str, Any], keywords: dict[str, Any], parent: ModelOptions | None
) -> tuple[ModelOptions, dict[str, Any]]:
    """Split class keywords into a record's options and those that msgspec understands.

    An inner class `Options` says the same as keywords do; a keyword goes first.

    Raises:
        ConfigError: an option has no effect yet, or its value makes no sense.
    """
    given = {k: v for k, v in vars(namespace.get("Options", object)).items() if k in _SETTABLE}
    given |= {k: v for k, v in keywords.items() if k in _SETTABLE}
    given = {k: v for k, v in given.items() if v is not None}
    for option, instead in _NOT_YET.items():
        if given.get(option):
            raise ConfigError(f"class {name}: the option {option} does not work yet; {instead}")
    for kind in given.get("coercions", ()):
        if not isinstance(kind, type) or not isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType):
            raise ConfigError(f"class {name}: coercions has {kind!r}, which is decoded without help; remove it")
    inherited = {k: getattr(parent, k) for k in _SETTABLE - {*_NOT_INHERITED}} if parent else {}
    options: dict[str, Any] = {**inherited, **given}
    return ModelOptions(**options), {k: v for k, v in keywords.items() if k not in _SETTABLE}


def complete(options: ModelOptions, cls: Any, *, own_representation: bool) -> ModelOptions:
    """Return the options with what follows from the finished class."""
    namespace = options.namespace or canonical_name(cls.__module__, cls.__qualname__)
    metadata = b',"__faust":' + msgspec.json.encode({"ns": namespace}) + b"}"
    return replace(
        options,
        namespace=namespace,
        tail=metadata if options.include_metadata else b"",
        own_representation=own_representation,
        descriptors={name: FieldDescriptor(name, cls) for name in cls.__struct_fields__},
    )
