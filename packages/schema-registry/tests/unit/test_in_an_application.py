"""Topics and tables whose values have schemas in a registry, on the memory transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import faust
from faust_core.memory import Broker
from faust_schema_registry import IncompatibleSchema, SchemaRegistry
from tests.services.patience import PATIENCE
from tests.services.schema_registry import SchemaRegistryServer


class Order(faust.Record, namespace="shop.Order"):
    customer: str
    amount: float


class Total(faust.Record):
    sum: float


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10 * PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def make_app(broker: Broker, registry: SchemaRegistry, worker: str = "w1") -> Any:
    app = faust.App(
        "shop",
        broker=broker.url,
        broker_client_id=worker,
        topic_partitions=1,
        broker_commit_interval=0.05,
        store="memory://",
    )
    orders = app.topic("orders", value_type=Order, value_serializer=registry.avro())
    big = app.topic("big", value_type=Order, value_serializer=registry.json_schema())
    totals = app.Table("totals", value_type=Total, default=lambda: Total(0.0), value_serializer=registry.avro())

    @app.agent(orders)
    async def add_up(stream: Any) -> None:
        async for order in stream:
            totals[order.customer] = Total(totals[order.customer].sum + order.amount)
            if order.amount > 100:
                await big.send(value=order)

    return app, orders


async def test_agents_read_send_and_keep_values_with_schemas(schema_registry: SchemaRegistryServer) -> None:
    broker = Broker()
    for name in ("orders", "big"):
        broker.create_topic(name, 1)
    registry = SchemaRegistry(schema_registry.url)
    app, orders = make_app(broker, registry)
    async with app:
        for amount in (1.0, 200.0, 3.0):
            await orders.send(value=Order("ada", amount))
        await eventually(lambda: len(broker.records("shop-totals-changelog")) and len(broker.records("big")))
        await eventually(
            lambda: (broker.records("shop-totals-changelog")[-1].value or b"")[5:] == b"\0" * 5 + b"\x80\x69\x40"
        )
    assert sorted(schema_registry.state.subjects) == ["big-value", "orders-value", "shop-totals-changelog-value"]
    assert (broker.records("big")[0].value or b"").endswith(
        b'{"customer":"ada","amount":200.0,"__faust":{"ns":"shop.Order"}}'
    )
    again, _ = make_app(broker, SchemaRegistry(schema_registry.url), "w2")
    async with again:
        await eventually(lambda: again.tables["totals"].partition_count)
    registry.close()


async def test_records_wait_while_the_registry_is_away(
    schema_registry: SchemaRegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faust_core.engine.held_back.FIRST_PAUSE_S", 0.02)
    broker = Broker()
    for name in ("orders", "plain"):
        broker.create_topic(name, 1)
    writing = SchemaRegistry(schema_registry.url).avro().for_topic("orders", "value", Order)
    broker.append("orders", writing.encode(Order("ada", 1.0)))
    broker.append("plain", b"1")
    schema_registry.stop()
    reading = SchemaRegistry(schema_registry.url, retries=0)
    app = faust.App("shop", broker=broker.url, topic_partitions=1, broker_commit_interval=0.05, store="memory://")
    seen: list[Any] = []

    @app.agent(app.topic("orders", value_type=Order, value_serializer=reading.avro()))
    async def read(stream: Any) -> None:
        async for order in stream:
            seen.append(order)

    @app.agent("plain")
    async def read_plain(stream: Any) -> None:
        async for value in stream:
            seen.append(value)

    async with app:
        await eventually(lambda: seen == [1])
        await asyncio.sleep(0.1)
        assert "shop-dead-letter" not in broker.topics
        schema_registry.start()
        await eventually(lambda: seen == [1, Order("ada", 1.0)])
    reading.close()


async def test_a_table_whose_schema_is_refused_stops_the_start(schema_registry: SchemaRegistryServer) -> None:
    registry = SchemaRegistry(schema_registry.url)
    broker = Broker()
    broker.create_topic("orders", 1)
    registry.avro(schema={"type": "record", "name": "Other", "fields": []}).for_topic(
        "shop-totals-changelog", "value", None
    ).prepare()
    app, _ = make_app(broker, registry)
    with pytest.raises(IncompatibleSchema, match="'shop-totals-changelog-value'"):
        await app.start()
    await app.stop()


class Stamped(faust.Schema[Any, Order]):
    """Says in a header that it has seen the value."""

    def on_dumps_value_prepare_headers(self, _value: Any, headers: Any) -> Any:
        return {**headers, "seen": "yes"}


async def test_a_schema_with_hooks_has_its_schemas_in_the_registry_too(schema_registry: SchemaRegistryServer) -> None:
    broker = Broker()
    broker.create_topic("orders", 1)
    registry = SchemaRegistry(schema_registry.url)
    app = faust.App("shop", broker=broker.url, topic_partitions=1, store="memory://")
    orders = app.topic("orders", schema=Stamped(value_type=Order, value_serializer=registry.avro()))
    seen: list[Any] = []

    @app.agent(orders)
    async def read(stream: Any) -> None:
        async for event in stream.events():
            seen.append((event.value, event.headers))

    async with app:
        await orders.send(value=Order("ada", 1.0))
        await eventually(lambda: seen == [(Order("ada", 1.0), {"seen": b"yes"})])
    assert list(schema_registry.state.subjects) == ["orders-value"]
    registry.close()
