"""The yardstick: each workload as a plain loop on confluent-kafka and msgspec, tuned, without any guarantee kept up.

`queued.min.messages` and `fetch.queue.backoff.ms` are set because with their defaults librdkafka stops fetching for a
second whenever 100,000 records are queued.
"""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from bench.workers.meter import Meter, setting
from bench.workloads import HOUR_MS, KEYS, PRICE_ABOVE, account

BATCH = 10_000
TUNED = {"queued.min.messages": 1_000_000, "fetch.queue.backoff.ms": 10}
SOURCE, TARGET, PARTITIONS = setting("SOURCE"), setting("TARGET"), int(setting("PARTITIONS"))


class Event(msgspec.Struct):
    """The model of the input."""

    account_id: str
    product_id: str
    amount: int
    price: float
    ts: float


decode: Callable[[Any], Event] = msgspec.json.Decoder(Event).decode
encode = msgspec.json.Encoder().encode
meter = Meter()
producer = Producer({"bootstrap.servers": setting("BOOTSTRAP")})
produce_now: Callable[..., None] = producer.produce


def consumer(*topics: str, **settings: Any) -> Consumer:
    """A consumer of all partitions of the topics, from their beginning."""
    made = Consumer(
        {
            "bootstrap.servers": setting("BOOTSTRAP"),
            "group.id": setting("APP"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **settings,
        }
    )
    made.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for topic in topics for p in range(PARTITIONS)])
    return made


def produce(topic: str, value: bytes | None, key: bytes | str | None = None) -> None:
    """Produce; where librdkafka's queue is full, wait until it has room."""
    while True:
        try:
            produce_now(topic, value, key)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def batches(source: Consumer, count: int) -> Iterator[list[Message]]:
    """Batches until `count` records have been read; the meter begins with the first."""
    read = 0
    while read < count:
        messages = source.consume(BATCH, 0.1)
        if messages:
            meter.begin()
            for message in messages:
                if message.error():
                    raise SystemExit(str(message.error()))
            yield messages
            read += len(messages)
            producer.poll(0)


def finish(source: Consumer, **found: Any) -> None:
    """Write and commit everything, and report."""
    meter.handled()
    producer.flush()
    source.commit(asynchronous=False)
    meter.end(**found)
    source.close()


def forward() -> None:
    """A: what costs more than 100 goes on."""
    source = consumer(SOURCE, **TUNED)
    for messages in batches(source, meter.events):
        for message in messages:
            event = decode(message.value())
            if event.price > PRICE_ABOVE:
                produce(TARGET, encode(event))
    finish(source)


def count(key_of: Callable[[Message], str]) -> None:
    """B, M, W: count in a dict; each changed key once per batch into the changelog."""
    source = consumer(SOURCE, **TUNED)
    counts: dict[str, int] = {}
    for messages in batches(source, meter.events):
        changed = set()
        for message in messages:
            key = key_of(message)
            counts[key] = counts.get(key, 0) + 1
            changed.add(key)
        for key in changed:
            produce(TARGET, b"%d" % counts[key], key)
    finish(source)


def by_account(message: Message) -> str:
    """The account of an event."""
    return decode(message.value()).account_id


def by_account_and_hour(message: Message) -> str:
    """The account and the hour of an event."""
    return f"{decode(message.value()).account_id}@{message.timestamp()[1] // HOUR_MS}"


def decode_only() -> None:
    """C, R."""
    source = consumer(SOURCE, **TUNED)
    for messages in batches(source, meter.events):
        for message in messages:
            decode(message.value())
    finish(source)


def regroup_and_count() -> None:
    """G: by account into a topic, and from there into a dict and the changelog, in one loop."""
    hop = setting("HOP")
    source = consumer(SOURCE, hop, **TUNED)
    counts: dict[str, int] = {}
    for messages in batches(source, 2 * meter.events):
        changed = set()
        for message in messages:
            account = decode(message.value()).account_id
            if message.topic() == SOURCE:
                produce(hop, message.value(), account)
            else:
                counts[account] = counts.get(account, 0) + 1
                changed.add(account)
        for account in changed:
            produce(TARGET, b"%d" % counts[account], account)
    finish(source)


def restore() -> None:
    """D: the changelog into a dict, or into RocksDB by one write batch per batch read."""
    source = consumer(TARGET, **TUNED)
    if setting("STORE").startswith("rocksdb"):
        from rocksdict import Options, Rdict, WriteBatch  # noqa: PLC0415  not needed elsewhere

        database: Any = Rdict(setting("STATE"), Options(raw_mode=True))
        for messages in batches(source, meter.events):
            write: Any = WriteBatch(raw_mode=True)
            for message in messages:
                write.put(message.key(), message.value())
            database.write(write)
        meter.handled()
        meter.end(restored=sum(int(value) for value in database.values()))
        database.close()
    else:
        table: dict[bytes | None, bytes | None] = {}
        for messages in batches(source, meter.events):
            for message in messages:
                table[message.key()] = message.value()
        meter.handled()
        meter.end(restored=sum(int(value or 0) for value in table.values()))
    source.close()


def relay() -> None:
    """L: one record at a time as they come, nothing waits for a batch."""
    source = consumer(SOURCE)
    relayed = 0
    while relayed < meter.events:
        first = source.poll(0.5)
        if first is None:
            continue
        meter.begin()
        for message in (first, *source.consume(BATCH, 0)):
            if message.error():
                raise SystemExit(str(message.error()))
            produce(TARGET, encode(decode(message.value())))
            relayed += 1
        producer.poll(0)
    finish(source)


def look_up() -> None:
    """J: look each record's key up in a dict."""
    users = {account(number).encode(): f"user {number}" for number in range(KEYS)}
    source = consumer(SOURCE, **TUNED)
    for messages in batches(source, meter.events):
        for message in messages:
            decode(message.value())
            users[message.key()]
    finish(source)


WORK: dict[str, Callable[[], None]] = {
    "A": forward,
    "B": lambda: count(by_account),
    "C": decode_only,
    "D": restore,
    "G": regroup_and_count,
    "J": look_up,
    "L": relay,
    "W": lambda: count(by_account_and_hour),
}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    WORK[setting("WORKLOAD")]()
