"""The bytes before a value: a zero, the schema's id, and for Protobuf which message of the schema it is."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from faust_core.errors import DecodeError

__all__ = ["HEADER_BYTES", "check_header", "header", "is_header", "read_indexes", "schema_id", "write_indexes"]

HEADER_BYTES: Final = 5
#: Registries count in Java's int; asked for more they answer that there is no such page.
LARGEST_ID: Final = 2**31 - 1
#: No .proto nests messages deeper, or has more of them; what says so is not what it seems.
_MAX_INDEXES: Final = 100


def header(schema: int) -> bytes:
    """Return what stands before a value of a schema."""
    return struct.pack(">bI", 0, schema)


def schema_id(prefix: bytes) -> int:
    """Return the id in a header."""
    return int.from_bytes(prefix[1:HEADER_BYTES], "big")


def is_header(prefix: bytes) -> bool:
    """Return whether a registry may be asked for the schema that these bytes name."""
    return len(prefix) == HEADER_BYTES and prefix[0] == 0 and schema_id(prefix) <= LARGEST_ID


def check_header(name: str, data: bytes) -> bytes:
    """Return the header of a value.

    Raises:
        DecodeError: there is none, or none that a registry has given: the value was written without one.
    """
    if len(data) < HEADER_BYTES:
        raise DecodeError(f"{name}: {len(data)} bytes, fewer than the schema's id takes", codec=name)
    if data[0] != 0:
        raise DecodeError(
            f"{name}: the first byte is {data[0]:#04x}, not 0: the value was written without a schema registry",
            codec=name,
        )
    if not is_header(prefix := data[:HEADER_BYTES]):
        raise DecodeError(
            f"{name}: the schema's id would be {schema_id(prefix)}, more than a registry can give: the value was "
            "written without one",
            codec=name,
        )
    return prefix


def write_indexes(indexes: Sequence[int]) -> bytes:
    """Return the path of a message in its file; the first message of all is a single zero."""
    if list(indexes) == [0]:
        return b"\0"
    return b"".join(_zigzag(number) for number in (len(indexes), *indexes))


def read_indexes(data: bytes, start: int) -> tuple[tuple[int, ...], int]:
    """Return the path of a message in its file, and where the message begins.

    Raises:
        DecodeError: the bytes end too early, or no schema has such a path.
    """
    count, at = _unzigzag(data, start)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MAX_INDEXES:
        raise DecodeError(f"protobuf: a message's path cannot have {count} parts", codec="protobuf")
    indexes = []
    for _ in range(count):
        index, at = _unzigzag(data, at)
        if index < 0:
            raise DecodeError(f"protobuf: {index} is in the message's path", codec="protobuf")
        indexes.append(index)
    return tuple(indexes), at


def _zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _unzigzag(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 35:
            raise DecodeError("protobuf: the message's path is cut off or too long", codec="protobuf")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
