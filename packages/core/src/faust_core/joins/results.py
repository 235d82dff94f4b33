"""What a join of two tables has handed out for each key, so that it tells what is new, and what is gone."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, NamedTuple

from faust_core.claims import Claim
from faust_core.errors import DecodeError
from faust_core.joins.state import JoinState, StateCodec, StatePartition
from faust_core.records import TopicPartition
from faust_core.table_partition import DELETED

__all__ = ["NOTHING", "Result", "ResultPartition", "ResultTable", "digest"]


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


class ResultPartition(StatePartition):
    """One partition of a join's results.

    A result counts from when its item is done: where the body raises and the item is tried again, perhaps by another
    worker, the result is new once more.
    """

    __slots__ = ("_pending",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: of each input partition the item that was handed out last
        self._pending: dict[TopicPartition, tuple[Claim, int, bytes, Result]] = {}

    def known(self, key: bytes) -> Result:
        """Return what was handed out for a key and is done with."""
        self._fold()
        found = self.get(key)
        return found if isinstance(found, Result) else NOTHING

    def expect(self, claim: Claim, key: bytes, result: Result) -> None:
        """Note what is known once the item in hand is done."""
        self._pending[claim.tp] = (claim, claim.index, key, result)

    def _fold(self) -> None:
        for tp, (claim, index, key, result) in list(self._pending.items()):
            if claim.index > index:
                del self._pending[tp]
                self.dirty[key] = DELETED if result == NOTHING else result

    # -- the checkpoint's side

    @property
    def changed(self) -> bool:
        self._fold()
        return super().changed

    def discard(self) -> None:
        super().discard()
        self._pending = {}


class ResultTable(JoinState):
    """The results of one join."""

    partition_type = ResultPartition
    state_codec = ResultCodec


def digest(left: bytes | None, right: bytes | None) -> bytes:
    """Return a short name of a pair of values."""
    found = hashlib.blake2b(digest_size=12)
    for value in (left, right):
        found.update(b"\x00" if value is None else b"\x01%d:" % len(value))
        found.update(value or b"")
    return found.digest()
