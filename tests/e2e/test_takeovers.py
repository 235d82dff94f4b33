"""Workers that take over the moment another one has committed: FAULTS row "last-stable-offset trap"."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka.admin import AdminClient

import faust
from tests.e2e.sizes import sized
from tests.e2e.support import make_producer
from tests.services.patience import PATIENCE

TIMES = sized(10, 200)


@pytest.mark.kafka
@pytest.mark.timeout(60 + 4 * TIMES)
async def test_whoever_takes_over_right_after_a_commit_goes_on_with_all_of_it(kafka: str, unique: str) -> None:
    """Each successor has an empty store, and begins when its predecessor's last transaction was committed just now."""
    producer = make_producer(kafka)
    for number in range(1, TIMES + 1):
        app = faust.App(
            unique,
            broker=f"kafka://{kafka}",
            store="memory://",
            topic_partitions=1,
            processing_guarantee="exactly_once",
            broker_commit_interval=30,  # the only commit is the last one
        )
        counts = app.Table("counts", default=int)
        events = app.topic(f"{unique}-events", value_type=str)  # sent to by another producer: ours commits at the end

        @app.agent(events, name="count")
        async def count(stream: faust.Stream[str], counts: faust.Table[str, int] = counts) -> None:
            async for value in stream:
                counts[value] += 1

        async with app:
            assert counts.copy() == ({"a": number - 1, "b": number - 1} if number > 1 else {})
            for value in ("a", "b"):
                producer.produce(f"{unique}-events", f'"{value}"', partition=0)
            assert producer.flush(20) == 0
            async with asyncio.timeout(20 * PATIENCE):
                while counts.copy() != {"a": number, "b": number}:  # noqa: ASYNC110  it looks at an agent's work
                    await asyncio.sleep(0.01)
    print(f"{TIMES} takeovers, no update missing")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([f"{unique}-events", f"{unique}-counts-changelog"])
