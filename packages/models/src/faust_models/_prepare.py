"""What records that ask for it do when they are made: coerce, trim, tag; and check their own values.

It is a `__post_init__` that runs in the constructor and after decoding.  Classes that ask for nothing have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from ._convert import checker, converter
from ._translate import Hook, finalise, underlying_class
from .errors import ValidationError
from .fields import FieldDescriptor
from .tags import Tag

__all__ = ["check", "post_init_of"]

_SCALARS = frozenset({int, float, str, bool, bytes})
Step = Callable[[Any], Any]


def post_init_of(own: Callable[[Any], None] | None, *, asks: bool) -> Any:
    """Return the `__post_init__` that prepares, calls the user's own one, and validates.

    It does so for one class, which is set as its attribute `cls`; a subclass has another one or needs none.
    """

    def __post_init__(self: Any) -> None:  # noqa: N807 - becomes the method
        mine = type(self) is __post_init__.cls  # type: ignore[attr-defined] # set by the metaclass
        if mine and asks:
            _prepare(self)
        if own is not None:
            own(self)
        if mine and self._options.validation:
            raise_all(check(self))

    __post_init__.own = own  # type: ignore[attr-defined] # for subclasses
    __post_init__.asks = asks  # type: ignore[attr-defined]
    __post_init__.cls = None  # type: ignore[attr-defined]
    return __post_init__


def raise_all(errors: Sequence[ValidationError]) -> None:
    """Raise the first error, which carries the others; nothing where there are none."""
    if errors:
        raise errors[0].with_others(errors[1:])


def _prepare(record: Any) -> None:
    # By way of the record, because the attributes of a record class are watched, and that takes time.
    steps = record._steps  # noqa: SLF001 - a record of ours
    if steps is None:
        cls = type(record)
        steps = cls._steps = _steps_of(cls)
    errors = []
    for name, step in steps:
        value = getattr(record, name)
        if value is not None:
            try:
                prepared = step(value)
            except Exception as exc:  # noqa: BLE001 - the user's own code runs inside
                errors.append(_of_field(type(record), name, value, exc))
                continue
            if prepared is not value:
                msgspec.structs.force_setattr(record, name, prepared)
    raise_all(errors)


def _steps_of(cls: Any) -> tuple[tuple[str, Step], ...]:
    """Return what the fields of a class need when a record is made."""
    finalise(cls)
    found = []
    for name, descriptor in cls._options.descriptors.items():
        steps = _steps_of_field(cls, name, descriptor)
        if steps:
            found.append((name, _one_after_another(steps)))
    return tuple(found)


def _one_after_another(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]

    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def _steps_of_field(cls: Any, name: str, descriptor: FieldDescriptor[Any]) -> list[Step]:
    options = cls._options
    kind = cls._declared[name]
    steps: list[Step] = []
    tag = tag_of(kind, descriptor)
    coerce = options.coerce if descriptor.coerce is None else descriptor.coerce
    if coerce:
        steps.append(_coercion(inner_type(cls, name, descriptor)))
    if descriptor.prepares:
        steps.append(lambda value: descriptor.prepare_value(value, coerce=coerce))
    if tag is not None:
        return [_tagging(tag, steps)]
    return steps


def tag_of(kind: Any, descriptor: FieldDescriptor[Any]) -> Any:
    """Return the tag that the value of a field is wrapped in, if any."""
    for part in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        cls = underlying_class(part)
        if isinstance(cls, type) and issubclass(cls, Tag):
            return cls
    return descriptor.tag


def inner_type(cls: Any, name: str, descriptor: FieldDescriptor[Any]) -> Any:
    """Return the translated type of what a field holds, inside its tag."""
    translated = next(info.type for info in msgspec.structs.fields(cls) if info.name == name)
    if tag_of(cls._declared[name], descriptor) is None:
        return translated
    for part in (translated, *get_args(translated)):
        if type(part) is Hook and part.secret:
            return part.members[0]
    return translated


def _coercion(kind: Any) -> Step:
    convert = converter(kind, False)
    if kind in _SCALARS:
        return lambda value: value if type(value) is kind else convert(value)
    return convert


def _tagging(tag: Any, steps: Sequence[Step]) -> Step:
    run = _one_after_another(steps) if steps else None

    def wrap(value: Any) -> Any:
        if run is None and type(value) is tag:
            return value
        plain = value.get_value() if isinstance(value, Tag) else value
        prepared = plain if run is None or plain is None else run(plain)
        return value if prepared is plain and type(value) is tag else tag(prepared)

    return wrap


def _of_field(cls: Any, name: str, value: Any, exc: Exception) -> ValidationError:
    if isinstance(exc, ValidationError):
        return exc
    descriptor = cls._options.descriptors[name]
    return ValidationError(str(exc) or type(exc).__name__, field=descriptor.ident, value=_shown(cls, name, value))


def _shown(cls: Any, name: str, value: Any) -> Any:
    return None if name in cls._options.tagged_fields else value


Check = tuple[str, Any, Callable[[Any], None], FieldDescriptor[Any] | None, bool]


def check(record: Any) -> list[ValidationError]:
    """Return what is wrong with the fields of a record: wrong types, else what their descriptors say."""
    checks = record._checks  # noqa: SLF001 - a record of ours
    if checks is None:
        cls = type(record)
        checks = cls._checks = tuple(_checks_of(cls))
    errors: list[ValidationError] = []
    for name, scalar, of_type, descriptor, secret in checks:
        value = getattr(record, name)
        try:
            if type(value) is not scalar:
                of_type(value)
            if descriptor is None or value is None:
                continue
            found = list(descriptor.validate(value.get_value() if isinstance(value, Tag) else value))
        except Exception as exc:  # noqa: BLE001 - the user's own code runs inside
            errors.append(_of_field(type(record), name, value, exc))
            continue
        errors += [ValidationError(error.reason, field=error.field) for error in found] if secret else found
    return errors


def _checks_of(cls: Any) -> Iterator[Check]:
    """Yield name, scalar type, check of the type, descriptor if it demands something, and whether it is tagged."""
    finalise(cls)
    options = cls._options
    for info in msgspec.structs.fields(cls):
        descriptor = options.descriptors.get(info.name)
        if descriptor is not None:
            scalar = info.type if info.type in _SCALARS else None
            yield (
                info.name,
                scalar,
                checker(info.type),
                descriptor if descriptor.demands else None,
                info.name in options.tagged_fields,
            )
