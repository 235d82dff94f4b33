"""Typed values as plain ones, with the standard library alone: models that convert themselves, and dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faust_core._json_types import Check, checker
from faust_core.errors import DecodeError
from faust_core.protocols.codec import PlainForm

__all__ = ["plain_form"]


class _PlainForm:
    def __init__(self, value_type: Any) -> None:
        self._from_data = getattr(value_type, "from_data", None)
        if self._from_data is not None:
            self._check: Check | None = None
        else:
            self._check = _bytes if value_type is bytes else checker(value_type)

    def to_plain(self, value: Any, /) -> Any:
        return _plain(value)

    def from_plain(self, plain: Any, /) -> Any:
        if self._from_data is not None:
            return self._from_data(plain)
        return plain if self._check is None else self._check(plain, "")


def plain_form(value_type: Any, /) -> PlainForm:
    """Return how values of a type look as plain ones.

    Raises:
        ConfigError: the type is more than the standard library can check.
    """
    return _PlainForm(value_type)


def _bytes(value: Any, _path: str) -> Any:
    if isinstance(value, bytes):
        return value
    raise DecodeError(f"expected bytes, got {type(value).__name__}")


def _plain(value: Any) -> Any:
    represent = getattr(value, "to_representation", None)
    if represent is not None and not isinstance(value, type):
        return _plain(represent())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


if TYPE_CHECKING:
    _: type[PlainForm] = _PlainForm
