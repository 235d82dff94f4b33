"""Metrics, sensors and traces on real Kafka."""

import asyncio
from typing import Any

import pytest

import faust
from faust_core.records import TopicPartition

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Sends(faust.Sensor):
    def __init__(self) -> None:
        self.initiated = 0
        self.completed: list[int] = []

    def on_send_initiated(self, producer: Any, topic: str, message: Any, keysize: int, valsize: int) -> Any:
        self.initiated += 1
        return self.initiated

    def on_send_completed(self, producer: Any, state: Any, metadata: Any) -> None:
        self.completed.append(metadata.offset)


async def test_sends_lag_and_traces_are_seen(kafka: str, unique: str) -> None:
    app = faust.App(unique, broker=kafka, topic_partitions=1, trace_propagation=True, broker_commit_interval=0.2)
    numbers = app.topic(f"{unique}-numbers", value_type=int, partitions=1)
    out = app.topic(f"{unique}-out", value_type=int, partitions=1)
    sums = app.Table("sums", default=int, partitions=1)
    traces: list[Any] = []
    over = asyncio.Event()

    @app.agent(numbers)
    async def add(stream: faust.Stream[int]) -> None:
        async for number in stream:
            sums["sum"] += number
            await out.send(value=number)

    @app.agent(out)
    async def read(stream: faust.Stream[int]) -> None:
        async for event in stream.events():
            traces.append(event.headers.get("traceparent"))
            if len(traces) == 100:
                over.set()

    app.sensors.add(sends := Sends())
    async with app:
        for number in range(100):
            await numbers.send(value=number, headers={"traceparent": PARENT})
        await over.wait()
        await app.commit()
        await app.monitor.refresh()
        at = TopicPartition(f"{unique}-numbers", 0)
        assert app.monitor.tp_end_offsets[at] == 100
        assert app.monitor.lag[at] == 0
        assert app.monitor.tp_committed_offsets[at] == 100
        assert app.monitor.tables["sums"].keys_updated >= 1
        assert app.monitor.messages_sent == 200
        assert app.monitor.commit_latency
        while len(sends.completed) < 200:  # noqa: ASYNC110  reports come when they come
            await asyncio.sleep(0.01)
    assert sends.initiated == 200, "changelog records are nobody's sends"
    assert sorted(sends.completed) == sorted([*range(100), *range(100)])
    assert traces == [PARENT] * 100
