"""All that is wrong with a value, each with its path: looked for only after something was found to be."""

from __future__ import annotations

import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from ._convert import converter
from ._metadata import HIDDEN
from ._translate import Hook, record_options, underlying_class
from .errors import ValidationError

__all__ = ["find"]

#: Enough to see what is wrong; a long list of bad items is not repeated item by item.
_MOST = 20
_PATH = re.compile(r" - at `(key in )?\$([^`]*)`$")
_ARRAYS = (list, set, frozenset, tuple)


def find(value: Any, kind: Any, strict: bool) -> list[ValidationError]:
    """Return what is wrong with a plain value of a translated type; at most 20 errors, none if it is fine."""
    return _find(value, kind, strict, "$", hidden=False)[:_MOST]


def _find(value: Any, kind: Any, strict: bool, path: str, *, hidden: bool) -> list[ValidationError]:
    if get_origin(kind) is Annotated and type(get_args(kind)[0]) is Hook:
        kind = get_args(kind)[0]
    try:
        converter(kind, strict)(value)
    except Exception as exc:  # noqa: BLE001 - the user's own code runs inside
        secret = hidden or (type(kind) is Hook and kind.secret)
        return _inside(value, kind, strict, path, secret) or _leaf(exc, path, None if secret else value)
    return []


def _leaf(exc: Exception, path: str, value: Any) -> list[ValidationError]:
    own = exc if isinstance(exc, ValidationError) else exc.__cause__
    if isinstance(own, ValidationError):
        # What a record found when it was made: its own words are better than ours.
        return [ValidationError(e.reason, field=e.field, path=path, value=e.value) for e in own.errors]
    reason = str(exc) or type(exc).__name__
    inner = _PATH.search(reason)
    if inner is None or not isinstance(exc, msgspec.ValidationError):
        return [ValidationError(reason, path=path, value=value)]
    return [ValidationError(_PATH.sub("", reason), path=path + inner[2], value=value if not inner[2] else None)]


def _inside(value: Any, kind: Any, strict: bool, path: str, hidden: bool) -> list[ValidationError]:
    if type(kind) is Hook:
        member = kind.member_of(value)
        return [] if member is None else _find(value, member, strict, path, hidden=hidden)
    if get_origin(kind) in (Union, UnionType):
        others = [part for part in get_args(kind) if part is not type(None)]
        return _find(value, others[0], strict, path, hidden=hidden) if len(others) == 1 else []
    if record_options(kind) is not None and isinstance(value, dict):
        return _in_record(value, kind, strict, path, hidden)
    found: list[ValidationError] = []
    arguments = get_args(kind)
    if isinstance(value, list) and arguments and underlying_class(kind) in _ARRAYS:
        same = underlying_class(kind) is not tuple or arguments[-1] is ...
        kinds = [arguments[0]] * len(value) if same else arguments
        for index, (item, inner) in enumerate(zip(value, kinds, strict=False)):
            found += _find(item, inner, strict, f"{path}[{index}]", hidden=hidden)
            if len(found) >= _MOST:
                break
    elif isinstance(value, dict) and len(arguments) == 2:
        for key, item in value.items():
            found += _find(item, arguments[1], strict, f"{path}[{'…' if hidden else key!r}]", hidden=hidden)
            if len(found) >= _MOST:
                break
    return found


def _in_record(value: dict[str, Any], kind: Any, strict: bool, path: str, hidden: bool) -> list[ValidationError]:
    found: list[ValidationError] = []
    for field in msgspec.structs.fields(kind):
        if field.name == HIDDEN:
            continue
        if field.encode_name not in value:
            if field.required:
                found.append(ValidationError(f"Object missing required field `{field.encode_name}`", path=path))
        elif value[field.encode_name] is not None or field.required:
            found += _find(value[field.encode_name], field.type, strict, f"{path}.{field.encode_name}", hidden=hidden)
    return found
