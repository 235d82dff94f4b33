"""Declared types as msgspec takes them.

What msgspec knows stays as it is and costs nothing.  The rest (a type with a coercion, a tag, a record chosen by its
`__faust`, a union that msgspec refuses, a pydantic model) becomes a `Hook`: a class that msgspec knows nothing about,
so that it asks `dec_hook`, which asks the class.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from ._metadata import HIDDEN
from ._unions import native_union
from .tags import Tag

if typing.TYPE_CHECKING:
    from .options import ModelOptions

__all__ = [
    "Hook",
    "dec_hook",
    "finalise",
    "from_pydantic",
    "make_hook",
    "record_options",
    "translate",
    "underlying_class",
]

#: Two threads may meet a class for the first time at once.
_lock = threading.RLock()


class Hook(type):
    """The class of classes that stand for a type that msgspec does not know."""

    #: The type it stands for.
    declared: Any
    #: Makes a value of that type of a plain one, or of one that has it already; raises any Exception.
    read: Callable[[Any], Any]
    #: What a value may hold: types as msgspec takes them.
    members: tuple[Any, ...]
    #: Which of them a plain value is to be read as, for the sake of errors; None where that cannot be told.
    member_of: Callable[[Any], Any]
    #: Values must not be shown.
    secret: bool
    #: The namespace that the data carry has a say.
    by_namespace: bool

    def __instancecheck__(cls, instance: object) -> bool:
        return True


def make_hook(
    declared_type: Any,
    read: Callable[[Any], Any],
    *,
    members: tuple[Any, ...] = (),
    member_of: Callable[[Any], Any] = lambda _: None,
    secret: bool = False,
    by_namespace: bool = False,
) -> Hook:
    """Return a class for msgspec to ask about."""
    body = {
        "declared": declared_type,
        "read": staticmethod(read),
        "members": members,
        "member_of": staticmethod(member_of),
        "secret": secret,
        "by_namespace": by_namespace,
    }
    return Hook(getattr(declared_type, "__name__", None) or str(declared_type), (), body)


def dec_hook(kind: Any, value: Any) -> Any:
    """Make a value of a type that msgspec does not know."""
    if type(kind) is Hook:
        return kind.read(value)
    cls = get_origin(kind) or kind
    if isinstance(value, cls):
        return value
    raise TypeError(f"nothing says how to make a {cls.__qualname__}: declare coercions={{{cls.__qualname__}: …}}")


def underlying_class(value_type: Any) -> Any:
    """Return the class behind `Page[int]`; any other type is returned as it is."""
    return get_origin(value_type) or value_type


def record_options(value_type: Any) -> ModelOptions | None:
    """Return the options of a record class, None for any other type."""
    found: ModelOptions | None = getattr(underlying_class(value_type), "_options", None)
    return found if getattr(found, "is_model_options", False) else None


def declared(translated: Any) -> Any:
    """Return the type that a translated one was made of."""
    return declared(translated.declared) if type(translated) is Hook else _rebuilt(translated, declared)


def finalise(cls: Any) -> None:
    """Resolve and translate the annotations of a record class, once.

    Raises:
        NameError: an annotation names something that does not exist.
    """
    if "_final" in vars(cls):
        return
    with _lock:
        if "_declared" in vars(cls):
            return  # by another thread, or further out in this one: classes may contain each other
        infos = [info for info in msgspec.structs.fields(cls) if info.name != HIDDEN]
        cls._declared = {info.name: declared(info.type) for info in infos}
        try:
            translated = {name: _of_field(cls, name, kind) for name, kind in cls._declared.items()}
        except BaseException:
            del cls._declared
            raise
        # Written down only where msgspec could not read what was declared.
        if any(info.type != translated[info.name] for info in infos):
            cls.__annotations__ = {**vars(cls).get("__annotations__", {}), **translated}
        cls._final = True


def _of_field(cls: Any, name: str, kind: Any) -> Any:
    options = cls._options
    descriptor = options.descriptors[name]
    rules = options
    if descriptor.date_parser is not None:
        rules = dataclasses.replace(rules, date_parser=descriptor.date_parser)
    if descriptor.coerce is not None:
        rules = dataclasses.replace(rules, coerce=descriptor.coerce)
    translated = translate(kind, rules)
    if descriptor.coerce is not None and descriptor.coerce != options.coerce:
        translated = _with_strictness(kind, translated, not descriptor.coerce)
    if descriptor.tag is not None and not _is_tag(kind):
        translated = _tagged(kind, descriptor.tag, translated)
    return translated


def translate(kind: Any, rules: ModelOptions) -> Any:
    """Return a type that msgspec can decode, the same one where it can already."""
    if type(kind) is Hook:
        return translate(kind.declared, rules)
    if isinstance(kind, type | types.GenericAlias) or get_origin(kind) is not None:
        coercion = rules.coercions.get(kind) if isinstance(kind, type) else None
        if coercion is not None:
            return _coerced(kind, coercion)
        if kind is dt.datetime and rules.date_parser is not None:
            return _parsed_date(rules.date_parser)
        if _is_tag(kind):
            return _tagged(kind, underlying_class(kind), translate((*get_args(kind), Any)[0], rules))
        if hasattr(kind, "__pydantic_validator__"):
            return _pydantic(kind)
        options = record_options(kind)
        if options is not None:
            return _record(kind, options, rules)
        if isinstance(kind, type):
            _meet_records_in(kind)
            return kind
        if get_origin(kind) in (Union, types.UnionType):
            return _union(kind, rules)
        if get_origin(kind) is Literal:
            return kind
        _meet_records_in(get_origin(kind))
    supertype = getattr(kind, "__supertype__", None)
    if supertype is not None:
        inner = translate(supertype, rules)
        return kind if inner is supertype else inner
    return _rebuilt(kind, lambda part: translate(part, rules))


def _rebuilt(kind: Any, change: Callable[[Any], Any]) -> Any:
    """Return a generic type with each of its arguments changed."""
    origin, given = get_origin(kind), get_args(kind)
    if origin is None or origin is Literal or not given:
        return kind
    if origin is Annotated:
        inner = change(given[0])
        return kind if inner is given[0] else Annotated[(inner, *given[1:])]
    arguments = tuple(part if part is ... or isinstance(part, list) else change(part) for part in given)
    if all(new is old for new, old in zip(arguments, given, strict=True)):
        return kind
    if origin in (Union, types.UnionType):
        return Union[arguments]  # noqa: UP007 - of a tuple
    return origin[arguments]


_met: set[Any] = set()


def _meet_records_in(kind: Any) -> None:
    """Finalise the records inside a class that is not one itself."""
    if kind in _met or not _has_fields(kind):
        return
    _met.add(kind)
    plain = _plain_rules()
    try:
        hints = get_type_hints(kind, include_extras=True)
    except NameError:
        _met.discard(kind)
        return  # msgspec says what is missing
    for part in hints.values():
        translate(part, plain)


def _has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (
        issubclass(kind, msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__attrs_attrs__")
        or typing.is_typeddict(kind)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )


def _plain_rules() -> ModelOptions:
    from .options import ModelOptions  # noqa: PLC0415 - it is made of fields, which ask for types

    return ModelOptions()


# -- what becomes a hook


def _is_tag(kind: Any) -> bool:
    cls = underlying_class(kind)
    return isinstance(cls, type) and issubclass(cls, Tag)


def _coerced(kind: type[Any], function: Callable[[Any], Any]) -> Hook:
    return make_hook(kind, lambda value: value if isinstance(value, kind) else function(value))


def _parsed_date(parser: Callable[[Any], Any]) -> Hook:
    def read(value: Any) -> Any:
        return parser(value) if isinstance(value, str) else msgspec.convert(value, dt.datetime)

    return make_hook(dt.datetime, read, members=(dt.datetime,))


def _tagged(kind: Any, tag: Any, inner: Any) -> Hook:
    from ._convert import checker, converter  # noqa: PLC0415 - converting needs translating

    def read(value: Any) -> Any:
        if isinstance(value, Tag):
            checker(inner)(value.get_value())
            return value
        return tag(value if type(value) is inner else converter(inner)(value))

    return make_hook(kind, read, members=(inner,), member_of=lambda _: inner, secret=True)


def _with_strictness(kind: Any, inner: Any, strict: bool) -> Hook:
    from ._convert import converter  # noqa: PLC0415

    def read(value: Any) -> Any:
        return converter(inner, strict)(value)  # made late: the records inside may not be final yet

    return make_hook(kind, read, members=(inner,), member_of=lambda _: inner)


def _pydantic(kind: Any) -> Hook:
    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        # As JSON, because there pydantic takes text for dates, bytes and the like.
        return from_pydantic(kind.model_validate_json, msgspec.json.encode(value))

    return make_hook(kind, read)


def from_pydantic(validate: Callable[[bytes], Any], data: bytes) -> Any:
    """Return the model that pydantic makes of JSON.

    Raises:
        ValueError: it finds something wrong; in one line, without the values, which may be secret.
    """
    try:
        return validate(data)
    except ValueError as exc:
        errors = getattr(exc, "errors", None)
        if errors is None:
            raise
        found = errors(include_url=False, include_input=False, include_context=False)
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in found)
    raise ValueError(said)


def _record(kind: Any, options: ModelOptions, rules: ModelOptions) -> Any:
    finalise(underlying_class(kind))
    kind = _rebuilt(kind, lambda part: translate(part, rules))
    if options.abstract or options.allow_blessed_key or options.polymorphic_fields or rules.polymorphic_fields:
        from ._polymorphism import by_namespace  # noqa: PLC0415

        return by_namespace(kind)
    return kind


def _union(kind: Any, rules: ModelOptions) -> Any:
    if native_union(get_args(kind), rules, record_options):
        inner = _rebuilt(kind, lambda part: translate(part, rules))
        hooks = [part for part in get_args(inner) if type(part) is Hook]
        if not hooks or len([part for part in get_args(inner) if part is not type(None)]) == 1:
            return inner
    from ._polymorphism import one_of  # noqa: PLC0415

    members = tuple(part for part in get_args(kind) if part is not type(None))
    hook = one_of(kind, tuple(translate(part, rules) for part in members), strict=not rules.coerce)
    return Union[hook, None] if len(members) < len(get_args(kind)) else hook  # noqa: UP007 - of a variable
