"""What a join of two tables has handed out for each key, so that it tells what is new, and what is gone."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, NamedTuple

from faust_core.errors import DecodeError
from faust_core.joins.state import JoinState, StateCodec, StatePartition

__all__ = ["NOTHING", "Result", "ResultTable", "digest"]


class Result(NamedTuple):
    """What is known of one key.

    Attributes:
        digest: of the pair that was handed out last; empty where there is none, or it is gone.
        foreign: the key in the other table that this key's row has asked for; None for none.
    """

    digest: bytes = b""
    foreign: bytes | None = None


NOTHING = Result()

_FLAGS = struct.Struct(">BB")


class ResultCodec(StateCodec):
    """Keys as they are; results as flags, digest, foreign key.  The layout may be added to, never changed."""

    __slots__ = ()

    def encode_key(self, key: bytes) -> bytes:
        return key

    def encode_value(self, value: Result) -> bytes:
        flags = _FLAGS.pack(len(value.digest), value.foreign is not None)
        return flags + value.digest + (value.foreign or b"")

    def decode_key(self, data: bytes) -> bytes:
        return data

    def decode_value(self, data: bytes) -> Result:
        """Raises:
        DecodeError: these bytes were written by something else.
        """
        try:
            size, has_foreign = _FLAGS.unpack_from(data)
        except struct.error as exc:
            raise DecodeError(f"the results of a join hold what is no result: {data[:40]!r}") from exc
        at = _FLAGS.size + size
        return Result(data[_FLAGS.size : at], data[at:] if has_foreign else None)


class ResultTable(JoinState):
    """The results of one join."""

    partition_type = StatePartition
    state_codec = ResultCodec


def digest(left: bytes | None, right: bytes | None) -> bytes:
    """Return a short name of a pair of values."""
    found = hashlib.blake2b(digest_size=12)
    for value in (left, right):
        found.update(b"\x00" if value is None else b"\x01%d:" % len(value))
        found.update(value or b"")
    return found.digest()


def encoded(table: Any, value: Any) -> bytes | None:
    return None if value is None else table.codec.encode_value(value)
