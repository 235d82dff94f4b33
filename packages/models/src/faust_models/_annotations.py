"""What a class body declares, before there is a class: which of its fields need defaults."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, ForwardRef, Union, get_args, get_origin, get_type_hints

import msgspec

from .fields import FieldDescriptor

__all__ = ["add_hidden_field", "complete_defaults", "field_names", "tagged", "take_descriptors"]

#: For annotations whose names cannot be looked up yet: they are told apart by how they are written.
_OPTIONAL = re.compile(r"^(\w+\.)?Optional\[.*\]$|\|\s*None$|^None\s*\|", re.DOTALL)
_CLASS_VAR = re.compile(r"^(\w+\.)?ClassVar\b")
_TAG = re.compile(r"\b(Secret|Sensitive|Personal)\b")
_Field = type(msgspec.field())


def take_descriptors(name: str, namespace: dict[str, Any]) -> dict[str, FieldDescriptor[Any]]:
    """Return the descriptors of a class body, and put what msgspec takes in their place.

    Raises:
        TypeError: a descriptor has no annotation beside it.
    """
    found = {field: value for field, value in namespace.items() if isinstance(value, FieldDescriptor)}
    annotations = _annotations(namespace) if found else {}
    for field, descriptor in found.items():
        if field not in annotations:
            kind = type(descriptor).__name__
            raise TypeError(f"class {name}: field {field!r} has no type; write {field}: <type> = {kind}(…)")
        namespace[field] = descriptor.as_struct_field()
    return found


def field_names(namespace: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that the class body annotates."""
    return frozenset(_annotations(namespace))


def tagged(namespace: Mapping[str, Any]) -> bool:
    """Return whether a field of the class body looks as if it were tagged, as `Secret[str]` is."""
    return any(_TAG.search(_written(a) or str(a)) for a in _annotations(namespace).values())


def add_hidden_field(namespace: dict[str, Any], field: str, annotation: Any, default: Any) -> None:
    """Add a last field to a class body."""
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - exists from 3.14 on

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:

            def with_hidden(format: Any, /) -> dict[str, Any]:  # noqa: A002 - its name there
                return {**annotationlib.call_annotate_function(annotate, format), field: annotation}

            namespace["__annotate__"] = with_hidden
            namespace.pop("__annotate_func__", None)
            namespace[field] = default
            return
    namespace["__annotations__"] = {**namespace.get("__annotations__", {}), field: annotation}
    namespace[field] = default


def complete_defaults(name: str, namespace: dict[str, Any], *, inherits_default: bool, kw_only: bool) -> bool:
    """Give every `Optional` field of the class body the default None.

    Returns:
        Whether a required field follows one that may be left out although no default was written
        before it.  Such a class takes keyword arguments only.

    Raises:
        TypeError: a required field follows a written default.
    """
    written: list[str] = []
    keyword_only = False
    omittable = inherits_default
    for field, annotation in _annotations(namespace).items():
        if _is_class_var(annotation):
            continue
        given = namespace.get(field, msgspec.NODEFAULT)
        if _has_default(given):
            written.append(field)
        elif _is_optional(annotation, namespace):
            omittable = True
            namespace[field] = msgspec.field(default=None, name=given.name) if isinstance(given, _Field) else None
        elif kw_only:
            continue
        elif written:
            raise TypeError(
                f"class {name}: field {field!r} has no default but follows {', '.join(written)}, which has one; "
                f"move it up or give it a default"
            )
        elif omittable:
            keyword_only = True
    return keyword_only


def _annotations(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - exists from 3.14 on

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            return annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    found: Mapping[str, Any] = namespace.get("__annotations__", {})
    return found


def _has_default(given: Any) -> bool:
    if isinstance(given, _Field):
        return given.default is not msgspec.NODEFAULT or given.default_factory is not msgspec.NODEFAULT
    return given is not msgspec.NODEFAULT


def _is_class_var(annotation: Any) -> bool:
    written = _written(annotation)
    if written is not None:
        return _CLASS_VAR.match(written) is not None
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _is_optional(annotation: Any, namespace: Mapping[str, Any]) -> bool:
    written = _written(annotation)
    if written is not None:
        module = sys.modules.get(namespace.get("__module__", ""))
        holder = type("_", (), {"__annotations__": {"field": written}})
        try:
            annotation = get_type_hints(holder, vars(module) if module else {}, dict(namespace))["field"]
        except (NameError, AttributeError, TypeError, SyntaxError):
            return _OPTIONAL.search(written.strip()) is not None
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _written(annotation: Any) -> str | None:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else None
