"""What a test reads of an application: records, decoded as their topic says, and dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from faust_core.claims import Claim
from faust_core.events import Event
from faust_core.local import LocalTask
from faust_core.records import ConsumerRecord, RecordList, TopicPartition
from faust_core.topics import Topic

__all__ = ["DeadLetter", "Output", "dead_letter", "event_of", "output_of"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Output(Generic[K, V]):
    """One record that the application has written.

    Attributes:
        timestamp: epoch seconds.
    """

    key: K
    value: V
    headers: Mapping[str, bytes | None]
    timestamp: float
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that an agent failed on.

    Attributes:
        key, value: its bytes.
        topic, partition, offset: where it was read.
        error_type, error: the exception's class and text.
        agent: who failed.
    """

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    error_type: str
    error: str
    agent: str


def event_of(topic: Topic[K, V], record: ConsumerRecord) -> Event[K, V]:
    """Return a record as the topic's types have it.

    Raises:
        DecodeError: it is not what they say.
    """
    batch = RecordList(TopicPartition(record.topic, record.partition), [record])
    claim = Claim(batch, 0, 1, LocalTask(), topic, _Nobody())
    return Event(claim, topic.decode_value(record.value, claim))


def output_of(topic: Topic[K, V], record: ConsumerRecord) -> Output[K, V]:
    event = event_of(topic, record)
    timestamp = record.timestamp_ms / 1000
    return Output(event.key, event.value, event.headers, timestamp, record.partition, record.offset)


def dead_letter(record: ConsumerRecord) -> DeadLetter:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    return DeadLetter(
        record.key,
        record.value,
        headers["Faust-Error-Topic"],
        int(headers["Faust-Error-Partition"]),
        int(headers["Faust-Error-Offset"]),
        headers["Faust-Error-Type"],
        headers["Faust-Error-Message"],
        headers["Faust-Error-Agent"],
    )


class _Nobody:
    """The holder of a claim that nobody works on: its item is done."""

    name = "nobody"

    def release(self, claim: Claim, /) -> None: ...

    def trim(self, claim: Claim, /) -> None: ...

    def leave(self, claim: Claim, /) -> None: ...

    def ack(self, claim: Claim, offset: int, /) -> bool:  # noqa: ARG002
        return False

    def is_open(self, claim: Claim, offset: int, /) -> bool:  # noqa: ARG002
        return False

    def in_hand(self, claim: Claim, index: int, /) -> bool:  # noqa: ARG002
        return False
