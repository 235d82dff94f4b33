# needs: faust_core.app
"""Agents: what is in a stream is what its topic holds."""

from collections.abc import AsyncIterator
from typing import reveal_type

import faust


class Order(faust.Record, serializer="json"):
    """An order."""

    account: str
    amount: int


app = faust.App("orders", broker="kafka://localhost")
topic = app.topic("orders", key_type=str, value_type=Order)


@app.agent(topic)
async def one_by_one(orders: faust.Stream[Order]) -> None:
    """Values."""
    reveal_type(orders)  # is: Stream[Order]
    async for order in orders:
        reveal_type(order)  # is: Order
        order.colour  # error: attr-defined


@app.agent(topic)
async def events(orders: faust.Stream[Order]) -> None:
    """Events and keys."""
    async for event in orders.events():
        reveal_type(event.value)  # is: Order
        reveal_type(event.message.offset)  # is: int
        reveal_type(event.message.key)  # is: bytes | None
        reveal_type(event.headers)  # is: Mapping[str, bytes | None]
    async for key, order in orders.items():
        reveal_type(key)  # is: Any
        reveal_type(order)  # is: Order


@app.agent(topic)
async def many(orders: faust.Stream[Order]) -> None:
    """Batches, filters, functions of values."""
    async for batch in orders.take(100, within=1.0):
        reveal_type(batch)  # is: list[Order]
    async for amount in orders.filter(lambda order: order.amount > 1).map(lambda order: order.amount):
        reveal_type(amount)  # is: int
    async for number, order in orders.enumerate():
        reveal_type(number)  # is: int
        reveal_type(order)  # is: Order


@app.agent(topic)
async def partitioned_anew(orders: faust.Stream[Order]) -> None:
    """By a field, by a function, through a topic: the values are the same ones."""
    reveal_type(orders.group_by(Order.account))  # is: Stream[Order]
    async for order in orders.group_by(lambda order: order.account, name="account"):
        reveal_type(order)  # is: Order
    async for order in orders.through("copies"):
        reveal_type(order)  # is: Order
    orders.group_by(Order.colour)  # error: attr-defined
    orders.take(100)  # error: call-arg


@app.agent(topic, concurrency=4)
async def doubled(orders: faust.Stream[Order]) -> AsyncIterator[int]:
    """An agent that answers."""
    async for order in orders:
        yield order.amount * 2


reveal_type(doubled)  # is: Agent[Order]
reveal_type(doubled.topic)  # is: Topic[Any, Order]


@app.agent(value_type=int)
async def of_its_own_topic(numbers: faust.Stream[int]) -> None:
    """Its topic is made of its name."""
    async for number in numbers:
        reveal_type(number)  # is: int


reveal_type(of_its_own_topic)  # is: Agent[int]


@app.agent(topic)
async def batches(orders: faust.Stream[Order]) -> None:
    """Batches of events, copies, limits, acknowledging by hand: the values stay what they are."""
    async for events in orders.take_events(10, within=1.0):
        reveal_type(events)  # is: list[Event[Any, Order]]
    async for stamped in orders.take_with_timestamp(10, 1.0, "at"):
        reveal_type(stamped)  # is: list[Order]
    async for held in orders.noack_take(10, within=1.0):
        reveal_type(held[0].ack())  # is: bool
    async for order in orders.noack().echo("copies").rate_limit(10, per=1.0):
        reveal_type(order)  # is: Order
    orders.rate_limit("10")  # error: arg-type


@app.agent(topic)
async def sending(orders: faust.Stream[Order]) -> None:
    """What is known of a record that was sent."""
    async for event in orders.events():
        sent = await topic.send(key="k", value=event.value)
        reveal_type(sent)  # is: SentRecord
        metadata = await sent
        reveal_type(metadata.offset)  # is: int
        reveal_type(event.attach("copies"))  # is: SentRecord
        reveal_type((await event.forward(topic)).done())  # is: bool
        await topic.send("k")  # error: call-arg


async def numbers() -> AsyncIterator[int]:
    """Any async iterable can be streamed."""
    yield 1


async def local() -> None:
    """Streams of what a program has in its own hands."""
    reveal_type(app.stream(numbers()))  # is: Stream[int]
    reveal_type(app.stream(["a"]))  # is: Stream[str]
    reveal_type(app.stream("orders"))  # is: Stream[Any]
