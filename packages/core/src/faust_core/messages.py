"""A record as it stands on the broker, under the names that applications know."""

from __future__ import annotations

from faust_core.records import ConsumerRecord, Headers, TopicPartition

__all__ = ["Message"]


class Message:
    """A record's place and bytes, under the names that applications know."""

    __slots__ = ("_record",)

    def __init__(self, record: ConsumerRecord) -> None:
        self._record = record

    @property
    def topic(self) -> str:
        return self._record.topic

    @property
    def partition(self) -> int:
        return self._record.partition

    @property
    def offset(self) -> int:
        return self._record.offset

    @property
    def timestamp(self) -> float:
        """Epoch seconds; negative where the broker gave none."""
        return self._record.timestamp_ms / 1000

    @property
    def timestamp_ms(self) -> int:
        return self._record.timestamp_ms

    @property
    def key(self) -> bytes | None:
        return self._record.key

    @property
    def value(self) -> bytes | None:
        return self._record.value

    @property
    def headers(self) -> Headers:
        return self._record.headers

    @property
    def serialized_key_size(self) -> int:
        """Bytes; -1 where there is no key."""
        return -1 if self._record.key is None else len(self._record.key)

    @property
    def serialized_value_size(self) -> int:
        """Bytes; -1 where there is no value."""
        return -1 if self._record.value is None else len(self._record.value)

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self._record.topic, self._record.partition)

    def __repr__(self) -> str:
        return f"<Message: {self.topic}/{self.partition} offset={self.offset}>"
