"""Keys, values and headers."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import Any, TypeVar

from faust_core.headers import HeadersArg, header_list

__all__ = ["HeadersArg", "K", "OpenHeadersArg", "V", "merge_headers", "prepare_headers"]

K = TypeVar("K")
V = TypeVar("V")

#: Headers that can be added to.
OpenHeadersArg = MutableMapping[str, Any] | MutableSequence[tuple[str, Any]]


def prepare_headers(target: HeadersArg) -> OpenHeadersArg:
    """Return a copy of headers that can be added to: a dict of a mapping, else a list of pairs."""
    return dict(target) if isinstance(target, Mapping) else list(target or ())


def merge_headers(target: OpenHeadersArg, source: Mapping[str, Any]) -> None:
    """Add headers to a dict, or a list of pairs, in place; text becomes bytes.  In a dict equal names are replaced.

    Raises:
        EncodeError: a value is neither text nor bytes nor None.
    """
    pairs = header_list(source, "headers") or []
    if isinstance(target, MutableMapping):
        target.update(pairs)
    else:
        target.extend(pairs)
