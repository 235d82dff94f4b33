"""Global tables and sets on Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

import faust
from tests.services.patience import PATIENCE

pytestmark = pytest.mark.timeout(90)


async def until(condition: Callable[[], Any], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s * PATIENCE):
        while not condition():  # noqa: ASYNC110  it looks at another worker
            await asyncio.sleep(0.02)


def make_app(kafka: str, unique: str, **options: Any) -> faust.App:
    return faust.App(
        unique, broker=f"kafka://{kafka}", broker_commit_interval=0.1, topic_partitions=1, store="memory://", **options
    )


@pytest.mark.kafka
async def test_a_global_table_is_the_same_on_two_workers(kafka: str, unique: str) -> None:
    def make() -> tuple[faust.App, faust.GlobalTable[str, int]]:
        app = make_app(kafka, unique, processing_guarantee="exactly_once")
        table = app.GlobalTable("rates", key_type=str, value_type=int, partitions=1)

        @app.agent(f"{unique}-rates", name="set")
        async def put(stream: faust.Stream[Any]) -> None:
            async for name, rate in stream:
                table[name] = rate

        return app, table

    (first, here), (second, there) = make(), make()
    async with first:
        for n in range(100):
            await first.send(f"{unique}-rates", value=[f"r{n}", n])
        await until(lambda: len(here) == 100)
        async with second:
            assert there.copy() == {f"r{n}": n for n in range(100)}
            await first.send(f"{unique}-rates", value=["r0", 1000])
            await until(lambda: here["r0"] == there["r0"] == 1000)
            assert len(here.local_partitions) + len(there.local_partitions) == 1
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([f"{unique}-rates", f"{unique}-rates-changelog"])


@pytest.mark.kafka
async def test_sets_that_the_original_logged_are_read_and_written_anew(kafka: str, unique: str) -> None:
    changelog = f"{unique}-members-changelog"
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(changelog, 1, 1)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": kafka})
    for key, value in [([1, "g"], "ann"), ([1, "g"], "bob"), ([2, "g"], "ann"), ([15, "h"], [["cy", "di"], ["x"]])]:
        data = json.dumps(value, separators=(",", ":"))
        producer.produce(changelog, data, json.dumps(key, separators=(",", ":")), 0)
    producer.flush()

    def make() -> tuple[faust.App, faust.SetTable[str, str]]:
        app = make_app(kafka, unique)
        members = app.SetTable(
            "members", key_type=str, value_type=str, start_manager=True, manager_topic_name=f"{unique}-manager"
        )
        return app, members

    for expected in ({"g": {"bob"}, "h": {"cy", "di"}}, {"g": {"bob", "eve"}, "h": {"cy", "di"}}):
        app, members = make()
        async with app:
            assert members.copy() == expected
            await members.manager.add("g", "eve")
            await until(lambda: "eve" in members["g"])  # noqa: B023
    admin.delete_topics([changelog, f"{unique}-manager"])
