"""`Record`: the base class of typed values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import msgspec

from . import fields as _fields
from ._annotations import add_hidden_field, complete_defaults, field_names, tagged, take_descriptors
from ._convert import converter
from ._findings import find
from ._metadata import HIDDEN, KEY, hidden_field, no_metadata, own_representation
from ._prepare import check, post_init_of, raise_all
from ._translate import finalise, translate
from ._types import decoding_strictness
from .codecs import codec_for
from .errors import ValidationError
from .options import ModelOptions, complete, namespace_or_default, read_options
from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Self

    from faust_core.protocols.codec import Codec

__all__ = ["Record"]


class _RecordMeta(msgspec.StructMeta):
    """Makes a msgspec struct of a class body, and lets `Order.account_id` be the field itself.

    Only the class is watched: an attribute of a record is read through the interpreter's own slot.
    """

    _options: ModelOptions
    #: Fields of such a class stand out of order, see `complete_defaults`; those of its subclasses too.
    _out_of_order: bool
    #: Its fields, or some of a parent's, are prepared when a record is made.
    _asks: bool
    #: What `_prepare` has worked out for the class itself.
    _steps: Any
    _checks: Any
    #: Name to declared type, once they are resolved.
    _declared: dict[str, Any]

    def __new__(
        mcls: type[_RecordMeta],
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        **keywords: Any,
    ) -> _RecordMeta:
        parents = [base for base in bases if isinstance(base, _RecordMeta)]
        inherited = parents[0]._options if parents else None  # noqa: SLF001 - its own kind
        options, struct_keywords = read_options(name, namespace, keywords, inherited)
        if parents and "asdict" in namespace:
            raise RuntimeError(f"class {name}: asdict cannot be overridden; override to_representation")
        # Here, not after: a struct's class attributes are looked up when it is made.
        namespace["__faust_serializer__"] = options.serializer
        own = take_descriptors(name, namespace)
        given = _descriptors(parents, field_names(namespace)) | own
        kw_only = bool(struct_keywords.get("kw_only"))
        out_of_order = complete_defaults(
            name, namespace, inherits_default=any(map(_has_defaults, parents)), kw_only=kw_only
        ) or any(parent._out_of_order for parent in parents)  # noqa: SLF001
        if out_of_order:
            struct_keywords["kw_only"] = True
        represents_itself = bool(parents) and _represents_itself(namespace, bases, given)
        post_init = _post_init(namespace, bases, options, given)
        if not parents:
            annotation, default = no_metadata()
            add_hidden_field(namespace, HIDDEN, annotation, default)
            struct_keywords["kw_only"] = True
        else:
            hidden = _hidden(options, namespace, name, parents, represents_itself)
            if hidden is not None:
                bases = (_with_hidden_field(mcls, namespace, hidden), *bases)
        cls = super().__new__(mcls, name, bases, namespace, **struct_keywords)
        cls._steps = cls._checks = None
        cls._asks = post_init is not None and post_init.asks
        if post_init is not None:
            post_init.cls = cls
        cls._out_of_order = out_of_order
        cls._options = complete(options, cls, given, own_representation=represents_itself)
        if not options.abstract:
            registry[cls._options.namespace] = cls
        return cls

    def _declared_types(cls) -> Mapping[str, Any]:
        finalise(cls)
        return cls._declared

    if not TYPE_CHECKING:  # a checker would take any name for an attribute

        def __getattribute__(cls, name: str) -> Any:
            found = type.__getattribute__(cls, name)
            if type(found) is MemberDescriptorType:
                return type.__getattribute__(cls, "_options").descriptors.get(name, found)
            return found


def _has_defaults(parent: _RecordMeta) -> bool:
    # The hidden field always has one.
    return len(parent.__struct_defaults__) > 1


def _descriptors(parents: list[_RecordMeta], declared_anew: Collection[str]) -> dict[str, _fields.FieldDescriptor[Any]]:
    """Return what parents say of fields that the class does not declare anew."""
    found = {k: v for parent in reversed(parents) for k, v in parent._options.descriptors.items()}  # noqa: SLF001
    return {name: descriptor for name, descriptor in found.items() if name not in declared_anew}


def _represents_itself(
    namespace: Mapping[str, Any], bases: tuple[type, ...], given: Mapping[str, _fields.FieldDescriptor[Any]]
) -> bool:
    return (
        "to_representation" in namespace
        or "__json__" in namespace
        or any(_base_represents_itself(base) for base in bases)
        or not all(descriptor.written_as_read for descriptor in given.values())
    )


def _base_represents_itself(base: type) -> bool:
    if isinstance(base, _RecordMeta):
        return base._options.own_representation  # noqa: SLF001 - its own kind
    return hasattr(base, "to_representation") or hasattr(base, "__json__")


def _hidden(
    options: ModelOptions, namespace: Mapping[str, Any], name: str, parents: list[_RecordMeta], represents_itself: bool
) -> tuple[Any, Any] | None:
    """Return annotation and default of the hidden field; None where it can stay as it is."""
    if represents_itself:
        return own_representation()
    if options.include_metadata:
        module, qualname = namespace.get("__module__", ""), namespace.get("__qualname__", name)
        return hidden_field(namespace_or_default(options, module, qualname))
    # Only Record itself has no metadata to be taken back.
    return None if all(parent is Record for parent in parents) else no_metadata()


def _with_hidden_field(mcls: type[_RecordMeta], namespace: Mapping[str, Any], hidden: tuple[Any, Any]) -> type:
    """Return the base that brings the hidden field.

    It comes by keyword and so from a base of its own, because the fields of the class may be taken by position.
    That base derives from Record alone, so that no parent learns of it.
    """
    body: dict[str, Any] = {
        "__module__": namespace.get("__module__", ""),
        "__qualname__": f"{namespace.get('__qualname__', '')}.__faust",
    }
    add_hidden_field(body, HIDDEN, *hidden)
    return msgspec.StructMeta.__new__(mcls, "__faust", (Record,), body, kw_only=True)


def _post_init(
    namespace: dict[str, Any],
    bases: tuple[type, ...],
    options: ModelOptions,
    given: Mapping[str, _fields.FieldDescriptor[Any]],
) -> Any:
    """Put a `__post_init__` into the class body where the class needs one, and return it."""
    inherited = next((base.__post_init__ for base in bases if hasattr(base, "__post_init__")), None)
    asks = (
        options.coerce
        or tagged(namespace)
        or any(base._asks for base in bases if isinstance(base, _RecordMeta))  # noqa: SLF001
        or any(d.coerce or d.prepares or d.tag is not None for d in given.values())
    )
    if not asks and not options.validation:
        return None
    own = namespace.get("__post_init__", getattr(inherited, "own", inherited))
    made = namespace["__post_init__"] = post_init_of(own, asks=asks)
    return made


@dataclass_transform(
    eq_default=True,
    order_default=True,
    field_specifiers=(
        msgspec.field,
        _fields.FieldDescriptor,
        _fields.NumberField,
        _fields.IntegerField,
        _fields.FloatField,
        _fields.DecimalField,
        _fields.StringField,
        _fields.BytesField,
        _fields.BooleanField,
        _fields.DatetimeField,
    ),
)
class Record(msgspec.Struct, metaclass=_RecordMeta, order=True, abstract=True):
    """A typed value, made from annotations as a dataclass is, and decoded straight from bytes.

    Records are mutable, compare and hash by their fields, can be pickled, and take their fields by
    position or keyword.  A field typed `Optional` is None where it is left out.  Keys that are not
    fields are skipped when reading.  The class options are those of `ModelOptions`, beside msgspec's
    `frozen`, `kw_only`, `rename`, `gc` and `weakref`.

    A class in which a required field follows one that may be left out without a written default, be
    it `Optional` or inherited, takes those fields by keyword only.
    """

    _options: ClassVar[ModelOptions]
    __faust_serializer__: ClassVar[str | None]

    if TYPE_CHECKING:

        def __init_subclass__(
            cls,
            *,
            serializer: str | None = None,
            namespace: str | None = None,
            include_metadata: bool | None = None,
            isodates: bool | None = None,
            decimals: bool | None = None,
            coerce: bool | None = None,
            coercions: Mapping[type[Any], Callable[[Any], Any]] | None = None,
            validation: bool | None = None,
            abstract: bool = False,
            lazy_creation: bool = False,
            polymorphic_fields: bool | None = None,
            allow_blessed_key: bool | None = None,
            date_parser: Callable[[Any], datetime] | None = None,
            frozen: bool = False,
            kw_only: bool = False,
            rename: Callable[[str], str | None] | Mapping[str, str] | str | None = None,
            gc: bool = True,
            weakref: bool = False,
        ) -> None: ...

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self._options.descriptors))

    @recursive_repr("<...>")
    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._options.descriptors)
        return f"<{type(self).__name__}: {values}>"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override] # msgspec's has no better type
        for name in self._options.descriptors:
            yield name, getattr(self, name)

    def __reduce__(self) -> Any:
        return _made_again, (type(self), {name: getattr(self, name) for name in self._options.descriptors})

    @classmethod
    def loads(cls, s: bytes, *, serializer: str | Codec | None = None) -> Self:
        """Return the record that the bytes hold.

        Args:
            s: as `dumps` wrote them.
            serializer: used where the class names none; by default JSON.

        Raises:
            DecodeError: the bytes are malformed or a field has the wrong type; names its path.
        """
        value = cls._codec(cls._options.serializer or serializer).decode(s)
        return value if isinstance(value, cls) else cls.from_data(value)

    def dumps(self, *, serializer: str | Codec | None = None) -> bytes:
        """Return the record as bytes, by `serializer`, else by the class's own, else as JSON.

        Raises:
            EncodeError: a field holds what the format cannot write.
        """
        return self._codec(serializer or self._options.serializer).encode(self)

    @classmethod
    def _codec(cls, serializer: str | Codec | None) -> Codec:
        if serializer is None or isinstance(serializer, str):
            return codec_for(serializer or "json", cls)
        return serializer

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | Self) -> Self:
        """Return the record that a plain mapping describes; a record of this class is returned as it is.

        Raises:
            ValidationError: fields are missing or have the wrong type; it has all of them, with path, value and reason.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise ValidationError(f"cannot make {cls.__name__}: Expected `object`, got `{type(data).__name__}`")
        plain = dict(data)
        kind = translate(cls, cls._options)
        try:
            record: Self = converter(kind)(plain)
        except Exception as exc:
            errors = find(plain, kind, decoding_strictness(kind)) or [ValidationError(str(exc))]
            raise errors[0].with_others(errors[1:], prefix=f"cannot make {cls.__name__}: ") from exc
        return record

    @classmethod
    def make_final(cls) -> None:
        """Resolve the annotations now, and not when the class is first used.

        Raises:
            NameError: one of them names something that does not exist.
        """
        finalise(cls)

    def asdict(self) -> dict[str, Any]:
        """Return the fields by name, without excluded ones; the values are the record's own, not copies."""
        return {name: getattr(self, name) for name in self._options.output_names}

    def to_representation(self) -> Mapping[str, Any]:
        """Return the fields by their keys on the wire, and behind them the metadata if it is included.

        A class that overrides this decides what is written as JSON, at the price of speed.
        """
        values = {key: getattr(self, name) for name, key in self._options.output_names.items()}
        if self._options.include_metadata:
            values[KEY] = {"ns": self._options.namespace}
        return values

    def __json__(self) -> Any:
        return self.to_representation()

    def derive(self, *objects: Record, **fields: Any) -> Self:
        """Return a record of this class with its own fields, overridden by those of `objects`, then by `fields`.

        Raises:
            TypeError: a name is not a field of this class.
        """
        values: dict[str, Any] = {}
        records: tuple[Record, ...] = (self, *objects)
        for record in records:
            values |= {name: getattr(record, name) for name in type(record)._options.descriptors}  # noqa: SLF001
        return type(self)(**values | fields)

    def validate(self) -> list[ValidationError]:
        """Return what is wrong with the fields: wrong types, broken demands of descriptors; may be empty.

        Records inside are taken as they are: ask them.
        """
        return check(self)

    @property
    def validation_errors(self) -> list[ValidationError]:
        """What `validate` returns now."""
        return self.validate()

    def is_valid(self) -> bool:
        """Return whether every field has a value of its type that its descriptor allows."""
        return not self.validate()

    def validate_or_raise(self) -> None:
        """Raise what `validate` finds.

        Raises:
            ValidationError: the first error; `errors` has all of them.
        """
        raise_all(self.validate())


def _made_again(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
