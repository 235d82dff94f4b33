"""Records, dataclasses and their like as plain values, for formats that know no types."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from faust_core.errors import ConfigError, DecodeError
from faust_core.protocols.codec import PlainForm

from . import _json
from ._convert import converter
from ._translate import record_options, translate
from .options import ModelOptions

__all__ = ["field_path", "plain_form", "to_plain"]

_AT = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


def to_plain(value: Any) -> Any:
    """Return `value` as dicts, lists, text, numbers and bytes; records carry their metadata.

    Raises:
        TypeError, ValueError: something in it has no such form.
    """
    return msgspec.to_builtins(_json.plain(value), builtin_types=(bytes, bytearray), enc_hook=_json.unknown)


def field_path(reason: str) -> str:
    """Return the path that msgspec says at the end of its messages; empty where there is none."""
    found = _AT.search(reason)
    return found.group(1) if found else ""


class _TypedForm:
    def __init__(self, value_type: Any, convert: Callable[[Any], Any]) -> None:
        self._class = value_type if isinstance(value_type, type) and value_type is not bool else None
        self._convert = convert

    def to_plain(self, value: Any, /) -> Any:
        return to_plain(value)

    def from_plain(self, plain: Any, /) -> Any:
        if self._class is not None and type(plain) is self._class:
            return plain
        try:
            return self._convert(plain)
        except Exception as exc:  # `__post_init__` and coercions are the user's code
            raise DecodeError(str(exc) or repr(exc), field=field_path(str(exc))) from exc


def plain_form(value_type: Any, /) -> PlainForm:
    """Return how values of a type look as plain ones.

    Raises:
        ConfigError: nothing can be converted to that type.
    """
    try:
        target = translate(value_type, record_options(value_type) or ModelOptions())
        return _TypedForm(value_type, converter(target))
    except (TypeError, ValueError, NameError) as exc:
        raise ConfigError(f"plain values cannot become {value_type!r}: {exc}") from exc


if TYPE_CHECKING:
    _: type[PlainForm] = _TypedForm
