"""Kafka as the driver sees it: topics are made, filled and read back."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

PREFIX = "bench-"
KEEP = {"retention.ms": "-1"}  # timestamps of events are older than now

Entry = tuple[int, bytes | None, bytes, int]  # partition, key, value, timestamp in ms (0: now)


class Kafka:
    """A broker under test."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient(self._settings())

    def topics(self) -> set[str]:
        """The names of all topics."""
        return set(self._admin.list_topics(timeout=30).topics)

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic that keeps everything; waits until it can be written."""
        made = self._admin.create_topics([NewTopic(topic, partitions, 1, config=KEEP)])
        made[topic].result(30)
        deadline = time.monotonic() + 30
        while len(self._admin.list_topics(topic, timeout=10).topics[topic].partitions) < partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {topic} does not come up")
            time.sleep(0.05)

    def delete(self, *parts_of_names: str) -> list[str]:
        """Delete our topics whose names contain one of the texts."""
        names = [t for t in self.topics() if PREFIX in t and any(part in t for part in parts_of_names)]
        for done in (self._admin.delete_topics(names) if names else {}).values():
            try:
                done.result(30)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return names

    def fill(self, topic: str, entries: Iterable[Entry]) -> None:
        """Write records, and wait until the broker has them."""
        producer = self.producer({"linger.ms": 50, "batch.num.messages": 50_000})
        for number, (partition, key, value, timestamp_ms) in enumerate(entries):
            while True:
                try:
                    producer.produce(topic, value, key, partition=partition, timestamp=timestamp_ms)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
            if number % 2_000 == 0:
                producer.poll(0)
        if left := producer.flush(120):
            raise TimeoutError(f"{left} records did not reach {topic}")

    def producer(self, settings: dict[str, Any]) -> Producer:
        """A producer."""
        return Producer(self._settings() | settings)

    def _settings(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap, "log_level": 0}  # silent: the broker may end before its clients

    def reader(self, topic: str, partitions: int, start: int = 0) -> Consumer:
        """A consumer of committed records of all partitions from an offset on."""
        reader = Consumer(
            self._settings()
            | {
                "group.id": f"{PREFIX}driver",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        reader.assign([TopicPartition(topic, p, start) for p in range(partitions)])
        return reader

    def read(self, topic: str, partitions: int, start: int = 0) -> Iterator[Message]:
        """Yield what is in a topic, up to its present end.

        Raises:
            TimeoutError: nothing came for half a minute.
        """
        reader = self.reader(topic, partitions, start)
        open_partitions = set(range(partitions))
        try:
            while open_partitions:
                messages = reader.consume(10_000, 1.0)
                quiet_since = time.monotonic()
                while not messages and time.monotonic() < quiet_since + 30:
                    messages = reader.consume(10_000, 1.0)
                if not messages:
                    raise TimeoutError(f"{topic} cannot be read to its end")
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                        open_partitions.discard(message.partition())
                    else:
                        raise KafkaException(error)
        finally:
            reader.close()

    def ends(self, topic: str, partitions: int) -> list[int]:
        """The offsets after the last records."""
        reader = self.reader(topic, partitions)
        try:
            return [reader.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1] for p in range(partitions)]
        finally:
            reader.close()

    def committed(self, group: str, topic: str, partitions: int) -> int:
        """The sum of a group's committed offsets of a topic."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(partitions)])
        answered = self._admin.list_consumer_group_offsets([asked])[group].result(30)
        return sum(max(0, place.offset) for place in answered.topic_partitions)
