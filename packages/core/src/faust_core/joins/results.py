"""What a join of two tables has handed out for each key, so that it tells what is new, and what is gone."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection
from typing import Any, NamedTuple

from faust_core.claims import Claim
from faust_core.errors import DecodeError
from faust_core.joins.state import JoinState, StateCodec, StatePartition
from faust_core.records import TopicPartition
from faust_core.table_partition import DELETED

__all__ = ["IN_DOUBT", "NOTHING", "Result", "ResultPartition", "ResultTable", "digest"]


class Result(NamedTuple):
    """What is known of one key.

    Attributes:
        digest: of the pair that was handed out last; empty where there is none, or it is gone; `IN_DOUBT` where a
            crash may have lost that.
        foreign: the key in the other table that this key's row has asked for; None for none.
    """

    digest: bytes = b""
    foreign: bytes | None = None


NOTHING = Result()

#: A pair may have been handed out and sent, and then not noted.  It is no pair's digest, so what comes next is told.
IN_DOUBT = b"?"

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

    Under at least once what the body sent may be seen although the item is not done.  By the time the item comes again
    the tables may have gone on, so that another pair is due, or none.  Such items are handed out whatever they bring.

    Attributes:
        in_doubt: of each input partition the offset from which on nobody has handed out anything yet.
    """

    __slots__ = ("_pending", "_reached", "in_doubt")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: of each input partition the item that was handed out last
        self._pending: dict[TopicPartition, tuple[Claim, int, int, Result, bytes]] = {}
        #: of each input partition the offset after it
        self._reached: dict[TopicPartition, int] = {}
        self.in_doubt: dict[TopicPartition, int] = {}

    def known(self, claim: Claim, key: bytes) -> Result:
        """Return what was handed out for the key of the item in hand, and is done with."""
        self._fold()
        found = self.get(key)
        known = found if isinstance(found, Result) else NOTHING
        if self._is_in_doubt(claim):
            return known._replace(digest=IN_DOUBT)
        return known

    def _is_in_doubt(self, claim: Claim) -> bool:
        offset = claim.offset
        last = self._pending.get(claim.tp)
        if last is not None and last[2] == offset:
            return True  # its body raised
        until = self.in_doubt.get(claim.tp)
        if until is None:
            return False
        if offset >= until:
            del self.in_doubt[claim.tp]
            return False
        return True

    def expect(self, claim: Claim, key: bytes, result: Result) -> None:
        """Note what is known once the item in hand is done."""
        self._pending[claim.tp] = (claim, claim.index, claim.offset, result, key)
        self._reached[claim.tp] = claim.offset + 1

    def _fold(self) -> None:
        for tp, (claim, index, _, result, key) in list(self._pending.items()):
            if claim.index > index:
                del self._pending[tp]
                self.dirty[key] = DELETED if result == NOTHING else result

    # -- the checkpoint's side

    @property
    def changed(self) -> bool:
        self._fold()
        return super().changed

    def rewind(self, *, committed: bool = False) -> None:
        super().rewind(committed=committed)
        if not getattr(self.table, "rereads", ()):
            return
        for tp, offset in self._reached.items():
            self.in_doubt[tp] = max(offset, self.in_doubt.get(tp, 0))

    def discard(self) -> None:
        super().discard()
        self._pending = {}


class ResultTable(JoinState):
    """The results of one join."""

    partition_type = ResultPartition
    state_codec = ResultCodec

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(app, name)
        #: the topics whose records change the results
        self.reads: Collection[str] = ()

    @property
    def rereads(self) -> Collection[str]:
        return () if self.app.conf.exactly_once else self.reads


def digest(left: bytes | None, right: bytes | None) -> bytes:
    """Return a short name of a pair of values."""
    found = hashlib.blake2b(digest_size=12)
    for value in (left, right):
        found.update(b"\x00" if value is None else b"\x01%d:" % len(value))
        found.update(value or b"")
    return found.digest()
