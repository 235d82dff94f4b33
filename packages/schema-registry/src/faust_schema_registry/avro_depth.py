"""How deep a value in Avro is nested, found out before fastavro reads it.

Where a record has itself inside, a few hundred kilobytes can be nested so deep that fastavro's C code overflows its
stack, which ends the process.  For such schemas, and only for these, the bytes are walked through first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from faust_core.errors import DecodeError

__all__ = ["DepthCheck", "is_recursive", "walk"]

MAX_DEPTH: Final = 100
#: 64 bits, seven at a time.
_MAX_VARINT: Final = 10
_FIXED: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def walk(schema: Any, within: tuple[str, ...], visit: Callable[[Any, tuple[str, ...]], None]) -> None:
    """Call `visit` for each part of a parsed schema, with the names of the records that it is in."""
    visit(schema, within)
    if isinstance(schema, list):
        for branch in schema:
            walk(branch, within, visit)
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind in ("record", "error"):
            for field in schema.get("fields", ()):
                walk(field["type"], (*within, schema["name"]), visit)
        elif kind == "array":
            walk(schema["items"], within, visit)
        elif kind == "map":
            walk(schema["values"], within, visit)
        elif isinstance(kind, dict | list):
            walk(kind, within, visit)


def is_recursive(schema: Any) -> bool:
    """Return whether a record of a parsed schema has itself inside."""
    found = []

    def visit(part: Any, within: tuple[str, ...]) -> None:
        name = part if isinstance(part, str) else part.get("type") if isinstance(part, dict) else None
        if isinstance(name, str) and name in within:
            found.append(name)

    walk(schema, (), visit)
    return bool(found)


class DepthCheck:
    """Walks through values of one parsed schema, without making anything of them."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._named: dict[str, Any] = {}

        def visit(part: Any, _within: tuple[str, ...]) -> None:
            if isinstance(part, dict) and "name" in part:
                self._named[part["name"]] = part

        walk(schema, (), visit)

    def __call__(self, data: bytes, start: int) -> None:
        """Raise where the value that begins at `start` is nested too deep, or cut off.

        Raises:
            DecodeError: it is.
        """
        self._skip(self._schema, data, start, 0)

    def _skip(self, schema: Any, data: bytes, at: int, depth: int) -> int:
        """Return where a value ends."""
        if isinstance(schema, list):
            branch, at = _long(data, at)
            if not 0 <= branch < len(schema):
                raise DecodeError(f"avro: a union of {len(schema)} has no branch {branch}")
            return self._skip(schema[branch], data, at, depth)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in _FIXED:
            at += _FIXED[kind]
        elif kind in ("int", "long", "enum"):
            _, at = _long(data, at)
        elif kind in ("bytes", "string"):
            at = _skip_bytes(data, at)
        elif kind == "fixed":
            at += schema["size"]
        elif kind in ("record", "error"):
            if depth >= MAX_DEPTH:
                raise DecodeError(f"avro: nested more than {MAX_DEPTH} levels deep")
            for field in schema["fields"]:
                at = self._skip(field["type"], data, at, depth + 1)
        elif kind in ("array", "map"):
            at = self._skip_blocks(schema, data, at, depth)
        else:
            at = self._skip(self._named[kind] if isinstance(kind, str) else kind, data, at, depth)
        if at > len(data):
            raise DecodeError("avro: the data ends too early")
        return at

    def _skip_blocks(self, schema: Any, data: bytes, at: int, depth: int) -> int:
        while True:
            count, at = _long(data, at)
            if count == 0:
                return at
            if count < 0:
                _, at = _long(data, at)  # the block's size in bytes
            for _ in range(abs(count)):
                if schema["type"] == "map":
                    at = _skip_bytes(data, at)
                at = self._skip(schema["items" if schema["type"] == "array" else "values"], data, at, depth)


def _skip_bytes(data: bytes, at: int) -> int:
    size, at = _long(data, at)
    if size < 0 or at + size > len(data):
        raise DecodeError("avro: the data ends too early")
    return at + size


def _long(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for end in range(at, min(at + _MAX_VARINT, len(data))):
        byte = data[end]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), end + 1
        shift += 7
    raise DecodeError("avro: a number is cut off or too long")
