"""`Record`: the base class of typed values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, cast, dataclass_transform

import msgspec

from ._annotations import complete_defaults
from ._types import converter
from .codecs import codec_for
from .errors import ValidationError
from .options import ModelOptions, complete, read_options
from .registry import registry

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from faust_core.protocols.codec import Codec

__all__ = ["Record"]

_METADATA_KEY = "__faust"


class _RecordMeta(msgspec.StructMeta):
    """Makes a msgspec struct of a class body, and lets `Order.account_id` be the field itself.

    Only the class is watched: an attribute of a record is read through the interpreter's own slot.
    """

    _options: ModelOptions
    #: Fields of such a class stand out of order, see `complete_defaults`; those of its subclasses too.
    _out_of_order: bool

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
        if options.validation:
            _validate_when_made(namespace, parents)
        # Here, not after: a struct's class attributes are looked up when it is made.
        namespace["__faust_serializer__"] = options.serializer
        out_of_order = complete_defaults(
            name, namespace, inherits_default=any(parent.__struct_defaults__ for parent in parents)
        ) or any(parent._out_of_order for parent in parents)  # noqa: SLF001
        if out_of_order:
            struct_keywords["kw_only"] = True
        cls = super().__new__(mcls, name, bases, namespace, **struct_keywords)
        cls._out_of_order = out_of_order
        cls._options = complete(options, cls, own_representation=bool(parents) and _overrides_representation(cls))
        if not options.abstract:
            registry[cls._options.namespace] = cls
        return cls

    if not TYPE_CHECKING:  # a checker would take any name for an attribute

        def __getattribute__(cls, name: str) -> Any:
            found = type.__getattribute__(cls, name)
            if type(found) is MemberDescriptorType:
                return type.__getattribute__(cls, "_options").descriptors.get(name, found)
            return found


@dataclass_transform(eq_default=True, order_default=True, field_specifiers=(msgspec.field,))
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
        return hash(msgspec.structs.astuple(self))

    @recursive_repr("<...>")
    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in msgspec.structs.asdict(self).items())
        return f"<{type(self).__name__}: {values}>"

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
            ValidationError: a field is missing or has the wrong type; names its path.
        """
        if isinstance(data, cls):
            return data
        try:
            record: Self = _converter(cls)(dict(cast("Mapping[str, Any]", data)))
        except msgspec.ValidationError as exc:
            raise ValidationError(f"cannot make {cls.__name__}: {exc}") from exc
        return record

    @classmethod
    def make_final(cls) -> None:
        """Resolve the annotations now, and not when the class is first used.

        Raises:
            NameError: one of them names something that does not exist.
        """
        _ = cls._options.fields

    def asdict(self) -> dict[str, Any]:
        """Return the fields by name; the values are the record's own, not copies."""
        return msgspec.structs.asdict(self)

    def to_representation(self) -> Mapping[str, Any]:
        """Return the fields by their keys on the wire, and behind them the metadata if it is included.

        A class that overrides this decides what is written as JSON, at the price of speed.
        """
        values = msgspec.structs.asdict(self)
        if self.__struct_encode_fields__ != self.__struct_fields__:
            values = dict(zip(self.__struct_encode_fields__, values.values(), strict=True))
        if self._options.include_metadata:
            values[_METADATA_KEY] = {"ns": self._options.namespace}
        return values

    def __json__(self) -> Any:
        return self.to_representation()

    def derive(self, *objects: Record, **fields: Any) -> Self:
        """Return a record of this class with its own fields, overridden by those of `objects`, then by `fields`.

        Raises:
            TypeError: a name is not a field of this class.
        """
        values = msgspec.structs.asdict(self)
        for other in objects:
            values |= msgspec.structs.asdict(other)
        return type(self)(**values | fields)

    def validate(self) -> list[ValidationError]:
        """Return what is wrong with the fields' types, one error for each wrong field; may be empty.

        Records inside are taken as they are: ask them.
        """
        errors = []
        for name, descriptor in self._options.descriptors.items():
            try:
                _converter(self._options.fields[name])(getattr(self, name))
            except msgspec.ValidationError as exc:
                errors.append(ValidationError(str(exc), field=descriptor.ident))
        return errors

    @property
    def validation_errors(self) -> list[ValidationError]:
        """What `validate` returns now."""
        return self.validate()

    def is_valid(self) -> bool:
        """Return whether every field has a value of its type."""
        return not self.validate()

    def validate_or_raise(self) -> None:
        """Raise the first error that `validate` finds.

        Raises:
            ValidationError: names the field.
        """
        for error in self.validate():
            raise error


@cache
def _converter(value_type: Any) -> Callable[[Any], Any]:
    return converter(value_type)


def _overrides_representation(cls: Any) -> bool:
    return cls.to_representation is not Record.to_representation or cls.__json__ is not Record.__json__


def _validate_when_made(namespace: dict[str, Any], parents: list[_RecordMeta]) -> None:
    inherited = next((p.__post_init__ for p in parents if hasattr(p, "__post_init__")), None)
    post_init = namespace.get("__post_init__", inherited)

    def __post_init__(self: Record) -> None:  # noqa: N807 - becomes the method
        if post_init is not None:
            post_init(self)
        # The option is not inherited, but this method is.
        if self._options.validation:
            self.validate_or_raise()

    namespace["__post_init__"] = __post_init__
