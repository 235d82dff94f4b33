"""Records of one partition as librdkafka delivered them; columns are made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from confluent_kafka import Message

from faust_core.records import ConsumerRecord, Headers, RecordBatch, TopicPartition

__all__ = ["MessageBatch"]

_timestamp_ms = itemgetter(1)
# A record that was read has an offset, which the library's annotation does not say.
_offset = cast("Callable[[Message], int]", Message.offset)


class MessageBatch:
    """A `RecordBatch` over librdkafka's messages.

    A column is made by one `map` of a C method when it is first read (about 25 ns per record) and then kept.
    """

    __slots__ = ("_keys", "_messages", "_offsets", "_timestamps_ms", "_values", "next_offset", "tp")

    def __init__(self, tp: TopicPartition, messages: Sequence[Message]) -> None:
        """Take `messages`, all of `tp`, in offset order, without errors, at least one."""
        self.tp = tp
        self._messages = messages
        self.next_offset = _offset(messages[-1]) + 1
        self._values: list[bytes | None] | None = None
        self._keys: list[bytes | None] | None = None
        self._offsets: list[int] | None = None
        self._timestamps_ms: list[int] | None = None

    @property
    def values(self) -> Sequence[bytes | None]:
        if self._values is None:
            self._values = list(map(Message.value, self._messages))
        return self._values

    @property
    def keys(self) -> Sequence[bytes | None]:
        if self._keys is None:
            self._keys = list(map(Message.key, self._messages))
        return self._keys

    @property
    def offsets(self) -> Sequence[int]:
        if self._offsets is None:
            self._offsets = list(map(_offset, self._messages))
        return self._offsets

    @property
    def timestamps_ms(self) -> Sequence[int]:
        if self._timestamps_ms is None:
            self._timestamps_ms = list(map(_timestamp_ms, map(Message.timestamp, self._messages)))
        return self._timestamps_ms

    def headers(self, index: int, /) -> Headers:
        return self._messages[index].headers() or ()  # type: ignore[return-value]  # a list of pairs, when read

    def record(self, index: int, /) -> ConsumerRecord:
        message = self._messages[index]
        return ConsumerRecord(
            topic=self.tp.topic,
            partition=self.tp.partition,
            offset=_offset(message),
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=self.headers(index),
        )

    def split(self, count: int) -> tuple[MessageBatch, MessageBatch]:
        """Return the first `count` records and the others; neither may be empty."""
        return MessageBatch(self.tp, self._messages[:count]), MessageBatch(self.tp, self._messages[count:])

    @property
    def first_offset(self) -> int:
        return _offset(self._messages[0])

    def __len__(self) -> int:
        return len(self._messages)


if TYPE_CHECKING:
    _: type[RecordBatch] = MessageBatch
