"""The right side of a foreign-key join: who has asked for which key, and the answers.

A row of the left table asks for its key here, in the partition that has it; so when the right table's row changes, all
that have asked are found by one range of the store, and are told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from faust_core.errors import DecodeError
from faust_core.joins.state import GroupedPartition, JoinState, StateCodec
from faust_core.joins.table_changes import TableChanges, claim_in_hand, opened
from faust_core.stream import SKIP
from faust_core.table_partition import DELETED, MISSING

if TYPE_CHECKING:
    from faust_core.stream import StreamRuntime
    from faust_core.tables import Table

__all__ = ["Answer", "Ask", "ForeignIndex", "IndexPartition", "IndexTable"]

K = TypeVar("K")

_ASK = struct.Struct(">BBI")
_ANSWER = struct.Struct(">BBI")
_LENGTH = struct.Struct(">I")
_PARTITION = struct.Struct(">I")
VERSION = 1


class Ask(NamedTuple):
    """A row of the left table wants to know of a key, or no more.  Sent with that key.

    Attributes:
        wanted: False takes the wish back.
        partition: of the left table.
        key: of its row.
    """

    wanted: bool
    partition: int
    key: bytes

    def encode(self) -> bytes:
        return _ASK.pack(VERSION, self.wanted, self.partition) + self.key

    @classmethod
    def decode(cls, data: bytes | None, where: object) -> Ask:
        version, wanted, partition = _unpack(_ASK, data, where)
        assert data is not None
        return cls(_checked(version, bool(wanted), where), partition, data[_ASK.size :])


class Answer(NamedTuple):
    """What the right table has for the key that a row asked for.  Sent with the key of the row.

    Attributes:
        value: None where it has nothing.
    """

    foreign: bytes
    value: bytes | None

    def encode(self) -> bytes:
        return _ANSWER.pack(VERSION, self.value is not None, len(self.foreign)) + self.foreign + (self.value or b"")

    @classmethod
    def decode(cls, data: bytes | None, where: object) -> Answer:
        version, found, size = _unpack(_ANSWER, data, where)
        assert data is not None
        at = _ANSWER.size + size
        return cls(data[_ANSWER.size : at], data[at:] if _checked(version, bool(found), where) else None)


class IndexCodec(StateCodec):
    """(foreign key, key of the left row) → its partition.  The layout may be added to, never changed."""

    __slots__ = ()

    def encode_key(self, key: tuple[bytes, bytes]) -> bytes:
        foreign, asking = key
        return _LENGTH.pack(len(foreign)) + foreign + asking

    def encode_value(self, value: int) -> bytes:
        return _PARTITION.pack(value)

    def decode_key(self, data: bytes) -> tuple[bytes, bytes]:
        at = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        return data[_LENGTH.size : at], data[at:]

    def decode_value(self, data: bytes) -> int:
        partition: int = _unpack(_PARTITION, data, "the index of a join")[0]
        return partition


class IndexPartition(GroupedPartition):
    """The wishes for the keys of one partition of the right table."""

    __slots__ = ()

    def group_of(self, key: tuple[bytes, bytes]) -> bytes:
        return key[0]

    def asking(self, foreign: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield key and partition of each row that has asked for `foreign`, in no particular order."""
        changed = list(self.unstored(foreign))
        known = set(changed)
        first = _LENGTH.pack(len(foreign)) + foreign
        for data, value in self.store.scan(first, _after(first)):
            key = self.codec.decode_key(data)
            if key not in known:
                yield key[1], self.codec.decode_value(value)
        for key in changed:
            partition: Any = self.get(key)
            if partition is not MISSING:
                yield key[1], partition


class IndexTable(JoinState):
    """The wishes of one join."""

    partition_type = IndexPartition
    state_codec = IndexCodec


class ForeignIndex(TableChanges[Any, Any]):
    """Reads wishes and the right table's changes; hands out answers: (topic, key, value, partition)."""

    def __init__(self, name: str, who: str, right: Table[Any, Any], asks: str, answers: str) -> None:
        super().__init__(name, (right,), asks)
        self._who = who
        self._asks = asks
        self._answers = answers
        self._index = IndexTable(self.app, f"{name}-index")
        self.derived = {
            self._index.changelog_topic_name: "changelog",
            asks: "repartition",
            answers: "repartition",
        }

    def on_open(self, runtime: StreamRuntime) -> None:
        runtime.keep(self._index)
        runtime.together(self._who, [], [self.tables[0].name, self._index.name])

    def changed(self, data: bytes | None) -> Any:
        claim = claim_in_hand()
        foreign = claim.key_bytes
        if foreign is None:
            return SKIP
        right = self.tables[0]
        index = opened(claim, self._index)
        assert isinstance(index, IndexPartition)
        # No checkpoint while its rows are gone through.
        claim.wrote = claim.index
        asked_by: Iterator[tuple[bytes, int]] | None = None
        if claim.tp.topic == self._asks:
            ask = Ask.decode(data, claim)
            index.change_key((foreign, ask.key), ask.partition if ask.wanted else DELETED)
            if not ask.wanted:
                return SKIP
            asked_by = iter([(ask.key, ask.partition)])
        value = opened(claim, right).get(right.codec.decode_key(foreign))
        answer = Answer(foreign, None if value is MISSING else right.codec.encode_value(value)).encode()
        return self._each(asked_by or index.asking(foreign), answer)

    def _each(self, asked_by: Iterator[tuple[bytes, int]], answer: bytes) -> Iterator[tuple[str, bytes, bytes, int]]:
        for key, partition in asked_by:
            yield self._answers, key, answer, partition


def _unpack(layout: struct.Struct, data: bytes | None, where: object) -> tuple[Any, ...]:
    try:
        return layout.unpack_from(data or b"")
    except struct.error as exc:
        raise DecodeError(f"{where}: this was not written by a join of tables: {data!r}") from exc


def _checked(version: int, value: bool, where: object) -> bool:
    if version != VERSION:
        raise DecodeError(f"{where}: a join of a newer version of this program wrote this (format {version})")
    return value


def _after(prefix: bytes) -> bytes:
    """Return what comes after all that begins with `prefix`, whose first byte is below 255."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])
