"""An application, and a real registry behind a network that breaks: no record is lost, none is called undecodable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import faust
from faust_core.memory import Broker
from faust_schema_registry import RegistryUnavailable, SchemaRegistry
from tests.services.factories import MakeProxy
from tests.services.proxy import TcpProxy


class Order(faust.Record, namespace="shop.Order"):
    id: int


class Newer(faust.Record, namespace="shop.Order"):
    id: int
    note: str = "none"


@pytest.fixture
def proxy(tcp_proxy: MakeProxy, schema_registry_url: str) -> TcpProxy:
    """What the application reaches the registry through."""
    proxy = tcp_proxy()
    proxy.target = schema_registry_url.split("/")[2]
    return proxy


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon."""
    monkeypatch.setattr("faust_core.engine.held_back.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("faust_core.engine.held_back.LONGEST_PAUSE_S", 0.2)


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_records_wait_for_a_registry_that_is_away_at_the_start_and_in_between(
    proxy: TcpProxy, schema_registry_url: str, unique: str
) -> None:
    broker = Broker()
    broker.create_topic(unique, 1)
    direct = SchemaRegistry(schema_registry_url)
    write = direct.avro(name="shop.Order").for_topic(unique, "value", Order).encode
    write_newer = direct.avro(name="shop.Order").for_topic(unique, "value", Newer).encode
    behind = SchemaRegistry(schema_registry_url.replace(proxy.target or "", proxy.address), retries=0, timeout_s=0.5)
    app = faust.App(unique, broker=broker.url, topic_partitions=1, broker_commit_interval=0.05, store="memory://")
    topic = app.topic(unique, value_type=Newer, value_serializer=behind.avro(name="shop.Order"))
    seen: list[int] = []

    @app.agent(topic)
    async def read(orders: Any) -> None:
        async for order in orders:
            seen.append(order.id)

    proxy.cut()
    broker.append(unique, write(Order(1)))
    async with app:
        await asyncio.sleep(0.3)
        assert seen == []
        proxy.heal()
        await eventually(lambda: seen == [1])
        proxy.black_hole()
        broker.append(unique, write(Order(2)))
        await eventually(lambda: seen == [1, 2])  # its schema is known
        broker.append(unique, write_newer(Newer(3)))
        broker.append(unique, write(Order(4)))
        await asyncio.sleep(0.3)
        assert seen == [1, 2], "in order, so the last one waits, too"
        proxy.heal()
        await eventually(lambda: seen == [1, 2, 3, 4])
    assert f"{unique}-dead-letter" not in broker.topics
    direct.close()
    behind.close()


async def test_what_is_sent_while_the_registry_is_away_is_an_error_that_may_pass(
    proxy: TcpProxy, schema_registry_url: str, unique: str
) -> None:
    broker = Broker()
    for name in (unique, f"{unique}-out"):
        broker.create_topic(name, 1)
    behind = SchemaRegistry(schema_registry_url.replace(proxy.target or "", proxy.address), retries=0, timeout_s=0.5)
    app = faust.App(unique, broker=broker.url, topic_partitions=1, broker_commit_interval=0.05, store="memory://")
    out = app.topic(f"{unique}-out", value_type=Order, value_serializer=behind.avro(name="shop.Order"))
    failures: list[str] = []

    @app.agent(unique)
    async def forward(numbers: Any) -> None:
        async for number in numbers:
            while True:
                try:
                    await out.send(value=Order(number))
                    break
                except RegistryUnavailable as unavailable:
                    failures.append(str(unavailable))
                    proxy.heal()

    proxy.cut()
    async with app:
        broker.append(unique, b"7")
        await eventually(lambda: len(broker.records(f"{unique}-out")) == 1)
    assert f"cannot register the schema of '{unique}-out-value': the schema registry" in failures[0]
    assert "cannot be reached" in failures[0]
    behind.close()
