"""What `class Order(Record, serializer='json', …)` may say about a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, get_args, get_origin

from faust_core.errors import ConfigError

from ._metadata import HIDDEN
from .fields import FieldDescriptor
from .registry import canonical_name
from .tags import Personal, Secret, Sensitive, Tag

__all__ = ["ModelOptions", "complete", "read_options"]


@dataclass(frozen=True, eq=False)
class ModelOptions:
    """The options and the fields of one record class.

    Attributes:
        serializer: name of the codec; None leaves the choice to the topic or the application.
        namespace: name of the class in `__faust`; by default its module and qualified name.
        include_metadata: end every JSON object with ``"__faust":{"ns":namespace}``.
        isodates, decimals: accepted; a field typed `datetime` or `Decimal` always holds one when decoded.
        coerce: make numbers, booleans, dates and the like of text, when decoding and in the constructor.
        coercions: type to function, which makes a value of that type of what stands in the data.
        validation: check the types of all fields in the constructor too, not only when decoding, and what
            their descriptors demand both times.
        abstract: not a type of its own: never registered; where it is a type of values, `__faust` decides.
        lazy_creation: accepted; types are always resolved when they are first needed.
        polymorphic_fields: `__faust` decides which subclass of a field's type its value is.
        allow_blessed_key: the same wherever this class or a subclass is the type of a value.
        date_parser: makes a datetime of text; by default what RFC 3339 and ISO 8601 allow.
        model: the class.
        own_representation: the class decides what is written, by `to_representation` or by its fields.
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
    model: Any = None
    own_representation: bool = False
    descriptors: Mapping[str, FieldDescriptor[Any]] = field(default_factory=dict)

    #: Tells these options from an attribute `_options` of somebody else's class.
    is_model_options = True

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """Name to declared type.

        Raises:
            NameError: an annotation names something that does not exist.
        """
        return {name: descriptor.type for name, descriptor in self.descriptors.items()}

    @cached_property
    def fieldset(self) -> frozenset[str]:
        """Names of all fields."""
        return frozenset(self.descriptors)

    @cached_property
    def fieldpos(self) -> Mapping[int, str]:
        """Position to name."""
        return dict(enumerate(self.descriptors))

    @cached_property
    def optionalset(self) -> frozenset[str]:
        """Names of the fields that may be left out."""
        return frozenset(name for name, descriptor in self.descriptors.items() if not descriptor.required)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Name to default, of the fields that may be left out."""
        return {name: descriptor.default for name, descriptor in self.descriptors.items() if not descriptor.required}

    @cached_property
    def output_names(self) -> Mapping[str, str]:
        """Name to key, of the fields that are written."""
        return {name: d.output_name for name, d in self.descriptors.items() if not d.exclude}

    @cached_property
    def tagged_fields(self) -> frozenset[str]:
        """Names of the fields whose values must not be shown."""
        return self._fields_tagged(Tag)

    @cached_property
    def secret_fields(self) -> frozenset[str]:
        """Names of the fields tagged as `Secret`."""
        return self._fields_tagged(Secret)

    @cached_property
    def sensitive_fields(self) -> frozenset[str]:
        """Names of the fields tagged as `Sensitive`, personal ones included."""
        return self._fields_tagged(Sensitive)

    @cached_property
    def personal_fields(self) -> frozenset[str]:
        """Names of the fields tagged as `Personal`."""
        return self._fields_tagged(Personal)

    def _fields_tagged(self, kind: type[Any]) -> frozenset[str]:
        return frozenset(
            name
            for name, descriptor in self.descriptors.items()
            if any(issubclass(tag, kind) for tag in (*_tags_in(self.fields[name]), *filter(None, [descriptor.tag])))
        )


def _tags_in(kind: Any) -> Iterator[type[Any]]:
    cls = get_origin(kind) or kind
    if isinstance(cls, type) and issubclass(cls, Tag):
        yield cls
    for part in get_args(kind):
        yield from _tags_in(part)


#: What a user may set; the other fields of ModelOptions follow from the class.
_SETTABLE = frozenset(f.name for f in fields(ModelOptions)) - {"model", "own_representation", "descriptors"}
_NOT_INHERITED = ("namespace", "validation", "date_parser", "abstract", "lazy_creation")
#: Of msgspec, which Record is built on: they would change what is on the wire into something else than a record.
_NOT_FOR_RECORDS = {
    "array_like": "a record is written as an object",
    "tag": "a record carries its namespace in `__faust`; set the option namespace",
    "tag_field": "a record carries its namespace in `__faust`; set the option namespace",
    "omit_defaults": "a record is written with all its fields",
    "forbid_unknown_fields": "keys that are not fields are skipped",
}


def read_options(
    name: str, namespace: Mapping[str, Any], keywords: dict[str, Any], parent: ModelOptions | None
) -> tuple[ModelOptions, dict[str, Any]]:
    """Split class keywords into a record's options and those that msgspec understands.

    An inner class `Options` says the same as keywords do; a keyword goes first.

    Raises:
        ConfigError: an option's value makes no sense.
    """
    inner = vars(namespace.get("Options", object))
    given = {k: v for k, v in inner.items() if k in _SETTABLE}
    given |= {k: v for k, v in keywords.items() if k in _SETTABLE}
    given = {k: v for k, v in given.items() if v is not None}
    for option, reason in _NOT_FOR_RECORDS.items():
        if keywords.get(option):
            raise ConfigError(f"class {name}: records do not have the option {option}: {reason}")
    for option in ("coercions", "date_parser"):
        wrong = _not_callable(given, option)
        if wrong:
            raise ConfigError(f"class {name}: {option} {wrong}")
    inherited = {k: getattr(parent, k) for k in _SETTABLE - {*_NOT_INHERITED}} if parent else {}
    if parent and "coercions" in given:
        given["coercions"] = {**parent.coercions, **given["coercions"]}
    options: dict[str, Any] = {**inherited, **given}
    return ModelOptions(**options), {k: v for k, v in keywords.items() if k not in _SETTABLE}


def _not_callable(given: Mapping[str, Any], option: str) -> str:
    value = given.get(option)
    if value is None:
        return ""
    if option == "date_parser":
        return "" if callable(value) else f"is {value!r}, not a function"
    if not isinstance(value, Mapping):
        return f"is {value!r}, not a mapping of types to functions"
    for kind, function in value.items():
        if not isinstance(kind, type) or not callable(function):
            return f"has {kind!r}: {function!r}, not a type and a function"
    return ""


def complete(
    options: ModelOptions, cls: Any, given: Mapping[str, FieldDescriptor[Any]], *, own_representation: bool
) -> ModelOptions:
    """Return the options with what follows from the finished class.

    Args:
        given: the descriptors that the class body or a parent's has; other fields get plain ones.
    """
    names = [name for name in cls.__struct_fields__ if name != HIDDEN]
    return replace(
        options,
        namespace=namespace_or_default(options, cls.__module__, cls.__qualname__),
        model=cls,
        own_representation=own_representation,
        descriptors={name: given.get(name, FieldDescriptor()).bind(name, cls) for name in names},
    )


def namespace_or_default(options: ModelOptions, module: str, qualname: str) -> str:
    """Return what `__faust` says of a class."""
    return options.namespace or canonical_name(module, qualname)
