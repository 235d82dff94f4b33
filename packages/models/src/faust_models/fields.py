# ruff: noqa: ARG002, SLF001 - hooks for subclasses, and copies of its own kind
"""What `Order.account_id` is, and what `amount: Decimal = DecimalField(max_digits=8)` adds to a field.

A descriptor in a class body says how a field is named on the wire, prepared when a record is made, and
checked when it is validated.  Every field of a finished class has one, written or not.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .errors import ValidationError

__all__ = [
    "BooleanField",
    "BytesField",
    "DatetimeField",
    "DecimalField",
    "FieldDescriptor",
    "FloatField",
    "IntegerField",
    "NumberField",
    "StringField",
]

T = TypeVar("T")
#: Stands for "nothing was given", where None is a value.
MISSING: Any = msgspec.NODEFAULT


if TYPE_CHECKING:
    # `amount: int = IntegerField()` makes an int for checkers: what derives from Any fits everything.
    _FitsAnyType = Any
else:
    _FitsAnyType = object


class FieldDescriptor(Generic[T], _FitsAnyType):  # type: ignore[misc] # noqa: PYI059 - on purpose
    """One field of a record class; of a record inside it by a further dot: ``Order.customer.name``.

    It can be called on a record and then returns the field's value.  Safe in any thread.

    Subclasses may override `prepare_value`, which makes the value that a record holds of the one it was
    given, and `validate`, which yields what is wrong with it.

    Args:
        required: False gives the field the default None.
        default, default_factory: what the field holds where none is given.
        input_name: the key that is read; by default the field's name.
        output_name: the key that is written; by default the field's name.
        exclude: leave the field out of what is written, and of `asdict`.
        coerce: make a value of the field's type of others too; None leaves that to the class.
        date_parser: makes a datetime of text; None leaves that to the class.
        choices: the values that are allowed; None allows any.
        tag: `models.tags.Secret`, `Sensitive` or `Personal`: what the value is wrapped in.
        options: kept in `options`, for subclasses.

    Attributes:
        field: the field's name, ``name``.
        ident: its full name, ``Order.customer.name``.
        model: the class that `ident` starts with.
        getattr: returns the field's value of a record.
    """

    field: str = ""
    ident: str = ""
    model: Any = None
    _owner: Any = None
    _parent: FieldDescriptor[Any] | None = None
    _path: str = ""
    _type: Any = MISSING
    _info: msgspec.structs.FieldInfo | None = None

    def __init__(
        self,
        *,
        required: bool = True,
        default: Any = MISSING,
        default_factory: Callable[[], Any] | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
        exclude: bool | None = None,
        coerce: bool | None = None,
        date_parser: Callable[[Any], dt.datetime] | None = None,
        tag: type[Any] | None = None,
        choices: Collection[Any] | None = None,
        **options: Any,
    ) -> None:
        if default is not MISSING and default_factory is not None:
            raise TypeError(f"{type(self).__name__}: give either default or default_factory")
        self.given_default = None if default is MISSING and not required and default_factory is None else default
        if default_factory is None and isinstance(default, list | dict | set | bytearray) and default:
            raise TypeError(f"{type(self).__name__}: records would share this default: use default_factory")
        self.default_factory = default_factory
        self.given_input_name = input_name
        self.given_output_name = output_name
        self.exclude = bool(exclude)
        self.coerce = coerce
        self.date_parser = date_parser
        self.tag = tag
        self.choices = choices
        self.options: Mapping[str, Any] = options if choices is None else {**options, "choices": choices}
        self.getattr: Callable[[Any], T] = attrgetter("_")

    def bind(self, field: str, model: type[Any], *, parent: FieldDescriptor[Any] | None = None) -> FieldDescriptor[T]:
        """Return a copy that belongs to a field of a class."""
        bound = copy.copy(self)
        bound.field = field
        bound.model = model if parent is None else parent.model
        bound.ident = f"{model.__name__ if parent is None else parent.ident}.{field}"
        bound._owner = model
        bound._parent = parent
        bound._path = field if parent is None else f"{parent._path}.{field}"
        bound._info = None
        bound.getattr = attrgetter(bound._path)
        return bound

    def __call__(self, record: Any, /) -> T:
        return self.getattr(record)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.ident}>"

    # -- what subclasses may override

    def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
        """Return what the record shall hold for a value that it was given; never called with None.

        Args:
            value: as decoded, or as given to the constructor; it may have been prepared before.
            coerce: whether other types may be turned into the field's.

        Raises:
            ValueError, TypeError: the value makes no sense.
        """
        return value

    def validate(self, value: T) -> Iterable[ValidationError]:
        """Yield what is wrong with a value of the right type; see `validation_error`."""
        if self.choices is not None and value not in self.choices:
            yield self.validation_error(f"must be one of {', '.join(map(str, self.choices))}", value=value)

    @property
    def prepares(self) -> bool:
        """Whether `prepare_value` does anything."""
        return type(self).prepare_value is not FieldDescriptor.prepare_value

    @property
    def demands(self) -> bool:
        """Whether `validate` may find anything."""
        return self.choices is not None or type(self).validate is not FieldDescriptor.validate

    @property
    def written_as_read(self) -> bool:
        """Whether the field is written under the key that it is read from."""
        if self.exclude:
            return False
        if self.given_output_name is not None:
            return self.given_output_name == self.given_input_name
        return self.given_input_name is None

    def as_struct_field(self) -> Any:
        """Return what msgspec takes for the default and the key of the field."""
        if self.default_factory is not None:
            return msgspec.field(default_factory=self.default_factory, name=self.given_input_name)
        return msgspec.field(default=self.given_default, name=self.given_input_name)

    def validation_error(self, reason: str, *, value: Any = MISSING) -> ValidationError:
        """Return an error that names this field."""
        return ValidationError(reason, field=self.ident, value=None if value is MISSING else value)

    # -- what is known of the field

    @property
    def info(self) -> msgspec.structs.FieldInfo:
        if self._info is None:
            self._info = next(i for i in msgspec.structs.fields(self._owner) if i.name == self.field)
        return self._info

    @property
    def type(self) -> Any:
        """The declared type.

        Raises:
            NameError: the annotation names something that does not exist.
        """
        if hasattr(self._owner, "_declared_types"):
            return self._owner._declared_types()[self.field]
        return self.info.type

    @property
    def required(self) -> bool:
        return self.info.required

    @property
    def default(self) -> Any:
        """What the field holds where none is given; None for a required one."""
        info = self.info
        if info.default_factory is not msgspec.NODEFAULT:
            return info.default_factory()
        return None if info.default is msgspec.NODEFAULT else info.default

    @property
    def input_name(self) -> str:
        """The key that is read."""
        return self.info.encode_name

    @property
    def output_name(self) -> str:
        """The key that is written."""
        if self.given_output_name is not None:
            return self.given_output_name
        return self.field if self.given_input_name is not None else self.info.encode_name

    def __getattr__(self, name: str) -> FieldDescriptor[Any]:
        if not name.startswith("_") and self._owner is not None:
            for candidate in (self.type, *getattr(self.type, "__args__", ())):
                found = getattr(getattr(candidate, "_options", None), "descriptors", {}).get(name)
                if found is None and name in getattr(candidate, "__struct_fields__", ()):
                    found = FieldDescriptor()
                if found is not None:
                    inside: FieldDescriptor[Any] = found.bind(name, candidate, parent=self)
                    return inside
        raise AttributeError(f"{self.ident or type(self).__name__} has no field {name!r}", name=name, obj=self)


class NumberField(FieldDescriptor[T]):
    """A number between `min_value` and `max_value`, both included."""

    def __init__(self, *, min_value: Any = None, max_value: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.min_value = min_value
        self.max_value = max_value

    def validate(self, value: Any) -> Iterable[ValidationError]:
        yield from super().validate(value)
        if self.min_value is not None and not value >= self.min_value:
            yield self.validation_error(f"must be at least {self.min_value}", value=value)
        if self.max_value is not None and not value <= self.max_value:
            yield self.validation_error(f"must be at most {self.max_value}", value=value)


class IntegerField(NumberField[int]):
    """An int."""


class FloatField(NumberField[float]):
    """A float."""


class DecimalField(NumberField[Decimal]):
    """A Decimal of at most `max_digits` digits, of them at most `max_decimal_places` behind the point."""

    def __init__(self, *, max_digits: int | None = None, max_decimal_places: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.max_digits = max_digits
        self.max_decimal_places = max_decimal_places

    def validate(self, value: Decimal) -> Iterable[ValidationError]:
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            yield self.validation_error("must be a finite number", value=value)
            return
        yield from super().validate(value)
        places = max(0, -exponent)
        if self.max_decimal_places is not None and places > self.max_decimal_places:
            yield self.validation_error(f"must have at most {self.max_decimal_places} decimal places", value=value)
        written = max(len(digits) + max(0, exponent), places)
        if self.max_digits is not None and written > self.max_digits:
            yield self.validation_error(f"must have at most {self.max_digits} digits", value=value)


class _TextField(FieldDescriptor[T]):
    def __init__(
        self,
        *,
        max_length: int | None = None,
        min_length: int | None = None,
        trim_whitespace: bool = False,
        allow_blank: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.max_length = max_length
        self.min_length = min_length
        self.trim_whitespace = trim_whitespace
        self.allow_blank = allow_blank

    @property
    def prepares(self) -> bool:
        inherited = type(self).prepare_value in (StringField.prepare_value, BytesField.prepare_value)
        return self.trim_whitespace if inherited else True

    def validate(self, value: Any) -> Iterable[ValidationError]:
        yield from super().validate(value)
        if not self.allow_blank and not value:
            yield self.validation_error("must not be blank", value=value)
        elif self.min_length is not None and len(value) < self.min_length:
            yield self.validation_error(f"must be at least {self.min_length} long", value=value)
        if self.max_length is not None and len(value) > self.max_length:
            yield self.validation_error(f"must be at most {self.max_length} long", value=value)


class StringField(_TextField[str]):
    """Text; lengths are in characters."""

    def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
        return value.strip() if self.trim_whitespace and isinstance(value, str) else value


class BytesField(_TextField[bytes]):
    """Bytes; lengths are in bytes.  JSON carries them as base64."""

    def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
        return value.strip() if self.trim_whitespace and isinstance(value, bytes) else value


class BooleanField(FieldDescriptor[bool]):
    """A bool."""


class DatetimeField(FieldDescriptor[dt.datetime]):
    """A datetime."""
