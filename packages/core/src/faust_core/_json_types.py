"""Checks of decoded JSON against a type."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from faust_core.errors import ConfigError, DecodeError

__all__ = ["Check", "checker"]

#: Takes a decoded value and its path, returns the value as its type has it.
Check = Callable[[Any, str], Any]


def checker(value_type: Any) -> Check | None:
    """Return the function that checks decoded values, None where anything goes.

    Raises:
        ConfigError: the type is more than the standard library can check.
    """
    if value_type is None or value_type in (Any, object):
        return None
    return _checker(value_type, value_type, ())


def _checker(kind: Any, whole: Any, within: tuple[Any, ...]) -> Check:
    if kind in (Any, object):
        return lambda value, _path: value
    if kind in (None, type(None)):
        return _instance(type(None), "null")
    if kind is float:
        return _float
    if kind in (int, str, bool):
        return _instance(kind, kind.__name__)
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin in (list, Sequence):
        return _list(_checker(args[0] if args else Any, whole, within))
    if origin in (dict, Mapping) and (not args or args[0] in (str, Any)):
        return _dict(_checker(args[1] if args else Any, whole, within))
    if origin in (Union, types.UnionType):
        return _union([_checker(arg, whole, within) for arg in args])
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind not in within:
        return _dataclass(kind, whole, (*within, kind))
    shown = getattr(whole, "__name__", whole)
    part = "" if kind is whole else f", because of {getattr(kind, '__name__', kind)}"
    raise ConfigError(f"the standard library alone cannot read {shown}{part}: pip install faust-models")


def _wrong(path: str, expected: str, value: Any) -> DecodeError:
    got = "null" if value is None else type(value).__name__
    field = path.lstrip(".")
    return DecodeError(f"{field or 'the value'}: expected {expected}, got {got}", field=field)


def _instance(kind: type, name: str) -> Check:
    def check(value: Any, path: str) -> Any:
        # Not isinstance: true is not a number.
        if type(value) is kind:
            return value
        raise _wrong(path, name, value)

    return check


def _float(value: Any, path: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise _wrong(path, "float", value)


def _list(item: Check) -> Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not list:
            raise _wrong(path, "list", value)
        return [item(v, f"{path}[{i}]") for i, v in enumerate(value)]

    return check


def _dict(item: Check) -> Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise _wrong(path, "dict", value)
        return {k: item(v, f"{path}.{k}") for k, v in value.items()}

    return check


def _union(checks: Sequence[Check]) -> Check:
    def check(value: Any, path: str) -> Any:
        reasons = []
        for alternative in checks:
            try:
                return alternative(value, path)
            except DecodeError as exc:
                reasons.append(exc.reason)
        raise DecodeError("; or ".join(reasons))

    return check


def _dataclass(kind: type, whole: Any, within: tuple[Any, ...]) -> Check:
    try:
        hints = get_type_hints(kind)
    except NameError as exc:
        raise ConfigError(f"core's json codec cannot read {kind.__name__}: {exc}: pip install faust-models") from exc
    fields = [f for f in dataclasses.fields(kind) if f.init]
    checks = {f.name: _checker(hints[f.name], whole, within) for f in fields}
    required = {f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}

    def check(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise _wrong(path, f"dict for {kind.__name__}", value)
        if missing := required - value.keys():
            raise DecodeError(f"{path.lstrip('.') or 'the value'}: {', '.join(sorted(missing))} missing")
        return kind(**{n: item(value[n], f"{path}.{n}") for n, item in checks.items() if n in value})

    return check
