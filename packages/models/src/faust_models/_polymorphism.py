"""Records chosen by the name they carry, and unions that only their values can decide."""

from __future__ import annotations

from typing import Any, get_origin

from ._convert import checker, converter
from ._metadata import KEY, namespace_of
from ._translate import Hook, make_hook, record_options, underlying_class
from .registry import registry

__all__ = ["by_namespace", "maybe_model", "one_of"]


def maybe_model(value: Any) -> Any:
    """Return the record that a plain object says it is; anything else, an unknown class included, as it is.

    Raises:
        msgspec.ValidationError: its fields are not those of that class.
    """
    if type(value) is dict and KEY in value:
        target = _known(value)
        if target is not None:
            return converter(target)(value)
    return value


def _known(value: Any) -> Any:
    namespace = namespace_of(value)
    return None if namespace is None else registry.get(namespace)


def by_namespace(kind: Any) -> Hook:
    """Return the hook that reads a record of the class, or of the subclass of it that the data name."""
    cls = underlying_class(kind)

    def member_of(value: Any) -> Any:
        named = _known(value)
        if named is not None and named is not cls and issubclass(named, cls):
            return named
        if record_options(cls).abstract:  # type: ignore[union-attr] # it is a record class
            return None
        return kind

    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        target = member_of(value)
        if target is None:
            raise ValueError(f"{cls.__qualname__} is abstract, and {_says(value)}")
        return converter(target)(value)

    return make_hook(kind, read, members=(kind,), member_of=member_of, by_namespace=True)


def _says(value: Any) -> str:
    namespace = namespace_of(value)
    if namespace is None:
        return f"the value does not name its class in `{KEY}`"
    return f"{namespace!r}, which `{KEY}` names, is no record class that is known here and derives from it"


def one_of(kind: Any, members: tuple[Any, ...], *, strict: bool) -> Hook:
    """Return the hook that reads the member that `__faust` names, else the first that the value fits.

    Of records that would fit, it is the one that knows the most of the value's keys.
    """
    records = [member for member in members if record_options(member) is not None]

    def named_by(value: Any) -> Any:
        named = _known(value)
        if named is not None:
            for record in records:
                if named is underlying_class(record):
                    return record
                if issubclass(named, underlying_class(record)):
                    return named
        return None

    def read(value: Any) -> Any:
        for member in members:
            if _holds(member, value):
                return value
        named = named_by(value)
        if named is not None:
            return converter(named, strict)(value)
        for strictly in (True,) if strict else (True, False):
            for member in sorted(members, key=lambda m: -_known_keys(m, value)):
                try:
                    return converter(member, strictly)(value)
                except Exception:  # noqa: BLE001, S112 - whatever a member's own code raises, it does not fit
                    continue
        raise ValueError(f"Expected one of {', '.join(map(_name, members))}, got `{type(value).__name__}`")

    return make_hook(kind, read, members=members, member_of=named_by, by_namespace=bool(records))


def _holds(member: Any, value: Any) -> bool:
    """Return whether the value was made by hand and is of the member's type already."""
    if isinstance(value, str | int | float | list | dict | None):
        return False
    try:
        checker(member)(value)
    except Exception:  # noqa: BLE001 - see `read`
        return False
    return True


def _known_keys(member: Any, value: Any) -> int:
    names = getattr(underlying_class(member), "__struct_encode_fields__", ())
    return len(value.keys() & set(names)) if isinstance(value, dict) else 0


def _name(member: Any) -> str:
    shown = member.declared if type(member) is Hook else member
    return f"`{(get_origin(shown) is None and getattr(shown, '__name__', None)) or shown}`"
