"""Streams and topics on Kafka: what the memory transport cannot vouch for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

import faust
from tests.services.patience import PATIENCE

pytestmark = [pytest.mark.timeout(90), pytest.mark.kafka]


async def until(condition: Callable[[], Any], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s * PATIENCE):
        while not condition():  # noqa: ASYNC110  it looks at another thread's work
            await asyncio.sleep(0.02)


@pytest.fixture
def admin(kafka: str, unique: str) -> Iterator[AdminClient]:
    """Deletes the test's topics afterwards."""
    admin = AdminClient({"bootstrap.servers": kafka})
    yield admin
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(unique)]
    for deleted in admin.delete_topics(names, operation_timeout=10).values():
        deleted.result()


def make_app(kafka: str, unique: str, **options: Any) -> faust.App:
    return faust.App(
        unique, broker=f"kafka://{kafka}", broker_commit_interval=0.1, topic_partitions=1, store="memory://", **options
    )


def read(kafka: str, topic: str) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    """All committed records: key, value, headers."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"{topic}-reader",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([topic])
    found = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            break
        found.append((message.key(), message.value(), dict(message.headers() or [])))
    consumer.close()
    return found


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_patterns_attachments_and_places_of_records(
    kafka: str, unique: str, admin: AdminClient, guarantee: str
) -> None:
    app = make_app(kafka, unique, processing_guarantee=guarantee)
    out = app.topic(f"{unique}-out", partitions=1)
    late = app.topic(f"{unique}-in-late", partitions=1)
    seen: list[tuple[str, Any]] = []
    places: list[int] = []

    @app.agent(app.topic(pattern=rf"{unique}-in-.*"))
    async def agent(stream: faust.Stream[Any]) -> None:
        async for event in stream.events():
            event.attach(out, key="k", headers={"h": "x"}, callback=lambda sent: places.append(sent.result().offset))
            seen.append((event.message.topic, event.value))
            if event.value == 2:
                raise ValueError(event.value)

    async with app:
        assert out.name in admin.list_topics(timeout=10).topics
        client = make_app(kafka, f"{unique}-client")
        for n in range(1, 4):
            metadata = await (await client.send(late, value=n))
            assert (metadata.topic, metadata.partition, metadata.offset) == (late.name, 0, n - 1)
        await until(lambda: len(places) == 2)
        await client.stop()
    assert seen == [(late.name, 1), (late.name, 2), (late.name, 3)]
    assert read(kafka, out.name) == [(b"k", b"1", {"h": b"x"}), (b"k", b"3", {"h": b"x"})]


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_record_over_the_topics_own_limit_fails_its_event_only(
    kafka: str, unique: str, admin: AdminClient, guarantee: str
) -> None:
    app = make_app(kafka, unique, processing_guarantee=guarantee)
    source = app.topic(f"{unique}-in", partitions=1)
    out = app.topic(f"{unique}-out", partitions=1, config={"max.message.bytes": 1000})
    counts = app.Table("counts", default=int)

    @app.agent(source)
    async def agent(stream: faust.Stream[int]) -> None:
        async for n in stream:
            await out.send(value="x" * n)
            counts["n"] += 1

    async with app:
        for n in (1, 5000, 2):
            await source.send(value=n)
        await until(lambda: dict(counts) == {"n": 2})
        await app.commit()
    sent = [value for _, value, _ in read(kafka, out.name)]
    assert sent[-1] == b'"xx"'
    assert set(sent) == {b'"x"', b'"xx"'}
    if guarantee == "exactly_once":
        assert len(sent) == 2
    [(_, value, headers)] = read(kafka, f"{unique}-dead-letter")
    assert (value, headers["Faust-Error-Type"]) == (b"5000", b"RecordTooLarge")
    assert b"max.message.bytes=1000" in headers["Faust-Error-Message"]
